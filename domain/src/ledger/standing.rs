//! Where a vendor's ledger stands: balances, what is due but unclaimed, and payouts under way.

use super::month::{Account, Carried, Entry, Occasion, OpenPayout, PendingPart, Rejection, Transaction};
use crate::ids::PayoutId;
use std::collections::HashSet;

impl Carried {
    /// An account's balance in minor units, debits positive.
    pub fn balance_minor(&self, account: Account) -> i64 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    /// What is owed to the vendor and due, in minor units; negative where they owe.
    pub fn available_minor(&self) -> i64 {
        -self.balance_minor(Account::VendorAvailable)
    }

    /// Refuses a transaction that settles what is not there to be settled.
    pub(super) fn accepts(&self, occasion: &Occasion) -> Result<(), Rejection> {
        match occasion {
            Occasion::Claimed { entries, .. } => {
                let mut unsettled: HashSet<_> =
                    self.unsettled.iter().map(|entry| entry.transaction).collect();
                match entries.iter().find(|entry| !unsettled.remove(*entry)) {
                    Some(settled) => Err(Rejection::EntrySettled(*settled)),
                    None => Ok(()),
                }
            }
            Occasion::Settled { payout } | Occasion::Unclaimed { payout, .. } => {
                if self.open_payouts.iter().any(|open| open.payout == *payout) {
                    Ok(())
                } else {
                    Err(Rejection::PayoutNotOpen(*payout))
                }
            }
            Occasion::Captured { .. } | Occasion::Released { .. } | Occasion::Adjusted { .. } => Ok(()),
        }
    }

    /// What it becomes with a transaction.
    pub(super) fn with(mut self, transaction: &Transaction) -> Self {
        for leg in &transaction.legs {
            *self.balances.entry(leg.account).or_default() += leg.minor;
        }
        self.balances.retain(|_, minor| *minor != 0);
        match &transaction.occasion {
            Occasion::Captured { part, .. } => {
                let minor = -transaction.minor_on(Account::VendorPending);
                self.pending.push(PendingPart { part: *part, minor });
            }
            Occasion::Released { part, .. } => {
                self.pending.retain(|pending| pending.part != *part);
                self.unsettled.push(transaction.entry());
            }
            Occasion::Adjusted { .. } => self.unsettled.push(transaction.entry()),
            Occasion::Claimed { payout, entries } => {
                let claimed: HashSet<_> = entries.iter().collect();
                let (taken, left) =
                    self.unsettled.into_iter().partition(|entry| claimed.contains(&entry.transaction));
                self.unsettled = left;
                self.open_payouts.push(OpenPayout { payout: *payout, entries: taken });
                self.payouts += 1;
            }
            Occasion::Settled { payout } => {
                self.close(*payout);
            }
            Occasion::Unclaimed { payout, .. } => {
                let entries = self.close(*payout);
                self.unsettled.extend(entries);
            }
        }
        self
    }

    /// Ends a payout under way and says what it was to settle.
    fn close(&mut self, payout: PayoutId) -> Vec<Entry> {
        let at = self.open_payouts.iter().position(|open| open.payout == payout);
        at.map(|at| self.open_payouts.remove(at).entries).unwrap_or_default()
    }
}

impl Transaction {
    fn minor_on(&self, account: Account) -> i64 {
        self.legs.iter().filter(|leg| leg.account == account).map(|leg| leg.minor).sum()
    }

    fn entry(&self) -> Entry {
        Entry { transaction: self.id, minor: -self.minor_on(Account::VendorAvailable) }
    }
}
