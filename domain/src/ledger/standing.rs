//! Where a vendor's ledger stands: balances, which entries are due but unclaimed, and payouts under way.

use super::month::{Account, ENTRIES_PER_EVENT_MAX, Event, Occasion, Rejection, Transaction};
use crate::ids::{PayoutId, TransactionId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::mem;

/// Where a ledger stands, and what a month hands on to the next. An entry is a transaction that made something
/// available; those that are unclaimed sum to what is available.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Standing {
    /// The balance of every account that has one, in minor units, debits positive.
    pub balances: BTreeMap<Account, i64>,
    /// The entries no payout has claimed, in the order they became available: again, after a payout that failed.
    pub unclaimed: Vec<TransactionId>,
    /// The entries of the payouts under way.
    pub claimed: BTreeMap<PayoutId, Vec<TransactionId>>,
    /// How many payouts there have been.
    pub payouts: u32,
}

impl Standing {
    /// An account's balance in minor units, debits positive.
    pub fn balance_minor(&self, account: Account) -> i64 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    /// What is owed to the vendor and due, in minor units; negative where they owe.
    pub fn available_minor(&self) -> i64 {
        -self.balance_minor(Account::VendorAvailable)
    }

    /// Whether nothing is owed to the vendor, due or not or on its way, nor by them.
    pub fn is_settled(&self) -> bool {
        let owed = [Account::VendorPending, Account::VendorAvailable, Account::VendorInTransit];
        owed.into_iter().all(|account| self.balance_minor(account) == 0)
    }

    /// The events that hand all entries on to the next month.
    pub(super) fn entries_carried(&self) -> impl Iterator<Item = Event> {
        let claimed = self.claimed.iter().map(|(payout, entries)| (Some(*payout), entries));
        claimed.chain([(None, &self.unclaimed)]).flat_map(|(payout, entries)| {
            listed(entries, move |entries| Event::EntriesCarried { payout, entries })
        })
    }

    /// The events that say which entries a transaction claims, or makes available again. Refuses one that ends a
    /// payout that is not under way.
    pub(super) fn entries_moved(&self, occasion: &Occasion) -> Result<Vec<Event>, Rejection> {
        let claimed_by = |payout| self.claimed.get(payout).ok_or(Rejection::PayoutNotOpen);
        match *occasion {
            Occasion::Claimed { payout } => {
                let claimed = move |entries| Event::EntriesClaimed { payout, entries };
                Ok(listed(&self.unclaimed, claimed).collect())
            }
            Occasion::Unclaimed { payout } => {
                let unclaimed = move |entries| Event::EntriesUnclaimed { payout, entries };
                Ok(listed(claimed_by(&payout)?, unclaimed).collect())
            }
            Occasion::Settled { payout } => claimed_by(&payout).map(|_| Vec::new()),
            Occasion::Captured { .. } | Occasion::Released { .. } | Occasion::Adjusted { .. } => {
                Ok(Vec::new())
            }
        }
    }

    /// What it becomes with further entries the month before handed on.
    pub(super) fn with_entries(mut self, payout: Option<PayoutId>, entries: &[TransactionId]) -> Self {
        let known = match payout {
            Some(payout) => self.claimed.entry(payout).or_default(),
            None => &mut self.unclaimed,
        };
        known.extend(entries);
        self
    }

    /// What it becomes with a transaction.
    pub(super) fn with(mut self, transaction: &Transaction) -> Self {
        for leg in &transaction.legs {
            *self.balances.entry(leg.account).or_default() += leg.minor;
        }
        self.balances.retain(|_, minor| *minor != 0);
        match transaction.occasion {
            Occasion::Captured { .. } => {}
            Occasion::Released { .. } | Occasion::Adjusted { .. } => self.unclaimed.push(transaction.id),
            Occasion::Claimed { payout } => {
                self.claimed.insert(payout, mem::take(&mut self.unclaimed));
                self.payouts += 1;
            }
            Occasion::Settled { payout } => {
                self.claimed.remove(&payout);
            }
            Occasion::Unclaimed { payout } => {
                self.unclaimed.extend(self.claimed.remove(&payout).unwrap_or_default());
            }
        }
        self
    }
}

/// One event for every so many entries.
fn listed(
    entries: &[TransactionId],
    event: impl Fn(Vec<TransactionId>) -> Event,
) -> impl Iterator<Item = Event> {
    entries.chunks(ENTRIES_PER_EVENT_MAX).map(move |entries| event(entries.to_vec()))
}
