//! Asking for an order and placing it.

use super::{charging, order, parts, percent, state};
use crate::commission::rules::{Basis, Fee, Tier, TierMode};
use crate::event::Event;
use crate::foundation::tenant::CaptureMoment;
use crate::ids::{OfferId, VendorId};
use crate::log::Envelope;
use crate::marketplace::offer::{self, Offer, Price};
use crate::marketplace::stock::Stock;
use crate::marketplace::vendor::{self, Vendor};
use crate::money::{AMOUNT_MINOR_MAX, Money, Rate};
use crate::orders::order::{Bearer, Cart, Discount, Order, payment_id};
use crate::orders::payment::{Method, Payment};
use crate::orders::placing::PlaceOrder;
use crate::orders::requesting::{DeclineOrder, ReleaseStock, RequestOrder, ReserveStock};
use crate::orders::vendor_order;
use crate::rehearsal::id;
use crate::rehearsal::market::{Market, euros};
use crate::rehearsal::scene::currency;
use crate::rejection::Rejected;
use crate::text::Code;
use crate::workspace::Stop;
use chrono::{TimeZone, Utc};
use std::collections::BTreeMap;

fn market() -> Market {
    Market::open()
        .with_vendor("ann")
        .with_vendor("bob")
        .with_offer("ann", "lamp", 3333)
        .with_offer("bob", "vase", 3334)
}

fn request(name: &str, cart: Cart) -> RequestOrder {
    RequestOrder { order: order(name), cart }
}

fn place(name: &str, minor: i64) -> PlaceOrder {
    PlaceOrder {
        order: order(name),
        method: Method::Provider,
        authorised: euros(minor),
        reference: "auth".into(),
    }
}

fn discounted(lines: &[(&str, u32)], minor: i64, bearer: Bearer) -> Cart {
    Cart { discount: Some(Discount { minor, bearer }), ..Market::cart(lines) }
}

#[test]
fn a_cart_outside_its_limits_is_refused() {
    let lamp = |quantity| Market::cart(&[("lamp", quantity)]);
    let with_freight = |minor| {
        let mut cart = lamp(1);
        cart.lines[0].freight_minor = Some(minor);
        cart
    };
    let refused = [
        (Market::cart(&[]), "ORDER_LINES_OUTSIDE_LIMITS"),
        (Market::cart(&[("lamp", 1); 101]), "ORDER_LINES_OUTSIDE_LIMITS"),
        (lamp(0), "ORDER_QUANTITY_OUTSIDE_LIMITS"),
        (lamp(10_001), "ORDER_QUANTITY_OUTSIDE_LIMITS"),
        (with_freight(-1), "ORDER_FREIGHT_OUTSIDE_LIMITS"),
        (with_freight(AMOUNT_MINOR_MAX + 1), "ORDER_FREIGHT_OUTSIDE_LIMITS"),
        (with_freight(AMOUNT_MINOR_MAX), "ORDER_TOO_LARGE"),
        (discounted(&[("lamp", 1)], 3334, Bearer::Vendor), "ORDER_DISCOUNT_OUTSIDE_LIMITS"),
        (discounted(&[("lamp", 1)], 0, Bearer::Vendor), "ORDER_DISCOUNT_OUTSIDE_LIMITS"),
        (Market::cart(&[("ghost", 1)]), "OFFER_UNKNOWN"),
        (Cart { customer: id("ghost"), ..lamp(1) }, "CUSTOMER_UNKNOWN"),
        (Cart { store: id("ghost"), ..lamp(1) }, "STORE_UNKNOWN"),
        (Cart { currency: currency("JPY"), ..lamp(1) }, "STORE_CURRENCY_NOT_TAKEN"),
    ];
    for (cart, code) in refused {
        assert_eq!(market().city.refusal(&request("order", cart)), code);
    }
}

