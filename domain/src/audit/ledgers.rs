//! Vendors' ledgers: every transaction balanced and in an open month, every entry paid once, every month beginning
//! with what the one before ended with.

use super::covered::on;
use super::finding::{Breach, Figure, Findings, Place, Subject};
use crate::ids::{PayoutId, TransactionId};
use crate::ledger::book::LedgerOf;
use crate::ledger::month::{self, Account, Occasion, Transaction};
use crate::log::Partition;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// The ledgers there are.
#[derive(Default)]
pub(super) struct Ledgers {
    ledgers: HashMap<(Partition, LedgerOf), Ledger>,
    /// Whose ledger the open months are.
    months: HashMap<(Partition, Uuid), LedgerOf>,
    /// Those something has happened to since they were checked.
    touched: Vec<(Partition, LedgerOf)>,
}

#[derive(Default)]
struct Ledger {
    /// The month that takes transactions.
    open: Option<Uuid>,
    balances: BTreeMap<Account, i128>,
    payouts: i128,
    unclaimed: Entries,
    claims: BTreeMap<PayoutId, Claim>,
    /// What payouts that came to nothing still have to make available again.
    returning: BTreeMap<PayoutId, Entries>,
    /// The entries the month that begins has still to be handed.
    to_carry: HashSet<(Option<PayoutId>, TransactionId)>,
    /// Adjustments tell of nothing else that could happen once only.
    adjustments: HashSet<TransactionId>,
    touched: Option<Place>,
}

#[derive(Default)]
struct Claim {
    minor: i128,
    entries: Entries,
}

/// Transactions that made something available, and how much in all.
#[derive(Default)]
struct Entries {
    minor: HashMap<TransactionId, i128>,
    sum_minor: i128,
}

impl Entries {
    fn add(&mut self, entry: TransactionId, minor: i128) -> bool {
        self.sum_minor += minor;
        self.minor.insert(entry, minor).is_none()
    }

    fn take(&mut self, entry: TransactionId) -> Option<i128> {
        let minor = self.minor.remove(&entry)?;
        self.sum_minor -= minor;
        Some(minor)
    }
}

impl Ledgers {
    pub fn take(&mut self, place: Place, event: &month::Event, findings: &mut Findings) {
        let partition = place.stream.partition;
        match event {
            month::Event::Opened { vendor, currency, month, balances, payouts } => {
                let of = LedgerOf { vendor: *vendor, currency: *currency };
                let (month, opened) = (of.month(*month), place.stream.id);
                self.months.insert((partition, opened), of);
                let ledger = self.touch(place, of);
                if ledger.open.replace(opened).is_some() || opened != month {
                    findings.add(place, Subject::Ledger(of), Breach::MonthNotOpen);
                }
                ledger.begin(place, of, balances, *payouts, findings);
            }
            month::Event::Posted { vendor, currency, transaction } => {
                let of = LedgerOf { vendor: *vendor, currency: *currency };
                let ledger = self.touch(place, of);
                if ledger.open != Some(place.stream.id) {
                    findings.add(place, Subject::Ledger(of), Breach::MonthNotOpen);
                }
                ledger.post(place, of, transaction, findings);
            }
            month::Event::EntriesCarried { payout, entries } => {
                let Some((of, ledger)) = self.month(place, findings) else { return };
                ledger.carry(place, of, *payout, entries, findings);
            }
            month::Event::EntriesClaimed { payout, entries } => {
                let Some((of, ledger)) = self.month(place, findings) else { return };
                ledger.claim(place, of, *payout, entries, findings);
            }
            month::Event::EntriesUnclaimed { payout, entries } => {
                let Some((of, ledger)) = self.month(place, findings) else { return };
                ledger.give_back(place, of, *payout, entries, findings);
            }
            month::Event::Closed {} => {
                let Some((_, ledger)) = self.month(place, findings) else { return };
                ledger.open = None;
                self.months.remove(&(partition, place.stream.id));
            }
        }
    }

