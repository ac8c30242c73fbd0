//! A log of orders of two vendors and three lines each: asked for, placed, shipped, captured, delivered. Ten events an order, and some
//! thousands of orders under way at a time.

use super::events::partition;
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::calendar::{BusinessDate, Zone};
use cityos_domain::commission::calculation::Commission;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant::CaptureMoment;
use cityos_domain::ids::{
    CommandId, CustomerId, OrderId, PaymentId, StoreId, VendorId, VendorOrderId, derive,
};
use cityos_domain::log::{Actor, Meta, Origin, StreamId, Version};
use cityos_domain::marketplace::vendor::{self, Vendor};
use cityos_domain::money::{Currency, Rate};
use cityos_domain::orders::order::{self, Cart, Order, Part, RequestedLine, Totals};
use cityos_domain::orders::vendor_order::{Belongs, Event as PartEvent, Line, TaxSource, VendorOrder};
use cityos_domain::text::{Code, LocalText, Locale};
use cityos_eventstore::store::{Append, EventStore, InputHash, NewEvent};
use uuid::Uuid;

/// How many events an order has.
pub const EVENTS_AN_ORDER: u64 = 10;

/// What happens to an order together, in this order.
const STAGES: u64 = 5;

/// How many orders later an order comes to its next stage.
const ORDERS_BETWEEN: u64 = 2_000;

/// How many vendors there are.
const VENDORS: u64 = 1_000;

/// How many orders' stages are written at once.
const ORDERS_AT_ONCE: u64 = 100;

/// Writes so many orders.
pub async fn write(log: &dyn EventStore, orders: u64) -> anyhow::Result<()> {
    let steps = orders + (STAGES - 1) * ORDERS_BETWEEN;
    for step in (0..steps).step_by(ORDERS_AT_ONCE as usize) {
        let command = CommandId(Uuid::from_u128(u128::from(step) + 1));
        let at = asked_at(step);
        let (mut relies_on, mut events) = (Vec::new(), Vec::new());
        for stage in 0..STAGES {
            let first = step.checked_sub(stage * ORDERS_BETWEEN);
            let Some(first) = first.filter(|first| *first < orders) else { continue };
            for number in first..(first + ORDERS_AT_ONCE).min(orders) {
                for (stream, version, event) in happens(number, stage) {
                    if let Some(version) = version {
                        relies_on.push((stream, version));
                    }
                    events.push(NewEvent { id: command.event(events.len()), stream, at, event });
                }
            }
        }
        let meta = Meta::of(command, Actor::user("b3a1c0de"), Origin::Live);
        let input = InputHash([7; 32]);
        log.append(Append { partition: partition(), relies_on, events, meta, input }).await?;
    }
    Ok(())
}

/// When the `number`th order was asked for, or a little later: some are asked for together.
pub fn asked_at(number: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_760_000_000_000_000 + number as i64).expect("it is a time")
}

/// Writes the vendors of the orders.
pub async fn write_vendors(log: &dyn EventStore) -> anyhow::Result<()> {
    let command = CommandId(derive(&["bench", "vendors"]));
    let introduced = |number| {
        let name = LocalText::parse("name", [(Locale::parse("locale", "en")?, format!("Vendor {number}"))])?;
        let handle = Code::parse("handle", &format!("vendor-{number}"))?;
        anyhow::Ok(vendor::Event::Invited { handle, name, contact: None }.into())
    };
    let event = |number| {
        let stream = Vendor::stream(partition(), vendor(number));
        let id = command.event(number as usize);
        anyhow::Ok(NewEvent { id, stream, at: asked_at(0), event: introduced(number)? })
    };
    let events = (0..VENDORS).map(event).collect::<anyhow::Result<Vec<_>>>()?;
    let relies_on = events.iter().map(|event| (event.stream, Version(0))).collect();
    let meta = Meta::of(command, Actor::user("b3a1c0de"), Origin::Live);
    log.append(Append { partition: partition(), relies_on, events, meta, input: InputHash([7; 32]) }).await?;
    Ok(())
}

fn vendor(number: u64) -> VendorId {
    VendorId(derive(&["bench", "vendor", &number.to_string()]))
}

