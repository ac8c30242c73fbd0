//! A payout to one vendor in one currency: `requested → claimed → submitted → paid`, or `failed`, or `voided`
//! where nothing could be claimed. One that is over never begins again: who asks then gets another payout. What it
//! does to the ledger is in [`paying_out`](super::paying_out).

use crate::aggregate::{Aggregate, unless};
use crate::ids::{PayoutId, VendorId, derive};
use crate::ledger::book::LedgerOf;
use crate::money::{Currency, Money};
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who wanted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An operator.
    Manual,
    /// The tenant's schedule.
    Schedule,
}

/// The id of the payout a vendor gets after `ordinal` others, of which `voided` more came to nothing before they
/// claimed anything: whoever asks at the same time means the same one.
pub fn payout_id(to: LedgerOf, ordinal: u32, voided: u32) -> PayoutId {
    let (vendor, ordinal, voided) = (to.vendor.to_string(), ordinal.to_string(), voided.to_string());
    PayoutId(derive(&["payout", &vendor, to.currency.code(), &ordinal, &voided]))
}

/// What may be asked of a payout.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Make it.
    Request {
        /// To whom.
        to: LedgerOf,
        /// How many payouts there were before.
        ordinal: u32,
        /// Who wants it.
        trigger: Trigger,
    },
    /// Pay this: so much was claimed for it.
    Claim {
        /// How much.
        amount: Money,
    },
    /// Nothing can be claimed.
    Void {
        /// Why.
        reason: String,
    },
    /// The provider has it.
    RecordSubmitted {
        /// The provider's reference.
        reference: String,
    },
    /// The transfer was made. Whether the money arrives is not followed.
    Settle,
    /// It came to nothing.
    Fail {
        /// Why.
        reason: String,
    },
}

/// What can have happened to a payout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is to be made.
    Requested {
        /// To whom.
        vendor: VendorId,
        /// In what currency.
        currency: Currency,
        /// How many payouts the vendor had in that currency before.
        ordinal: u32,
        /// Who wanted it.
        trigger: Trigger,
    },
    /// It has claimed what is available; the ledger names the entries.
    Claimed {
        /// To whom.
        vendor: VendorId,
        /// How much.
        amount: Money,
    },
    /// The provider has it.
    Submitted {
        /// To whom.
        vendor: VendorId,
        /// The provider's reference.
        reference: String,
    },
    /// The transfer was made.
    Paid {
        /// To whom.
        vendor: VendorId,
    },
    /// It came to nothing; its entries are available again.
    Failed {
        /// To whom.
        vendor: VendorId,
        /// Why.
        reason: String,
    },
    /// There was nothing to pay, or too little.
    Voided {
        /// To whom.
        vendor: VendorId,
        /// Why.
        reason: String,
    },
}

/// Why a payout may say no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// There is none.
    #[error("there is no such payout")]
    Unknown,
    /// Too little to pay.
    #[error("{available} is available, and a payout is at least {minimum}")]
    BelowMinimum {
        /// What is there.
        available: Money,
        /// What there must be.
        minimum: Money,
    },
    /// It must come later.
    #[error("the payout is {0}: that cannot be done with it now")]
    NotNow(&'static str),
    /// The provider knows it under another name.
    #[error("the payout was submitted under another reference")]
    OtherReference,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "PAYOUT_UNKNOWN",
            Rejection::BelowMinimum { .. } => "PAYOUT_BELOW_MINIMUM",
            Rejection::NotNow(_) => "PAYOUT_NOT_NOW",
            Rejection::OtherReference => "PAYOUT_OTHER_REFERENCE",
        }
    }
}

/// A payout.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Payout {
    /// It does not exist.
    #[default]
    Unknown,
    /// It is to be made.
    Requested {
        /// To whom.
        to: LedgerOf,
    },
    /// Nothing could be claimed.
    Voided {
        /// To whom it would have gone.
        to: LedgerOf,
    },
    /// It has claimed entries.
    Claimed {
        /// To whom.
        to: LedgerOf,
        /// Their sum.
        amount: Money,
        /// The provider's reference once the money is on its way.
        submitted: Option<String>,
    },
    /// The transfer was made.
    Paid {
        /// To whom.
        to: LedgerOf,
        /// How much.
        amount: Money,
    },
    /// It came to nothing.
    Failed {
        /// To whom it would have gone.
        to: LedgerOf,
        /// How much.
        amount: Money,
    },
}

