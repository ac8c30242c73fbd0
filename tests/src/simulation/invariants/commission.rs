//! Tiers: what each sale saw counted before it.

use super::{Invariant, hold};
use cityos_domain::calendar::Month;
use cityos_domain::commission::tier;
use cityos_domain::event::Event;
use cityos_domain::ids::{RuleId, VendorId, VendorOrderId};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use cityos_domain::orders::vendor_order;
use std::collections::BTreeMap;

/// What was counted, and what lines say was.
#[derive(Default)]
pub struct Tiers {
    totals: BTreeMap<(RuleId, VendorId, Month, Currency), i64>,
    /// Of each part, what was counted before and with each of its sales.
    counted: BTreeMap<VendorOrderId, Vec<(RuleId, i64, i64)>>,
}

impl Invariant for Tiers {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::CommissionTier(happened) = &event.event {
            let tier::Event::Advanced { rule, vendor, month, currency, by_minor, total_minor, part } =
                happened;
            let total = self.totals.entry((*rule, *vendor, *month, *currency)).or_default();
            self.counted.entry(*part).or_default().push((*rule, *total, *by_minor));
            *total += by_minor;
            hold(*total == *total_minor, || format!("{total_minor} are counted, and {total} were sold"))?;
        } else if let Event::VendorOrder(vendor_order::Event::Placed { lines, totals, .. }) = &event.event {
            let sales = lines.iter().filter_map(|line| {
                let taken = &line.commission;
                Some((taken.rule?, taken.counted_before_minor?, taken.base_minor))
            });
            let part = VendorOrderId(event.stream.id);
            let mut sales: Vec<_> = sales.collect();
            let mut counted = self.counted.remove(&part).unwrap_or_default();
            sales.sort_unstable();
            counted.sort_unstable();
            hold(sales == counted, || format!("part {part} says {sales:?} and {counted:?} was counted"))?;
            let commission: i64 = lines.iter().map(|line| line.commission.minor).sum();
            hold(commission == totals.commission_minor, || {
                format!("part {part}: commission does not add up")
            })?;
        }
        Ok(())
    }
}
