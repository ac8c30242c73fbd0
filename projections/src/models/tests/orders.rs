//! Orders, their parts and lines, commissions and payments.

use super::super::commissions::Commissions;
use super::super::order_lines::OrderLines;
use super::super::order_parts::{OrderParts, PartStatus};
use super::super::orders::{OrderStatus, Orders};
use super::super::payments::Payments;
use super::{row, rows, steps, told};
use crate::history::{History, brl, id, partition};
use crate::model::Unfit;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant::CaptureMoment;
use cityos_domain::ids::*;
use cityos_domain::orders::{order, payment, vendor_order};
use vendor_order::Event as PartEvent;

#[test]
fn an_order_stands_where_its_parts_have_come_to() {
    use OrderStatus::*;
    let statuses = |name: &str| steps::<Orders, _>(id(name), |order| order.status);
    assert_eq!(statuses("first order"), [Requested, Placed, Shipped, Closed]);
    assert_eq!(statuses("declined order"), [Requested, Declined]);
    assert_eq!(statuses("unpaid order"), [Requested, Placed, Shipped]);
}

type Happens = fn(vendor_order::Belongs) -> PartEvent;

/// The first order up to its placement, and then these events of its parts.
fn placed_then(parts: &[(&str, Happens)]) -> Result<OrderStatus, Unfit> {
    let told = told::<Orders>(|history| {
        let order = id::<OrderId>("first order");
        let everything = History::of_everything();
        let first = everything.events().iter().filter(|event| {
            event.stream.id == order.0 && matches!(event.event, Event::Order(order::Event::Placed { .. }))
        });
        let placed = first.clone().next().unwrap();
        history.happens(placed.stream.partition, order, placed.event.clone());
        let belongs = vendor_order::Belongs { order, vendor: id("potter"), currency: brl() };
        for (part, event) in parts {
            history.happens(placed.stream.partition, id::<VendorOrderId>(part), event(belongs));
        }
    });
    Ok(told?.into_values().next().unwrap().status)
}

fn shipped(belongs: vendor_order::Belongs) -> PartEvent {
    PartEvent::Shipped { belongs, tracking: None, capture: CaptureMoment::AtShipment }
}

fn delivered(belongs: vendor_order::Belongs) -> PartEvent {
    PartEvent::Delivered { belongs, available_at: History::new().now() }
}

fn canceled(belongs: vendor_order::Belongs) -> PartEvent {
    PartEvent::Canceled { belongs, cause: vendor_order::CancelCause::Vendor }
}

#[test]
fn parts_that_differ_make_an_order_that_says_so() {
    assert_eq!(placed_then(&[]), Ok(OrderStatus::Placed));
    assert_eq!(placed_then(&[("one", shipped)]), Ok(OrderStatus::PartiallyShipped));
    assert_eq!(placed_then(&[("one", shipped), ("two", canceled)]), Ok(OrderStatus::Shipped));
    assert_eq!(placed_then(&[("one", canceled), ("two", canceled)]), Ok(OrderStatus::Canceled));
    let unpaid = [("one", shipped as Happens), ("one", delivered), ("two", canceled)];
    assert_eq!(placed_then(&unpaid), Ok(OrderStatus::Delivered));
    let thrice = [("one", canceled as Happens), ("two", canceled), ("three", canceled)];
    assert!(matches!(placed_then(&thrice), Err(Unfit::Contradiction(_))));
}

#[test]
fn an_order_sums_what_was_placed_canceled_and_paid_for() {
    let order = row::<Orders>(id::<OrderId>("first order"));
    assert_eq!((order.parts, order.lines, order.parts_canceled), (2, 3, 1));
    let goods = [order.placed, order.canceled, order.captured].map(|totals| totals.goods_minor);
    assert_eq!(goods, [35_000, 15_000, 20_000]);
    assert_eq!(order.placed.minus(order.canceled), order.captured);
    let declined = row::<Orders>(id::<OrderId>("declined order"));
    assert_eq!(declined.declined_code.as_deref(), Some("PAYMENT_REFUSED"));
    assert_eq!((declined.payment, declined.placed_on), (None, None));
}

