//! How much a vendor has sold in one month under one tiered rule in one currency. A stream of its own, so that
//! two orders that cross a bound together are decided one after the other.

use crate::aggregate::Aggregate;
use crate::calendar::Month;
use crate::ids::{RuleId, VendorId, VendorOrderId, derive};
use crate::money::Currency;
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is counted apart from everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The rule.
    pub rule: RuleId,
    /// The vendor.
    pub vendor: VendorId,
    /// The month in the tenant's zone.
    pub month: Month,
    /// The currency.
    pub currency: Currency,
}

impl Counted {
    /// The id of the count's stream.
    pub fn id(&self) -> Uuid {
        let Counted { rule, vendor, month, currency } = self;
        derive(&[
            "commission_tier",
            &rule.to_string(),
            &vendor.to_string(),
            &month.to_string(),
            currency.code(),
        ])
    }
}

/// What may be asked of the count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Count a sale.
    Advance {
        /// Which count this is.
        counted: Counted,
        /// By how much, in minor units.
        by_minor: i64,
        /// The part of the order that was sold.
        part: VendorOrderId,
    },
}

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

/// A count says no to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match *self {}
    }
}

/// How far the month has come.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct CommissionTier {
    total_minor: i64,
}

impl CommissionTier {
    /// What was sold so far, in minor units.
    pub fn total_minor(&self) -> i64 {
        self.total_minor
    }
}

impl Aggregate for CommissionTier {
    type Id = Uuid;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let Command::Advance { counted, by_minor, part } = *command;
        let Counted { rule, vendor, month, currency } = counted;
        let total_minor = self.total_minor + by_minor;
        Ok(vec![Event::Advanced { rule, vendor, month, currency, by_minor, total_minor, part }])
    }

    fn evolve(self, event: &Event) -> Self {
        let Event::Advanced { total_minor, .. } = event;
        CommissionTier { total_minor: *total_minor }
    }
}
