//! The whole way through the API: from an empty city to a vendor who is paid.

use crate::city::{City, Give, admin_of_the_city};
use serde_json::{Value, json};

#[tokio::test]
async fn an_order_of_three_vendors_goes_from_the_first_mutation_to_a_payout() {
    let city = City::moving().await;
    let platform = admin_of_the_city();
    let mut parent = Value::Null;
    for (level, slug) in
        [("COUNTRY", "SA"), ("SCOPE", "riyadh"), ("CATEGORY", "food"), ("SUBCATEGORY", "dates")]
    {
        let name = json!([{ "locale": "en", "text": slug }]);
        let input = json!({ "level": level, "parent": parent, "slug": slug, "name": name });
        parent = city.done(&platform, "createPlace", input, "place { id }").await["place"]["id"].clone();
    }
    let market = city.tenant("souq").await;
    let rule = json!({ "name": "ten percent", "fee": { "percent": { "percent": "10" } } });
    city.done(&market.admin, "addCommissionRule", rule, "book { rules { name enabled } unreachable }").await;

    let mut vendors = Vec::new();
    let mut offers = Vec::new();
    for (handle, price) in [("ann", "100.00"), ("ben", "50.05"), ("cas", "19.99")] {
        let vendor = market.vendor(handle).await;
        offers.push(market.offer(&vendor, &format!("{handle}-1"), price, "5.00", Some(3)).await);
        vendors.push(vendor);
    }
    let customer = market.customer("mira@example.org").await;
    let cart = market.cart(&customer, &offers.iter().collect::<Vec<_>>());
    let fields = "order {
        id status placed { goods { amount } payable { amount currency } commission { amount } }
        parts { id status vendor { handle } lines { sku quantity net { amount } commission { amount { amount } percent } } }
    }";
    let order = city.done(&market.admin, "placeOrder", cart, fields).await["order"].clone();
    assert_eq!(order["status"], "PLACED");
    assert_eq!(order["placed"]["goods"]["amount"], "170.04");
    assert_eq!(order["placed"]["payable"], json!({ "amount": "185.04", "currency": "SAR" }));
    // 10.00 + 5.005 + 1.999, each rounded half up.
    assert_eq!(order["placed"]["commission"]["amount"], "17.01");
    let parts = order["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3);
    let part_of = |handle: &str| {
        parts.iter().find(|part| part["vendor"]["handle"] == handle).map(|part| part["id"].clone()).unwrap()
    };

    for handle in ["ann", "ben"] {
        let ship = json!({ "part": part_of(handle), "tracking": "T-1" });
        let shipped = city.done(&market.admin, "shipPart", ship, "part { status tracking }").await;
        assert_eq!(shipped["part"]["status"], "SHIPPED");
    }
    let cancel = json!({ "part": part_of("cas"), "cause": "CUSTOMER" });
    let canceled =
        city.done(&market.admin, "cancelPart", cancel, "part { status lines { canceledQuantity } }").await;
    assert_eq!(canceled["part"], json!({ "status": "CANCELED", "lines": [{ "canceledQuantity": 1 }] }));

    let captured = "query($id: ID!) { order(id: $id) { status captured { payable { amount } } payment { captured { amount } released { amount } open { amount } } } }";
    let captured = market
        .until(captured, json!({ "id": order["id"] }), |it| {
            // Order and payment are two rows, read one after the other.
            it["order"]["payment"]["open"]["amount"] == "0.00"
                && it["order"]["captured"]["payable"]["amount"] == "160.05"
        })
        .await;
    assert_eq!(captured["order"]["payment"]["released"]["amount"], "24.99");

    let deliver = json!({ "part": part_of("ann") });
    let delivered = city.done(&market.admin, "deliverPart", deliver, "part { status }").await;
    let position = delivered["position"].clone();
    let balance = "query($id: ID!, $position: Position) { vendor(id: $id, atLeast: $position) {
        balances { pending { amount } available { amount } paid { amount } earned { amount } commission { amount } }
    } }";
    let owed = city.ask(&market.admin, balance, json!({ "id": vendors[0], "position": position })).await;
    let owed = &owed["vendor"]["balances"][0];
    assert_eq!(owed["available"]["amount"], "95.00");
    assert_eq!(
        (&owed["earned"]["amount"], &owed["commission"]["amount"]),
        (&json!("95.00"), &json!("10.00"))
    );

    let payout = json!({ "vendor": vendors[0], "currency": "SAR" });
    let payout =
        city.done(&market.admin, "requestPayout", payout, "payout { id status vendor { handle } }").await;
    let paid = "query($id: ID!) { payout(id: $id) { status amount { amount } } }";
    let paid = market
        .until(paid, json!({ "id": payout["payout"]["id"] }), |it| it["payout"]["status"] == "PAID")
        .await;
    assert_eq!(paid["payout"]["amount"]["amount"], "95.00");
    let entries = "{ ledgerEntries(first: 100) { nodes { kind legs { amount { amount } } } } }";
    let entries = city.ask(&market.admin, entries, json!({})).await;
    for entry in entries["ledgerEntries"]["nodes"].as_array().unwrap() {
        let minor =
            |leg: &Value| leg["amount"]["amount"].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
        let legs = entry["legs"].as_array().unwrap();
        assert_eq!(legs.iter().map(minor).sum::<i64>(), 0, "{entry}");
    }

    let totals = "{ marketplaceTotals {
        vendors products offers orders ordersOfSeveralVendors lines capturedLines
        sums { currency goods { amount } freight { amount } commissionFrozen { amount } commissionReversed { amount }
               capturedGoods { amount } capturedCommission { amount } }
    } }";
    let totals = city.ask(&market.admin, totals, json!({})).await["marketplaceTotals"].clone();
    assert_eq!(
        totals,
        json!({
            "vendors": 3, "products": 3, "offers": 3, "orders": 1, "ordersOfSeveralVendors": 1, "lines": 3,
            "capturedLines": 2, "sums": [{
                "currency": "SAR", "goods": { "amount": "170.04" }, "freight": { "amount": "15.00" },
                "commissionFrozen": { "amount": "17.01" }, "commissionReversed": { "amount": "2.00" },
                "capturedGoods": { "amount": "150.05" }, "capturedCommission": { "amount": "15.01" },
            }],
        })
    );
}

