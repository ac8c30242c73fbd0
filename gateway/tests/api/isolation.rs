//! One tenant never sees another's, a vendor or customer only what is theirs, and what is another's looks like
//! what does not exist.

use crate::city::{City, Give, admin_of_the_city, buyer, caller, seller};
use cityos_domain::ids::TenantId;
use cityos_gateway::context::Role;
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn ids_of_another_tenant_are_answered_like_ids_of_nothing() {
    let city = City::moving().await;
    let (theirs, ours) = (city.tenant("theirs").await, city.tenant("ours").await);
    let vendor = theirs.vendor("ann").await;
    let offer = theirs.offer(&vendor, "cup", "10.00", "0", Some(5)).await;
    let customer = theirs.customer("mira@example.org").await;
    let cart = theirs.cart(&customer, &[&offer]);
    let order =
        city.done(&theirs.admin, "placeOrder", cart, "order { id parts { id } }").await["order"].clone();
    let part = &order["parts"][0]["id"];
    let product = "query($id: ID!) { offer(id: $id) { product { id } } }";
    let product =
        city.ask(&theirs.admin, product, json!({ "id": offer })).await["offer"]["product"]["id"].clone();

    let lookups = [
        ("store", &theirs.store),
        ("vendor", &vendor),
        ("customer", &customer),
        ("product", &product),
        ("offer", &offer),
        ("order", &order["id"]),
        ("orderPart", part),
    ];
    for (field, theirs) in lookups {
        let query = format!("query($id: ID!) {{ {field}(id: $id) {{ id }} }}");
        let none = city.answer(Some(&ours.admin), &query, json!({ "id": theirs })).await;
        let nothing = city.answer(Some(&ours.admin), &query, json!({ "id": other(theirs) })).await;
        assert_eq!(none, nothing);
        assert_eq!(none["data"][field], Value::Null);
    }
    let filters = [
        ("offers", "vendor", &vendor),
        ("offers", "product", &product),
        ("orders", "customer", &customer),
        ("orders", "store", &theirs.store),
        ("orderParts", "order", &order["id"]),
        ("orderLines", "offer", &offer),
        ("commissions", "vendor", &vendor),
        ("vendorBalances", "vendor", &vendor),
        ("payouts", "vendor", &vendor),
        ("ledgerEntries", "order", &order["id"]),
    ];
    for (field, filter, theirs) in filters {
        let query = format!(
            "query($id: ID!) {{ {field}(filter: {{ {filter}: $id }}) {{ totalCount edges {{ cursor }} }} }}"
        );
        let answer = city.ask(&ours.admin, &query, json!({ "id": theirs })).await;
        assert_eq!(answer[field], json!({ "totalCount": 0, "edges": [] }), "{field} by {filter}");
    }
    let money = json!({ "amount": "1.00", "currency": "SAR" });
    let mutations = [
        ("closeStore", json!({ "store": theirs.store, "reason": "x" }), "store"),
        ("suspendVendor", json!({ "vendor": vendor, "reason": "x" }), "vendor"),
        ("changeCustomerContact", json!({ "customer": customer, "contact": { "name": "x" } }), "customer"),
        (
            "retitleProduct",
            json!({ "product": product, "title": [{ "locale": "en", "text": "x" }] }),
            "product",
        ),
        ("changeOfferPrice", json!({ "offer": offer, "price": { "unit": money } }), "offer"),
        ("shipPart", json!({ "part": part }), "part"),
        ("cancelPart", json!({ "part": part, "cause": "OPERATOR" }), "part"),
        (
            "postAdjustment",
            json!({ "vendor": vendor, "amount": money, "against": "ADJUSTMENTS", "reason": "x" }),
            "vendor",
        ),
        ("requestPayout", json!({ "vendor": vendor, "currency": "SAR" }), "vendor"),
    ];
    // What the order's own sagas still write is none of this.
    let busy = "{ sagaRuns(filter: { state: RUNNING }) { totalCount } }";
    theirs.until(busy, json!({}), |it| it["sagaRuns"]["totalCount"] == 0).await;
    let head = city.app.services().executor.store().head().await.unwrap();
    for (mutation, input, field) in mutations {
        let give = |input: Value| Give { mutation, input, key: "k", expected: None, fields: "__typename" };
        let theirs = city.give(&ours.admin, give(input.clone())).await;
        let mut nothing = input.clone();
        nothing[field] = other(&input[field]);
        assert_eq!(theirs, city.give(&ours.admin, give(nothing)).await, "{mutation}");
        assert!(theirs["code"].as_str().unwrap().ends_with("_UNKNOWN"), "{mutation}: {theirs:#}");
    }
    assert_eq!(city.app.services().executor.store().head().await.unwrap(), head, "something was written");
}

