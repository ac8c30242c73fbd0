//! Lists are read page by page: both ways, a hundred rows at most, and only with cursors of their own.

use cityos_tests::city::City;
use cityos_tests::schema::{english, list, text};
use serde_json::{Value, json};

const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    places(first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { slug } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// A city of seven countries, by the alphabet.
async fn of_seven_countries() -> City {
    let city = City::open().await;
    let mayor = city.city_admin();
    for country in ["qa", "sa", "ye", "ae", "bh", "kw", "om"] {
        let place = json!({ "level": "COUNTRY", "slug": country, "name": english(country) });
        mayor.does("createPlace", place, "").await;
    }
    city.settle().await;
    city
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_through_a_list_both_ways_and_count_it() {
    let city = of_seven_countries().await;
    let mayor = city.city_admin();
    let page = async |variables: Value| {
        let page = mayor.ask_with(PAGE, &variables).await["places"].take();
        assert_eq!(page["totalCount"], 7);
        let slugs: Vec<_> = list(&page["nodes"]).iter().map(|place| text(&place["slug"])).collect();
        (slugs.join(" "), page["pageInfo"].clone())
    };
    let further = |info: &Value| (info["hasPreviousPage"] == true, info["hasNextPage"] == true);
    let (slugs, first) = page(json!({ "first": 3 })).await;
    assert_eq!((slugs.as_str(), further(&first)), ("ae bh kw", (false, true)));
    let (slugs, second) = page(json!({ "first": 3, "after": first["endCursor"] })).await;
    assert_eq!((slugs.as_str(), further(&second)), ("om qa sa", (true, true)));
    let (slugs, third) = page(json!({ "first": 3, "after": second["endCursor"] })).await;
    assert_eq!((slugs.as_str(), further(&third)), ("ye", (true, false)));
    let (slugs, back) = page(json!({ "last": 2, "before": second["startCursor"] })).await;
    assert_eq!((slugs.as_str(), further(&back)), ("bh kw", (true, true)));
    let (slugs, back) = page(json!({ "last": 2, "before": back["startCursor"] })).await;
    assert_eq!((slugs.as_str(), further(&back)), ("ae", (false, true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_at_most_a_hundred_rows_and_takes_no_cursor_of_another_list() {
    let city = of_seven_countries().await;
    let mayor = city.city_admin();
    mayor.ask("{ places(first: 100) { totalCount } }").await;
    let cursor =
        text(&mayor.ask("{ places { pageInfo { endCursor } } }").await["places"]["pageInfo"]["endCursor"]);
    for refused in [
        "places(first: 101)",
        "places(last: 101)",
        "places(first: 0)",
        "places(first: -1)",
        "places(first: 1, last: 1)",
        "places(after: \"nonsense\")",
        &format!("tenants(after: \"{cursor}\", orderBy: NEWEST)"),
    ] {
        let query = format!("{{ {refused} {{ totalCount }} }}");
        assert_eq!(mayor.refused(&query).await, "BAD_REQUEST", "{refused}");
    }
}
