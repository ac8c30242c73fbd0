//! What the marketplace keeps of a sale: which rule decides, which rules are hidden, and what is no fee.

use cityos_tests::callers::{Given, code_of, given};
use cityos_tests::city::City;
use cityos_tests::market::{Market, euros, percent};
use cityos_tests::schema::{english, list, text};
use futures_util::future::join_all;
use serde_json::{Value, json};

const RULES: &str = "unreachable book { rules { id name fee { ... on PercentFee { percent caps { amount } }
    ... on PerUnitFee { amounts { amount currency } } ... on TieredFee { tiers { above { amount } percent } } } } }";

fn dollars(amount: &str) -> Value {
    json!({ "amount": amount, "currency": "USD" })
}

/// What is kept of each line of an order.
async fn kept(market: &Market<'_>, cart: Value) -> Vec<String> {
    let show = "order { parts { lines { commission { amount { amount } } } } }";
    let placed = market.admin.does("placeOrder", cart, show).await;
    let parts = list(&placed["order"]["parts"]);
    let lines = parts.iter().flat_map(|part| list(&part["lines"]));
    lines.map(|line| text(&line["commission"]["amount"]["amount"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_the_first_rule_that_fits_decides_and_one_for_everything_on_top_is_taken_with_a_warning() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let admin = &market.admin;
    let electronics = market.category("electronics", None).await;
    let cameras = market.category("cameras", Some(&electronics)).await;
    let vendor = market.vendor("alma").await;
    let prices = [euros("100.00"), dollars("100.00")].map(|unit| json!({ "unit": unit }));
    let mut products = Vec::new();
    let mut offers = Vec::new();
    for (sku, category) in [("p", Some(&electronics)), ("camera", Some(&cameras)), ("chair", None)] {
        let product = market.product(sku, category.map(String::as_str)).await;
        offers.push(market.offer_of(&product, &vendor, sku, &prices).await);
        products.push(product);
    }

    admin.does("changeCatchAllCommission", json!({ "fee": percent("10") }), "").await;
    let flat = json!({ "perUnit": { "amounts": [dollars("2.00")] } });
    let mut book = Value::Null;
    for rule in [
        json!({ "name": "flat", "fee": flat }),
        json!({ "name": "electronics", "productCategories": [electronics], "fee": percent("8") }),
        json!({ "name": "product", "products": [products[0]], "fee": percent("5") }),
    ] {
        let added = admin.does("addCommissionRule", rule, RULES).await;
        assert_eq!(added["unreachable"], json!([]), "{added}");
        book = added["book"].clone();
    }
    let catch_all = list(&book["rules"])[3]["id"].clone();
    book = admin.does("enableCommissionRule", json!({ "rule": catch_all }), RULES).await["book"].take();
    let ids: Vec<Value> = list(&book["rules"]).iter().map(|rule| rule["id"].clone()).collect();
    let fees = list(&book["rules"]).iter().map(|rule| rule["fee"].clone());
    let flat = json!({ "amounts": [{ "amount": "2.00", "currency": "USD" }] });
    let share = |percent| json!({ "percent": percent, "caps": [] });
    assert_eq!(fees.collect::<Vec<_>>(), [share("5"), share("8"), flat, share("10")]);

    let customer = market.customer().await;
    let in_euros = market.cart(&customer, &[(&offers[0], 1), (&offers[1], 1), (&offers[2], 3)]);
    assert_eq!(kept(&market, in_euros.clone()).await, ["5.00", "8.00", "30.00"]);
    let abroad = json!({
        "slug": "abroad", "name": english("Abroad"), "brand": "Abroad", "kind": "MARKETPLACE",
        "currencies": ["USD"], "locales": ["en"],
    });
    let abroad = admin.does("openStore", abroad, "store { id }").await;
    let mut in_dollars = market.cart(&customer, &[(&offers[2], 3)]);
    in_dollars["currency"] = json!("USD");
    in_dollars["store"] = abroad["store"]["id"].clone();
    assert_eq!(kept(&market, in_dollars.clone()).await, ["6.00"]);

    let capped = json!({ "percent": { "percent": "10", "caps": [dollars("5.00")] } });
    let on_top = json!({ "name": "all", "fee": capped });
    let added = admin.does("addCommissionRule", on_top, RULES).await;
    assert_eq!(added["unreachable"], json!(ids));
    let book = &added["book"];
    assert_eq!(book["rules"][0]["fee"], json!({ "percent": "10", "caps": [{ "amount": "5.00" }] }));
    assert_eq!(kept(&market, in_dollars).await, ["5.00"]);
    assert_eq!(kept(&market, in_euros).await, ["10.00", "10.00", "30.00"]);

    city.settle().await;
    let listed = admin.ask("{ commissionRules { nodes { name } } }").await;
    let names: Vec<String> =
        list(&listed["commissionRules"]["nodes"]).iter().map(|rule| text(&rule["name"])).collect();
    assert_eq!(names, ["all", "product", "electronics", "flat", "catch-all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_two_sales_at_once_that_cross_a_bound_are_charged_one_after_the_other() {
    let city = City::with(|settings| settings.run_wait_ms = 60_000).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let before = market.offer(&vendor, "before", "990.00", "0").await;
    let sale = market.offer(&vendor, "sale", "20.00", "0").await;
    let tiers = [("0", "15"), ("1000", "12"), ("5000", "10")]
        .map(|(above, percent)| json!({ "above": euros(above), "percent": percent }));
    let tiered = json!({ "tiered": { "mode": "MARGINAL", "tiers": tiers } });
    let book = market.admin.does("addCommissionRule", json!({ "name": "tiers", "fee": tiered }), RULES).await;
    let second = json!({ "above": { "amount": "1000.00" }, "percent": "12" });
    assert_eq!(book["book"]["rules"][0]["fee"]["tiers"][1], second);

    let customer = market.customer().await;
    assert_eq!(kept(&market, market.cart(&customer, &[(&before, 1)])).await, ["148.50"]);
    let cart = market.cart(&customer, &[(&sale, 1)]);
    let mut both = join_all([kept(&market, cart.clone()), kept(&market, cart)]).await.concat();
    both.sort();
    assert_eq!(both, ["2.40", "2.70"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_that_is_none_is_refused_and_named() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let amounts = |amounts: Value| json!({ "perUnit": { "amounts": amounts } });
    for (fee, field) in [
        (percent("ten"), "fee.percent.percent"),
        (percent("100.1"), "fee.percent.percent"),
        (amounts(json!([euros("1"), euros("2")])), "fee.perUnit.amounts"),
        (amounts(json!([euros("0.001")])), "fee.perUnit.amounts.amount"),
        (amounts(json!([])), "fee"),
    ] {
        let rule = json!({ "name": "some", "fee": fee });
        let refused = market.admin.attempt("addCommissionRule", rule, "").await;
        assert_eq!(
            (&refused["__typename"], &refused["field"]),
            (&json!("Rejection"), &json!(field)),
            "{fee}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_rules_are_named_though_the_read_models_know_their_categories_only_later() {
    let city = City::with(|settings| settings.at_least_wait_ms = 50).await;
    let market = Market::open(&city, "bazaar").await;
    city.settle().await;
    let held = city.hold().await;
    let electronics = market.category("electronics", None).await;
    let cameras = market.category("cameras", Some(&electronics)).await;
    let rule = |name, category: &str| {
        let rule = json!({ "name": name, "productCategories": [category], "fee": percent("5") });
        given("addCommissionRule", name, rule, RULES)
    };
    for (name, category) in [("below", &cameras), ("above", &electronics)] {
        assert_eq!(code_of(&market.admin.try_answer(rule(name, category)).await), "AT_LEAST_TIMEOUT");
    }
    drop(held);
    city.settle().await;
    let above = market.admin.answer(rule("above", &electronics)).await;
    let hidden = &above["book"]["rules"][1];
    assert_eq!((&above["replayed"], &hidden["name"]), (&json!(true), &json!("below")));
    assert_eq!(above["unreachable"], json!([hidden["id"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_say_which_version_a_change_of_them_may_expect() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let seen = async || {
        city.settle().await;
        let book = market.admin.ask("{ commissionRuleBook { version rules { id name } } }").await;
        (book["commissionRuleBook"]["version"].as_u64(), list(&book["commissionRuleBook"]["rules"]).to_vec())
    };
    let (untouched, rules) = seen().await;
    assert_eq!((untouched, &rules[0]["name"], rules.len()), (Some(0), &json!("catch-all"), 1));
    market.admin.does("addCommissionRule", json!({ "name": "some", "fee": percent("5") }), "").await;
    let (version, rules) = seen().await;
    assert_eq!((version, &rules[0]["name"], rules.len()), (Some(1), &json!("some"), 2));
    let disable = |key, expected| {
        let rule = json!({ "rule": rules[0]["id"] });
        Given { expected, ..given("disableCommissionRule", key, rule, "book { version }") }
    };
    let stale = market.admin.answer(disable("stale", untouched)).await;
    assert_eq!((&stale["__typename"], &stale["currentVersion"]), (&json!("VersionConflict"), &json!(1)));
    let disabled = market.admin.answer(disable("fresh", version)).await;
    assert_eq!((&disabled["version"], &disabled["book"]["version"]), (&json!(2), &json!(2)));
    market.admin.does("removeCommissionRule", json!({ "rule": rules[0]["id"] }), "").await;
    assert_eq!(seen().await.0, Some(3));
}
