//! The units of one offer: on hand, and held by checkouts until a stated time. The stream carries the offer's
//! id; offers whose units are not counted have none.

use crate::ids::{ReservationId, VendorOrderId};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why held units were let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// The checkout ended without an order.
    CheckoutFailed,
    /// The time was up.
    Expired,
}

/// What can have happened to the units.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// More are there.
    Received {
        /// How many.
        quantity: u32,
    },
    /// Someone counted.
    Adjusted {
        /// The difference.
        by: i64,
        /// Why.
        reason: String,
    },
    /// A checkout holds some.
    Reserved {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// A claim is over without an order.
    Released {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// Why.
        cause: ReleaseCause,
    },
    /// A claim became part of an order: the units are gone from hand.
    Allocated {
        /// The claim.
        reservation: ReservationId,
        /// How many.
        quantity: u32,
        /// The part of the order.
        part: VendorOrderId,
    },
    /// Ordered units were canceled before they shipped and are on hand again.
    Returned {
        /// How many.
        quantity: u32,
        /// The part of the order.
        part: VendorOrderId,
    },
}
