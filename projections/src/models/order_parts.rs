//! Each vendor's part of an order, from placement to the vendor's earnings.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, NaiveDate, Utc};
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant::CaptureMoment;
use cityos_domain::ids::{CustomerId, OrderId, PaymentId, StoreId, VendorId, VendorOrderId};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use cityos_domain::orders::order::Totals;
use cityos_domain::orders::vendor_order::{self, CancelCause};
use serde::{Deserialize, Serialize};

/// Where a part stands on its way to the customer. Whether it is paid for is another question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartStatus {
    /// To be shipped.
    Placed,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Will not be shipped.
    Canceled,
}

named!(PartStatus, CaptureMoment, CancelCause);

table! {
    /// A vendor's part of an order.
    pub struct OrderPart {
        key {
            /// Its id.
            id: VendorOrderId,
        }
        indexed {
            /// The order.
            order: OrderId,
            /// Whose part it is.
            vendor: VendorId,
            /// Who buys.
            customer: CustomerId,
            /// Where it stands.
            status: PartStatus,
            /// When it was placed.
            placed_at: DateTime<Utc>,
        }
        plain {
            /// Where it was bought.
            store: StoreId,
            /// How it is paid.
            payment: PaymentId,
            /// In what currency.
            currency: Currency,
            /// The day it was placed, in the tenant's zone.
            placed_on: NaiveDate,
            /// When it is to be captured.
            capture: CaptureMoment,
            /// How many lines it has.
            lines: u32,
            /// Sums over what was placed.
            placed: Totals,
            /// Sums over what of it was canceled.
            canceled: Totals,
            /// Why all of it was canceled.
            cancel_cause: Option<CancelCause>,
            /// When the vendor sent it.
            shipped_at: Option<DateTime<Utc>>,
            /// How it may be followed.
            tracking: Option<String>,
            /// When the money was taken.
            captured_at: Option<DateTime<Utc>>,
            /// How many lines it was taken for.
            captured_lines: u32,
            /// Sums over what it was taken for.
            captured: Totals,
            /// Why the money could not be taken, where it was tried and not taken since.
            capture_failure: Option<String>,
            /// When the customer got it.
            delivered_at: Option<DateTime<Utc>>,
            /// When the vendor's earnings become available, if they are captured by then.
            available_at: Option<DateTime<Utc>>,
            /// When they did.
            earnings_released_at: Option<DateTime<Utc>>,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The parts.
pub struct OrderParts;

impl ReadModel for OrderParts {
    const NAME: &'static str = "order_parts";
    const VERSION: u32 = 1;
    type Row = OrderPart;

    fn keys(event: &Envelope) -> Keys<VendorOrderId> {
        let Event::VendorOrder(_) = &event.event else { return Keys::None };
        Keys::One(VendorOrderId(event.stream.id))
    }

    fn evolve(
        row: Option<OrderPart>,
        id: &VendorOrderId,
        event: &Envelope,
    ) -> Result<Option<OrderPart>, Unfit> {
        let Event::VendorOrder(happened) = &event.event else { return Ok(row) };
        use vendor_order::Event as E;
        let mut part = match happened {
            E::Placed { belongs, store, customer, payment, date, capture, lines, totals } => OrderPart {
                id: *id,
                order: belongs.order,
                vendor: belongs.vendor,
                customer: *customer,
                status: PartStatus::Placed,
                placed_at: event.at,
                store: *store,
                payment: *payment,
                currency: belongs.currency,
                placed_on: date.date,
                capture: *capture,
                lines: count(lines),
                placed: *totals,
                canceled: Totals::default(),
                cancel_cause: None,
                shipped_at: None,
                tracking: None,
                captured_at: None,
                captured_lines: 0,
                captured: Totals::default(),
                capture_failure: None,
                delivered_at: None,
                available_at: None,
                earnings_released_at: None,
                version: 0,
            },
            E::UnitsCanceled { totals, .. } => {
                let part = existing(row)?;
                OrderPart { canceled: part.canceled.plus(*totals), ..part }
            }
            E::Canceled { cause, .. } => {
                OrderPart { status: PartStatus::Canceled, cancel_cause: Some(*cause), ..existing(row)? }
            }
            E::Shipped { tracking, .. } => OrderPart {
                status: PartStatus::Shipped,
                shipped_at: Some(event.at),
                tracking: tracking.clone(),
                ..existing(row)?
            },
            E::Captured { lines, totals, .. } => OrderPart {
                captured_at: Some(event.at),
                captured_lines: count(lines),
                captured: *totals,
                capture_failure: None,
                ..existing(row)?
            },
            E::CaptureFailed { reason, .. } => {
                OrderPart { capture_failure: Some(reason.clone()), ..existing(row)? }
            }
            E::Delivered { available_at, .. } => OrderPart {
                status: PartStatus::Delivered,
                delivered_at: Some(event.at),
                available_at: Some(*available_at),
                ..existing(row)?
            },
            E::EarningsReleased { .. } => {
                OrderPart { earnings_released_at: Some(event.at), ..existing(row)? }
            }
        };
        part.version = event.version.0;
        Ok(Some(part))
    }
}

fn count<T>(lines: &[T]) -> u32 {
    lines.len().try_into().expect("an order has few lines")
}