#[test]
fn a_part_tells_its_way_and_its_money() {
    let lamps = row::<OrderParts>(id::<VendorOrderId>("first order, lamps"));
    assert_eq!((lamps.status, lamps.captured_lines), (PartStatus::Delivered, 2));
    assert_eq!(lamps.placed.minus(lamps.canceled), lamps.captured);
    assert_eq!(lamps.earnings_released_at, lamps.available_at);
    assert_eq!(lamps.tracking.as_deref(), Some("BR123"));
    let vases = row::<OrderParts>(id::<VendorOrderId>("first order, vases"));
    assert_eq!((vases.status, vases.captured_at), (PartStatus::Canceled, None));
    assert_eq!(vases.placed, vases.canceled);
    let unpaid = row::<OrderParts>(id::<VendorOrderId>("unpaid order, lamps"));
    assert_eq!((unpaid.status, unpaid.captured_at), (PartStatus::Shipped, None));
    assert_eq!(unpaid.capture_failure.as_deref(), Some("the account is closed"));
}

#[test]
fn lines_stay_as_placed_and_tell_what_was_canceled() {
    let lamps: VendorOrderId = id("first order, lamps");
    let first = row::<OrderLines>((lamps, 1));
    assert_eq!((first.quantity, first.canceled_quantity, first.captured), (2, 1, true));
    assert_eq!((first.net_minor, first.canceled.goods_minor), (20_000, 10_000));
    let vase = row::<OrderLines>((id::<VendorOrderId>("first order, vases"), 3));
    assert_eq!((vase.quantity, vase.canceled_quantity, vase.captured), (1, 1, false));
    let of_order = rows::<OrderLines>().into_values().filter(|line| line.order == id("first order"));
    assert_eq!(of_order.count(), 3);
}

#[test]
fn more_units_than_were_placed_cannot_be_canceled() {
    let told = told::<OrderLines>(|history| {
        let everything = History::of_everything();
        let of_vases = everything.events().iter().filter(|event| {
            event.stream.id == id::<VendorOrderId>("first order, vases").0
                && event.stream.partition == partition("bazaar")
        });
        let of_vases: Vec<_> = of_vases.collect();
        for event in [of_vases[0], of_vases[1], of_vases[1]] {
            history.happens(event.stream.partition, event.stream.id, event.event.clone());
        }
    });
    assert!(matches!(told, Err(Unfit::Contradiction(_))));
}

#[test]
fn a_commission_is_frozen_reversed_and_captured() {
    let lamps: VendorOrderId = id("first order, lamps");
    let amounts = steps::<Commissions, _>((lamps, 1), |commission| {
        [commission.frozen_minor, commission.reversed_minor, commission.captured_minor]
    });
    assert_eq!(amounts, [[2_000, 0, 0], [2_000, 1_000, 0], [2_000, 1_000, 1_000]]);
    let unpaid = row::<Commissions>((id::<VendorOrderId>("unpaid order, lamps"), 1));
    assert_eq!((unpaid.frozen_minor, unpaid.captured_minor), (1_000, 0));
    assert_eq!(unpaid.rule, Some(id("lamps")));
}

#[test]
fn a_payment_is_taken_and_given_back_part_by_part() {
    let amounts = steps::<Payments, _>(id("first order, payment"), |payment| {
        [payment.open_minor(), payment.captured_minor, payment.released_minor]
    });
    assert_eq!(amounts, [[37_000, 0, 0], [26_500, 0, 10_500], [21_000, 0, 16_000], [0, 21_000, 16_000]]);
    let unpaid = row::<Payments>(id::<PaymentId>("unpaid order, payment"));
    assert_eq!((unpaid.expired, unpaid.open_minor()), (true, 10_500));
}

#[test]
fn no_more_is_taken_than_was_held() {
    let told = told::<Payments>(|history| {
        let everything = History::of_everything();
        let of_payment = everything.events().iter().filter(|event| matches!(event.event, Event::Payment(_)));
        let authorised = of_payment.clone().next().unwrap();
        let (own, payment) = (authorised.stream.partition, authorised.stream.id);
        history.happens(own, payment, authorised.event.clone());
        let captured = payment::Event::Captured {
            order: id("first order"),
            part: id("first order, lamps"),
            minor: 37_001,
            currency: brl(),
            reference: "r".into(),
        };
        history.happens(own, payment, captured);
    });
    assert!(matches!(told, Err(Unfit::Contradiction(_))));
}