/// What happens to the `number`th order at a stage: the stream, its version before (once for each stream), the event.
fn happens(number: u64, stage: u64) -> Vec<(StreamId, Option<Version>, Event)> {
    let id = |what: &str| derive(&["bench", what, &number.to_string()]);
    let order = OrderId(id("order"));
    let stream = Order::stream(partition(), order);
    let vendors = [0, 1].map(|part| vendor((number * 2 + part) % VENDORS));
    let parts = ["part one", "part two"].map(|part| VendorOrderId(id(part)));
    let part_stream = |part: usize| VendorOrder::stream(partition(), parts[part]);
    let belongs = |part: usize| Belongs { order, vendor: vendors[part], currency: currency() };
    let (store, customer, payment) =
        (StoreId(derive(&["bench", "store"])), CustomerId(id("customer")), PaymentId(id("payment")));
    let lines = [vec![line(number, 1), line(number, 2)], vec![line(number, 3)]];
    let totals = [0, 1].map(|part: usize| {
        lines[part].iter().map(Line::totals).reduce(Totals::plus).expect("a part has lines")
    });
    match stage {
        0 => {
            let wanted = |line: &Line| RequestedLine {
                offer: line.offer,
                quantity: line.quantity,
                expected_unit: None,
                freight_minor: None,
                includes_tax: None,
            };
            let cart = Cart {
                store,
                customer,
                currency: currency(),
                lines: lines.iter().flatten().map(wanted).collect(),
                discount: None,
                reference: None,
            };
            vec![(stream, Some(Version(0)), order::Event::Requested { cart }.into())]
        }
        1 => {
            let placed = order::Event::Placed {
                store,
                customer,
                reference: None,
                currency: currency(),
                payment,
                date: today(),
                parts: [0, 1].map(|part| Part { id: parts[part], vendor: vendors[part] }).to_vec(),
                lines: 3,
                totals: totals[0].plus(totals[1]),
            };
            let part = |part: usize| {
                let placed = PartEvent::Placed {
                    belongs: belongs(part),
                    store,
                    customer,
                    payment,
                    date: today(),
                    capture: CaptureMoment::AtShipment,
                    lines: lines[part].clone(),
                    totals: totals[part],
                };
                (part_stream(part), Some(Version(0)), placed.into())
            };
            vec![(stream, Some(Version(1)), placed.into()), part(0), part(1)]
        }
        2 | 3 => {
            let part = stage as usize - 2;
            let (belongs, capture) = (belongs(part), CaptureMoment::AtShipment);
            let shipped = PartEvent::Shipped { belongs, tracking: Some(format!("BR{number}")), capture };
            let captured = PartEvent::Captured {
                belongs,
                payment,
                reference: format!("capture-{number}"),
                date: today(),
                lines: lines[part].iter().map(|line| line.number).collect(),
                totals: totals[part],
            };
            let stream = part_stream(part);
            vec![(stream, Some(Version(1)), shipped.into()), (stream, None, captured.into())]
        }
        _ => {
            let delivered = |part: usize| {
                let available_at = DateTime::from_timestamp(1_770_000_000, 0).expect("it is a time");
                let delivered = PartEvent::Delivered { belongs: belongs(part), available_at };
                (part_stream(part), Some(Version(3)), delivered.into())
            };
            vec![delivered(0), delivered(1)]
        }
    }
}

fn currency() -> Currency {
    Currency::parse("currency", "EUR").expect("EUR is a currency")
}

fn today() -> BusinessDate {
    Zone::UTC.date(DateTime::from_timestamp(1_767_225_600, 0).expect("it is a time"))
}

fn line(order: u64, number: u32) -> Line {
    let id = |what: &str| derive(&["bench", what, &(order % 5_000 + u64::from(number)).to_string()]);
    Line {
        number,
        offer: id("offer").into(),
        product: id("product").into(),
        sku: Code::parse("sku", &format!("cup-{}", order % 5_000)).expect("it is a code"),
        quantity: 2,
        unit_minor: 5_000,
        includes_tax: true,
        discount_minor: 0,
        discount_bearer: None,
        net_minor: 10_000,
        tax_minor: 0,
        tax_rate: Rate { millionths: 0 },
        tax_source: TaxSource::None,
        freight_net_minor: 500,
        freight_tax_minor: 0,
        commission: Commission {
            minor: 1_000,
            rule: Some(id("rule").into()),
            rules_version: 7,
            base_minor: 10_000,
            rate: Some(Rate { millionths: 100_000 }),
            counted_before_minor: None,
        },
        reservation: None,
    }
}
