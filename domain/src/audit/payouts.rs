//! Payouts under way: each goes its way once, and moves in the ledger exactly what it pays.

use super::covered::{Covered, on};
use super::finding::{Breach, Figure, Findings, Place, Subject};
use crate::ids::{PayoutId, VendorId};
use crate::ledger::book::LedgerOf;
use crate::ledger::month::{Account, Occasion, Transaction};
use crate::ledger::payout;
use crate::log::Partition;
use crate::money::Currency;
use std::collections::{BTreeMap, HashMap};

/// The payouts under way.
#[derive(Default)]
pub(super) struct Payouts {
    open: HashMap<(Partition, PayoutId), Payout>,
    /// Those something has happened to since they were checked.
    touched: Vec<(Partition, PayoutId)>,
}

struct Payout {
    vendor: VendorId,
    currency: Currency,
    stage: Stage,
    amount_minor: i128,
    claimed_minor: i128,
    settled_minor: i128,
    returned_minor: i128,
    touched: Option<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Requested,
    Claimed,
    Submitted,
    Paid,
    Failed,
    Voided,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Requested => "requested",
            Stage::Claimed => "claimed",
            Stage::Submitted => "submitted",
            Stage::Paid => "paid",
            Stage::Failed => "failed",
            Stage::Voided => "voided",
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Stage::Paid | Stage::Failed | Stage::Voided)
    }
}

impl Payouts {
    pub fn take(
        &mut self,
        place: Place,
        event: &payout::Event,
        all: &mut BTreeMap<(Partition, Currency), Covered>,
        findings: &mut Findings,
    ) {
        use payout::Event as E;
        let id = PayoutId(place.stream.id);
        let (vendor, next) = match *event {
            E::Requested { vendor, currency, .. } => {
                self.request(place, id, vendor, currency, findings);
                return;
            }
            E::Claimed { vendor, .. } => (vendor, Stage::Claimed),
            E::Submitted { vendor, .. } => (vendor, Stage::Submitted),
            E::Paid { vendor } => (vendor, Stage::Paid),
            E::Failed { vendor, .. } => (vendor, Stage::Failed),
            E::Voided { vendor, .. } => (vendor, Stage::Voided),
        };
        let currency = if let E::Claimed { amount, .. } = event { Some(amount.currency) } else { None };
        let Some(payout) = self.under_way(place, id, vendor, currency, findings) else { return };
        let fits = match payout.stage {
            Stage::Requested => matches!(next, Stage::Claimed | Stage::Voided),
            Stage::Claimed => matches!(next, Stage::Submitted | Stage::Failed),
            Stage::Submitted => matches!(next, Stage::Paid | Stage::Failed),
            Stage::Paid | Stage::Failed | Stage::Voided => false,
        };
        if !fits {
            let breach = Breach::PayoutNotNow { stage: payout.stage.name() };
            findings.add(place, Subject::Payout { payout: id, vendor }, breach);
        }
        payout.stage = next;
        let covered = all.entry((place.stream.partition, payout.currency)).or_default();
        if let E::Claimed { amount, .. } = event {
            payout.amount_minor += i128::from(amount.minor);
            covered.payouts += 1;
        } else if let E::Paid { .. } = event {
            covered.payouts_paid += 1;
        }
    }

    /// What the ledger says of a payout.
    pub fn take_transaction(
        &mut self,
        place: Place,
        of: LedgerOf,
        id: PayoutId,
        transaction: &Transaction,
        findings: &mut Findings,
    ) {
        let Some(payout) = self.under_way(place, id, of.vendor, Some(of.currency), findings) else { return };
        match transaction.occasion {
            Occasion::Claimed { .. } => {
                payout.claimed_minor -= on(transaction, Account::VendorInTransit);
            }
            Occasion::Settled { .. } => payout.settled_minor -= on(transaction, Account::VendorPaid),
            Occasion::Unclaimed { .. } => {
                payout.returned_minor -= on(transaction, Account::VendorAvailable);
            }
            Occasion::Captured { .. } | Occasion::Released { .. } | Occasion::Adjusted { .. } => {}
        }
    }

    /// Checks the payouts something has happened to, and forgets those that are over.
    pub fn check(&mut self, findings: &mut Findings) {
        for key in self.touched.drain(..) {
            let Some(payout) = self.open.get_mut(&key) else { continue };
            let Some(place) = payout.touched.take() else { continue };
            let subject = Subject::Payout { payout: key.1, vendor: payout.vendor };
            let once_it_is = |stage| if payout.stage == stage { payout.amount_minor } else { 0 };
            for (figure, found, expected) in [
                (Figure::Claimed, payout.claimed_minor, payout.amount_minor),
                (Figure::Settled, payout.settled_minor, once_it_is(Stage::Paid)),
                (Figure::Returned, payout.returned_minor, once_it_is(Stage::Failed)),
            ] {
                findings.equal(place, subject, figure, found, expected);
            }
            if payout.stage.is_over() {
                self.open.remove(&key);
            }
        }
    }

    fn request(
        &mut self,
        place: Place,
        id: PayoutId,
        vendor: VendorId,
        currency: Currency,
        findings: &mut Findings,
    ) {
        let key = (place.stream.partition, id);
        if let Some(payout) = self.open.get(&key) {
            let breach = Breach::PayoutNotNow { stage: payout.stage.name() };
            return findings.add(place, Subject::Payout { payout: id, vendor }, breach);
        }
        let payout = Payout {
            vendor,
            currency,
            stage: Stage::Requested,
            amount_minor: 0,
            claimed_minor: 0,
            settled_minor: 0,
            returned_minor: 0,
            touched: Some(place),
        };
        self.open.insert(key, payout);
        self.touched.push(key);
    }

    /// A payout under way; finds where there is none, or it is to another vendor or in another currency.
    fn under_way(
        &mut self,
        place: Place,
        id: PayoutId,
        vendor: VendorId,
        currency: Option<Currency>,
        findings: &mut Findings,
    ) -> Option<&mut Payout> {
        let key = (place.stream.partition, id);
        let Some(payout) = self.open.get_mut(&key) else {
            let breach = Breach::PayoutNotNow { stage: "over, or was never asked for" };
            findings.add(place, Subject::Payout { payout: id, vendor }, breach);
            return None;
        };
        let subject = Subject::Payout { payout: id, vendor: payout.vendor };
        findings.same_vendor(place, subject, vendor, payout.vendor);
        findings.same_currency(place, subject, currency.unwrap_or(payout.currency), payout.currency);
        if payout.touched.replace(place).is_none() {
            self.touched.push(key);
        }
        Some(payout)
    }
}
