//! One month of a vendor's ledger in one currency: double entry, every transaction one event whose legs sum to
//! zero. A month that ends is closed, and its balances and unclaimed entries are carried into the next, a bounded
//! number of entries in each event. Accounts of the platform (clearing, commission income, …) are legs here like
//! the vendor's own; their balances are folds over all vendors, never streams, or every capture would meet in one.

use crate::aggregate::Aggregate;
use crate::calendar::{BusinessDate, Month};
use crate::ids::{OrderId, PayoutId, TransactionId, VendorId, VendorOrderId};
use crate::ledger::book::LedgerOf;
use crate::ledger::standing::Standing;
use crate::money::Currency;
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::iter;
use uuid::Uuid;

/// The most entries one event lists: some 40 KiB of ids. A claim of more takes several events.
pub const ENTRIES_PER_EVENT_MAX: usize = 1_000;

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
    /// A payout took all that was available.
    Claimed {
        /// The payout.
        payout: PayoutId,
    },
    /// A payout was paid.
    Settled {
        /// The payout.
        payout: PayoutId,
    },
    /// A payout came to nothing: what it took is available again.
    Unclaimed {
        /// The payout.
        payout: PayoutId,
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
        carried: Standing,
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
        /// What the month before handed on: the balance of every account that has one, in minor units, debits
        /// positive. The entries follow.
        balances: BTreeMap<Account, i64>,
        /// How many payouts there have been.
        payouts: u32,
    },
    /// The month before handed on these entries too: transactions that made something available.
    EntriesCarried {
        /// The payout that has claimed them and is under way; none where they are unclaimed.
        payout: Option<PayoutId>,
        /// In the order they became available.
        entries: Vec<TransactionId>,
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
    /// The entries whose sum the claim just posted took.
    EntriesClaimed {
        /// The payout.
        payout: PayoutId,
        /// In the order they became available.
        entries: Vec<TransactionId>,
    },
    /// The entries whose sum the transaction just posted made available again.
    EntriesUnclaimed {
        /// The payout that came to nothing.
        payout: PayoutId,
        /// In the order they became available.
        entries: Vec<TransactionId>,
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
    /// It was opened before.
    #[error("this month of the ledger was opened before")]
    Opened,
    /// Nothing of it is on its way.
    #[error("nothing is claimed for this payout")]
    PayoutNotOpen,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::NotOpen => "LEDGER_MONTH_NOT_OPEN",
            Rejection::Opened => "LEDGER_MONTH_OPENED",
            Rejection::PayoutNotOpen => "LEDGER_PAYOUT_NOT_OPEN",
        }
    }
}

/// A month.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerMonth {
    /// It has not begun.
    #[default]
    Unopened,
    /// It takes transactions; this is where it stands.
    Open(Standing),
    /// It is over; this is what it handed on.
    Closed(Standing),
}

impl LedgerMonth {
    /// Where it stands, or stood when it was closed.
    pub fn standing(&self) -> Option<&Standing> {
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
            (LedgerMonth::Unopened, Command::Open { ledger, month, carried }) => {
                let opened = Event::Opened {
                    vendor: ledger.vendor,
                    currency: ledger.currency,
                    month: *month,
                    balances: carried.balances.clone(),
                    payouts: carried.payouts,
                };
                Ok(iter::once(opened).chain(carried.entries_carried()).collect())
            }
            (LedgerMonth::Open(standing), Command::Post { ledger, transaction }) => {
                let sum: i64 = transaction.legs.iter().map(|leg| leg.minor).sum();
                assert_eq!(sum, 0, "the legs of a transaction sum to zero");
                let moved = standing.entries_moved(&transaction.occasion)?;
                let posted = Event::Posted {
                    vendor: ledger.vendor,
                    currency: ledger.currency,
                    transaction: transaction.clone(),
                };
                Ok(iter::once(posted).chain(moved).collect())
            }
            (LedgerMonth::Closed(_), Command::Close) => Ok(vec![]),
            (LedgerMonth::Open(_), Command::Close) => Ok(vec![Event::Closed {}]),
            (LedgerMonth::Unopened, Command::Post { .. } | Command::Close)
            | (LedgerMonth::Closed(_), Command::Post { .. }) => Err(Rejection::NotOpen),
            (LedgerMonth::Open(_) | LedgerMonth::Closed(_), Command::Open { .. }) => Err(Rejection::Opened),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match (self, event) {
            (LedgerMonth::Unopened, Event::Opened { balances, payouts, .. }) => LedgerMonth::Open(Standing {
                balances: balances.clone(),
                payouts: *payouts,
                ..Standing::default()
            }),
            (LedgerMonth::Open(standing), Event::EntriesCarried { payout, entries }) => {
                LedgerMonth::Open(standing.with_entries(*payout, entries))
            }
            (LedgerMonth::Open(standing), Event::Posted { transaction, .. }) => {
                LedgerMonth::Open(standing.with(transaction))
            }
            (LedgerMonth::Open(standing), Event::Closed {}) => LedgerMonth::Closed(standing),
            // A claim is the transaction; which entries it took is said for those who show them.
            (
                state,
                Event::Opened { .. }
                | Event::EntriesCarried { .. }
                | Event::Posted { .. }
                | Event::EntriesClaimed { .. }
                | Event::EntriesUnclaimed { .. }
                | Event::Closed {},
            ) => state,
        }
    }
}
