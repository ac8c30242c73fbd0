//! Payouts and the entries they claim.

use super::{Invariant, Rest, hold};
use cityos_domain::event::Event;
use cityos_domain::ids::{PayoutId, TransactionId};
use cityos_domain::ledger::month::{self, Account, Occasion};
use cityos_domain::ledger::payout;
use cityos_domain::log::Envelope;
use std::collections::BTreeMap;

/// Entries and payouts.
#[derive(Default)]
pub struct Payouts {
    entries: BTreeMap<TransactionId, Entry>,
    payouts: BTreeMap<PayoutId, Payout>,
}

struct Entry {
    minor: i64,
    claimed_by: Option<PayoutId>,
}

#[derive(Default)]
struct Payout {
    /// As it says itself.
    claimed_minor: Option<i64>,
    /// As the ledger says.
    posted_minor: Option<i64>,
    settled: bool,
    unclaimed: bool,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Paid,
    Failed,
    Voided,
}

impl Invariant for Payouts {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::Ledger(happened) = &event.event {
            self.learn_of_ledger(happened)?;
        } else if let Event::Payout(happened) = &event.event {
            let id = PayoutId(event.stream.id);
            let payout = self.payouts.entry(id).or_default();
            let end = match happened {
                payout::Event::Requested { .. } | payout::Event::Submitted { .. } => None,
                payout::Event::Claimed { amount, .. } => {
                    let before = payout.claimed_minor.replace(amount.minor);
                    hold(before.is_none() && amount.minor > 0, || format!("payout {id} claims twice, or nothing"))?;
                    None
                }
                payout::Event::Paid { .. } => Some(End::Paid),
                payout::Event::Failed { .. } => Some(End::Failed),
                payout::Event::Voided { .. } => Some(End::Voided),
            };
            hold(end.is_none() || payout.end.is_none(), || format!("payout {id} ends twice"))?;
            payout.end = payout.end.or(end);
        }
        Ok(())
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), String> {
        let mut sums: BTreeMap<PayoutId, i64> = BTreeMap::new();
        for entry in self.entries.values() {
            if let Some(payout) = entry.claimed_by {
                *sums.entry(payout).or_default() += entry.minor;
            }
        }
        for (id, payout) in &self.payouts {
            let Payout { claimed_minor, posted_minor, settled, unclaimed, end } = payout;
            hold(claimed_minor == posted_minor, || {
                format!("payout {id} claims {claimed_minor:?} and the ledger {posted_minor:?}")
            })?;
            let takes = if *unclaimed { 0 } else { claimed_minor.unwrap_or(0) };
            let entries = sums.get(id).copied().unwrap_or(0);
            hold(takes == entries, || format!("payout {id} takes {takes}, and its entries are {entries}"))?;
            hold(*settled == (*end == Some(End::Paid)), || format!("payout {id}: {end:?}, settled: {settled}"))?;
            hold(*unclaimed == (*end == Some(End::Failed)), || format!("payout {id}: {end:?}, unclaimed: {unclaimed}"))?;
            let hangs = end.is_none() && !rest.runs.is_answered_for("payout", &id.to_string());
            hold(!hangs, || format!("payout {id} has no end"))?;
        }
        Ok(())
    }
}

impl Payouts {
    fn learn_of_ledger(&mut self, happened: &month::Event) -> Result<(), String> {
        match happened {
            month::Event::Posted { transaction, .. } => {
                let leg = transaction.legs.iter().find(|leg| leg.account == Account::VendorAvailable);
                let minor = leg.map_or(0, |leg| -leg.minor);
                match &transaction.occasion {
                    Occasion::Released { .. } | Occasion::Adjusted { .. } => {
                        self.entries.insert(transaction.id, Entry { minor, claimed_by: None });
                    }
                    Occasion::Claimed { payout } => {
                        self.payouts.entry(*payout).or_default().posted_minor = Some(-minor);
                    }
                    Occasion::Settled { payout } => {
                        let before = std::mem::replace(&mut self.payouts.entry(*payout).or_default().settled, true);
                        hold(!before, || format!("payout {payout} is settled twice"))?;
                    }
                    Occasion::Unclaimed { payout } => {
                        self.payouts.entry(*payout).or_default().unclaimed = true;
                    }
                    Occasion::Captured { .. } => {}
                }
            }
            month::Event::EntriesClaimed { payout, entries } => {
                for id in entries {
                    let entry = self.entries.get_mut(id).ok_or_else(|| format!("entry {id} is none"))?;
                    let before = entry.claimed_by.replace(*payout);
                    hold(before.is_none(), || format!("entry {id} is claimed by {before:?} and by {payout}"))?;
                }
            }
            month::Event::EntriesUnclaimed { payout, entries } => {
                for id in entries {
                    let entry = self.entries.get_mut(id).ok_or_else(|| format!("entry {id} is none"))?;
                    let before = entry.claimed_by.take();
                    hold(before == Some(*payout), || format!("entry {id} of {before:?} is given up by {payout}"))?;
                }
            }
            month::Event::Opened { .. } | month::Event::EntriesCarried { .. } | month::Event::Closed {} => {}
        }
        Ok(())
    }
}
