//! Reading: pages, one's own writes, batches, and what is too much.

use crate::city::{City, Give, admin_of_the_city};
use serde_json::{Value, json};

#[tokio::test]
async fn pages_lead_through_a_list_both_ways_and_count_it() {
    let city = City::moving().await;
    let ada = admin_of_the_city();
    let mut last = Value::Null;
    for code in ["AE", "BH", "KW", "OM", "QA", "SA", "YE"] {
        let name = json!([{ "locale": "en", "text": code }]);
        let input = json!({ "level": "COUNTRY", "slug": code, "name": name });
        last = city.done(&ada, "createPlace", input, "place { id }").await["position"].clone();
    }
    let query = "query($first: Int, $after: String, $last: Int, $before: String, $atLeast: Position) {
        places(first: $first, after: $after, last: $last, before: $before, atLeast: $atLeast) {
            totalCount nodes { slug } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }";
    let page = |variables: Value| {
        let (city, ada) = (&city, &ada);
        async move {
            let page = city.ask(ada, query, variables).await["places"].clone();
            let slugs: Vec<String> = page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["slug"].as_str().unwrap().into())
                .collect();
            (slugs.join(" "), page["pageInfo"].clone(), page["totalCount"].clone())
        }
    };
    let (slugs, info, total) = page(json!({ "first": 3, "atLeast": last })).await;
    assert_eq!((slugs.as_str(), &total), ("ae bh kw", &json!(7)));
    let (slugs, info, _) = page(json!({ "first": 3, "after": info["endCursor"] })).await;
    assert_eq!((slugs.as_str(), &info["hasNextPage"]), ("om qa sa", &json!(true)));
    let (slugs, _, _) = page(json!({ "last": 2, "before": info["startCursor"] })).await;
    assert_eq!(slugs, "bh kw");
    let (slugs, info, _) = page(json!({ "first": 3, "after": info["endCursor"] })).await;
    assert_eq!((slugs.as_str(), &info["hasNextPage"]), ("ye", &json!(false)));

    let too_much = [
        json!({ "first": 0 }),
        json!({ "first": 101 }),
        json!({ "first": -1 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "nonsense" }),
    ];
    for variables in too_much {
        assert_eq!(city.error(Some(&ada), query, variables.clone()).await, "BAD_REQUEST", "{variables}");
    }
    let by_tenant = "query($after: String) { tenants(after: $after, orderBy: NEWEST) { totalCount } }";
    assert_eq!(city.error(Some(&ada), by_tenant, json!({ "after": info["endCursor"] })).await, "BAD_REQUEST");
}

#[tokio::test]
async fn at_least_shows_the_write_or_says_that_it_is_not_there_yet() {
    let city = City::still(|settings| settings.at_least_wait_ms = 1).await;
    let ada = admin_of_the_city();
    let input = json!({ "level": "COUNTRY", "slug": "SA", "name": [{ "locale": "en", "text": "x" }] });
    let give = Give { mutation: "createPlace", input, key: "k", expected: None, fields: "place { slug }" };
    let position = city.give(&ada, give).await["position"].clone();
    let query = "query($position: Position) { places(atLeast: $position) { totalCount } }";
    let variables = json!({ "position": position });
    assert_eq!(city.error(Some(&ada), query, variables.clone()).await, "AT_LEAST_TIMEOUT");
    city.app.settle().await.unwrap();
    assert_eq!(city.ask(&ada, query, variables).await["places"]["totalCount"], 1);
    assert_eq!(city.error(Some(&ada), query, json!({ "position": "7" })).await, "BAD_REQUEST");
}

#[tokio::test]
async fn nested_fields_cost_as_many_statements_for_many_orders_as_for_few() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let mut offers = Vec::new();
    for handle in ["ann", "ben", "cas"] {
        let vendor = market.vendor(handle).await;
        offers.push(market.offer(&vendor, handle, "10.00", "1.00", None).await);
    }
    let customer = market.customer("mira@example.org").await;
    let query = "query($position: Position) { orders(first: 100, atLeast: $position) { nodes {
        status customer { id } store { slug } payment { open { amount } }
        parts { vendor { handle balances { available { amount } } }
                lines { sku offer { sku vendor { handle } product { code category { slug } } } commission { percent } } }
    } } }";
    let mut counted = Vec::new();
    for orders in [2, 10] {
        let mut position = Value::Null;
        for number in 0..orders {
            let mut cart = market.cart(&customer, &offers.iter().collect::<Vec<_>>());
            cart["reference"] = json!(format!("{orders}-{number}"));
            let give = Give {
                mutation: "placeOrder",
                key: &format!("{orders} {number}"),
                input: cart,
                expected: None,
                fields: "order { status }",
            };
            position = city.give(&market.admin, give).await["position"].clone();
        }
        // The sagas have come to rest: what is counted is asked by the query alone.
        let busy = "{ sagaRuns(filter: { state: RUNNING }) { totalCount } }";
        market.until(busy, json!({}), |it| it["sagaRuns"]["totalCount"] == 0).await;
        let reads = &city.app.services().reads;
        let mut least = u64::MAX;
        for _ in 0..5 {
            let before = reads.statements_read();
            let found = city.ask(&market.admin, query, json!({ "position": position })).await;
            assert!(found["orders"]["nodes"].as_array().unwrap().len() >= orders);
            least = least.min(reads.statements_read() - before);
        }
        counted.push(least);
    }
    assert_eq!(counted[0], counted[1], "statements for 2 and for 12 orders");
    assert!(counted[0] <= 12, "{counted:?}");
}

#[tokio::test]
async fn what_is_too_deep_or_too_much_is_refused_before_anything_is_asked() {
    let city = City::moving().await;
    let ada = admin_of_the_city();
    let deep = format!("{{ places {{ nodes {} }} }}", "{ parent ".repeat(16) + "{ id }" + &" }".repeat(16));
    assert_eq!(city.error(Some(&ada), &deep, json!({})).await, "BAD_REQUEST");
    let wide: String = (0..501).map(|at| format!("a{at}: me {{ subject }} ")).collect();
    assert_eq!(city.error(Some(&ada), &format!("{{ {wide} }}"), json!({})).await, "BAD_REQUEST");
    assert_eq!(city.error(Some(&ada), "{ place(id: \"nonsense\") { id } }", json!({})).await, "BAD_ID");
    // What explorers ask to know the schema is not too much.
    let type_of = "type ".to_owned() + &"{ kind name ofType ".repeat(9) + "{ kind name }" + &" }".repeat(9);
    let introspection = format!(
        "{{ __schema {{ types {{ name fields {{ name args {{ name {type_of} }} {type_of} }} }} }} }}"
    );
    city.ask(&ada, &introspection, json!({})).await;
}