#[test]
fn a_price_the_buyer_did_not_see_is_refused_and_an_agreed_price_holds() {
    let mut market = market();
    let mut cart = Market::cart(&[("lamp", 1)]);
    cart.lines[0].expected_unit = Some(euros(3000));
    assert_eq!(market.city.refusal(&request("order", cart.clone())), "ORDER_PRICE_CHANGED");
    cart.lines[0].expected_unit = Some(Money { minor: 3333, currency: currency("USD") });
    assert_eq!(market.city.refusal(&request("order", cart)), "ORDER_CURRENCIES_DIFFER");

    market.city.when(&request("order", Market::cart(&[("lamp", 1)]))).unwrap();
    let price = Price { unit: euros(9999), freight_minor: 7, includes_tax: true };
    let raised = offer::Event::PriceChanged { vendor: id("ann"), price };
    market.city.given::<Offer>(id("lamp"), [raised]);
    market.city.when(&place("order", 3333)).unwrap();
    let placed = state(&market, "order", "ann");
    let placed = placed.known().unwrap();
    assert_eq!((placed.totals.payable_minor(), placed.lines[0].line.includes_tax), (3333, false));
}

#[test]
fn what_stands_in_the_way_of_a_line_is_said_of_that_line() {
    let mut market = market();
    let withdrawn = offer::Event::Withdrawn { vendor: id("ann"), reason: "sold out".into() };
    market.city.given::<Offer>(id("lamp"), [withdrawn]);
    let cart = Market::cart(&[("vase", 1), ("ghost", 1)]);
    let refusal = |market: &mut Market, cart| match market.city.when(&request("order", cart)) {
        Err(Stop::Rejected(Rejected { code, message, field })) => (code, message, field),
        other => panic!("expected a refusal, got {other:?}"),
    };
    let (code, message, field) = refusal(&mut market, cart);
    assert_eq!((&code[..], field.as_deref()), ("OFFER_UNKNOWN", Some("lines")));
    assert_eq!(message, "line 2: there is no such offer");
    let (code, message, _) = refusal(&mut market, Market::cart(&[("lamp", 1)]));
    assert_eq!((&code[..], &message[..]), ("OFFER_WITHDRAWN", "line 1: the offer is withdrawn"));
}

#[test]
fn what_is_paid_elsewhere_is_not_captured_before_it_ships() {
    let at_placement =
        |market: Market| market.with_policies(|policies| policies.capture = CaptureMoment::AtPlacement);
    let mut market = at_placement(market());
    market.city.when(&request("order", Market::cart(&[("lamp", 1)]))).unwrap();
    let imported = PlaceOrder { method: Method::External, ..place("order", 3333) };
    market.city.when(&imported).unwrap();
    let part = state(&market, "order", "ann");
    assert_eq!(part.known().unwrap().capture, CaptureMoment::AtShipment);
}

#[test]
fn a_suspended_tenant_takes_no_order_whether_asked_for_before_or_not() {
    let mut market = market();
    market.city.when(&request("early", Market::cart(&[("lamp", 1)]))).unwrap();
    market.suspend();
    assert_eq!(market.city.refusal(&place("early", 3333)), "TENANT_SUSPENDED");
    assert_eq!(market.city.refusal(&ReserveStock { order: order("early") }), "TENANT_SUSPENDED");
    assert_eq!(market.city.refusal(&request("late", Market::cart(&[("lamp", 1)]))), "TENANT_SUSPENDED");
}

#[test]
fn an_order_decided_before_the_suspension_is_not_written_after_it() {
    let mut market = market();
    market.city.when(&request("order", Market::cart(&[("lamp", 1)]))).unwrap();
    let pending = market.city.begin(&place("order", 3333)).unwrap();
    market.suspend();
    assert!(market.city.append(pending).is_err());
}

#[test]
fn a_vendor_suspended_during_the_checkout_does_not_get_the_order() {
    let mut market = market();
    market.city.when(&request("order", Market::cart(&[("lamp", 1)]))).unwrap();
    let suspended = vendor::Event::Suspended { reason: "complaints".into() };
    market.city.given::<Vendor>(id::<VendorId>("ann"), [suspended]);
    assert_eq!(market.city.refusal(&place("order", 3333)), "VENDOR_CANNOT_SELL");
}

