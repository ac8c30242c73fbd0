//! Lists are read page by page: both ways, a hundred rows at most, and only with cursors of their own.

use chrono::TimeDelta;
use cityos_tests::callers::Client;
use cityos_tests::city::City;
use cityos_tests::market::Market;
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

/// What a list shows of those that meet a filter, in its own order.
async fn narrowed(admin: &Client, field: &str, filter: &str, shown: &str) -> Vec<String> {
    let query = format!("{{ {field}(filter: {{ {filter} }}) {{ nodes {{ {shown} }} }} }}");
    let answer = admin.ask(&query).await;
    list(&answer[field]["nodes"]).iter().map(|node| text(&node[shown])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_to_what_people_look_for() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let admin = &market.admin;
    let home = market.category("home", None).await;
    market.category("garden", None).await;
    market.category("lamps", Some(&home)).await;
    let alma = market.vendor("alma").await;
    let basil = json!({ "introduction": { "handle": "basil", "name": english("basil") } });
    admin.does("applyAsVendor", basil, "").await;
    market.product("old", None).await;
    market.product("new", None).await;
    city.settle().await;
    let old = admin.ask("{ products(filter: { codePrefix: \"old\" }) { nodes { id } } }").await;
    admin.does("archiveProduct", json!({ "product": old["products"]["nodes"][0]["id"] }), "").await;
    let paid = async |currency: &str| {
        let gift = json!({
            "vendor": alma, "amount": { "amount": "5.00", "currency": currency }, "against": "ADJUSTMENTS",
            "reason": "made good",
        });
        admin.does("postAdjustment", gift, "").await;
        admin.does("requestPayout", json!({ "vendor": alma, "currency": currency }), "").await;
        city.pass(TimeDelta::days(1)).await;
    };
    paid("EUR").await;
    paid("USD").await;

    let categories = async |filter| narrowed(admin, "productCategories", filter, "slug").await;
    assert_eq!(categories("topLevel: true").await, ["garden", "home"]);
    assert_eq!(categories("topLevel: false").await, ["lamps"]);
    assert_eq!(categories(&format!("parent: \"{home}\"")).await, ["lamps"]);
    assert_eq!(narrowed(admin, "vendors", "kyc: VERIFIED", "handle").await, ["alma"]);
    assert_eq!(narrowed(admin, "vendors", "kyc: UNVERIFIED", "handle").await, ["basil"]);
    assert_eq!(narrowed(admin, "products", "archived: true", "code").await, ["old"]);
    assert_eq!(narrowed(admin, "products", "archived: false", "code").await, ["new"]);
    let payouts = async |filter: String| narrowed(admin, "payouts", &filter, "requestedAt").await;
    let [dollars, euros] = &payouts(String::new()).await[..] else { panic!("there are two payouts") };
    assert_eq!(payouts("currency: \"USD\"".into()).await, [dollars.as_str()]);
    assert_eq!(payouts(format!("requestedFrom: \"{dollars}\"")).await, [dollars.as_str()]);
    assert_eq!(payouts(format!("requestedBefore: \"{dollars}\"")).await, [euros.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_leads_on_to_what_it_belongs_to() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let admin = &market.admin;
    let home = market.category("home", None).await;
    market.category("lamps", Some(&home)).await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let (order, parts) = market.order(&market.customer().await, &[(&offer, 1)]).await;
    city.settle().await;
    let links = "{ orderLines { nodes { part { id } order { id } } } }";
    let line = |order| json!({ "nodes": [{ "part": { "id": parts[0] }, "order": order }] });
    assert_eq!(admin.ask(links).await["orderLines"], line(json!({ "id": order })));
    let seller = city.vendor_of(&market.tenant, &vendor);
    assert_eq!(seller.ask(links).await["orderLines"], line(Value::Null));
    let below = "query($id: ID!) { productCategory(id: $id) { children { slug } } }";
    let below = admin.ask_with(below, &json!({ "id": home })).await;
    assert_eq!(below["productCategory"]["children"], json!([{ "slug": "lamps" }]));

    let second = json!({
        "slug": "second", "name": english("Second"), "brand": "Second", "kind": "BRAND",
        "currencies": ["EUR"], "locales": ["en"],
    });
    let second = admin.does("openStore", second, "store { id isDefault }").await;
    assert_eq!(second["store"]["isDefault"], false);
    let chosen = json!({ "store": second["store"]["id"] });
    let chosen = admin.does("chooseDefaultStore", chosen, "store { isDefault }").await;
    assert_eq!(chosen["store"]["isDefault"], true);
    let stores = admin.ask("{ stores { nodes { slug isDefault } } }").await;
    let expected = [("main", false), ("second", true)];
    let expected = expected.map(|(slug, is_default)| json!({ "slug": slug, "isDefault": is_default }));
    assert_eq!(stores["stores"]["nodes"], json!(expected));
}
