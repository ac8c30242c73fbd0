//! The ledger: every transaction, every month, every account.

use super::{Invariant, Rest, hold};
use cityos_domain::event::Event;
use cityos_domain::ids::{TransactionId, VendorId};
use cityos_domain::ledger::month::{self, Account, Transaction};
use cityos_domain::log::{Envelope, StreamId};
use cityos_domain::marketplace::vendor;
use cityos_domain::money::Currency;
use std::collections::{BTreeMap, BTreeSet};

type Of = (VendorId, Currency);

/// What was posted.
#[derive(Default)]
pub struct Ledger {
    balances: BTreeMap<Of, BTreeMap<Account, i64>>,
    open: BTreeMap<Of, StreamId>,
    whose: BTreeMap<StreamId, Of>,
    transactions: BTreeSet<TransactionId>,
    terminated: BTreeSet<VendorId>,
}

impl Invariant for Ledger {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::Vendor(vendor::Event::Terminated { .. }) = &event.event {
            self.terminated.insert(VendorId(event.stream.id));
        }
        let Event::Ledger(happened) = &event.event else { return Ok(()) };
        match happened {
            month::Event::Opened { vendor, currency, balances, .. } => {
                let of = (*vendor, *currency);
                hold(self.open.insert(of, event.stream).is_none(), || format!("two months of {of:?} are open"))?;
                self.whose.insert(event.stream, of);
                let had = self.balances.entry(of).or_default();
                hold(had == balances, || format!("a month of {of:?} begins with {balances:?} after {had:?}"))
            }
            month::Event::Posted { vendor, currency, transaction } => {
                self.post(event.stream, (*vendor, *currency), transaction)
            }
            month::Event::Closed {} => {
                self.whose.get(&event.stream).and_then(|of| self.open.remove(of));
                Ok(())
            }
            month::Event::EntriesCarried { .. }
            | month::Event::EntriesClaimed { .. }
            | month::Event::EntriesUnclaimed { .. } => Ok(()),
        }
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), String> {
        for ((vendor, currency), balances) in &self.balances {
            let sum: i64 = balances.values().sum();
            hold(sum == 0, || format!("the accounts of {vendor} in {currency} sum to {sum}"))?;
            let owed = [Account::VendorPending, Account::VendorAvailable, Account::VendorInTransit];
            let settled = owed.iter().all(|account| balances.get(account).is_none_or(|minor| *minor == 0));
            hold(!rest.at_the_end || settled || !self.terminated.contains(vendor), || {
                format!("vendor {vendor} is terminated, and this is owed for ever: {balances:?}")
            })?;
        }
        Ok(())
    }
}

impl Ledger {
    fn post(&mut self, month: StreamId, of: Of, transaction: &Transaction) -> Result<(), String> {
        let Transaction { id, legs, .. } = transaction;
        hold(self.open.get(&of) == Some(&month), || format!("{id} is posted to a month that is not open"))?;
        hold(self.transactions.insert(*id), || format!("transaction {id} is posted twice"))?;
        let sum: i64 = legs.iter().map(|leg| leg.minor).sum();
        hold(sum == 0, || format!("transaction {id} sums to {sum}"))?;
        let balances = self.balances.entry(of).or_default();
        for leg in legs {
            *balances.entry(leg.account).or_default() += leg.minor;
        }
        balances.retain(|_, minor| *minor != 0);
        // Credits are negative: what is owed to a vendor and not due, or on its way to them, is never less than nothing.
        for account in [Account::VendorPending, Account::VendorInTransit] {
            let minor = balances.get(&account).copied().unwrap_or(0);
            hold(minor <= 0, || format!("{account:?} of {of:?} is {minor}"))?;
        }
        Ok(())
    }
}
