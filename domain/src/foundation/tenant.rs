//! A tenant in its own partition: lifecycle `provisioning → active ⇄ suspended → closing → closed`, tier and
//! policies. Whatever must not happen for a tenant that is not active relies on this stream.

use crate::calendar::Zone;
use crate::ids::{PlaceId, StoreId};
use crate::money::Currency;
use crate::text::{LocalText, Locale, Slug};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Subscription tiers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// To begin with.
    #[default]
    Basic,
    /// For more.
    Professional,
    /// For the largest.
    Enterprise,
}

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

/// What can have happened to a tenant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Its partition exists, with default policies.
    Provisioned {
        /// Its slug.
        slug: Slug,
        /// Its name.
        name: LocalText,
        /// The subcategory it belongs to.
        subcategory: Option<PlaceId>,
        /// Its time zone.
        zone: Zone,
        /// Its default locale.
        locale: Locale,
        /// Its main currency.
        currency: Currency,
        /// Its tier.
        tier: Tier,
    },
    /// It may trade.
    Activated {},
    /// It may not trade for now.
    Suspended {
        /// Why.
        reason: String,
    },
    /// It may trade again.
    Resumed {
        /// Why.
        reason: String,
    },
    /// It takes no new orders and winds up.
    ClosingStarted {
        /// Why.
        reason: String,
    },
    /// It is over. Nothing is deleted.
    Closed {},
    /// It has another tier.
    TierChanged {
        /// The new tier.
        tier: Tier,
    },
    /// It has other policies.
    PoliciesChanged {
        /// All of them.
        policies: Policies,
        /// When payouts run next by themselves, if they do.
        payouts_next_at: Option<DateTime<Utc>>,
    },
    /// Which store is meant where none is named.
    DefaultStoreChosen {
        /// The store.
        store: StoreId,
    },
    /// It is time for the scheduled payouts.
    PayoutsDue {
        /// When they are due after this.
        next_at: Option<DateTime<Utc>>,
    },
}
