//! The payment of an order: one authorisation, split over the vendors' parts. Of each split some is captured
//! and some released; nothing else can become of it.

use crate::ids::{OrderId, VendorOrderId};
use crate::money::{Currency, Money};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How it is paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the payment provider of this installation.
    Provider,
    /// Elsewhere: recorded here, never asked for.
    External,
}

/// A part's share of the authorisation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// The part.
    pub part: VendorOrderId,
    /// In minor units of the payment's currency.
    pub minor: i64,
}

/// Why authorised money is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// What it was for was canceled.
    Canceled,
    /// The authorisation ran out.
    Expired,
}

/// What can have happened to a payment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The customer's money is held.
    Authorised {
        /// The order.
        order: OrderId,
        /// How it is paid.
        method: Method,
        /// How much.
        amount: Money,
        /// The provider's reference.
        reference: String,
        /// When it is given back if nothing happens; none where it was paid elsewhere: giving it back is not
        /// ours.
        expires_at: Option<DateTime<Utc>>,
        /// What is for whom.
        splits: Vec<Split>,
    },
    /// A part's money was taken.
    Captured {
        /// The order.
        order: OrderId,
        /// The part.
        part: VendorOrderId,
        /// How much, in minor units.
        minor: i64,
        /// The currency.
        currency: Currency,
        /// The provider's reference of the capture.
        reference: String,
    },
    /// Held money of a part is given back.
    Released {
        /// The order.
        order: OrderId,
        /// The part.
        part: VendorOrderId,
        /// How much, in minor units.
        minor: i64,
        /// The currency.
        currency: Currency,
        /// How it was to be paid.
        method: Method,
        /// The provider's reference of the authorisation.
        reference: String,
        /// Why.
        cause: ReleaseCause,
    },
    /// The authorisation ran out. What was neither shipped nor being captured is given back with it.
    Expired {
        /// The order.
        order: OrderId,
    },
}
