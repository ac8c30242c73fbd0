//! What vendors are paid: everyone who has enough, once, and no currency for another.

use cityos_connectors::sandbox::Operation;
use cityos_tests::callers::given;
use cityos_tests::city::City;
use cityos_tests::market::{Market, euros, percent};
use cityos_tests::schema::{english, list, text};
use serde_json::{Value, json};

/// Gives a vendor something, or takes it back.
async fn adjust(market: &Market<'_>, vendor: &str, amount: Value) -> Value {
    let adjustment =
        json!({ "vendor": vendor, "amount": amount, "against": "ADJUSTMENTS", "reason": "made good" });
    let entry = "entry { available { amount } reason legs { account amount { amount } } }";
    market.admin.does("postAdjustment", adjustment, entry).await["entry"].take()
}

/// What is available to vendors, and what they were paid, by handle and currency.
async fn balances(market: &Market<'_>) -> Vec<String> {
    let query =
        "{ vendorBalances { nodes { currency available { amount } inTransit { amount } paid { amount }
        vendor { handle } } } }";
    let answer = market.admin.ask(query).await;
    let mut shown: Vec<_> = list(&answer["vendorBalances"]["nodes"])
        .iter()
        .map(|row| {
            assert_eq!(row["inTransit"]["amount"], "0.00", "{row}");
            let [available, paid] = ["available", "paid"].map(|name| text(&row[name]["amount"]));
            let (handle, currency) = (text(&row["vendor"]["handle"]), text(&row["currency"]));
            format!("{handle} {currency} {available} {paid}")
        })
        .collect();
    shown.sort();
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_payouts_for_everyone_pay_each_who_has_enough_once_and_net_no_currencies() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let policies = json!({
        "holdDays": 0, "capture": "AT_SHIPMENT",
        "payoutMinimums": [euros("25.00"), { "amount": "25.00", "currency": "USD" }],
        "authorisationHours": 168, "reservationMinutes": 15,
    });
    market.admin.does("changeTenantPolicies", policies, "").await;
    let (alma, basil, cedar) =
        (market.vendor("alma").await, market.vendor("basil").await, market.vendor("cedar").await);
    let posted = adjust(&market, &alma, euros("26.00")).await;
    assert_eq!((&posted["available"]["amount"], &posted["reason"]), (&json!("26.00"), &json!("made good")));
    assert_eq!(list(&posted["legs"]).len(), 2, "{posted}");
    adjust(&market, &alma, euros("-1.00")).await;
    adjust(&market, &basil, euros("24.99")).await;
    adjust(&market, &cedar, euros("30.00")).await;
    adjust(&market, &cedar, json!({ "amount": "-10.00", "currency": "USD" })).await;
    city.settle().await;

    let run = async |key, reason| {
        market.admin.answer(given("runPayouts", key, json!({ "reason": reason }), "")).await
    };
    let first = run("friday", "Friday").await;
    assert_eq!((&first["__typename"], &first["replayed"]), (&json!("PayoutRunStarted"), &json!(false)));
    city.settle().await;
    let after =
        ["alma EUR 0.00 25.00", "basil EUR 24.99 0.00", "cedar EUR 0.00 30.00", "cedar USD -10.00 0.00"];
    assert_eq!(balances(&market).await, after);

    assert_eq!(run("friday", "Friday").await["replayed"], true);
    assert_eq!(run("friday", "Saturday").await["__typename"], "IdempotencyKeyReused");
    assert_eq!(run("blank", " ").await["__typename"], "Rejection");
    assert_eq!(run("saturday", "Saturday").await["replayed"], false);
    city.settle().await;
    assert_eq!(balances(&market).await, after, "nobody has enough any more");
    let too_little = json!({ "vendor": basil, "currency": "EUR" });
    assert_eq!(market.admin.is_rejected("requestPayout", too_little).await, "PAYOUT_BELOW_MINIMUM");

    let payouts =
        market.admin.ask("{ payouts { nodes { id status trigger amount { amount } vendor { handle } } } }");
    let payouts = payouts.await["payouts"]["nodes"].take();
    assert_eq!(list(&payouts).len(), 2, "{payouts}");
    let of_alma = list(&payouts).iter().find(|payout| payout["vendor"]["handle"] == "alma").unwrap();
    assert_eq!((&of_alma["status"], &of_alma["trigger"]), (&json!("PAID"), &json!("MANUAL")));
    let mut sent: Vec<_> = city
        .sandbox
        .done(Operation::Transfer)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|sent| sent.minor)
        .collect();
    sent.sort();
    assert_eq!(sent, [2_500, 3_000]);

    let seen = "query($id: ID!) {
        statement: ledgerEntries(filter: { settledBy: $id }) { nodes { available { amount } } }
        sagaRuns(filter: { saga: \"payout\" }) { nodes { state } }
        dueTimers { totalCount }
        marketplaceTotals { sums { currency owed { amount } } }
        tenantDays(filter: { currency: \"EUR\" }) { nodes { date orders owedChange { amount } } }
    }";
    let seen = market.admin.ask_with(seen, &json!({ "id": of_alma["id"] })).await;
    let mut statement: Vec<_> =
        list(&seen["statement"]["nodes"]).iter().map(|entry| text(&entry["available"]["amount"])).collect();
    statement.sort();
    assert_eq!(statement, ["-1.00", "26.00"]);
    assert_eq!(seen["sagaRuns"]["nodes"], json!([{ "state": "COMPLETED" }, { "state": "COMPLETED" }]));
    assert_eq!(seen["dueTimers"]["totalCount"], 0);
    let owed = |currency: &str, amount: &str| json!({ "currency": currency, "owed": { "amount": amount } });
    assert_eq!(seen["marketplaceTotals"]["sums"], json!([owed("EUR", "24.99"), owed("USD", "-10.00")]));
    let day = json!([{ "date": "2026-03-02", "orders": 0, "owedChange": { "amount": "24.99" } }]);
    assert_eq!(seen["tenantDays"]["nodes"], day);

    let own = "{ vendorBalances { nodes { vendor { handle } } } payouts { totalCount } ledgerEntries { totalCount } }";
    let own = city.vendor_of(&market.tenant, &basil).ask(own).await;
    assert_eq!(own["vendorBalances"]["nodes"], json!([{ "vendor": { "handle": "basil" } }]));
    assert_eq!((&own["payouts"]["totalCount"], &own["ledgerEntries"]["totalCount"]), (&json!(0), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_under_way_is_the_answer_to_the_next_wish() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let seller = city.vendor_of(&market.tenant, &vendor);
    city.settle().await;
    let held = city.hold().await;
    adjust(&market, &vendor, euros("5.00")).await;
    let wish = || {
        seller.does("requestPayout", json!({ "vendor": vendor, "currency": "EUR" }), "payout { id status }")
    };
    let (first, second) = (wish().await, wish().await);
    assert_eq!(first["payout"]["status"], "REQUESTED");
    assert_eq!(first["payout"], second["payout"]);
    assert_eq!((&first["replayed"], &second["replayed"]), (&json!(false), &json!(false)));
    drop(held);
    city.settle().await;
    assert_eq!(balances(&market).await, ["alma EUR 0.00 5.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_leaves_for_good_once_every_order_is_fulfilled_and_everything_is_paid() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let (_, parts) = market.order(&market.customer().await, &[(&offer, 2)]).await;
    city.settle().await;
    let leave = json!({ "vendor": vendor, "reason": "closes down" });
    assert_eq!(market.admin.is_rejected("terminateVendor", leave.clone()).await, "VENDOR_STILL_SELLS");
    market.admin.does("suspendVendor", leave.clone(), "").await;
    assert_eq!(market.admin.is_rejected("terminateVendor", leave.clone()).await, "VENDOR_ORDERS_OPEN");
    market.deliver(&parts[0]).await;
    assert_eq!(market.admin.is_rejected("terminateVendor", leave.clone()).await, "VENDOR_NOT_SETTLED");
    market.admin.does("resumeVendor", leave.clone(), "").await;
    market.admin.does("requestPayout", json!({ "vendor": vendor, "currency": "EUR" }), "").await;
    city.settle().await;
    market.admin.does("suspendVendor", leave.clone(), "").await;
    let left = market.admin.does("terminateVendor", leave, "vendor { status canSell canBePaid }").await;
    assert_eq!(left["vendor"], json!({ "status": "TERMINATED", "canSell": false, "canBePaid": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_closed_once_every_order_is_fulfilled_and_everything_is_paid() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let (_, parts) = market.order(&market.customer().await, &[(&offer, 2)]).await;
    let applied = json!({ "introduction": { "handle": "late", "name": english("Late") } });
    let applied = market.admin.does("applyAsVendor", applied, "vendor { id }").await;
    let late = &applied["vendor"]["id"];
    let mayor = city.city_admin();
    let winds_up = json!({ "tenant": market.tenant, "reason": "winds up" });
    mayor.does("startClosingTenant", winds_up, "").await;
    city.settle().await;
    let close = json!({ "tenant": market.tenant });
    assert_eq!(mayor.is_rejected("closeTenant", close.clone()).await, "TENANT_ORDERS_OPEN");
    market.deliver(&parts[0]).await;
    assert_eq!(mayor.is_rejected("closeTenant", close.clone()).await, "TENANT_NOT_SETTLED");
    market.admin.does("requestPayout", json!({ "vendor": vendor, "currency": "EUR" }), "").await;
    city.settle().await;
    let closed = mayor.does("closeTenant", close.clone(), "tenant { status }").await;
    assert_eq!(closed["tenant"]["status"], "CLOSED");
    city.settle().await;

    let before = city.log_of(&market.tenant).await.len();
    let price = json!({ "unit": euros("6.00"), "freight": "1.00" });
    let token = json!({ "name": "color-accent", "value": "red" });
    for (field, input) in [
        ("changeVendorKyc", json!({ "vendor": late, "status": "PENDING", "reason": "the papers came in" })),
        ("suspendVendor", json!({ "vendor": vendor, "reason": "too late" })),
        ("changeOfferPrice", json!({ "offer": offer, "price": price })),
        ("withdrawOffer", json!({ "offer": offer, "reason": "too late" })),
        ("changeStoreTheme", json!({ "store": market.store, "tokens": [token] })),
        ("createProductCategory", json!({ "slug": "late", "name": english("Late") })),
        ("registerCustomer", json!({ "contact": { "name": "Late" } })),
        ("changeCatchAllCommission", json!({ "fee": percent("5") })),
    ] {
        assert_eq!(market.admin.is_rejected(field, input).await, "TENANT_CLOSED", "{field}");
    }
    city.settle().await;
    assert_eq!(city.log_of(&market.tenant).await.len(), before);
    mayor.does("closeTenant", close, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_tenant_is_told_that_its_payouts_are_held() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    adjust(&market, &vendor, euros("5.00")).await;
    let (mayor, now) = (city.city_admin(), json!({ "reason": "Friday" }));
    let why = json!({ "tenant": market.tenant, "reason": "is looked into" });
    mayor.does("suspendTenant", why.clone(), "").await;
    assert_eq!(market.admin.is_rejected("runPayouts", now.clone()).await, "TENANT_SUSPENDED");
    mayor.does("resumeTenant", why, "").await;
    market.admin.does("runPayouts", now, "").await;
    city.settle().await;
    assert_eq!(balances(&market).await, ["alma EUR 0.00 5.00"]);
}
