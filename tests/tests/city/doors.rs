//! The doors of the API: who may come in and how far, what a request must be like, and what is too much.

use cityos_domain::ids::{CustomerId, PlaceId, TenantId, VendorId};
use cityos_gateway::graphql::ids::Named;
use cityos_gateway::graphql::limits::{DEPTH_MAX, ERRORS_MAX, FIELDS_MAX, NESTING_MAX};
use cityos_tests::callers::{CORRELATION, code_of};
use cityos_tests::city::City;
use cityos_tests::market::Market;
use cityos_tests::schema::{list, text};
use cityos_tests::slots::{KINDS, Request, Slot, Things, of_nothing};
use reqwest::{Response, StatusCode};
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
            let request =
                Request { schema: &city.schema, slot: &slot, own: &ids, id: &nothing, expected: None };
            let response = request.answer(&nobody, "key", 0).await;
            assert_eq!(code_of(&response), "UNAUTHENTICATED", "{slot:?}");
            assert!(response["data"].is_null(), "{response}");
            tried += 1;
        }
    }
    assert!(tried > 70, "only {tried} fields were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_known_reaches_no_further_than_their_tenant() {
    let city = City::open().await;
    assert_eq!(city.bearer_of("forged").refused("{ me { subject } }").await, "UNAUTHENTICATED");
    let mayor = city.city_admin();
    let me = mayor.ask("{ me { subject roles tenantId } }").await;
    assert_eq!(me["me"], json!({ "subject": "mayor", "roles": ["PLATFORM_ADMIN"], "tenantId": null }));
    assert_eq!(mayor.refused("{ offers { totalCount } }").await, "TENANT_REQUIRED");
    let of_no_tenant = city.admin_of(&of_nothing(TenantId::WHAT));
    assert_eq!(of_no_tenant.ask("{ tenant { id } }").await["tenant"], Value::Null);
    assert_eq!(of_no_tenant.refused("{ tenants { totalCount } }").await, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn development_tokens_reach_no_further_than_whoever_asks_for_them() {
    let city = City::open().await;
    let (market, neighbour) = (Market::open(&city, "bazaar").await, Market::open(&city, "neighbour").await);
    let issue = "mutation($input: DevelopmentTokenInput!) { developmentToken(input: $input) {
        ... on DevelopmentTokenIssued { token caller { roles tenantId } } ... on Rejection { code } } }";
    let ask = async |input: Value| market.admin.respond(issue, &json!({ "input": input })).await;
    let issued = ask(json!({ "roles": ["TENANT_ADMIN"] })).await["data"]["developmentToken"].take();
    assert_eq!(issued["caller"], json!({ "roles": ["TENANT_ADMIN"], "tenantId": market.tenant }));
    let me = city.bearer_of(&text(&issued["token"])).ask("{ me { roles tenantId } }").await;
    assert_eq!(me["me"], issued["caller"]);

    let of_no_vendor = ask(json!({ "roles": ["VENDOR"] })).await;
    assert_eq!(of_no_vendor["data"]["developmentToken"]["code"], "TOKEN_WITHOUT_VENDOR");
    let both = json!({
        "roles": ["VENDOR", "CUSTOMER"], "vendor": of_nothing(VendorId::WHAT),
        "customer": of_nothing(CustomerId::WHAT),
    });
    assert_eq!(ask(both).await["data"]["developmentToken"]["code"], "TOKEN_FOR_VENDOR_AND_CUSTOMER");
    for further in [
        json!({ "roles": ["PLATFORM_ADMIN"] }),
        json!({ "roles": ["TENANT_ADMIN"], "tenant": neighbour.tenant }),
    ] {
        assert_eq!(code_of(&ask(further.clone()).await), "FORBIDDEN", "{further}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_under_its_name_and_one_that_is_none_is_told_so() {
    let city = City::open().await;
    let http = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", city.address());
    let (status, page) = city.nobody().get("/graphiql").await;
    assert!(status == 200 && page.contains("/graphql"), "{page}");

    let post = || http.post(url("/graphql")).header("x-request-id", CORRELATION);
    let query = json!({ "query": "{ me { subject } }" });
    let refused = post().json(&query).send().await.unwrap();
    assert_eq!(refused.headers()["x-request-id"], CORRELATION);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["correlation"], CORRELATION);

    let linked = city.nobody().get("/graphql?query=%7B__typename%7D").await;
    assert_eq!(linked, (200, json!({ "data": { "__typename": "Query" } }).to_string()));
    let in_words = post().body(query.to_string()).send().await.unwrap();
    let broken = post().header("content-type", "application/json").body("{").send().await.unwrap();
    let changing = url("/graphql?query=mutation%7Bsomething%7B__typename%7D%7D");
    let changing = http.get(changing).send().await.unwrap();
    is_refused(in_words, StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE").await;
    is_refused(broken, StatusCode::BAD_REQUEST, "BAD_REQUEST").await;
    is_refused(changing, StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED").await;
}

async fn is_refused(response: Response, status: StatusCode, code: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(code_of(&response.json().await.unwrap()), code);
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
async fn a_request_asks_for_so_many_fields_so_deep_and_an_explorer_still_reads_the_whole_schema() {
    let city = City::open().await;
    let mayor = city.city_admin();
    let parents = |depth| "{ parent ".repeat(depth) + "{ id }" + &" }".repeat(depth);
    let deep = |depth| format!("{{ places {{ nodes {} }} }}", parents(depth));
    // Two levels above it, and the id below.
    mayor.ask(&deep(DEPTH_MAX - 3)).await;
    assert_eq!(mayor.refused(&deep(DEPTH_MAX - 2)).await, "BAD_REQUEST");
    let wide = |fields| -> String { (0..fields).map(|n| format!("a{n}: me {{ subject }} ")).collect() };
    mayor.ask(&format!("{{ {} }}", wide(FIELDS_MAX / 2))).await;
    assert_eq!(mayor.refused(&format!("{{ {} }}", wide(FIELDS_MAX / 2 + 1))).await, "BAD_REQUEST");

    let nested = format!("{{ me(a: {}{}) {{ subject }} }}", "[".repeat(5_000), "]".repeat(5_000));
    let fragment = |n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1);
    let fragments: String = (0..29).map(fragment).collect();
    let doubling = format!("{{ ...f0 }} {fragments} fragment f29 on Query {{ __typename }}");
    let (spreads, fields) = ("a { ...f } ".repeat(2_900), "x: a x: b ".repeat(3_200));
    let unspread =
        format!("{{ __typename }} fragment g on Query {{ {spreads} }} fragment f on Query {{ {fields} }}");
    let small: String = (0..3_000).map(|n| format!("query q{n} {{ ...f }} ")).collect();
    let sharing = format!("{small} fragment f on Query {{ __typename }}");
    for far_too_much in [&nested, &doubling, &unspread, &sharing, &"{ __typename ".repeat(NESTING_MAX + 1)] {
        let (status, body) = city.nobody().send(far_too_much, &json!({})).await;
        assert!(status == 200 && body.contains("BAD_REQUEST"), "{body}");
        assert!(body.len() < 1_000, "nothing of the query is repeated: {}", body.len());
    }

    let kind = "type ".to_owned() + &"{ kind name ofType ".repeat(9) + "{ kind name }" + &" }".repeat(9);
    let explorer =
        format!("{{ __schema {{ types {{ name fields {{ name args {{ name {kind} }} {kind} }} }} }} }}");
    mayor.ask(&explorer).await;

    let torn = "... { ".repeat(20) + &"x: me x: places ".repeat(300) + &"} ".repeat(20);
    let (_, body) = city.nobody().send(&format!("{{ {torn} }}"), &json!({})).await;
    let errors: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(list(&errors["errors"]).len(), ERRORS_MAX, "nobody is told thousands of times");
}