#[test]
fn a_reference_belongs_to_one_order_until_that_is_declined() {
    let mut market = market();
    let cart = || Cart { reference: Code::parse("r", "R-1").ok(), ..Market::cart(&[("lamp", 1)]) };
    market.city.when(&request("first", cart())).unwrap();
    assert_eq!(market.city.refusal(&request("second", cart())), "ORDER_REFERENCE_TAKEN");
    let decline = DeclineOrder { order: order("first"), code: "CARD".into(), message: "no".into() };
    market.city.when(&decline).unwrap();
    assert_eq!(market.city.when(&decline).unwrap(), []);
    market.city.when(&request("second", cart())).unwrap();
    assert_eq!(market.city.refusal(&place("first", 3333)), "ORDER_DECLINED");
}

#[test]
fn only_what_was_authorised_is_placed_and_only_once() {
    let mut market = market();
    assert_eq!(market.city.refusal(&place("order", 3333)), "ORDER_UNKNOWN");
    market.city.when(&request("order", Market::cart(&[("lamp", 1)]))).unwrap();
    assert_eq!(market.city.refusal(&place("order", 3332)), "ORDER_AMOUNT_DIFFERS");
    market.city.when(&place("order", 3333)).unwrap();
    assert_eq!(market.city.when(&place("order", 3333)).unwrap(), []);
    let decline = DeclineOrder { order: order("order"), code: "LATE".into(), message: "late".into() };
    assert_eq!(market.city.refusal(&decline), "ORDER_PLACED");
}

