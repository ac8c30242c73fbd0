//! The ledger, transaction by transaction, as a vendor's statement shows it.

use super::vendor_balances::owed;
use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, NaiveDate, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{OrderId, PayoutId, TransactionId, VendorId, VendorOrderId};
use cityos_domain::ledger::month::{self, Account, Leg, Occasion, Transaction};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use serde::{Deserialize, Serialize};

/// What a transaction is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A sale was captured.
    Sale,
    /// A sale's earnings became available.
    Release,
    /// A payout took available entries.
    PayoutClaimed,
    /// A payout arrived.
    PayoutSettled,
    /// A payout came to nothing.
    PayoutFailed,
    /// An operator posted it.
    Adjustment,
}

named!(EntryKind);

table! {
    /// A transaction. Amounts are changes of what the vendor is owed on each account, in minor units.
    pub struct LedgerEntry {
        key {
            /// Its id.
            id: TransactionId,
        }
        indexed {
            /// Whose ledger.
            vendor: VendorId,
            /// What it is about.
            kind: EntryKind,
            /// When it was posted.
            posted_at: DateTime<Utc>,
            /// The order it is about.
            order: Option<OrderId>,
            /// The payout it is about.
            payout: Option<PayoutId>,
            /// The payout that took what it made available.
            settled_by: Option<PayoutId>,
        }
        plain {
            /// In what currency.
            currency: Currency,
            /// The day in the tenant's zone.
            date: NaiveDate,
            /// The part of the order it is about.
            part: Option<VendorOrderId>,
            /// Owed, not yet due.
            pending_minor: i64,
            /// Owed and due.
            available_minor: i64,
            /// On its way.
            in_transit_minor: i64,
            /// Paid.
            paid_minor: i64,
            /// What the marketplace kept.
            commission_minor: i64,
            /// Why an operator posted it.
            reason: Option<String>,
            /// All legs, debits positive. They sum to zero.
            legs: Vec<Leg>,
        }
    }
}

/// The transactions.
pub struct LedgerEntries;

impl ReadModel for LedgerEntries {
    const NAME: &'static str = "ledger_entries";
    const VERSION: u32 = 1;
    type Row = LedgerEntry;

    fn keys(event: &Envelope) -> Keys<TransactionId> {
        use month::Event as E;
        let Event::Ledger(happened) = &event.event else { return Keys::None };
        match happened {
            E::Posted { transaction, .. } => Keys::One(transaction.id),
            E::EntriesClaimed { entries, .. } | E::EntriesUnclaimed { entries, .. } => {
                Keys::Many(entries.clone())
            }
            // A month hands its entries on: they stay what they are.
            E::Opened { .. } | E::EntriesCarried { .. } | E::Closed {} => Keys::None,
        }
    }

    fn evolve(
        row: Option<LedgerEntry>,
        _: &TransactionId,
        event: &Envelope,
    ) -> Result<Option<LedgerEntry>, Unfit> {
        use month::Event as E;
        let Event::Ledger(happened) = &event.event else { return Ok(row) };
        match happened {
            E::Posted { vendor, currency, transaction } => {
                Ok(Some(posted(*vendor, *currency, event.at, transaction)))
            }
            E::EntriesClaimed { payout, .. } => match existing(row)? {
                LedgerEntry { settled_by: Some(_), .. } => Err(Unfit::Contradiction("another payout has it")),
                entry => Ok(Some(LedgerEntry { settled_by: Some(*payout), ..entry })),
            },
            E::EntriesUnclaimed { .. } => Ok(Some(LedgerEntry { settled_by: None, ..existing(row)? })),
            E::Opened { .. } | E::EntriesCarried { .. } | E::Closed {} => Ok(row),
        }
    }
}

fn posted(
    vendor: VendorId,
    currency: Currency,
    posted_at: DateTime<Utc>,
    transaction: &Transaction,
) -> LedgerEntry {
    let (kind, sale, payout, reason) = match &transaction.occasion {
        Occasion::Captured { order, part } => (EntryKind::Sale, Some((*order, *part)), None, None),
        Occasion::Released { order, part } => (EntryKind::Release, Some((*order, *part)), None, None),
        Occasion::Claimed { payout } => (EntryKind::PayoutClaimed, None, Some(*payout), None),
        Occasion::Settled { payout } => (EntryKind::PayoutSettled, None, Some(*payout), None),
        Occasion::Unclaimed { payout } => (EntryKind::PayoutFailed, None, Some(*payout), None),
        Occasion::Adjusted { reason } => (EntryKind::Adjustment, None, None, Some(reason.clone())),
    };
    LedgerEntry {
        id: transaction.id,
        vendor,
        kind,
        posted_at,
        order: sale.map(|(order, _)| order),
        payout,
        settled_by: None,
        currency,
        date: transaction.date.date,
        part: sale.map(|(_, part)| part),
        pending_minor: owed(transaction, Account::VendorPending),
        available_minor: owed(transaction, Account::VendorAvailable),
        in_transit_minor: owed(transaction, Account::VendorInTransit),
        paid_minor: owed(transaction, Account::VendorPaid),
        commission_minor: owed(transaction, Account::CommissionIncome),
        reason,
        legs: transaction.legs.clone(),
    }
}
