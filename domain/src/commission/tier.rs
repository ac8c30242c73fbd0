//! How much a vendor has sold in one month under one tiered rule in one currency. A stream of its own, so that
//! two orders that cross a bound together are decided one after the other.

use crate::calendar::Month;
use crate::ids::{RuleId, VendorId, VendorOrderId};
use crate::money::Currency;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can have happened to the count.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A sale was counted.
    Advanced {
        /// The rule.
        rule: RuleId,
        /// The vendor.
        vendor: VendorId,
        /// The month in the tenant's zone.
        month: Month,
        /// The currency.
        currency: Currency,
        /// By how much, in minor units.
        by_minor: i64,
        /// What it comes to.
        total_minor: i64,
        /// The part of the order that was sold.
        part: VendorOrderId,
    },
}