#[tokio::test]
async fn an_order_that_cannot_be_is_declined_with_the_reason_and_nothing_is_held() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let vendor = market.vendor("ann").await;
    let offer = market.offer(&vendor, "last", "10.00", "0", Some(1)).await;
    let customer = market.customer("mira@example.org").await;
    let cart = |quantity: u32| {
        let mut cart = market.cart(&customer, &[&offer]);
        cart["lines"][0]["quantity"] = json!(quantity);
        cart
    };
    let place = |quantity: u32, key: &'static str| Give {
        mutation: "placeOrder",
        input: cart(quantity),
        key,
        expected: None,
        fields: "order { status }",
    };
    let declined = city.give(&market.admin, place(2, "two")).await;
    assert_eq!(declined["code"], "STOCK_INSUFFICIENT", "{declined:#}");
    assert_eq!(city.give(&market.admin, place(2, "two")).await, declined);
    assert_eq!(city.give(&market.admin, place(1, "one")).await["order"]["status"], "PLACED");
    let sold_out = city.give(&market.admin, place(1, "one more")).await;
    assert_eq!(sold_out["code"], "STOCK_INSUFFICIENT", "{sold_out:#}");
}

#[tokio::test]
async fn a_checkout_that_takes_long_is_pending_and_the_same_mutation_finds_how_it_ended() {
    let city = City::moving().await;
    let market = city.tenant("souq").await;
    let vendor = market.vendor("ann").await;
    let offer = market.offer(&vendor, "cup", "10.00", "0", None).await;
    let customer = market.customer("mira@example.org").await;
    let query = "mutation($input: PlaceOrderInput!) { placeOrder(input: $input, idempotencyKey: \"k\") {
        ... on OrderChanged { order { id status } replayed }
        ... on CheckoutPending { run order replayed }
    } }";
    let cart = json!({ "input": market.cart(&customer, &[&offer]) });
    let City { app, clock, .. } = &city;
    let stuck = cityos_gateway::app::App::open(
        cityos_gateway::settings::Settings { run_wait_ms: 1, ..app.settings().clone() },
        std::sync::Arc::new(clock.clone()),
    );
    let stuck = stuck.await.unwrap();
    let context = cityos_gateway::context::RequestContext {
        caller: Ok(market.admin.clone()),
        locale: None,
        correlation: uuid::Uuid::nil(),
        traceparent: None,
    };
    let variables = async_graphql::Variables::from_json(cart.clone());
    let request = async_graphql::Request::new(query).variables(variables);
    let pending = cityos_gateway::graphql::execute(stuck.schema(), stuck.services(), request, context).await;
    let pending = pending.into_result().unwrap().data.into_json().unwrap()["placeOrder"].clone();
    assert!(pending["run"].is_string(), "{pending:#}");
    let ended = city.ask(&market.admin, query, cart).await["placeOrder"].clone();
    assert_eq!(ended, json!({ "order": { "id": pending["order"], "status": "PLACED" }, "replayed": true }));
}
