//! The payment of an order: one authorisation, split over the vendors' parts. Of each split some is captured
//! and some released; nothing else can become of it.

use crate::aggregate::{Aggregate, unless};
use crate::ids::{OrderId, PaymentId, VendorOrderId};
use crate::money::{Currency, Money};
use crate::rejection::Reject;
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

/// What was authorised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authorisation {
    /// The order.
    pub order: OrderId,
    /// How it is paid.
    pub method: Method,
    /// How much: the sum of the splits.
    pub amount: Money,
    /// The provider's reference.
    pub reference: String,
    /// When it is given back if nothing happens.
    pub expires_at: Option<DateTime<Utc>>,
    /// What is for whom.
    pub splits: Vec<Split>,
}

/// What may be asked of a payment. Amounts are in minor units.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// The customer's money is held.
    Authorise(Authorisation),
    /// A part's money was taken.
    Capture {
        /// The part.
        part: VendorOrderId,
        /// How much.
        minor: i64,
        /// The provider's reference of the capture.
        reference: String,
    },
    /// Give back held money of a part. Nothing: already so.
    Release {
        /// The part.
        part: VendorOrderId,
        /// How much.
        minor: i64,
        /// Why.
        cause: ReleaseCause,
    },
    /// Hold no longer what nobody is about to take.
    Expire,
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

/// Why a payment says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// There is none.
    #[error("there is no such payment")]
    Unknown,
    /// There is another under this id.
    #[error("the payment exists already")]
    Exists,
    /// Nothing of it is for that part.
    #[error("nothing of this payment is for that part")]
    NotSplit,
    /// More than is held.
    #[error("{remaining_minor} minor units are held for this part, not {wanted_minor}")]
    ExceedsHeld {
        /// How much was wanted.
        wanted_minor: i64,
        /// How much is held.
        remaining_minor: i64,
    },
    /// Its time is not up.
    #[error("the authorisation has not run out")]
    NotExpired,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "PAYMENT_UNKNOWN",
            Rejection::Exists => "PAYMENT_EXISTS",
            Rejection::NotSplit => "PAYMENT_NOT_SPLIT",
            Rejection::ExceedsHeld { .. } => "PAYMENT_EXCEEDS_HELD",
            Rejection::NotExpired => "PAYMENT_NOT_EXPIRED",
        }
    }
}

/// A payment.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// It does not exist.
    #[default]
    Unknown,
    /// Money is, or was, held.
    Authorised(Held),
}

/// What is known of an authorised payment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Held {
    order: OrderId,
    /// How it is paid.
    pub method: Method,
    currency: Currency,
    /// The provider's reference of the authorisation.
    pub reference: String,
    expires_at: Option<DateTime<Utc>>,
    /// Whether its time is up.
    pub expired: bool,
    /// What is neither captured nor released, per part.
    remaining: Vec<Split>,
}

impl Payment {
    /// What is known of it, if it was authorised.
    pub fn held(&self) -> Result<&Held, Rejection> {
        match self {
            Payment::Unknown => Err(Rejection::Unknown),
            Payment::Authorised(held) => Ok(held),
        }
    }

    /// The parts it is split over, with what is still held for each.
    pub fn remaining(&self) -> Result<&[Split], Rejection> {
        self.held().map(|held| held.remaining.as_slice())
    }
}

impl Held {
    fn check(&self, part: VendorOrderId, wanted_minor: i64) -> Result<(), Rejection> {
        let split = self.remaining.iter().find(|split| split.part == part);
        let remaining_minor = split.ok_or(Rejection::NotSplit)?.minor;
        if (0..=remaining_minor).contains(&wanted_minor) {
            Ok(())
        } else {
            Err(Rejection::ExceedsHeld { wanted_minor, remaining_minor })
        }
    }

    fn less(mut self, part: VendorOrderId, minor: i64) -> Self {
        let split = self.remaining.iter_mut().find(|split| split.part == part);
        split.into_iter().for_each(|split| split.minor -= minor);
        self
    }
}

impl Aggregate for Payment {
    type Id = PaymentId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Authorise(Authorisation { order, method, amount, reference, expires_at, splits }) => {
                let split_minor: i64 = splits.iter().map(|split| split.minor).sum();
                assert_eq!(split_minor, amount.minor, "an authorisation is split to the last minor unit");
                let authorised = Event::Authorised {
                    order: *order,
                    method: *method,
                    amount: *amount,
                    reference: reference.clone(),
                    expires_at: *expires_at,
                    splits: splits.clone(),
                };
                if *self == Payment::Unknown { Ok(vec![authorised]) } else { Err(Rejection::Exists) }
            }
            Command::Capture { part, minor, reference } => {
                let held = self.held()?;
                held.check(*part, *minor)?;
                Ok(vec![Event::Captured {
                    order: held.order,
                    part: *part,
                    minor: *minor,
                    currency: held.currency,
                    reference: reference.clone(),
                }])
            }
            Command::Release { part, minor, cause } => {
                let held = self.held()?;
                held.check(*part, *minor)?;
                let released = Event::Released {
                    order: held.order,
                    part: *part,
                    minor: *minor,
                    currency: held.currency,
                    method: held.method,
                    reference: held.reference.clone(),
                    cause: *cause,
                };
                Ok(unless(*minor == 0, released))
            }
            Command::Expire => {
                let held = self.held()?;
                if held.expires_at.is_some_and(|expires_at| expires_at <= at) {
                    Ok(unless(held.expired, Event::Expired { order: held.order }))
                } else {
                    Err(Rejection::NotExpired)
                }
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match (event, self) {
            (Event::Authorised { order, method, amount, reference, expires_at, splits }, _) => {
                Payment::Authorised(Held {
                    order: *order,
                    method: *method,
                    currency: amount.currency,
                    reference: reference.clone(),
                    expires_at: *expires_at,
                    expired: false,
                    remaining: splits.clone(),
                })
            }
            (
                Event::Captured { part, minor, .. } | Event::Released { part, minor, .. },
                Payment::Authorised(held),
            ) => Payment::Authorised(held.less(*part, *minor)),
            (Event::Expired { .. }, Payment::Authorised(held)) => {
                Payment::Authorised(Held { expired: true, ..held })
            }
            (Event::Captured { .. } | Event::Released { .. } | Event::Expired { .. }, Payment::Unknown) => {
                Payment::Unknown
            }
        }
    }
}
