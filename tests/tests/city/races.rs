//! Many callers at once: the last unit is sold once, and nothing is sold after the doors are closed.

use cityos_connectors::sandbox::Operation;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant;
use cityos_domain::log::{Envelope, Position};
use cityos_domain::orders::order;
use cityos_tests::city::City;
use cityos_tests::market::{Market, price_of};
use cityos_tests::schema::english;
use futures_util::future::join_all;
use serde_json::{Value, json};

const CLIENTS: usize = 20;

async fn customers(market: &Market<'_>, how_many: usize) -> Vec<String> {
    join_all((0..how_many).map(|_| market.customer())).await
}

fn is_placed(event: &Envelope) -> bool {
    matches!(event.event, Event::Order(order::Event::Placed { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_want_the_last_unit_one_gets_it_and_no_other_pays() {
    let city = City::with(|settings| settings.run_wait_ms = 60_000).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.counted_offer(&vendor, "vase", "80.00", 1).await;
    let buyers = customers(&market, CLIENTS).await;
    let buy = |buyer: &String| {
        let client = city.customer_of(&market.tenant, buyer);
        let mut cart = market.cart(buyer, &[(&offer, 1)]);
        // A customer needs not say who buys.
        cart.as_object_mut().unwrap().remove("customer");
        async move { client.attempt("placeOrder", cart, "order { id status }").await }
    };
    let answers = join_all(buyers.iter().map(buy)).await;
    let (got, refused): (Vec<Value>, Vec<Value>) =
        answers.into_iter().partition(|answer| answer["__typename"] == "OrderChanged");
    assert_eq!(got.len(), 1, "{got:?}");
    for answer in &refused {
        assert_eq!(answer["code"], "STOCK_INSUFFICIENT", "{answer}");
    }
    city.settle().await;
    let query = "query($id: ID!) { offer(id: $id) { available } }";
    let left = market.admin.ask_with(query, &json!({ "id": offer })).await;
    assert_eq!(left["offer"]["available"], 0);
    assert_eq!(city.log_of(&market.tenant).await.iter().filter(|event| is_placed(event)).count(), 1);
    let held = city.sandbox.done(Operation::Authorise).await.unwrap().len();
    let given_back = city.sandbox.done(Operation::Release).await.unwrap().len();
    assert_eq!(held - given_back, 1);
}

/// Where the tenant was suspended, and where orders were placed.
async fn suspension_and_orders(city: &City, tenant: &str) -> (Position, Vec<Position>) {
    let log = city.log_of(tenant).await;
    let suspended =
        log.iter().find(|event| matches!(event.event, Event::Tenant(tenant::Event::Suspended { .. })));
    let placed = log.iter().filter(|event| is_placed(event)).map(|event| event.position);
    (suspended.expect("the tenant was suspended").position, placed.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_is_placed_after_its_tenant_was_suspended_however_close_the_race() {
    let city = City::with(|settings| settings.run_wait_ms = 60_000).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let buyers = customers(&market, CLIENTS).await;
    let (before, during) = buyers.split_at(2);
    for buyer in before {
        market.order(buyer, &[(&offer, 1)]).await;
    }
    let mayor = city.city_admin();
    let suspension = json!({ "tenant": market.tenant, "reason": "an inspection" });
    let orders = join_all(during.iter().map(|buyer| {
        let cart = market.cart(buyer, &[(&offer, 1)]);
        market.admin.attempt("placeOrder", cart, "order { id status }")
    }));
    let (answers, _) = tokio::join!(orders, mayor.does("suspendTenant", suspension, ""));
    city.settle().await;

    let (suspended, placed) = suspension_and_orders(&city, &market.tenant).await;
    assert!(placed.iter().all(|position| *position < suspended), "{placed:?} after {suspended:?}");
    let got = answers.iter().filter(|answer| answer["__typename"] == "OrderChanged").count();
    assert_eq!(placed.len(), before.len() + got);
    for answer in answers.iter().filter(|answer| answer["__typename"] != "OrderChanged") {
        assert_eq!(answer["code"], "TENANT_SUSPENDED", "{answer}");
    }
    let late = market.cart(&buyers[0], &[(&offer, 1)]);
    assert_eq!(market.admin.is_rejected("placeOrder", late).await, "TENANT_SUSPENDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_under_way_when_its_tenant_is_suspended_is_declined_and_holds_no_money() {
    let city = City::with(|settings| settings.run_wait_ms = 200).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.counted_offer(&vendor, "cup", "5.00", 9).await;
    let customer = market.customer().await;
    city.settle().await;

    let held = city.hold().await;
    let cart = market.cart(&customer, &[(&offer, 1)]);
    let pending = market.admin.attempt("placeOrder", cart, "").await;
    assert_eq!(pending["__typename"], "CheckoutPending");
    let suspension = json!({ "tenant": market.tenant, "reason": "an inspection" });
    city.city_admin().does("suspendTenant", suspension, "").await;
    drop(held);
    city.settle().await;

    let query = "query($order: ID!, $offer: ID!) { order(id: $order) { status declined { code } } offer(id: $offer) { available } }";
    let shown = market.admin.ask_with(query, &json!({ "order": pending["orderId"], "offer": offer })).await;
    assert_eq!(shown["order"]["status"], "DECLINED");
    assert_eq!(shown["order"]["declined"]["code"], "TENANT_SUSPENDED");
    assert_eq!(shown["offer"]["available"], 9);
    let (_, placed) = suspension_and_orders(&city, &market.tenant).await;
    assert_eq!(placed, []);
    let held = city.sandbox.done(Operation::Authorise).await.unwrap().len();
    assert_eq!(city.sandbox.done(Operation::Release).await.unwrap().len(), held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_and_a_sku_wanted_by_many_at_once_go_to_one() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let apply = || {
        let introduction = json!({ "handle": "alma", "name": english("Alma") });
        market.admin.attempt("applyAsVendor", json!({ "introduction": introduction }), "vendor { id }")
    };
    let answers = join_all((0..CLIENTS).map(|_| apply())).await;
    one_of_them(&answers, "VendorChanged", "VENDOR_HANDLE_TAKEN");
    city.settle().await;

    let vendor = market.vendor("basil").await;
    let product = market.product("cup", None).await;
    let list = || {
        let prices = [price_of("1.00", "0")];
        let offer = json!({ "vendor": vendor, "product": product, "sku": "cup", "prices": prices });
        market.admin.attempt("listOffer", offer, "offer { id }")
    };
    let answers = join_all((0..CLIENTS).map(|_| list())).await;
    one_of_them(&answers, "OfferChanged", "OFFER_SKU_TAKEN");
}

fn one_of_them(answers: &[Value], won: &str, lost: &str) {
    assert_eq!(answers.iter().filter(|answer| answer["__typename"] == won).count(), 1, "{answers:?}");
    assert_eq!(
        answers.iter().filter(|answer| answer["code"] == lost).count(),
        answers.len() - 1,
        "{answers:?}"
    );
}
