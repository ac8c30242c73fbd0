//! What the marketplace keeps, line by line: frozen when placed, reversed when canceled, captured with the
//! money.

use super::order_lines::{line, lines_of};
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::NaiveDate;
use cityos_domain::event::Event;
use cityos_domain::ids::{OrderId, RuleId, VendorId, VendorOrderId};
use cityos_domain::log::Envelope;
use cityos_domain::money::{Currency, Rate};
use cityos_domain::orders::vendor_order;

table! {
    /// The commission of a line. Amounts are in minor units.
    pub struct CommissionOfLine {
        key {
            /// The part the line is in.
            part: VendorOrderId,
            /// The line's number in the order.
            number: u32,
        }
        indexed {
            /// The order.
            order: OrderId,
            /// Who sells.
            vendor: VendorId,
            /// The rule that was applied; none where no rule matched.
            rule: Option<RuleId>,
            /// The day it was frozen, in the tenant's zone.
            date: NaiveDate,
            /// In what currency.
            currency: Currency,
        }
        plain {
            /// The version of the rule list it was applied from.
            rules_version: u64,
            /// What it was taken of.
            base_minor: i64,
            /// The rate, where one rate applied to all of it.
            rate: Option<Rate>,
            /// What had been counted in the month before, for a tiered rule.
            counted_before_minor: Option<i64>,
            /// What was frozen.
            frozen_minor: i64,
            /// What of it was reversed.
            reversed_minor: i64,
            /// What of it came in.
            captured_minor: i64,
        }
    }
}

/// The commissions.
pub struct Commissions;

impl ReadModel for Commissions {
    const NAME: &'static str = "commissions";
    const VERSION: u32 = 1;
    type Row = CommissionOfLine;

    fn keys(event: &Envelope) -> Keys<(VendorOrderId, u32)> {
        lines_of(event)
    }

    fn evolve(
        row: Option<CommissionOfLine>,
        (part, number): &(VendorOrderId, u32),
        event: &Envelope,
    ) -> Result<Option<CommissionOfLine>, Unfit> {
        let Event::VendorOrder(happened) = &event.event else { return Ok(row) };
        use vendor_order::Event as E;
        match happened {
            E::Placed { belongs, date, lines, .. } => {
                let commission = &line(lines, *number)?.commission;
                Ok(Some(CommissionOfLine {
                    part: *part,
                    number: *number,
                    order: belongs.order,
                    vendor: belongs.vendor,
                    rule: commission.rule,
                    date: date.date,
                    currency: belongs.currency,
                    rules_version: commission.rules_version,
                    base_minor: commission.base_minor,
                    rate: commission.rate,
                    counted_before_minor: commission.counted_before_minor,
                    frozen_minor: commission.minor,
                    reversed_minor: 0,
                    captured_minor: 0,
                }))
            }
            E::UnitsCanceled { totals, .. } => {
                let row = existing(row)?;
                let reversed_minor = row.reversed_minor + totals.commission_minor;
                Ok(Some(CommissionOfLine { reversed_minor, ..row }))
            }
            E::Captured { .. } => {
                let row = existing(row)?;
                let captured_minor = row.frozen_minor - row.reversed_minor;
                Ok(Some(CommissionOfLine { captured_minor, ..row }))
            }
            E::Canceled { .. }
            | E::Shipped { .. }
            | E::CaptureFailed { .. }
            | E::Delivered { .. }
            | E::EarningsReleased { .. } => Ok(row),
        }
    }
}
