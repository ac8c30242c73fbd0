//! What the marketplace keeps and what vendors are owed: commission rules, adjustments, and payouts for everyone.

use crate::city::{City, Give, seller};
use serde_json::{Value, json};

const RULES: &str = "book { unreachable rules { id name enabled fee { __typename
    ... on PercentFee { percent caps { amount } } ... on PerUnitFee { amounts { amount currency } }
    ... on TieredFee { tiers { above { amount } percent } } } } }";

fn give<'a>(mutation: &'a str, input: Value, key: &'a str, fields: &'a str) -> Give<'a> {
    Give { mutation, input, key, expected: None, fields }
}

fn percent(percent: &str) -> Value {
    json!({ "percent": { "percent": percent } })
}

fn adjustment(vendor: &Value, amount: &str) -> Value {
    let amount = json!({ "amount": amount, "currency": "SAR" });
    json!({ "vendor": vendor, "amount": amount, "against": "ADJUSTMENTS", "reason": "made good" })
}

fn payout(vendor: &Value, currency: &str) -> Value {
    json!({ "vendor": vendor, "currency": currency })
}

#[tokio::test]
async fn s11_a_rule_for_everything_on_top_is_taken_with_a_warning_about_those_it_hides() {
    let city = City::moving().await;
    let admin = city.tenant("souq").await.admin;
    let category = json!({ "slug": "electronics", "name": [{ "locale": "en", "text": "Electronics" }] });
    let query = "mutation($input: CreateProductCategoryInput!) {
        createProductCategory(input: $input, idempotencyKey: \"k\") {
            ... on ProductCategoryChanged { productCategory { id } position } } }";
    let category =
        city.ask(&admin, query, json!({ "input": category })).await["createProductCategory"].clone();
    let seen = "query($at: Position) { productCategories(atLeast: $at) { totalCount } }";
    city.ask(&admin, seen, json!({ "at": category["position"] })).await;

    let flat = json!({ "perUnit": { "amounts": [{ "amount": "2.00", "currency": "USD" }] } });
    let above = |amount: &str| json!({ "amount": amount, "currency": "SAR" });
    let tiers =
        json!([{ "above": above("0"), "percent": "8" }, { "above": above("1000"), "percent": "6.5" }]);
    let tiered = json!({ "tiered": { "mode": "MARGINAL", "tiers": tiers } });
    let narrow = json!({ "name": "electronics", "productCategories": [category["productCategory"]["id"]], "fee": tiered });
    for rule in [json!({ "name": "flat", "fee": flat }), narrow] {
        let added = city.done(&admin, "addCommissionRule", rule, RULES).await;
        assert_eq!(added["book"]["unreachable"], json!([]), "{added:#}");
    }
    let capped = json!({ "percent": { "percent": "12.5", "caps": [{ "amount": "5", "currency": "USD" }] } });
    let all = json!({ "name": "all", "fee": capped });
    let added = city.give(&admin, give("addCommissionRule", all.clone(), "all", RULES)).await;
    let rules = added["book"]["rules"].as_array().unwrap();
    let names: Vec<_> = rules.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["all", "electronics", "flat", "catch-all"]);
    let hidden: Vec<_> =
        rules[1..].iter().filter(|rule| rule["enabled"] == true).map(|rule| &rule["id"]).collect();
    assert_eq!(added["book"]["unreachable"], json!(hidden));
    let percentage = json!({ "__typename": "PercentFee", "percent": "12.5", "caps": [{ "amount": "5.00" }] });
    assert_eq!(rules[0]["fee"], percentage);
    assert_eq!(rules[1]["fee"]["tiers"][1], json!({ "above": { "amount": "1000.00" }, "percent": "6.5" }));
    assert_eq!(rules[2]["fee"]["amounts"], json!([{ "amount": "2.00", "currency": "USD" }]));

    let last = city.done(&admin, "changeCatchAllCommission", json!({ "fee": percent("10") }), RULES).await;
    assert_eq!(last["book"]["rules"][3]["fee"]["percent"], "10");
    let mut again = city.give(&admin, give("addCommissionRule", all, "all", RULES)).await;
    assert_eq!(again["replayed"], true);
    (again["replayed"], again["position"]) = (json!(false), added["position"].clone());
    assert_eq!(again, added, "the list as it was then");

    let listed = "query($at: Position) { commissionRules(atLeast: $at) { nodes { name } } }";
    let listed = city.ask(&admin, listed, json!({ "at": last["position"] })).await;
    let names = ["all", "electronics", "flat", "catch-all"].map(|name| json!({ "name": name }));
    assert_eq!(listed["commissionRules"]["nodes"], json!(names));
}