    /// Checks the ledgers something has happened to.
    pub fn check(&mut self, findings: &mut Findings) {
        for key in self.touched.drain(..) {
            let Some(ledger) = self.ledgers.get_mut(&key) else { continue };
            let Some(place) = ledger.touched.take() else { continue };
            ledger.check(place, key.1, findings);
        }
    }

    fn touch(&mut self, place: Place, of: LedgerOf) -> &mut Ledger {
        let key = (place.stream.partition, of);
        let ledger = self.ledgers.entry(key).or_default();
        if ledger.touched.replace(place).is_none() {
            self.touched.push(key);
        }
        ledger
    }

    /// The ledger of an open month; finds where it is not open.
    fn month(&mut self, place: Place, findings: &mut Findings) -> Option<(LedgerOf, &mut Ledger)> {
        let Some(of) = self.months.get(&(place.stream.partition, place.stream.id)).copied() else {
            findings.add(place, Subject::Stream, Breach::MonthNotOpen);
            return None;
        };
        Some((of, self.touch(place, of)))
    }
}

impl Ledger {
    fn balance(&self, account: Account) -> i128 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    fn begin(
        &mut self,
        place: Place,
        of: LedgerOf,
        carried: &BTreeMap<Account, i64>,
        payouts: u32,
        findings: &mut Findings,
    ) {
        let accounts: BTreeSet<Account> = carried.keys().chain(self.balances.keys()).copied().collect();
        for account in accounts {
            let found = carried.get(&account).copied().map_or(0, i128::from);
            let figure = Figure::Carried(account);
            findings.equal(place, Subject::Ledger(of), figure, found, self.balance(account));
        }
        let figure = Figure::CarriedPayouts;
        findings.equal(place, Subject::Ledger(of), figure, payouts.into(), self.payouts);
        let unclaimed = self.unclaimed.minor.keys().map(|entry| (None, *entry));
        let claimed = self
            .claims
            .iter()
            .flat_map(|(payout, claim)| claim.entries.minor.keys().map(|entry| (Some(*payout), *entry)));
        self.to_carry = unclaimed.chain(claimed).collect();
    }

    fn carry(
        &mut self,
        place: Place,
        of: LedgerOf,
        payout: Option<PayoutId>,
        entries: &[TransactionId],
        findings: &mut Findings,
    ) {
        for entry in entries {
            if !self.to_carry.remove(&(payout, *entry)) {
                findings.add(place, Subject::Ledger(of), self.not_open(*entry));
            }
        }
    }

    fn post(&mut self, place: Place, of: LedgerOf, transaction: &Transaction, findings: &mut Findings) {
        let subject = Subject::Ledger(of);
        self.end_carrying(place, of, findings);
        let sum_minor: i128 = transaction.legs.iter().map(|leg| i128::from(leg.minor)).sum();
        if sum_minor != 0 {
            findings.add(place, subject, Breach::Unbalanced { sum_minor });
        }
        let moved = accounts_of(&transaction.occasion);
        for leg in &transaction.legs {
            *self.balances.entry(leg.account).or_default() += i128::from(leg.minor);
            if !moved.contains(&leg.account) {
                findings.add(place, subject, Breach::StrayLeg { account: leg.account });
            }
        }
        match transaction.occasion {
            Occasion::Captured { .. } => {}
            Occasion::Released { .. } | Occasion::Adjusted { .. } => {
                let is_adjustment = matches!(transaction.occasion, Occasion::Adjusted { .. });
                let is_new = self.unclaimed.add(transaction.id, -on(transaction, Account::VendorAvailable));
                if !is_new || is_adjustment && !self.adjustments.insert(transaction.id) {
                    findings.add(place, subject, Breach::Repeated { transaction: transaction.id });
                }
            }
            Occasion::Claimed { payout } => {
                self.payouts += 1;
                self.claims.entry(payout).or_default().minor += on(transaction, Account::VendorAvailable);
            }
            Occasion::Settled { payout } => {
                self.claims.remove(&payout);
            }
            Occasion::Unclaimed { payout } => {
                let claim = self.claims.remove(&payout).unwrap_or_default();
                self.returning.insert(payout, claim.entries);
            }
        }
    }

