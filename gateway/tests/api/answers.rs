//! What mutations answer: the same key, an expected version, and values that do not fit.

use crate::city::{City, Give, admin_of_the_city};
use serde_json::{Value, json};

fn place(slug: &str) -> Value {
    json!({ "level": "COUNTRY", "slug": slug, "name": [{ "locale": "en", "text": slug }] })
}

fn give<'a>(mutation: &'a str, input: Value, key: &'a str, expected: Option<u64>) -> Give<'a> {
    Give { mutation, input, key, expected, fields: "place { id slug name { text } version }" }
}

#[tokio::test]
async fn s49_the_same_key_and_input_give_the_same_answer_even_when_the_thing_has_changed_since() {
    let city = City::moving().await;
    let ada = admin_of_the_city();
    let first = city.give(&ada, give("createPlace", place("SA"), "k", None)).await;
    assert_eq!(first["replayed"], false);
    let rename = json!({ "place": first["place"]["id"], "name": [{ "locale": "en", "text": "Other" }] });
    city.give(&ada, give("renamePlace", rename, "k", None)).await;
    let mut again = city.give(&ada, give("createPlace", place("SA"), "k", None)).await;
    assert_eq!(again["replayed"], true);
    again["replayed"] = json!(false);
    assert_eq!(again, first);
}

#[tokio::test]
async fn s49_a_key_used_for_another_input_is_refused_and_belongs_to_its_caller_and_mutation() {
    let city = City::moving().await;
    let ada = admin_of_the_city();
    city.give(&ada, give("createPlace", place("SA"), "k", None)).await;
    for input in [place("AE"), place("!")] {
        let reused = city.give(&ada, give("createPlace", input, "k", None)).await;
        assert_eq!(reused["__typename"], "IdempotencyKeyReused");
        assert_eq!(reused["code"], "IDEMPOTENCY_KEY_REUSED");
    }
    let mut bea = ada.clone();
    bea.subject = "bea".into();
    let other = city.give(&bea, give("createPlace", place("AE"), "k", None)).await;
    assert_eq!((&other["__typename"], &other["replayed"]), (&json!("PlaceChanged"), &json!(false)));
    for key in ["", &"k".repeat(256)] {
        let query = "mutation($i: ArchivePlaceInput!, $k: String!) { archivePlace(input: $i, idempotencyKey: $k) { __typename } }";
        let variables = json!({ "i": { "place": other["place"]["id"] }, "k": key });
        assert_eq!(city.error(Some(&ada), query, variables).await, "BAD_REQUEST");
    }
}

#[tokio::test]
async fn s49_an_expected_version_that_is_not_the_current_one_is_a_conflict_that_names_it() {
    let city = City::moving().await;
    let ada = admin_of_the_city();
    let created = city.give(&ada, give("createPlace", place("SA"), "1", None)).await;
    assert_eq!(created["version"], 1);
    let rename =
        |name: &str| json!({ "place": created["place"]["id"], "name": [{ "locale": "en", "text": name }] });
    let renamed = city.give(&ada, give("renamePlace", rename("A"), "2", Some(1))).await;
    assert_eq!((&renamed["version"], &renamed["place"]["version"]), (&json!(2), &json!(2)));
    let late = city.give(&ada, give("renamePlace", rename("B"), "3", Some(1))).await;
    assert_eq!(
        late,
        json!({ "__typename": "VersionConflict", "code": "VERSION_CONFLICT", "currentVersion": 2 })
    );
    // Given again with the version there is now, the same key is no repetition: nothing was done under it.
    let now = city.give(&ada, give("renamePlace", rename("B"), "3", Some(2))).await;
    assert_eq!(now["replayed"], false);
}

#[tokio::test]
async fn what_does_not_fit_is_rejected_with_code_and_field() {
    let city = City::moving().await;
    let ada = admin_of_the_city();
    let refused = [
        (
            json!({ "level": "COUNTRY", "slug": "xx", "name": [{ "locale": "en", "text": "x" }] }),
            "PLACE_NOT_A_COUNTRY",
            "slug",
        ),
        (json!({ "level": "COUNTRY", "slug": "sa", "name": [] }), "INVALID_INPUT", "name"),
        (
            json!({ "level": "COUNTRY", "slug": "sa", "name": [{ "locale": "EN!", "text": "x" }] }),
            "INVALID_INPUT",
            "name.locale",
        ),
        (
            json!({ "level": "SCOPE", "slug": "riyadh", "name": [{ "locale": "en", "text": "x" }] }),
            "PLACE_WRONG_PARENT",
            "parent",
        ),
    ];
    for (input, code, field) in refused {
        let rejection = city.give(&ada, give("createPlace", input, "k", None)).await;
        assert_eq!((&rejection["code"], &rejection["field"]), (&json!(code), &json!(field)), "{rejection:#}");
    }
    // Nothing was done under the key: it is still free.
    assert_eq!(city.give(&ada, give("createPlace", place("SA"), "k", None)).await["replayed"], false);
}

#[tokio::test]
async fn a_suspended_tenant_takes_no_order_and_the_city_s_admin_can_resume_it() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let vendor = market.vendor("ann").await;
    let offer = market.offer(&vendor, "cup", "10.00", "0", None).await;
    let customer = market.customer("mira@example.org").await;
    let ada = admin_of_the_city();
    let me = city.ask(&market.admin, "{ me { tenantId } tenant { version } }", json!({})).await;
    let reason = json!({ "tenant": me["me"]["tenantId"], "reason": "unpaid" });
    let suspended = city.done(&ada, "suspendTenant", reason.clone(), "tenant { status reason }").await;
    assert_eq!(suspended["tenant"], json!({ "status": "SUSPENDED", "reason": "unpaid" }));
    let buy = || Give {
        mutation: "placeOrder",
        input: market.cart(&customer, &[&offer]),
        key: "k",
        expected: None,
        fields: "order { status }",
    };
    assert_eq!(city.give(&market.admin, buy()).await["code"], "TENANT_SUSPENDED");
    city.done(&ada, "resumeTenant", reason, "tenant { status }").await;
    assert_eq!(city.give(&market.admin, buy()).await["order"]["status"], "PLACED");
}
