use crate::graphql::rehearsal::City;
use serde_json::{Value, json};

const BALANCES: &str = "{ vendorBalances(filter: { currency: \"EUR\" }) { edges { node {
    available { amount } inTransit { amount } paid { amount } vendor { handle } } } } }";

const PAYOUTS: &str = "{ payouts { totalCount edges { node { id status ordinal amount { amount } vendor { handle } } } } }";

fn adjustment(vendor: &str, amount: &str) -> Value {
    json!({ "vendor": vendor, "amount": { "amount": amount, "currency": "EUR" }, "against": "ADJUSTMENTS",
        "reason": "made good" })
}

fn nodes(list: &Value) -> Vec<Value> {
    list["edges"].as_array().expect("edges").iter().map(|edge| edge["node"].clone()).collect()
}

#[tokio::test]
async fn a_run_of_payouts_pays_whoever_has_enough_available_and_each_of_them_once() {
    let city = City::open().await;
    let admin = city.tenant("bakers").await;
    let policies = json!({ "capture": "AT_SHIPMENT", "payoutMinimums": [{ "amount": "25", "currency": "EUR" }],
        "authorisationHours": 168, "reservationMinutes": 15 });
    let changed = city.tell(&admin, "changeTenantPolicies", policies, "policies", "").await;
    assert_eq!(changed["__typename"], "TenantChanged");
    let (rich, seller) = city.vendor(&admin, "rich").await;
    let (poor, _) = city.vendor(&admin, "poor").await;
    let shown = "... on LedgerChanged { entry { id kind available { amount } legs { amount { amount } } } replayed }";
    for (vendor, amount) in [(&rich, "26.00"), (&rich, "-1.00"), (&poor, "24.99")] {
        let posted = city.tell(&admin, "postAdjustment", adjustment(vendor, amount), amount, shown).await;
        assert_eq!(posted["entry"]["available"]["amount"], amount, "{posted}");
        assert_eq!(posted["entry"]["kind"], "ADJUSTMENT");
    }
    city.settle().await;

    let shown = "... on PayoutRunStarted { position replayed }";
    let run = |key: &'static str| {
        let input = json!({ "reason": "Friday" });
        city.tell(&admin, "runPayouts", input, key, shown)
    };
    let first = run("friday").await;
    let again = run("friday").await;
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    city.settle().await;
    run("saturday").await;
    city.settle().await;

    let payouts = nodes(&city.ask(&admin, PAYOUTS, json!({})).await["payouts"]);
    assert_eq!(payouts.len(), 1, "{payouts:?}");
    let id = payouts[0]["id"].clone();
    let paid = json!({ "id": id, "status": "PAID", "ordinal": 0, "amount": { "amount": "25.00" },
        "vendor": { "handle": "rich" } });
    assert_eq!(payouts[0], paid);
    let statement = "query($id: ID!) { ledgerEntries(filter: { settledBy: $id }, orderBy: OLDEST) { edges { node {
        available { amount } reason } } } }";
    let statement = nodes(&city.ask(&admin, statement, json!({ "id": id })).await["ledgerEntries"]);
    let mut amounts: Vec<_> = statement.iter().map(|entry| entry["available"]["amount"].as_str()).collect();
    amounts.sort();
    assert_eq!(amounts, [Some("-1.00"), Some("26.00")]);
    let balances = nodes(&city.ask(&admin, BALANCES, json!({})).await["vendorBalances"]);
    let of = |handle: &str| balances.iter().find(|balance| balance["vendor"]["handle"] == handle);
    assert_eq!(of("rich").expect("one")["paid"]["amount"], "25.00");
    assert_eq!(of("poor").expect("one")["available"]["amount"], "24.99");
    let own = nodes(&city.ask(&seller, BALANCES, json!({})).await["vendorBalances"]);
    assert_eq!(own, [of("rich").expect("one").clone()], "a vendor sees its own balance alone");

    let runs = "{ sagaRuns(filter: { saga: \"payout\", state: COMPLETED }) { totalCount }
        dueTimers { edges { node { purpose runId dueAt } } }
        marketplaceTotals { vendors orders sums { currency owed { amount } } }
        tenantDays(filter: { currency: \"EUR\" }) { edges { node { date owedChange { amount } gmv { amount } } } } }";
    let seen = city.ask(&admin, runs, json!({})).await;
    assert_eq!(seen["sagaRuns"]["totalCount"], 1);
    assert_eq!(seen["dueTimers"]["edges"], json!([]), "nothing waits");
    let owed = json!([{ "currency": "EUR", "owed": { "amount": "24.99" } }]);
    assert_eq!(seen["marketplaceTotals"], json!({ "vendors": 2, "orders": 0, "sums": owed }));
    assert_eq!(nodes(&seen["tenantDays"])[0]["owedChange"]["amount"], "24.99");
}

#[tokio::test]
async fn a_payout_nobody_can_get_is_refused_with_the_reason() {
    let city = City::open().await;
    let admin = city.tenant("bakers").await;
    let (rich, seller) = city.vendor(&admin, "rich").await;
    let (other, _) = city.vendor(&admin, "other").await;
    let ask = |vendor: &str, currency: &str| json!({ "vendor": vendor, "currency": currency });
    let shown = "... on PayoutChanged { payout { id status } replayed }";
    let nothing = city.tell(&seller, "requestPayout", ask(&rich, "EUR"), "a", shown).await;
    assert_eq!(nothing["code"], "PAYOUT_BELOW_MINIMUM", "{nothing}");
    let anothers = city.tell(&seller, "requestPayout", ask(&other, "EUR"), "b", shown).await;
    assert_eq!(anothers["code"], "VENDOR_UNKNOWN");
    let broken = city.tell(&seller, "requestPayout", ask(&rich, "XXXX"), "c", shown).await;
    assert_eq!(broken["field"], "currency");

    city.tell(&admin, "postAdjustment", adjustment(&rich, "5.00"), "credit", "").await;
    let reused = city.tell(&admin, "postAdjustment", adjustment(&rich, "6.00"), "credit", "").await;
    assert_eq!(reused["code"], "IDEMPOTENCY_KEY_REUSED");
    let first = city.tell(&seller, "requestPayout", ask(&rich, "EUR"), "d", shown).await;
    let second = city.tell(&seller, "requestPayout", ask(&rich, "EUR"), "e", shown).await;
    assert_eq!(first["payout"], second["payout"], "the one under way is the answer");
    assert_eq!(first["payout"]["status"], "REQUESTED");
}
