//! A marketplace from its geography to its first payouts, through the API alone, to the cent.

use chrono::TimeDelta;
use cityos_connectors::sandbox::Operation;
use cityos_tests::callers::{Client, Given, given};
use cityos_tests::city::City;
use cityos_tests::market::{Market, euros, percent, price_of};
use cityos_tests::schema::{english, list, text};
use serde_json::{Value, json};

/// Creates a subcategory of the city, with all there is above it.
async fn geography(mayor: &Client) -> String {
    let levels = [
        ("COUNTRY", "de", "Germany"),
        ("SCOPE", "berlin", "Berlin"),
        ("CATEGORY", "home", "Home"),
        ("SUBCATEGORY", "markets", "Markets"),
    ];
    let mut parent = Value::Null;
    for (level, slug, name) in levels {
        let place = json!({ "level": level, "parent": parent, "slug": slug, "name": english(name) });
        parent = mayor.does("createPlace", place, "place { id }").await["place"]["id"].clone();
    }
    text(&parent)
}

/// Amounts in euros, by name.
fn amounts(of: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| text(&of[name]["amount"])).collect()
}

async fn balance(admin: &Client, vendor: &str) -> Value {
    let query =
        "query($id: ID!) { vendor(id: $id) { balances { currency pending { amount } available { amount }
        inTransit { amount } paid { amount } earned { amount } commission { amount } } } }";
    let answer = admin.ask_with(query, &json!({ "id": vendor })).await;
    let balances = list(&answer["vendor"]["balances"]);
    assert!(balances.len() <= 1, "one currency is traded: {balances:?}");
    balances.first().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_three_vendors_goes_from_an_empty_city_to_payouts() {
    let city = City::open().await;
    let subcategory = geography(&city.city_admin()).await;
    let market = Market::open_in(&city, "bazaar", Some(&subcategory)).await;
    let admin = &market.admin;
    let policies = json!({
        "holdDays": 2, "capture": "AT_SHIPMENT", "payoutMinimums": [euros("25.00")],
        "authorisationHours": 168, "reservationMinutes": 15,
    });
    admin.does("changeTenantPolicies", policies, "tenant { policies { holdDays } }").await;

    let home = market.category("home", None).await;
    let lamps = market.category("lamps", Some(&home)).await;
    let all = "book { rules { id name enabled } }";
    let book = admin.does("changeCatchAllCommission", json!({ "fee": percent("10") }), all).await;
    let catch_all = json!({ "rule": book["book"]["rules"][0]["id"] });
    admin.does("enableCommissionRule", catch_all, all).await;
    let rule = json!({ "name": "Home", "productCategories": [home], "fee": percent("12.5") });
    admin.does("addCommissionRule", rule, all).await;

    let (alma, basil, cedar) =
        (market.vendor("alma").await, market.vendor("basil").await, market.vendor("cedar").await);
    let lamp = market.product("lamp", Some(&lamps)).await;
    let lamp = market.offer_of(&lamp, &alma, "lamp", &[price_of("19.99", "4.50")]).await;
    let tea = market.offer(&basil, "tea", "7.35", "2.00").await;
    let rug = market.product("rug", Some(&home)).await;
    let rug = market.offer_of(&rug, &cedar, "rug", &[price_of("120.00", "15.00")]).await;
    let cheaper = json!({ "offer": rug, "price": price_of("110.05", "15.00") });
    admin.does("changeOfferPrice", cheaper, "offer { prices { unit { amount } } }").await;

    let customer = market.customer().await;
    let cart = market.cart(&customer, &[(&lamp, 3), (&tea, 2), (&rug, 1)]);
    let totals =
        "goods { amount } freight { amount } payable { amount } commission { amount } earnings { amount }";
    let show = format!(
        "order {{ id status placed {{ {totals} }} parts {{ id vendor {{ id }} placed {{ {totals} }} }} }}"
    );
    let placed = admin.does("placeOrder", cart, &show).await;
    let order = &placed["order"];
    let sums = ["goods", "freight", "payable", "commission", "earnings"];
    assert_eq!(order["status"], "PLACED");
    assert_eq!(amounts(&order["placed"], &sums), ["184.72", "32.50", "217.22", "22.73", "194.49"]);
    let part = |vendor: &str| {
        let found = list(&order["parts"]).iter().find(|part| part["vendor"]["id"] == *vendor);
        found.unwrap_or_else(|| panic!("the order has no part of {vendor}: {order}"))
    };
    // 12.5 % of 3 × 19.99, 10 % of 2 × 7.35, 12.5 % of 110.05.
    assert_eq!(amounts(&part(&alma)["placed"], &sums), ["59.97", "13.50", "73.47", "7.50", "65.97"]);
    assert_eq!(amounts(&part(&basil)["placed"], &sums), ["14.70", "4.00", "18.70", "1.47", "17.23"]);
    assert_eq!(amounts(&part(&cedar)["placed"], &sums), ["110.05", "15.00", "125.05", "13.76", "111.29"]);
    let [lamps_part, tea_part, rug_part] = [&alma, &basil, &cedar].map(|vendor| text(&part(vendor)["id"]));

    let shipped = json!({ "part": lamps_part, "tracking": "DE-1" });
    let shipped = admin.does("shipPart", shipped, "part { status tracking }").await;
    assert_eq!(shipped["part"], json!({ "status": "SHIPPED", "tracking": "DE-1" }));
    let canceled = json!({ "part": tea_part, "cause": "CUSTOMER" });
    let show =
        "part { status cancelCause canceled { payable { amount } } lines { quantity canceledQuantity } }";
    let canceled = admin.does("cancelPart", canceled, show).await;
    let expected = json!({
        "status": "CANCELED", "cancelCause": "CUSTOMER", "canceled": { "payable": { "amount": "18.70" } },
        "lines": [{ "quantity": 2, "canceledQuantity": 2 }],
    });
    assert_eq!(canceled["part"], expected);
    admin.does("shipPart", json!({ "part": rug_part }), "part { status }").await;
    city.settle().await;

    let id = json!({ "id": order["id"] });
    let query =
        "query($id: ID!) { order(id: $id) { status payment { authorised { amount } captured { amount }
        released { amount } open { amount } } } }";
    let shown = admin.ask_with(query, &id).await;
    assert_eq!(shown["order"]["status"], "SHIPPED");
    let payment = ["authorised", "captured", "released", "open"];
    assert_eq!(amounts(&shown["order"]["payment"], &payment), ["217.22", "198.52", "18.70", "0.00"]);
    let accounts = ["pending", "available", "inTransit", "paid", "earned", "commission"];
    let owed = |balance: &Value| amounts(balance, &accounts);
    assert_eq!(owed(&balance(admin, &alma).await), ["65.97", "0.00", "0.00", "0.00", "65.97", "7.50"]);
    assert_eq!(balance(admin, &basil).await, Value::Null);
    assert_eq!(owed(&balance(admin, &cedar).await), ["111.29", "0.00", "0.00", "0.00", "111.29", "13.76"]);

    for part in [&lamps_part, &rug_part] {
        admin.does("deliverPart", json!({ "part": part }), "part { status }").await;
    }
    city.pass(TimeDelta::hours(47)).await;
    assert_eq!(owed(&balance(admin, &alma).await)[..2], ["65.97", "0.00"]);
    city.pass(TimeDelta::hours(1)).await;
    assert_eq!(owed(&balance(admin, &alma).await)[..2], ["0.00", "65.97"]);

    admin.does("runPayouts", json!({ "reason": "the first of them" }), "").await;
    city.settle().await;
    let payouts =
        admin.ask("{ payouts { nodes { status amount { amount currency } vendor { handle } } } }").await;
    let mut paid: Vec<String> = Vec::new();
    for payout in list(&payouts["payouts"]["nodes"]) {
        assert_eq!(payout["status"], "PAID", "{payout}");
        assert_eq!(payout["amount"]["currency"], "EUR");
        paid.push(format!("{} {}", text(&payout["vendor"]["handle"]), text(&payout["amount"]["amount"])));
    }
    paid.sort();
    assert_eq!(paid, ["alma 65.97", "cedar 111.29"]);
    assert_eq!(owed(&balance(admin, &alma).await), ["0.00", "0.00", "0.00", "65.97", "65.97", "7.50"]);
    assert_eq!(owed(&balance(admin, &cedar).await), ["0.00", "0.00", "0.00", "111.29", "111.29", "13.76"]);
    let transfers = city.sandbox.done(Operation::Transfer).await.unwrap();
    let mut sent: Vec<i64> = transfers.iter().filter_map(|transfer| transfer.minor).collect();
    sent.sort();
    assert_eq!(sent, [6_597, 11_129]);

    every_transaction_sums_to_zero(admin).await;
    let commissions = admin
        .ask("{ commissions { nodes { line frozen { amount } reversed { amount } captured { amount } } } }");
    let mut kept: Vec<_> = list(&commissions.await["commissions"]["nodes"])
        .iter()
        .map(|line| (line["line"].as_u64(), amounts(line, &["frozen", "reversed", "captured"])))
        .collect();
    kept.sort();
    let line = |frozen: &str, reversed: &str, captured: &str| {
        vec![frozen.to_owned(), reversed.into(), captured.into()]
    };
    let expected = [
        (Some(1), line("7.50", "0.00", "7.50")),
        (Some(2), line("1.47", "1.47", "0.00")),
        (Some(3), line("13.76", "0.00", "13.76")),
    ];
    assert_eq!(kept, expected);
    let shown = admin.ask_with("query($id: ID!) { order(id: $id) { status } }", &id).await;
    assert_eq!(shown["order"]["status"], "CLOSED");
    totals_add_up(admin).await;
}

