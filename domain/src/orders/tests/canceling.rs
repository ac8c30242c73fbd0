//! Leaving out what was not shipped yet.

use super::{charging, order, part, parts, percent, state};
use crate::event::Event;
use crate::foundation::tenant::CaptureMoment;
use crate::ids::OfferId;
use crate::marketplace::stock::Stock;
use crate::orders::canceling::{CancelPart, CancelUnits, ExpireAuthorisation};
use crate::orders::capturing::{RecordCapture, RecordCaptureFailure};
use crate::orders::order::payment_id;
use crate::orders::payment::{self, Payment, ReleaseCause};
use crate::orders::shipping::ShipPart;
use crate::orders::vendor_order::{self, CancelCause};
use crate::rehearsal::id;
use crate::rehearsal::market::Market;
use chrono::TimeDelta;

fn cancel(quantity: Option<u32>) -> CancelUnits {
    CancelUnits { part: part("order", "ann"), line: 1, quantity, cause: CancelCause::Customer }
}

fn cancel_part(vendor: &str) -> CancelPart {
    CancelPart { part: part("order", vendor), cause: CancelCause::Vendor }
}

fn ship(vendor: &str) -> ShipPart {
    ShipPart { part: part("order", vendor), tracking: None }
}

fn capture(vendor: &str, minor: i64) -> RecordCapture {
    RecordCapture { part: part("order", vendor), minor, reference: format!("capture for {vendor}") }
}

fn reversed(events: &[Event]) -> Vec<i64> {
    parts(events)
        .iter()
        .filter_map(|event| {
            if let vendor_order::Event::UnitsCanceled { totals, .. } = event {
                Some(totals.commission_minor)
            } else {
                None
            }
        })
        .collect()
}

