//! Whether the money in the log adds up: a fold over everything that happened, which believes no sum that it can add
//! up itself and names what does not fit by its place. It keeps what is open and forgets what is over, so that its
//! memory grows with the business under way and not with the log.

mod covered;
mod finding;
mod ledgers;
mod orders;
mod payouts;
#[cfg(test)]
mod tests;

pub use covered::{Covered, Sums};
pub use finding::{Amount, Breach, Figure, Subject, Violation};

use crate::event::{Event, Kind};
use crate::ids::CommandId;
use crate::ledger::book::LedgerOf;
use crate::ledger::month::{self, Occasion};
use crate::log::{Envelope, Partition};
use crate::money::Currency;
use crate::orders::payment;
use finding::{Findings, Place};
use ledgers::Ledgers;
use orders::Orders;
use payouts::Payouts;
use std::collections::BTreeMap;

/// The fold. Takes the whole log, or all that [concerns](MoneyAudit::concerns) it, from the first event on and in the
/// log's order. What one command wrote is looked at as a whole: until its last event books may differ.
#[derive(Default)]
pub struct MoneyAudit {
    command: Option<CommandId>,
    orders: Orders,
    ledgers: Ledgers,
    payouts: Payouts,
    covered: BTreeMap<(Partition, Currency), Covered>,
    /// Of which of it something has moved since it was checked.
    moved: BTreeMap<(Partition, Currency), Place>,
    findings: Findings,
}

impl MoneyAudit {
    /// Whether events of this kind tell of money. All others may be left out.
    pub fn concerns(kind: Kind) -> bool {
        matches!(kind, Kind::Order | Kind::VendorOrder | Kind::Payment | Kind::Ledger | Kind::Payout)
    }

    /// Takes the next event. Answers what is found not to add up: in it, or in what the command before it wrote.
    pub fn take(&mut self, envelope: &Envelope) -> Vec<Violation> {
        let place = Place { stream: envelope.stream, position: envelope.position };
        if self.command.replace(envelope.meta.command) != Some(envelope.meta.command) {
            self.check();
        }
        if let Event::Order(event) = &envelope.event {
            self.orders.take_order(place, event, &mut self.covered, &mut self.findings);
        } else if let Event::VendorOrder(event) = &envelope.event {
            self.orders.take_part(place, event, &mut self.findings);
        } else if let Event::Payment(event) = &envelope.event {
            if let payment::Event::Captured { minor, currency, .. } = event {
                self.moved(place, *currency).sums.received_minor += i128::from(*minor);
            }
            self.orders.take_payment(place, event, &mut self.findings);
        } else if let Event::Payout(event) = &envelope.event {
            self.payouts.take(place, event, &mut self.covered, &mut self.findings);
        } else if let Event::Ledger(event) = &envelope.event {
            self.take_ledger(place, event);
        }
        self.findings.drain()
    }

    /// Ends the fold: what is found not to add up in what the last command wrote, and what was covered.
    pub fn finish(mut self) -> (Vec<Violation>, BTreeMap<(Partition, Currency), Covered>) {
        self.check();
        self.orders.count_open(&mut self.covered);
        (self.findings.drain(), self.covered)
    }

    fn take_ledger(&mut self, place: Place, event: &month::Event) {
        self.ledgers.take(place, event, &mut self.findings);
        let month::Event::Posted { vendor, currency, transaction } = event else { return };
        self.moved(place, *currency).post(transaction);
        let of = LedgerOf { vendor: *vendor, currency: *currency };
        match transaction.occasion {
            Occasion::Captured { order, .. } | Occasion::Released { order, .. } => {
                self.orders.take_transaction(place, of, order, transaction, &mut self.findings);
            }
            Occasion::Claimed { payout } | Occasion::Settled { payout } | Occasion::Unclaimed { payout } => {
                self.payouts.take_transaction(place, of, payout, transaction, &mut self.findings);
            }
            Occasion::Adjusted { .. } => {}
        }
    }

    /// What is covered in a currency in which money moves.
    fn moved(&mut self, place: Place, currency: Currency) -> &mut Covered {
        let key = (place.stream.partition, currency);
        self.moved.insert(key, place);
        self.covered.entry(key).or_default()
    }

    fn check(&mut self) {
        self.orders.check(&mut self.findings);
        self.ledgers.check(&mut self.findings);
        self.payouts.check(&mut self.findings);
        while let Some((key, place)) = self.moved.pop_first() {
            let (subject, sums) = (Subject::Currency(key.1), self.covered[&key].sums);
            let (came_in, became) = (sums.came_in_minor(), sums.became_minor());
            self.findings.equal(place, subject, Figure::CurrencySum, came_in, became);
        }
    }
}