#[tokio::test]
async fn a_vendor_sees_and_touches_its_own_and_a_customer_theirs() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let (ann, ben) = (market.vendor("ann").await, market.vendor("ben").await);
    let cup = market.offer(&ann, "cup", "10.00", "0", None).await;
    let pot = market.offer(&ben, "pot", "20.00", "0", None).await;
    let (mira, noor) = (market.customer("mira@example.org").await, market.customer("noor@example.org").await);
    let order = "order { id parts { id vendor { handle } } }";
    let order =
        city.done(&market.admin, "placeOrder", market.cart(&mira, &[&cup, &pot]), order).await["order"]
            .clone();
    let part_of = |handle: &str| {
        let parts = order["parts"].as_array().unwrap();
        parts.iter().find(|part| part["vendor"]["handle"] == handle).unwrap()["id"].clone()
    };

    let as_ann = seller(market.tenant(), &ann);
    let seen = "{
        vendors { totalCount nodes { handle contact { name } } } offers { nodes { sku } }
        orderParts { nodes { vendor { handle } order { id } placed { commission { amount } } } } orderLines { nodes { sku } }
        commissions { totalCount } products { totalCount }
    }";
    let seen = city.ask(&as_ann, seen, json!({})).await;
    assert_eq!(
        seen["vendors"],
        json!({ "totalCount": 1, "nodes": [{ "handle": "ann", "contact": { "name": "Planted Name" } }] })
    );
    assert_eq!(seen["offers"]["nodes"], json!([{ "sku": "cup" }]));
    assert_eq!(seen["orderParts"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(seen["orderParts"]["nodes"][0]["order"], Value::Null);
    assert_eq!(seen["orderLines"]["nodes"], json!([{ "sku": "cup" }]));
    assert_eq!(seen["products"]["totalCount"], 2);
    for query in
        ["{ orders { totalCount } }", "{ customers { totalCount } }", "{ commissionRules { totalCount } }"]
    {
        assert_eq!(city.error(Some(&as_ann), query, json!({})).await, "FORBIDDEN", "{query}");
    }
    let vendor = "query($id: ID!) { vendor(id: $id) { id } }";
    assert_eq!(city.ask(&as_ann, vendor, json!({ "id": ben })).await["vendor"], Value::Null);
    let ship = |part: Value| Give {
        mutation: "shipPart",
        input: json!({ "part": part }),
        key: "k",
        expected: None,
        fields: "__typename",
    };
    let theirs = city.give(&as_ann, ship(part_of("ben"))).await;
    assert_eq!(theirs, city.give(&as_ann, ship(other(&part_of("ben")))).await);
    assert_eq!(theirs["code"], "PART_UNKNOWN");
    assert_eq!(city.give(&as_ann, ship(part_of("ann"))).await["version"], 2);

    let as_mira = buyer(market.tenant(), &mira);
    let bought = "{ orders { nodes { placed { payable { amount } commission { amount } }
        parts { vendor { handle kyc contact { name } balances { currency } } lines { commission { percent } } } } }
        customers { totalCount nodes { contact { name } } } }";
    let bought = city.ask(&as_mira, bought, json!({})).await;
    let own = &bought["orders"]["nodes"][0];
    assert_eq!(own["placed"], json!({ "payable": { "amount": "30.00" }, "commission": null }));
    for part in own["parts"].as_array().unwrap() {
        assert_eq!(part["lines"], json!([{ "commission": null }]));
        assert_eq!((&part["vendor"]["kyc"], &part["vendor"]["contact"]), (&Value::Null, &Value::Null));
        assert_eq!(part["vendor"]["balances"], json!([]));
    }
    assert_eq!(
        bought["customers"],
        json!({ "totalCount": 1, "nodes": [{ "contact": { "name": "Planted Name" } }] })
    );
    let as_noor = buyer(market.tenant(), &noor);
    assert_eq!(city.ask(&as_noor, "{ orders { totalCount } }", json!({})).await["orders"]["totalCount"], 0);
    let for_mira = Give {
        mutation: "placeOrder",
        input: market.cart(&mira, &[&cup]),
        key: "k",
        expected: None,
        fields: "__typename",
    };
    assert_eq!(city.give(&as_noor, for_mira).await["code"], "CUSTOMER_UNKNOWN");
}

