//! What a tenant decides for itself, within limits.

use crate::calendar::Zone;
use crate::foundation::tenant::Rejection;
use crate::money::{AMOUNT_MINOR_MAX, Currency};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest hold after delivery.
pub const HOLD_DAYS_MAX: u16 = 365;
/// The longest an authorisation is kept: 30 days.
pub const AUTHORISATION_HOURS_MAX: u32 = 30 * 24;
/// The longest a checkout holds stock: a day.
pub const RESERVATION_MINUTES_MAX: u32 = 24 * 60;

/// When a vendor's part of an order is captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMoment {
    /// When the vendor ships it.
    #[default]
    AtShipment,
    /// As soon as the order is placed.
    AtPlacement,
}

/// When vendors are paid without anybody asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayoutSchedule {
    /// Never: an operator runs payouts.
    #[default]
    Manual,
    /// Every day at this local hour (0 to 23).
    Daily {
        /// The hour.
        hour: u8,
    },
}

/// What a tenant decides for itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Policies {
    /// Days between delivery and a vendor's earnings becoming available.
    pub hold_days: u16,
    /// When a part is captured.
    pub capture: CaptureMoment,
    /// The smallest payout per currency, in minor units; 1 where none is named.
    pub payout_minimum_minor: BTreeMap<Currency, i64>,
    /// When payouts run by themselves.
    pub payouts: PayoutSchedule,
    /// Hours until an authorisation that was not captured is given back.
    pub authorisation_hours: u32,
    /// Minutes a checkout holds stock.
    pub reservation_minutes: u32,
}

impl Default for Policies {
    fn default() -> Self {
        Policies {
            hold_days: 0,
            capture: CaptureMoment::AtShipment,
            payout_minimum_minor: BTreeMap::new(),
            payouts: PayoutSchedule::Manual,
            authorisation_hours: 7 * 24,
            reservation_minutes: 15,
        }
    }
}

impl Policies {
    /// The smallest payout in a currency, in minor units.
    pub fn payout_minimum_minor(&self, currency: Currency) -> i64 {
        self.payout_minimum_minor.get(&currency).copied().unwrap_or(1)
    }

    /// Refuses values outside their limits.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        let outside = |field, rule| Err(Rejection::PolicyOutsideLimits { field, rule });
        if self.hold_days > HOLD_DAYS_MAX {
            return outside("holdDays", format!("must be at most {HOLD_DAYS_MAX}"));
        }
        if !(1..=AUTHORISATION_HOURS_MAX).contains(&self.authorisation_hours) {
            return outside("authorisationHours", format!("must be 1 to {AUTHORISATION_HOURS_MAX}"));
        }
        if !(1..=RESERVATION_MINUTES_MAX).contains(&self.reservation_minutes) {
            return outside("reservationMinutes", format!("must be 1 to {RESERVATION_MINUTES_MAX}"));
        }
        if self.payout_minimum_minor.values().any(|minor| !(1..=AMOUNT_MINOR_MAX).contains(minor)) {
            return outside("payoutMinimums", format!("must be 1 to {AMOUNT_MINOR_MAX} minor units"));
        }
        match self.payouts {
            PayoutSchedule::Daily { hour } if hour > 23 => {
                outside("dailyPayoutHour", "must be an hour from 0 to 23".into())
            }
            PayoutSchedule::Daily { .. } | PayoutSchedule::Manual => Ok(()),
        }
    }
}

impl PayoutSchedule {
    /// When payouts run next after `after`, in the tenant's zone.
    pub(super) fn next_after(self, after: DateTime<Utc>, zone: Zone) -> Option<DateTime<Utc>> {
        match self {
            PayoutSchedule::Manual => None,
            PayoutSchedule::Daily { hour } => Some(zone.next_at_hour(hour, after)),
        }
    }
}