#[test]
fn s14_a_discount_is_spread_over_the_lines_and_the_payment_over_the_vendors() {
    let mut market = market().with_vendor("cid").with_offer("cid", "rug", 3333);
    let cart = discounted(&[("lamp", 1), ("rug", 1), ("vase", 1)], 1000, Bearer::Vendor);
    let placed = market.buy(order("order"), cart).unwrap();
    let discounts: Vec<i64> = parts(&placed)
        .iter()
        .filter_map(|event| {
            if let vendor_order::Event::Placed { lines, .. } = event {
                Some(lines[0].discount_minor)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(discounts, [333, 333, 334]);
    let payment = market.city.state::<Payment>(payment_id(order("order")));
    let held: Vec<i64> = payment.remaining().unwrap().iter().map(|split| split.minor).collect();
    assert_eq!(held, [3000, 3000, 3000]);
}

#[test]
fn a_discount_the_marketplace_bears_costs_the_vendor_nothing() {
    let mut market = charging(market(), percent("10"));
    let cart = discounted(&[("lamp", 1)], 333, Bearer::Marketplace);
    market.buy(order("order"), cart).unwrap();
    let totals = state(&market, "order", "ann").known().unwrap().totals;
    assert_eq!((totals.payable_minor(), totals.commission_minor), (3000, 333));
    assert_eq!(totals.earnings_minor(), 3333 - 333);
}

#[test]
fn the_last_unit_goes_to_one_of_two_checkouts_and_comes_back_when_that_fails() {
    let mut market = Market::open().with_vendor("ann").with_stock("ann", "chair", 500, 1);
    for name in ["one", "two"] {
        market.city.when(&request(name, Market::cart(&[("chair", 1)]))).unwrap();
    }
    let (one, two) = (ReserveStock { order: order("one") }, ReserveStock { order: order("two") });
    let results = market.city.race(&[&one, &two]);
    assert!(results[0].is_ok());
    assert_eq!(market.city.refusal(&two), "STOCK_INSUFFICIENT");
    assert_eq!(market.city.refusal(&place("two", 500)), "STOCK_NOT_HELD");
    market.city.when(&ReleaseStock { order: order("one") }).unwrap();
    assert_eq!(market.city.when(&ReleaseStock { order: order("one") }).unwrap(), []);
    market.city.when(&two).unwrap();
    market.city.when(&place("two", 500)).unwrap();
    assert_eq!(market.city.state::<Stock>(id::<OfferId>("chair")).available(), 0);
    assert_eq!(market.city.when(&ReleaseStock { order: order("two") }).unwrap(), []);
}

fn tiered(mode: TierMode) -> Fee {
    let tiers = [(0, 150_000), (100_000, 120_000), (500_000, 100_000)];
    let tiers = tiers.map(|(above_minor, millionths)| Tier { above_minor, rate: Rate { millionths } });
    Fee::Tiered { mode, basis: Basis::Net, tiers: BTreeMap::from([(currency("EUR"), tiers.to_vec())]) }
}

fn commission(market: &Market, name: &str) -> i64 {
    state(market, name, "ann").known().unwrap().totals.commission_minor
}

#[test]
fn s09_the_commission_of_an_order_is_the_sum_of_its_rounded_lines() {
    let market = Market::open().with_vendor("ann").with_offer("ann", "cup", 1005);
    let mut market = charging(market, percent("12.5"));
    market.buy(order("three lines"), Market::cart(&[("cup", 1); 3])).unwrap();
    market.buy(order("one line"), Market::cart(&[("cup", 3)])).unwrap();
    assert_eq!((commission(&market, "three lines"), commission(&market, "one line")), (378, 377));
}

#[test]
fn s10_two_sales_that_cross_a_bound_together_are_charged_one_after_the_other() {
    for first in [0, 1] {
        let market = Market::in_zone("Asia/Riyadh")
            .with_vendor("ann")
            .with_offer("ann", "before", 99_000)
            .with_offer("ann", "sale", 2000);
        let mut market = charging(market, tiered(TierMode::Marginal));
        market.buy(order("before"), Market::cart(&[("before", 1)])).unwrap();
        for name in ["one", "two"] {
            market.city.when(&request(name, Market::cart(&[("sale", 1)]))).unwrap();
        }
        let mut both = [place("one", 2000), place("two", 2000)];
        both.rotate_left(first);
        let results = market.city.race(&[&both[0], &both[1]]);
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(commission(&market, "one") + commission(&market, "two"), 510);
    }
}

#[test]
fn s10_lines_of_one_order_count_one_after_the_other() {
    let market = Market::open().with_vendor("ann").with_offer("ann", "before", 99_000);
    let mut market = charging(market.with_offer("ann", "sale", 2000), tiered(TierMode::Marginal));
    market.buy(order("order"), Market::cart(&[("before", 1), ("sale", 1)])).unwrap();
    assert_eq!(commission(&market, "order"), 14_850 + 270);
}

#[test]
fn s10_the_month_is_the_tenants_own() {
    // In Riyadh March begins at 21:00 in UTC.
    for (hour, taken) in [(20, 270), (21, 300)] {
        let market = Market::in_zone("Asia/Riyadh").with_vendor("ann").with_offer("ann", "before", 99_000);
        let mut market = charging(market.with_offer("ann", "sale", 2000), tiered(TierMode::Marginal));
        market.city.set_time(Utc.with_ymd_and_hms(2025, 2, 28, 20, 0, 0).unwrap());
        market.buy(order("before"), Market::cart(&[("before", 1)])).unwrap();
        market.city.set_time(Utc.with_ymd_and_hms(2025, 2, 28, hour, 30, 0).unwrap());
        market.buy(order("sale"), Market::cart(&[("sale", 1)])).unwrap();
        assert_eq!(commission(&market, "sale"), taken, "at {hour}:30");
    }
}

#[test]
fn an_order_paid_elsewhere_is_never_given_back_by_the_clock() {
    let mut market = market();
    market.city.when(&request("order", Market::cart(&[("lamp", 1)]))).unwrap();
    market.city.when(&PlaceOrder { method: Method::External, ..place("order", 3333) }).unwrap();
    let expires = |envelope: &Envelope| {
        if let Event::Payment(crate::orders::payment::Event::Authorised { expires_at, .. }) = &envelope.event
        {
            Some(*expires_at)
        } else {
            None
        }
    };
    assert_eq!(market.city.log().iter().find_map(expires), Some(None));
    assert!(matches!(market.city.state::<Order>(order("order")), Order::Placed { .. }));
}