impl Payout {
    fn stage(&self) -> &'static str {
        match self {
            Payout::Unknown => "unknown",
            Payout::Requested { .. } => "requested",
            Payout::Voided { .. } => "voided",
            Payout::Claimed { submitted: None, .. } => "claimed",
            Payout::Claimed { submitted: Some(_), .. } => "submitted",
            Payout::Paid { .. } => "paid",
            Payout::Failed { .. } => "failed",
        }
    }

    /// To whom it goes.
    pub fn to(&self) -> Result<LedgerOf, Rejection> {
        match self {
            Payout::Unknown => Err(Rejection::Unknown),
            Payout::Requested { to }
            | Payout::Voided { to }
            | Payout::Claimed { to, .. }
            | Payout::Paid { to, .. }
            | Payout::Failed { to, .. } => Ok(*to),
        }
    }

    /// How much it pays, or would have, once it has claimed that.
    pub fn amount(&self) -> Option<Money> {
        match self {
            Payout::Unknown | Payout::Requested { .. } | Payout::Voided { .. } => None,
            Payout::Claimed { amount, .. } | Payout::Paid { amount, .. } | Payout::Failed { amount, .. } => {
                Some(*amount)
            }
        }
    }
}

impl Aggregate for Payout {
    type Id = PayoutId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let not_now = Err(Rejection::NotNow(self.stage()));
        if let Command::Request { to: LedgerOf { vendor, currency }, ordinal, trigger } = *command {
            return match self {
                Payout::Unknown => Ok(vec![Event::Requested { vendor, currency, ordinal, trigger }]),
                Payout::Requested { .. } => Ok(vec![]),
                Payout::Voided { .. }
                | Payout::Claimed { .. }
                | Payout::Paid { .. }
                | Payout::Failed { .. } => not_now,
            };
        }
        let vendor = self.to()?.vendor;
        match (command, self) {
            (Command::Claim { amount }, Payout::Requested { .. }) => {
                Ok(vec![Event::Claimed { vendor, amount: *amount }])
            }
            (Command::Void { reason }, Payout::Requested { .. }) => {
                Ok(vec![Event::Voided { vendor, reason: reason.clone() }])
            }
            (Command::RecordSubmitted { reference }, Payout::Claimed { submitted: None, .. }) => {
                Ok(vec![Event::Submitted { vendor, reference: reference.clone() }])
            }
            (Command::RecordSubmitted { reference }, Payout::Claimed { submitted: Some(known), .. }) => {
                if known == reference {
                    Ok(vec![])
                } else {
                    Err(Rejection::OtherReference)
                }
            }
            (Command::Settle, Payout::Claimed { submitted: Some(_), .. } | Payout::Paid { .. }) => {
                Ok(unless(matches!(self, Payout::Paid { .. }), Event::Paid { vendor }))
            }
            (Command::Fail { reason }, Payout::Claimed { .. } | Payout::Failed { .. }) => {
                let failed = Event::Failed { vendor, reason: reason.clone() };
                Ok(unless(matches!(self, Payout::Failed { .. }), failed))
            }
            (
                Command::Request { .. }
                | Command::Claim { .. }
                | Command::Void { .. }
                | Command::RecordSubmitted { .. }
                | Command::Settle
                | Command::Fail { .. },
                _,
            ) => not_now,
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match (event, self) {
            (Event::Requested { vendor, currency, .. }, _) => {
                Payout::Requested { to: LedgerOf { vendor: *vendor, currency: *currency } }
            }
            (Event::Voided { .. }, Payout::Requested { to }) => Payout::Voided { to },
            (Event::Claimed { amount, .. }, Payout::Requested { to }) => {
                Payout::Claimed { to, amount: *amount, submitted: None }
            }
            (Event::Submitted { reference, .. }, Payout::Claimed { to, amount, .. }) => {
                Payout::Claimed { to, amount, submitted: Some(reference.clone()) }
            }
            (Event::Paid { .. }, Payout::Claimed { to, amount, .. }) => Payout::Paid { to, amount },
            (Event::Failed { .. }, Payout::Claimed { to, amount, .. }) => Payout::Failed { to, amount },
            (
                Event::Voided { .. }
                | Event::Claimed { .. }
                | Event::Submitted { .. }
                | Event::Paid { .. }
                | Event::Failed { .. },
                state,
            ) => state,
        }
    }
}