#[tokio::test]
async fn tokens_of_the_development_issuer_reach_no_further_than_whoever_asks_for_them() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let issue = "mutation($input: DevelopmentTokenInput!) { developmentToken(input: $input) {
        ... on DevelopmentTokenIssued { token caller { roles tenantId } } ... on Rejection { code } } }";
    let ask = |roles: Value| json!({ "input": { "roles": roles } });
    let issued =
        city.ask(&market.admin, issue, ask(json!(["TENANT_ADMIN"]))).await["developmentToken"].clone();
    assert_eq!(issued["caller"]["roles"], json!(["TENANT_ADMIN"]));
    let tokens = city.app.services().tokens.as_ref().unwrap();
    let spoken_for = tokens.verify(issued["token"].as_str().unwrap(), crate::city::noon()).unwrap();
    assert_eq!(spoken_for.tenant, Some(market.tenant()));
    let unbound = city.ask(&market.admin, issue, ask(json!(["VENDOR"]))).await;
    assert_eq!(unbound["developmentToken"]["code"], "TOKEN_WITHOUT_VENDOR");
    assert_eq!(city.error(Some(&market.admin), issue, ask(json!(["PLATFORM_ADMIN"]))).await, "FORBIDDEN");
    let elsewhere = city.tenant("elsewhere").await;
    let tenant = city.ask(&elsewhere.admin, "{ me { tenantId } }", json!({})).await["me"]["tenantId"].clone();
    let for_elsewhere = json!({ "input": { "roles": ["TENANT_ADMIN"], "tenant": tenant } });
    assert_eq!(city.error(Some(&market.admin), issue, for_elsewhere).await, "FORBIDDEN");
}

#[tokio::test]
async fn nobody_known_gets_nothing_but_the_name_of_the_root() {
    let city = City::moving().await;
    let named = city.answer(None, "{ __typename }", json!({})).await;
    assert_eq!(named["data"], json!({ "__typename": "Query" }));
    assert_eq!(city.error(None, "{ me { subject } }", json!({})).await, "UNAUTHENTICATED");
    assert_eq!(
        city.error(Some(&admin_of_the_city()), "{ offers { totalCount } }", json!({})).await,
        "TENANT_REQUIRED"
    );
    let nowhere = caller(Role::TenantAdmin, TenantId(Uuid::from_u128(1)));
    assert_eq!(city.error(Some(&nowhere), "{ tenants { totalCount } }", json!({})).await, "FORBIDDEN");
    assert_eq!(city.ask(&nowhere, "{ tenant { id } }", json!({})).await["tenant"], Value::Null);
}

/// An id of the same kind that names nothing.
fn other(theirs: &Value) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = URL_SAFE_NO_PAD.decode(theirs.as_str().unwrap()).unwrap();
    *bytes.last_mut().unwrap() ^= 0xff;
    json!(URL_SAFE_NO_PAD.encode(bytes))
}

#[tokio::test]
async fn a_customer_is_found_by_e_mail_in_their_own_tenant_alone() {
    let city = City::moving().await;
    let (ours, theirs) = (city.tenant("ours").await, city.tenant("theirs").await);
    let mira = ours.customer("Mira@Example.org").await;
    let query = "query($email: String!) { customerByEmail(email: $email) { id contact { email } } }";
    ours.until(query, json!({ "email": "mira@example.org" }), |it| it["customerByEmail"]["id"] == mira).await;
    let elsewhere = city.ask(&theirs.admin, query, json!({ "email": "mira@example.org" })).await;
    assert_eq!(elsewhere["customerByEmail"], Value::Null);
    let moved =
        json!({ "customer": mira, "contact": { "name": "Planted Name", "email": "new@example.org" } });
    city.done(&ours.admin, "changeCustomerContact", moved, "customer { contact { email } }").await;
    assert_eq!(
        city.ask(&ours.admin, query, json!({ "email": "new@example.org" })).await["customerByEmail"]["id"],
        mira
    );
}