    fn claim(
        &mut self,
        place: Place,
        of: LedgerOf,
        payout: PayoutId,
        entries: &[TransactionId],
        findings: &mut Findings,
    ) {
        for entry in entries {
            let Some(minor) = self.unclaimed.take(*entry) else {
                let subject = Subject::Payout { payout, vendor: of.vendor };
                findings.add(place, subject, self.not_open(*entry));
                continue;
            };
            self.claims.entry(payout).or_default().entries.add(*entry, minor);
        }
    }

    fn give_back(
        &mut self,
        place: Place,
        of: LedgerOf,
        payout: PayoutId,
        entries: &[TransactionId],
        findings: &mut Findings,
    ) {
        for entry in entries {
            let returned = self.returning.get_mut(&payout).and_then(|returning| returning.take(*entry));
            let Some(minor) = returned else {
                let subject = Subject::Payout { payout, vendor: of.vendor };
                findings.add(place, subject, self.not_open(*entry));
                continue;
            };
            self.unclaimed.add(*entry, minor);
        }
    }

    fn not_open(&self, entry: TransactionId) -> Breach {
        let holding = self.claims.iter().find(|(_, claim)| claim.entries.minor.contains_key(&entry));
        Breach::EntryNotOpen { entry, held_by: holding.map(|(payout, _)| *payout) }
    }

    fn end_carrying(&mut self, place: Place, of: LedgerOf, findings: &mut Findings) {
        let missing = std::mem::take(&mut self.to_carry).len() as i128;
        if missing > 0 {
            let all = self.unclaimed.minor.len()
                + self.claims.values().map(|claim| claim.entries.minor.len()).sum::<usize>();
            let all = all as i128;
            findings.equal(place, Subject::Ledger(of), Figure::CarriedEntries, all - missing, all);
        }
    }

    fn check(&mut self, place: Place, of: LedgerOf, findings: &mut Findings) {
        let subject = Subject::Ledger(of);
        self.end_carrying(place, of, findings);
        let available = -self.balance(Account::VendorAvailable);
        findings.equal(place, subject, Figure::Available, available, self.unclaimed.sum_minor);
        let claimed = self.claims.values().map(|claim| claim.entries.sum_minor).sum();
        findings.equal(place, subject, Figure::InTransit, -self.balance(Account::VendorInTransit), claimed);
        for (payout, claim) in &self.claims {
            let subject = Subject::Payout { payout: *payout, vendor: of.vendor };
            findings.equal(place, subject, Figure::Entries, claim.entries.sum_minor, claim.minor);
        }
        for (payout, kept) in std::mem::take(&mut self.returning) {
            let subject = Subject::Payout { payout, vendor: of.vendor };
            let kept = kept.minor.len() as i128;
            findings.equal(place, subject, Figure::ReturnedEntries, -kept, 0);
        }
    }
}

/// The accounts a transaction moves on this occasion.
fn accounts_of(occasion: &Occasion) -> &'static [Account] {
    use Account as A;
    match occasion {
        Occasion::Captured { .. } => {
            &[A::Clearing, A::VendorPending, A::CommissionIncome, A::Adjustments, A::Tax]
        }
        Occasion::Released { .. } => &[A::VendorPending, A::VendorAvailable],
        Occasion::Claimed { .. } | Occasion::Unclaimed { .. } => &[A::VendorAvailable, A::VendorInTransit],
        Occasion::Settled { .. } => &[A::VendorInTransit, A::VendorPaid],
        Occasion::Adjusted { .. } => &[A::VendorAvailable, A::Adjustments, A::CustomerCredit],
    }
}
