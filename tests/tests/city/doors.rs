//! The doors of the API: who has no token, what is too large, and what a page may hold.

use cityos_domain::ids::PlaceId;
use cityos_gateway::graphql::ids::Named;
use cityos_tests::city::City;
use cityos_tests::market::Market;
use cityos_tests::schema::text;
use cityos_tests::slots::{KINDS, Request, Slot, Things, of_nothing};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_health_and_typename_answer() {
    let city = City::open().await;
    let nobody = city.nobody();
    assert_eq!(nobody.get("/health").await, (200, r#"{"status":"ok"}"#.into()));
    assert_eq!(nobody.ask("{ __typename }").await, json!({ "__typename": "Query" }));
    let ids: Things = KINDS.iter().map(|(kind, ..)| (*kind, of_nothing(kind))).collect();
    let nothing = of_nothing(PlaceId::WHAT);
    let mut tried = 0;
    for root in ["Query", "Mutation"] {
        for field in city.schema.fields(root) {
            let slot = Slot { root, field: text(&field["name"]), way: Vec::new(), kind: PlaceId::WHAT };
            let request = Request { schema: &city.schema, slot: &slot, own: &ids, id: &nothing };
            let response: Value = serde_json::from_str(&request.answer(&nobody, "key", 0).await).unwrap();
            assert_eq!(
                response["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
                "{slot:?}: {response}"
            );
            assert!(response["data"].is_null(), "{response}");
            tried += 1;
        }
    }
    assert!(tried > 70, "only {tried} fields were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let city = City::with(|settings| settings.body_bytes_max = 20_000).await;
    let nobody = city.nobody();
    let (status, body) = nobody.send(&format!("{{ __typename }} # {}", "x".repeat(20_000)), &json!({})).await;
    assert_eq!(status, 413);
    assert!(body.contains("BODY_TOO_LARGE"), "{body}");
    let (status, _) = nobody.send(&format!("{{ __typename }} # {}", "x".repeat(10_000)), &json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_at_most_a_hundred_rows_and_a_request_is_only_so_deep_and_wide() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    market.admin.ask("{ products(first: 100) { totalCount } }").await;
    let deep =
        format!("{{ places {{ nodes {}{}", "{ children ".repeat(15), "{ id }".to_owned() + &"}".repeat(17));
    let wide: String = (0..501).map(|n| format!("a{n}: places {{ totalCount }} ")).collect();
    for refused in [
        "{ products(first: 101) { totalCount } }",
        "{ products(last: 101) { totalCount } }",
        "{ products(first: 0) { totalCount } }",
        "{ products(first: -1) { totalCount } }",
        "{ products(first: 1, last: 1) { totalCount } }",
        &deep,
        &format!("{{ {wide} }}"),
    ] {
        assert_eq!(market.admin.refused(refused).await, "BAD_REQUEST", "{refused}");
    }
}
