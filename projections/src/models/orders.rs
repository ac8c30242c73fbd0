//! Customers' orders: where each stands as a whole, from what became of its parts.

use crate::fields::{json, named};
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, NaiveDate, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{CustomerId, OrderId, PaymentId, StoreId};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use cityos_domain::orders::order::{self, Totals};
use cityos_domain::orders::vendor_order;
use cityos_domain::text::Code;
use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// The checkout is under way.
    Requested,
    /// The checkout came to nothing.
    Declined,
    /// Bought; nothing is shipped.
    Placed,
    /// Some parts are shipped, others not.
    PartiallyShipped,
    /// All parts that were not canceled are shipped.
    Shipped,
    /// All parts that were not canceled have arrived, but not all are paid for.
    Delivered,
    /// All parts that were not canceled have arrived and are paid for.
    Closed,
    /// All parts were canceled.
    Canceled,
}

named!(OrderStatus);
json!(Totals);

table! {
    /// An order.
    pub struct Order {
        key {
            /// Its id.
            id: OrderId,
        }
        indexed {
            /// Who buys.
            customer: CustomerId,
            /// Where.
            store: StoreId,
            /// Where it stands.
            status: OrderStatus,
            /// When it was asked for.
            requested_at: DateTime<Utc>,
            /// Its name in another system.
            reference: Option<Code>,
        }
        plain {
            /// In what currency.
            currency: Currency,
            /// The payment, once it is placed.
            payment: Option<PaymentId>,
            /// The day it was placed, in the tenant's zone.
            placed_on: Option<NaiveDate>,
            /// How many lines it has.
            lines: u32,
            /// How many vendors' parts it has.
            parts: u32,
            /// How many of them were canceled.
            parts_canceled: u32,
            /// How many are shipped.
            parts_shipped: u32,
            /// How many have arrived.
            parts_delivered: u32,
            /// How many are paid for.
            parts_captured: u32,
            /// Sums over what was placed.
            placed: Totals,
            /// Sums over what of it was canceled.
            canceled: Totals,
            /// Sums over what of it was paid for.
            captured: Totals,
            /// The stable code of why it was declined.
            declined_code: Option<String>,
            /// Why it was declined.
            declined_message: Option<String>,
            /// The version of its stream. Its parts have their own.
            version: u64,
        }
    }
}

/// The orders.
pub struct Orders;

impl ReadModel for Orders {
    const NAME: &'static str = "orders";
    const VERSION: u32 = 1;
    type Row = Order;

    fn keys(event: &Envelope) -> Keys<OrderId> {
        if let Event::VendorOrder(happened) = &event.event {
            Keys::One(happened.belongs().order)
        } else if let Event::Order(_) = &event.event {
            Keys::One(OrderId(event.stream.id))
        } else {
            Keys::None
        }
    }

    fn evolve(row: Option<Order>, id: &OrderId, event: &Envelope) -> Result<Option<Order>, Unfit> {
        if let Event::VendorOrder(happened) = &event.event {
            return part(row, happened);
        }
        let Event::Order(happened) = &event.event else { return Ok(row) };
        use order::Event as E;
        let mut order = match happened {
            E::Requested { cart } => Order {
                lines: cart.lines.len().try_into().expect("a cart has few lines"),
                reference: cart.reference.clone(),
                ..asked(*id, event.at, cart.customer, cart.store, cart.currency)
            },
            E::Placed { store, customer, reference, currency, payment, date, parts, lines, totals } => {
                let asked = row.unwrap_or_else(|| asked(*id, event.at, *customer, *store, *currency));
                Order {
                    status: OrderStatus::Placed,
                    reference: reference.clone(),
                    payment: Some(*payment),
                    placed_on: Some(date.date),
                    lines: *lines,
                    parts: parts.len().try_into().expect("an order has few parts"),
                    placed: *totals,
                    ..asked
                }
            }
            E::Declined { code, message } => Order {
                status: OrderStatus::Declined,
                declined_code: Some(code.clone()),
                declined_message: Some(message.clone()),
                ..existing(row)?
            },
        };
        order.version = event.version.0;
        Ok(Some(order))
    }
}

fn asked(
    id: OrderId,
    at: DateTime<Utc>,
    customer: CustomerId,
    store: StoreId,
    currency: Currency,
) -> Order {
    Order {
        id,
        customer,
        store,
        status: OrderStatus::Requested,
        requested_at: at,
        reference: None,
        currency,
        payment: None,
        placed_on: None,
        lines: 0,
        parts: 0,
        parts_canceled: 0,
        parts_shipped: 0,
        parts_delivered: 0,
        parts_captured: 0,
        placed: Totals::default(),
        canceled: Totals::default(),
        captured: Totals::default(),
        declined_code: None,
        declined_message: None,
        version: 0,
    }
}

fn part(row: Option<Order>, happened: &vendor_order::Event) -> Result<Option<Order>, Unfit> {
    use vendor_order::Event as E;
    // What is placed stands in the order's own event.
    if let E::Placed { .. } = happened {
        return Ok(row);
    }
    let mut order = existing(row)?;
    match happened {
        E::Placed { .. } | E::CaptureFailed { .. } | E::EarningsReleased { .. } => {}
        E::UnitsCanceled { totals, .. } => order.canceled = order.canceled.plus(*totals),
        E::Canceled { .. } => order.parts_canceled += 1,
        E::Shipped { .. } => order.parts_shipped += 1,
        E::Delivered { .. } => order.parts_delivered += 1,
        E::Captured { totals, .. } => {
            order.parts_captured += 1;
            order.captured = order.captured.plus(*totals);
        }
    }
    order.status = status(&order)?;
    Ok(Some(order))
}

fn status(order: &Order) -> Result<OrderStatus, Unfit> {
    let wanted = order
        .parts
        .checked_sub(order.parts_canceled)
        .ok_or(Unfit::Contradiction("more parts are canceled than it has"))?;
    Ok(if wanted == 0 {
        OrderStatus::Canceled
    } else if order.parts_delivered == wanted && order.parts_captured == wanted {
        OrderStatus::Closed
    } else if order.parts_delivered == wanted {
        OrderStatus::Delivered
    } else if order.parts_shipped == wanted {
        OrderStatus::Shipped
    } else if order.parts_shipped > 0 {
        OrderStatus::PartiallyShipped
    } else {
        OrderStatus::Placed
    })
}