async fn every_transaction_sums_to_zero(admin: &Client) {
    let entries = admin
        .ask("{ ledgerEntries(first: 100) { totalCount nodes { kind legs { account amount { amount } } } } }")
        .await;
    let entries = &entries["ledgerEntries"];
    assert_eq!(entries["totalCount"].as_u64(), Some(list(&entries["nodes"]).len() as u64));
    let mut kinds: Vec<String> = Vec::new();
    for entry in list(&entries["nodes"]) {
        kinds.push(text(&entry["kind"]));
        let legs = list(&entry["legs"]);
        assert!(legs.len() >= 2, "{entry}");
        assert_eq!(legs.iter().map(|leg| cents(&leg["amount"]["amount"])).sum::<i64>(), 0, "{entry}");
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, ["PAYOUT_CLAIMED", "PAYOUT_SETTLED", "RELEASE", "SALE"]);
}

fn cents(amount: &Value) -> i64 {
    text(amount).replace('.', "").parse().unwrap()
}

async fn totals_add_up(admin: &Client) {
    let totals = admin
        .ask(
            "{ marketplaceTotals { vendors products offers customers orders ordersOfSeveralVendors lines capturedLines
            sums { currency goods { amount } freight { amount } canceledGoods { amount } commissionFrozen { amount }
            commissionReversed { amount } capturedGoods { amount } capturedFreight { amount }
            capturedCommission { amount } owed { amount } } } }",
        )
        .await;
    let totals = &totals["marketplaceTotals"];
    let counts = [
        "vendors",
        "products",
        "offers",
        "customers",
        "orders",
        "ordersOfSeveralVendors",
        "lines",
        "capturedLines",
    ];
    assert_eq!(counts.map(|count| totals[count].as_u64()), [3, 3, 3, 1, 1, 1, 3, 2].map(Some));
    let sums = [
        ("goods", "184.72"),
        ("freight", "32.50"),
        ("canceledGoods", "14.70"),
        ("commissionFrozen", "22.73"),
        ("commissionReversed", "1.47"),
        ("capturedGoods", "170.02"),
        ("capturedFreight", "28.50"),
        ("capturedCommission", "21.26"),
        ("owed", "0.00"),
    ];
    for (sum, amount) in sums {
        assert_eq!(totals["sums"][0][sum]["amount"], amount, "{sum}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_was_refused_applies_again_by_itself() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let other = market.vendor("basil").await;
    let introduction = |handle: &str| json!({ "handle": handle, "name": english(handle) });
    let applied = json!({ "introduction": introduction("alma") });
    let applied = market.admin.does("applyAsVendor", applied, "vendor { id evidence }").await;
    let id = &applied["vendor"]["id"];
    let refusal = json!({ "vendor": id, "evidence": applied["vendor"]["evidence"], "reason": "no papers" });
    market.admin.does("rejectVendor", refusal, "").await;

    let seller = city.vendor_of(&market.tenant, &text(id));
    let again = |vendor: &Value| json!({ "vendor": vendor, "introduction": introduction("almas") });
    assert_eq!(seller.is_rejected("applyAsVendor", again(&json!(other))).await, "VENDOR_UNKNOWN");
    for vendor in [id, &Value::Null] {
        let applied = seller.does("applyAsVendor", again(vendor), "vendor { id handle status }").await;
        assert_eq!(applied["vendor"], json!({ "id": id, "handle": "almas", "status": "APPLIED" }));
        let refusal = json!({ "vendor": id, "evidence": 0, "reason": "no papers" });
        market.admin.does("rejectVendor", refusal, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_counted_the_same_units_only_the_first_adjusts_them() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.counted_offer(&vendor, "vase", "80.00", 10).await;
    city.settle().await;
    let look = "query($id: ID!) { offer(id: $id) { version stockVersion onHand } }";
    let seen = market.admin.ask_with(look, &json!({ "id": offer })).await["offer"].take();
    assert_eq!(seen["onHand"], 10);
    let adjust = async |key, expected: &Value| {
        let counted = json!({ "offer": offer, "by": -2, "reason": "counted" });
        let adjust = given("adjustStock", key, counted, "offer { version stockVersion onHand }");
        market.admin.answer(Given { expected: expected.as_u64(), ..adjust }).await
    };
    let first = adjust("first", &seen["stockVersion"]).await;
    assert_eq!(first["offer"], json!({ "version": seen["version"], "stockVersion": 2, "onHand": 8 }));
    assert_eq!(first["version"], first["offer"]["stockVersion"]);
    let second = adjust("second", &seen["stockVersion"]).await;
    assert_eq!((&second["__typename"], &second["currentVersion"]), (&json!("VersionConflict"), &json!(2)));
    assert_eq!(adjust("second", &first["version"]).await["offer"]["onHand"], 6);
    let buyer = city.customer_of(&market.tenant, &market.customer().await);
    assert_eq!(buyer.ask_with(look, &json!({ "id": offer })).await["offer"]["stockVersion"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_cancels_for_itself_or_its_customer_but_not_for_the_marketplace() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let (_, parts) = market.order(&market.customer().await, &[(&offer, 3)]).await;
    let seller = city.vendor_of(&market.tenant, &vendor);
    let units = |cause| json!({ "part": parts[0], "line": 1, "quantity": 1, "cause": cause });
    let all = |cause| json!({ "part": parts[0], "cause": cause });
    for (field, input) in [("cancelUnits", units("OPERATOR")), ("cancelPart", all("OPERATOR"))] {
        let refused = seller.attempt(field, input, "").await;
        assert_eq!((&refused["__typename"], &refused["field"]), (&json!("Rejection"), &json!("cause")));
    }
    seller.does("cancelUnits", units("VENDOR"), "").await;
    seller.does("cancelUnits", units("CUSTOMER"), "").await;
    let canceled = market.admin.does("cancelPart", all("OPERATOR"), "part { cancelCause }").await;
    assert_eq!(canceled["part"]["cancelCause"], "OPERATOR");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_who_may_not_sell_adds_nothing_to_the_catalogue_that_all_share() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let seller = city.vendor_of(&market.tenant, &vendor);
    let product = |code: &str| json!({ "code": code, "title": english(code) });
    seller.does("createProduct", product("cup"), "").await;
    market.admin.does("suspendVendor", json!({ "vendor": vendor, "reason": "is looked into" }), "").await;
    assert_eq!(seller.is_rejected("createProduct", product("pot")).await, "VENDOR_CANNOT_SELL");
    market.admin.does("createProduct", product("pot"), "").await;
}