fn given_back(events: &[Event]) -> Vec<(i64, ReleaseCause)> {
    events
        .iter()
        .filter_map(|event| {
            if let Event::Payment(payment::Event::Released { minor, cause, .. }) = event {
                Some((*minor, *cause))
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn s09_units_canceled_one_by_one_reverse_the_commission_to_the_minor_unit() {
    let market = Market::open().with_vendor("ann").with_offer("ann", "cup", 1005);
    let mut market = charging(market, percent("12.5"));
    market.buy(order("order"), Market::cart(&[("cup", 3)])).unwrap();
    assert_eq!(state(&market, "order", "ann").known().unwrap().totals.commission_minor, 377);
    for (commission, back) in [(126, 1005), (125, 1005), (126, 1005)] {
        let events = market.city.when(&cancel(Some(1))).unwrap();
        assert_eq!(reversed(&events), [commission]);
        assert_eq!(given_back(&events), [(back, ReleaseCause::Canceled)]);
    }
    assert_eq!(state(&market, "order", "ann").known().unwrap().totals, Default::default());
    assert_eq!(market.city.refusal(&ship("ann")), "PART_CANCELED");
}

#[test]
fn s12_what_is_reversed_is_what_was_frozen_whatever_the_rules_say_now() {
    let market = Market::open().with_vendor("ann").with_offer("ann", "desk", 5000);
    let mut market = charging(market, percent("10"));
    market.buy(order("order"), Market::cart(&[("desk", 2)])).unwrap();
    let mut market = charging(market, percent("15"));
    let events = market.city.when(&cancel(Some(1))).unwrap();
    assert_eq!(reversed(&events), [500]);
    assert_eq!(state(&market, "order", "ann").known().unwrap().totals.commission_minor, 500);
    let of_the_order =
        |event: &Event| matches!(event, Event::Order(_) | Event::VendorOrder(_) | Event::Payment(_));
    let events = market.city.log().iter().map(|envelope| &envelope.event).filter(|event| of_the_order(event));
    let written: String = events.map(|event| serde_json::to_string(event).unwrap()).collect();
    assert!(written.contains("100000") && !written.contains("150000"), "{written}");
}

#[test]
fn no_more_is_canceled_than_is_left() {
    let mut market = Market::open().with_vendor("ann").with_offer("ann", "cup", 1005);
    market.buy(order("order"), Market::cart(&[("cup", 3), ("cup", 1)])).unwrap();
    assert_eq!(market.city.refusal(&cancel(Some(4))), "PART_QUANTITY_OUTSIDE_LIMITS");
    assert_eq!(market.city.refusal(&cancel(Some(0))), "PART_QUANTITY_OUTSIDE_LIMITS");
    assert_eq!(market.city.refusal(&CancelUnits { line: 3, ..cancel(None) }), "PART_LINE_UNKNOWN");
    assert_eq!(market.city.refusal(&CancelUnits { part: id("ghost"), ..cancel(None) }), "PART_UNKNOWN");
    market.city.when(&cancel(None)).unwrap();
    assert_eq!(market.city.when(&cancel(None)).unwrap(), []);
    market.city.when(&ship("ann")).unwrap();
}

#[test]
fn two_who_cancel_the_last_unit_at_once_cancel_it_once() {
    let mut market = Market::open().with_vendor("ann").with_offer("ann", "cup", 1005);
    market.buy(order("order"), Market::cart(&[("cup", 2)])).unwrap();
    market.city.when(&cancel(Some(1))).unwrap();
    let results = market.city.race(&[&cancel(Some(1)), &cancel(Some(1))]);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let payment = market.city.state::<Payment>(payment_id(order("order")));
    assert_eq!(payment.remaining().unwrap()[0].minor, 0);
}

#[test]
fn a_canceled_part_leaves_the_others_and_its_units_are_on_hand_again() {
    let market = Market::open().with_vendor("ann").with_vendor("bob");
    let mut market = market.with_stock("ann", "chair", 500, 5).with_offer("bob", "vase", 700);
    market.buy(order("order"), Market::cart(&[("chair", 3), ("vase", 1)])).unwrap();
    let events = market.city.when(&cancel_part("ann")).unwrap();
    assert_eq!(given_back(&events), [(1500, ReleaseCause::Canceled)]);
    assert_eq!(market.city.state::<Stock>(id::<OfferId>("chair")).available(), 5);
    assert_eq!(market.city.when(&cancel_part("ann")).unwrap(), []);
    market.city.when(&ship("bob")).unwrap();
    market.city.when(&capture("bob", 700)).unwrap();
    assert_eq!(market.city.refusal(&cancel_part("bob")), "PART_SHIPPED");
}

#[test]
fn a_part_captured_at_placement_cannot_be_canceled_unless_its_money_could_not_be_taken() {
    let market = Market::open().with_policies(|policies| policies.capture = CaptureMoment::AtPlacement);
    let mut market = market.with_vendor("ann").with_offer("ann", "cup", 1005);
    market.buy(order("order"), Market::cart(&[("cup", 2)])).unwrap();
    assert_eq!(market.city.refusal(&cancel(Some(1))), "PART_BEING_CAPTURED");
    let mut refused = market.clone();
    let failed = RecordCaptureFailure { part: part("order", "ann"), reason: "no funds".into() };
    refused.city.when(&failed).unwrap();
    assert_eq!(refused.city.when(&failed).unwrap(), []);
    assert_eq!(refused.city.refusal(&ship("ann")), "PART_UNPAID");
    assert_eq!(
        refused.city.refusal(&cancel(Some(1))),
        "PART_UNPAID",
        "it may be tried again for the same amount"
    );
    refused.city.when(&cancel_part("ann")).unwrap();
    assert_eq!(market.city.refusal(&capture("ann", 1005)), "PART_CAPTURED_OTHERWISE");
    market.city.when(&capture("ann", 2010)).unwrap();
    assert_eq!(market.city.refusal(&cancel(Some(1))), "PART_CAPTURED");
    assert_eq!(market.city.refusal(&failed), "PART_CAPTURED");
}

#[test]
fn an_authorisation_that_runs_out_cancels_only_what_nobody_shipped() {
    let market = Market::open().with_vendor("ann").with_vendor("bob").with_offer("ann", "cup", 1005);
    let mut market = market.with_offer("bob", "vase", 700);
    market.buy(order("order"), Market::cart(&[("cup", 1), ("vase", 1)])).unwrap();
    market.city.when(&ship("bob")).unwrap();
    let expire = ExpireAuthorisation { payment: payment_id(order("order")) };
    assert_eq!(market.city.refusal(&expire), "PAYMENT_NOT_EXPIRED");
    market.city.pass(TimeDelta::hours(7 * 24));
    let events = market.city.when(&expire).unwrap();
    assert_eq!(given_back(&events), [(1005, ReleaseCause::Expired)]);
    assert_eq!(market.city.when(&expire).unwrap(), []);
    assert_eq!(market.city.refusal(&ship("ann")), "PART_CANCELED");
    market.city.when(&capture("bob", 700)).unwrap();
}

#[test]
fn a_part_whose_capture_is_refused_after_its_authorisation_ran_out_is_canceled() {
    let market = Market::open().with_policies(|policies| policies.capture = CaptureMoment::AtPlacement);
    let mut market = market.with_vendor("ann").with_stock("ann", "chair", 500, 5);
    market.buy(order("order"), Market::cart(&[("chair", 3)])).unwrap();
    market.city.pass(TimeDelta::hours(7 * 24));
    let expired = market.city.when(&ExpireAuthorisation { payment: payment_id(order("order")) }).unwrap();
    assert_eq!(given_back(&expired), [], "its money may be taken any moment");
    let failed = RecordCaptureFailure { part: part("order", "ann"), reason: "no funds".into() };
    let events = market.city.when(&failed).unwrap();
    assert_eq!(given_back(&events), [(1500, ReleaseCause::Expired)]);
    assert_eq!(market.city.state::<Stock>(id::<OfferId>("chair")).available(), 5);
}
