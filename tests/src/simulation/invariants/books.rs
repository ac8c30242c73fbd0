//! The provider's own books: each thing done once, for the amounts in the log, and nothing left over.

use super::{Books, Invariant, Rest, hold};
use cityos_connectors::sandbox::{Done, Operation};
use cityos_domain::event::Event;
use cityos_domain::ids::PayoutId;
use cityos_domain::ledger::payout;
use cityos_domain::log::{Envelope, Origin};
use cityos_domain::marketplace::vendor;
use cityos_domain::orders::payment::{self, Method};
use std::collections::{BTreeMap, BTreeSet};

/// What the log says the provider did: references and amounts in minor units.
#[derive(Default)]
pub struct Agreement {
    authorised: BTreeMap<String, i64>,
    captured: BTreeMap<String, i64>,
    /// Of each authorisation.
    released: BTreeMap<String, i64>,
    claimed: BTreeMap<PayoutId, i64>,
    transferred: BTreeMap<String, i64>,
    accounts: BTreeSet<String>,
    linked: BTreeMap<uuid::Uuid, String>,
}

impl Invariant for Agreement {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if event.meta.origin == Origin::Import {
            // It has happened elsewhere.
        } else if let Event::Payment(happened) = &event.event {
            self.learn_of_payment(happened)?;
        } else if let Event::Payout(payout::Event::Claimed { amount, .. }) = &event.event {
            self.claimed.insert(PayoutId(event.stream.id), amount.minor);
        } else if let Event::Payout(payout::Event::Submitted { reference, .. }) = &event.event {
            let minor = self.claimed.get(&PayoutId(event.stream.id)).copied().unwrap_or(0);
            let before = self.transferred.insert(reference.clone(), minor);
            hold(before.is_none(), || format!("{reference} pays two payouts"))?;
        } else if let Event::Vendor(vendor::Event::PayoutAccountOpened { account }) = &event.event {
            self.linked.insert(event.stream.id, account.clone());
            hold(self.accounts.insert(account.clone()), || format!("{account} is two vendors'"))?;
        } else if let Event::Vendor(vendor::Event::PayoutAccountClosed {}) = &event.event {
            self.linked.remove(&event.stream.id);
        }
        Ok(())
    }

    fn at_rest(&mut self, rest: &Rest<'_>) -> Result<(), String> {
        let books = rest.books;
        for operation in [
            Operation::Authorise,
            Operation::Capture,
            Operation::Release,
            Operation::OpenAccount,
            Operation::CloseAccount,
            Operation::Transfer,
        ] {
            let mut keys = BTreeSet::new();
            let twice = books.done(operation).iter().find(|done| !keys.insert(&done.key));
            hold(twice.is_none(), || format!("the provider did it twice: {twice:?}"))?;
        }
        both_say("captured", &self.captured, books.done(Operation::Capture), rest)?;
        both_say("transferred", &self.transferred, books.done(Operation::Transfer), rest)?;
        self.holds_what_the_log_says(books, rest)?;
        self.accounts_are_vendors(books, rest)
    }
}

/// What the log says was done was done once, for that amount; and what was done is in the log, unless an operator has
/// the run in hand, or it has not come so far.
fn both_say(what: &str, log: &BTreeMap<String, i64>, done: &[Done], rest: &Rest<'_>) -> Result<(), String> {
    let by_reference: BTreeMap<_, _> = done.iter().map(|done| (&done.reference, done.minor)).collect();
    for (reference, minor) in log {
        let found = by_reference.get(reference).copied().flatten();
        hold(found == Some(*minor), || format!("{reference}: {what} {found:?}, and the log says {minor}"))?;
    }
    for done in done.iter().filter(|done| !log.contains_key(&done.reference)) {
        hold(is_answered_for(done, rest), || format!("{what} and not in the log: {done:?}"))?;
    }
    Ok(())
}

/// A key begins with the run it belongs to.
fn is_answered_for(done: &Done, rest: &Rest<'_>) -> bool {
    let run = done.key.split(':').next().and_then(|id| rest.runs.find(id));
    run.is_some_and(|run| run.is_answered_for() || !rest.at_the_end && !run.is_over())
}

/// Whether somebody has the giving back of held money in hand.
fn in_hand(held: &Done, rest: &Rest<'_>) -> bool {
    let release = format!("\"{}\"", held.reference);
    is_answered_for(held, rest) || rest.runs.is_answered_for("payment_release", &release)
}

impl Agreement {
    fn learn_of_payment(&mut self, happened: &payment::Event) -> Result<(), String> {
        match happened {
            payment::Event::Authorised { method: Method::Provider, reference, amount, .. } => {
                let before = self.authorised.insert(reference.clone(), amount.minor);
                hold(before.is_none(), || format!("{reference} is for two orders"))?;
            }
            payment::Event::Captured { reference, minor, .. } if *minor > 0 => {
                let before = self.captured.insert(reference.clone(), *minor);
                hold(before.is_none(), || format!("{reference} is for two parts"))?;
            }
            payment::Event::Released { method: Method::Provider, reference, minor, .. } => {
                *self.released.entry(reference.clone()).or_default() += minor;
            }
            payment::Event::Authorised { .. }
            | payment::Event::Captured { .. }
            | payment::Event::Released { .. }
            | payment::Event::Expired { .. } => {}
        }
        Ok(())
    }

    /// Of every authorisation as much is released as the log says, and all of one no order was placed with; unless an
    /// operator has it in hand.
    fn holds_what_the_log_says(&self, books: &Books, rest: &Rest<'_>) -> Result<(), String> {
        let known: BTreeSet<_> =
            books.done(Operation::Authorise).iter().map(|done| &done.reference).collect();
        let unknown = self.authorised.keys().find(|reference| !known.contains(reference));
        hold(unknown.is_none(), || format!("the provider knows nothing of {unknown:?}"))?;
        let mut released: BTreeMap<&str, i64> = BTreeMap::new();
        for done in books.done(Operation::Release) {
            *released.entry(&done.subject).or_default() += done.minor.unwrap_or(0);
        }
        for held in books.done(Operation::Authorise) {
            let given_back = released.get(held.reference.as_str()).copied().unwrap_or(0);
            let expected = match self.authorised.get(&held.reference) {
                Some(minor) => {
                    hold(held.minor == Some(*minor), || format!("{held:?} is {minor} in the log"))?;
                    self.released.get(&held.reference).copied().unwrap_or(0)
                }
                None => held.minor.unwrap_or(0),
            };
            let less = given_back < expected && (!rest.at_the_end || in_hand(held, rest));
            hold(given_back == expected || less, || {
                format!("{given_back} of {expected} is released of {held:?}")
            })?;
        }
        Ok(())
    }

    /// Every account is a vendor's, or closed.
    fn accounts_are_vendors(&self, books: &Books, rest: &Rest<'_>) -> Result<(), String> {
        let closed: BTreeSet<_> =
            books.done(Operation::CloseAccount).iter().map(|done| &done.subject).collect();
        let linked: BTreeSet<_> = self.linked.values().collect();
        for account in books.done(Operation::OpenAccount) {
            let (closed, linked) = (closed.contains(&account.reference), linked.contains(&account.reference));
            hold(closed != linked || is_answered_for(account, rest), || {
                format!("closed: {closed}, a vendor's: {linked}: {account:?}")
            })?;
        }
        Ok(())
    }
}
