//! One month of a vendor's ledger in one currency: double entry, every transaction one event whose legs sum to
//! zero. A month that ends is closed and its balances and unsettled entries carried into the next.
//!
//! Accounts of the platform (clearing, commission income, …) are legs here like the vendor's own; their
//! balances are folds over all vendors, never streams, or every capture would meet in one.

use crate::aggregate::Aggregate;
use crate::calendar::{BusinessDate, Month};
use crate::ids::{OrderId, PayoutId, TransactionId, VendorId, VendorOrderId};
use crate::ledger::book::LedgerOf;
use crate::money::Currency;
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The accounts. A leg's amount is positive where the account is debited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Funds received from customers.
    Clearing,
    /// Owed to the vendor, not yet due.
    VendorPending,
    /// Owed to the vendor and due.
    VendorAvailable,
    /// On its way to the vendor.
    VendorInTransit,
    /// What the vendor was paid.
    VendorPaid,
    /// What the marketplace keeps.
    CommissionIncome,
    /// Credit customers have.
    CustomerCredit,
    /// Posted by operators, with a reason; also discounts the marketplace bears.
    Adjustments,
    /// Reserved: consumer tax held.
    Tax,
    /// Reserved: owed by the vendor.
    Receivable,
    /// Reserved: fees of payment providers.
    Fees,
    /// Reserved: disputed payments.
    Disputes,
    /// Reserved: given up.
    WriteOff,
}

/// One side of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Leg {
    /// The account.
    pub account: Account,
    /// Minor units: debits positive, credits negative.
    pub minor: i64,
}

/// What a transaction is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A part of an order was captured.
    Captured {
        /// The order.
        order: OrderId,
        /// The part.
        part: VendorOrderId,
    },
    /// A part's earnings became available.
    Released {
        /// The order.
        order: OrderId,
        /// The part.
        part: VendorOrderId,
    },
    /// A payout took available entries.
    Claimed {
        /// The payout.
        payout: PayoutId,
        /// The transactions whose available legs it settles.
        entries: Vec<TransactionId>,
    },
    /// A payout arrived.
    Settled {
        /// The payout.
        payout: PayoutId,
    },
    /// A payout came to nothing: its entries are available again.
    Unclaimed {
        /// The payout.
        payout: PayoutId,
        /// The transactions that are unsettled again.
        entries: Vec<TransactionId>,
    },
    /// An operator posted it.
    Adjusted {
        /// Why.
        reason: String,
    },
}

/// A transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// What it is about.
    pub occasion: Occasion,
    /// The day in the tenant's zone.
    pub date: BusinessDate,
    /// Sum to zero.
    pub legs: Vec<Leg>,
}

/// An available entry no payout has claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The transaction that made it available.
    pub transaction: TransactionId,
    /// What the vendor is owed by it, in minor units; negative where they owe.
    pub minor: i64,
}

/// Earnings of a captured part that are not available yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PendingPart {
    /// The part.
    pub part: VendorOrderId,
    /// In minor units.
    pub minor: i64,
}

/// A payout under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OpenPayout {
    /// The payout.
    pub payout: PayoutId,
    /// What it settles.
    pub entries: Vec<Entry>,
}

/// What a month hands on to the next.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Carried {
    /// The balance of every account that has one, in minor units, debits positive.
    pub balances: BTreeMap<Account, i64>,
    /// Available, unclaimed.
    pub unsettled: Vec<Entry>,
    /// Captured, not available.
    pub pending: Vec<PendingPart>,
    /// Payouts under way.
    pub open_payouts: Vec<OpenPayout>,
    /// How many payouts there have been.
    pub payouts: u32,
}

/// What may be asked of a month.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Take transactions from now on.
    Open {
        /// Whose ledger this is.
        ledger: LedgerOf,
        /// Which month.
        month: Month,
        /// What the month before hands on.
        carried: Carried,
    },
    /// Take down a transaction. Its legs must sum to zero: anything else is a bug, and panics.
    Post {
        /// Whose ledger this is.
        ledger: LedgerOf,
        /// The transaction.
        transaction: Transaction,
    },
    /// Take no more transactions.
    Close,
}

/// What can have happened to a month.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It takes transactions.
    Opened {
        /// Whose ledger.
        vendor: VendorId,
        /// In what currency.
        currency: Currency,
        /// Which month.
        month: Month,
        /// What the month before handed on.
        carried: Carried,
    },
    /// A transaction.
    Posted {
        /// Whose ledger.
        vendor: VendorId,
        /// In what currency.
        currency: Currency,
        /// The transaction.
        transaction: Transaction,
    },
    /// It takes no more transactions.
    Closed {},
}

/// Why a month may say no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It is not, or no longer, open.
    #[error("this month of the ledger is not open")]
    NotOpen,
    /// Somebody else settles it.
    #[error("the entry {0} is not there to be settled")]
    EntrySettled(TransactionId),
    /// Nothing of it is on its way.
    #[error("nothing is claimed for the payout {0}")]
    PayoutNotOpen(PayoutId),
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::NotOpen => "LEDGER_MONTH_NOT_OPEN",
            Rejection::EntrySettled(_) => "LEDGER_ENTRY_SETTLED",
            Rejection::PayoutNotOpen(_) => "LEDGER_PAYOUT_NOT_OPEN",
        }
    }
}

/// A month.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum LedgerMonth {
    /// It has not begun.
    #[default]
    Unopened,
    /// It takes transactions; this is where it stands.
    Open(Carried),
    /// It is over; this is what it handed on.
    Closed(Carried),
}

impl LedgerMonth {
    /// Where it stands, or stood when it was closed.
    pub fn standing(&self) -> Option<&Carried> {
        match self {
            LedgerMonth::Unopened => None,
            LedgerMonth::Open(standing) | LedgerMonth::Closed(standing) => Some(standing),
        }
    }
}

impl Aggregate for LedgerMonth {
    type Id = Uuid;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (self, command) {
            (LedgerMonth::Unopened, Command::Open { ledger, month, carried }) => Ok(vec![Event::Opened {
                vendor: ledger.vendor,
                currency: ledger.currency,
                month: *month,
                carried: carried.clone(),
            }]),
            (LedgerMonth::Open(standing), Command::Post { ledger, transaction }) => {
                let sum: i64 = transaction.legs.iter().map(|leg| leg.minor).sum();
                assert_eq!(sum, 0, "the legs of a transaction sum to zero");
                standing.accepts(&transaction.occasion)?;
                Ok(vec![Event::Posted {
                    vendor: ledger.vendor,
                    currency: ledger.currency,
                    transaction: transaction.clone(),
                }])
            }
            (LedgerMonth::Open(_), Command::Open { .. }) | (LedgerMonth::Closed(_), Command::Close) => {
                Ok(vec![])
            }
            (LedgerMonth::Open(_), Command::Close) => Ok(vec![Event::Closed {}]),
            (LedgerMonth::Unopened, Command::Post { .. } | Command::Close)
            | (LedgerMonth::Closed(_), Command::Post { .. } | Command::Open { .. }) => {
                Err(Rejection::NotOpen)
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match (self, event) {
            (LedgerMonth::Unopened, Event::Opened { carried, .. }) => LedgerMonth::Open(carried.clone()),
            (LedgerMonth::Open(standing), Event::Posted { transaction, .. }) => {
                LedgerMonth::Open(standing.with(transaction))
            }
            (LedgerMonth::Open(standing), Event::Closed {}) => LedgerMonth::Closed(standing),
            (state, Event::Opened { .. } | Event::Posted { .. } | Event::Closed {}) => state,
        }
    }
}