#[tokio::test]
async fn a_fee_that_is_none_is_refused_and_named() {
    let city = City::moving().await;
    let admin = city.tenant("souq").await.admin;
    let amounts = |amounts: Value| json!({ "perUnit": { "amounts": amounts } });
    let riyals = |amount: &str| json!({ "amount": amount, "currency": "SAR" });
    for (fee, field) in [
        (percent("ten"), "fee.percent.percent"),
        (percent("100.1"), "fee.percent.percent"),
        (amounts(json!([riyals("1"), riyals("2")])), "fee.perUnit.amounts"),
        (amounts(json!([riyals("0.001")])), "fee.perUnit.amounts.amount"),
        (amounts(json!([])), "fee"),
    ] {
        let input = json!({ "name": "some", "fee": fee });
        let refused = city.give(&admin, give("addCommissionRule", input, "some", "")).await;
        assert_eq!(
            (&refused["__typename"], &refused["field"]),
            (&json!("Rejection"), &json!(field)),
            "{refused:#}"
        );
    }
}

#[tokio::test]
async fn s18_payouts_for_everyone_pay_each_who_has_enough_once() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let admin = &market.admin;
    let policies = json!({ "capture": "AT_SHIPMENT", "payoutMinimums": [{ "amount": "25", "currency": "SAR" }],
        "authorisationHours": 168, "reservationMinutes": 15 });
    city.done(admin, "changeTenantPolicies", policies, "").await;
    let (rich, poor) = (market.vendor("rich").await, market.vendor("poor").await);
    for (vendor, amount) in [(&rich, "26.00"), (&rich, "-1.00"), (&poor, "24.99")] {
        let entry = "entry { kind available { amount } legs { account amount { amount } } reason }";
        let posted =
            city.give(admin, give("postAdjustment", adjustment(vendor, amount), amount, entry)).await;
        assert_eq!(posted["entry"]["available"]["amount"], amount, "{posted:#}");
        assert_eq!(posted["entry"]["legs"].as_array().unwrap().len(), 2);
    }

    let run = "mutation($key: String!, $why: String!) { it: runPayouts(input: { reason: $why }, idempotencyKey: $key) {
        __typename ... on PayoutRunStarted { position replayed } } }";
    let run = async |key: &str, why: &str| {
        city.ask(admin, run, json!({ "key": key, "why": why })).await["it"].clone()
    };
    let first = run("friday", "Friday").await;
    assert_eq!(first["replayed"], false);
    assert_eq!(run("friday", "Friday").await["replayed"], true);
    assert_eq!(run("friday", "Saturday").await["__typename"], "IdempotencyKeyReused");
    assert_eq!(run("blank", " ").await["__typename"], "Rejection");
    let payouts = "query($at: Position) { payouts(atLeast: $at) {
        nodes { id status trigger amount { amount } vendor { handle } } } }";
    let paid = market
        .until(payouts, json!({ "at": first["position"] }), |it| {
            it["payouts"]["nodes"][0]["status"] == "PAID"
        })
        .await;
    assert_eq!(run("saturday", "Saturday").await["replayed"], false);
    assert_eq!(city.ask(admin, payouts, json!({})).await, paid, "nobody has enough any more");
    let nodes = paid["payouts"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1, "{paid:#}");
    assert_eq!(nodes[0]["amount"]["amount"], "25.00");
    assert_eq!((&nodes[0]["trigger"], &nodes[0]["vendor"]["handle"]), (&json!("MANUAL"), &json!("rich")));

    let seen = "query($id: ID!) {
        statement: ledgerEntries(filter: { settledBy: $id }, orderBy: OLDEST) { nodes { available { amount } } }
        vendorBalances(filter: { currency: \"SAR\" }, orderBy: MOST_AVAILABLE) {
            nodes { available { amount } inTransit { amount } paid { amount } vendor { handle } } }
        other: vendorBalances(filter: { currency: \"EUR\" }) { totalCount }
        sagaRuns(filter: { saga: \"payout\" }) { nodes { state } }
        dueTimers { nodes { purpose } }
        marketplaceTotals { vendors orders sums { currency owed { amount } } }
        tenantDays(filter: { currency: \"SAR\" }) { nodes { date orders owedChange { amount } } }
    }";
    let of = |handle: &str, available: &str, paid: &str| {
        json!({ "available": { "amount": available }, "inTransit": { "amount": "0.00" }, "paid": { "amount": paid },
            "vendor": { "handle": handle } })
    };
    let seen =
        market.until(seen, json!({ "id": nodes[0]["id"] }), |it| it["dueTimers"]["nodes"] == json!([])).await;
    let mut statement: Vec<_> = seen["statement"]["nodes"].as_array().unwrap().iter().collect();
    statement.sort_by_key(|entry| entry["available"]["amount"].to_string());
    assert_eq!(
        json!(statement),
        json!([{ "available": { "amount": "-1.00" } }, { "available": { "amount": "26.00" } }])
    );
    let balances = json!([of("poor", "24.99", "0.00"), of("rich", "0.00", "25.00")]);
    assert_eq!(seen["vendorBalances"]["nodes"], balances);
    assert_eq!(seen["other"]["totalCount"], 0);
    assert_eq!(seen["sagaRuns"]["nodes"], json!([{ "state": "COMPLETED" }]));
    let owed =
        json!({ "vendors": 2, "orders": 0, "sums": [{ "currency": "SAR", "owed": { "amount": "24.99" } }] });
    assert_eq!(seen["marketplaceTotals"], owed);
    let day = json!([{ "date": "2030-06-03", "orders": 0, "owedChange": { "amount": "24.99" } }]);
    assert_eq!(seen["tenantDays"]["nodes"], day);

    let own = "{ vendorBalances { nodes { vendor { handle } } } payouts { totalCount } ledgerEntries { totalCount } }";
    let own = city.ask(&seller(market.tenant(), &poor), own, json!({})).await;
    assert_eq!(own["vendorBalances"]["nodes"], json!([{ "vendor": { "handle": "poor" } }]));
    assert_eq!((&own["payouts"]["totalCount"], &own["ledgerEntries"]["totalCount"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn a_payout_that_cannot_be_says_why_and_one_under_way_is_the_answer_to_the_next_wish() {
    let mut city = City::moving().await;
    let (admin, ann, ben) = {
        let market = city.tenant("souq").await;
        (market.admin.clone(), market.vendor("ann").await, market.vendor("ben").await)
    };
    city.halt().await;
    let as_ann = seller(admin.tenant.unwrap(), &ann);
    let ask = |vendor: &Value, currency: &str, key: &'static str| {
        give("requestPayout", payout(vendor, currency), key, "payout { id status }")
    };
    assert_eq!(city.give(&as_ann, ask(&ann, "SAR", "a")).await["code"], "PAYOUT_BELOW_MINIMUM");
    assert_eq!(city.give(&as_ann, ask(&ben, "SAR", "b")).await["code"], "VENDOR_UNKNOWN");
    assert_eq!(city.give(&as_ann, ask(&ann, "XXXX", "c")).await["field"], "currency");

    city.give(&admin, give("postAdjustment", adjustment(&ann, "5.00"), "k", "")).await;
    let reused = city.give(&admin, give("postAdjustment", adjustment(&ann, "6.00"), "k", "")).await;
    assert_eq!(reused["code"], "IDEMPOTENCY_KEY_REUSED");
    let first = city.give(&as_ann, ask(&ann, "SAR", "d")).await;
    let second = city.give(&as_ann, ask(&ann, "SAR", "e")).await;
    assert_eq!(first["payout"]["status"], "REQUESTED", "{first:#}");
    assert_eq!(first["payout"], second["payout"]);
    assert_eq!((&first["replayed"], &second["replayed"]), (&json!(false), &json!(false)));
}
