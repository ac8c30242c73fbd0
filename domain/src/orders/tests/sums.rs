//! Whatever is done in whatever order: the money adds up.

use super::{charging, order, part, percent};
use crate::audit::MoneyAudit;
use crate::event::Event;
use crate::ids::{OrderId, PayoutId, TransactionId, VendorId, VendorOrderId};
use crate::ledger::adjusting::{Against, PostAdjustment};
use crate::ledger::book::{LedgerBook, LedgerOf};
use crate::ledger::month::{self, Account, LedgerMonth, Occasion, Transaction};
use crate::ledger::paying_out::{ClaimEntries, FailPayout, RecordSubmitted, RequestPayout, SettlePayout};
use crate::ledger::payout::{self, Trigger, payout_id};
use crate::orders::canceling::{CancelPart, CancelUnits, ExpireAuthorisation};
use crate::orders::capturing::{RecordCapture, RecordCaptureFailure};
use crate::orders::earning::ReleaseEarnings;
use crate::orders::order::{Bearer, Cart, Discount, payment_id};
use crate::orders::payment;
use crate::orders::shipping::{DeliverPart, ShipPart};
use crate::orders::vendor_order::{self, CancelCause, VendorOrder};
use crate::rehearsal::id;
use crate::rehearsal::market::{Market, euros};
use crate::rehearsal::scene::currency;
use crate::text::Reason;
use crate::workspace::{Intention, Stop};
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::BTreeMap;

const VENDORS: [&str; 2] = ["ann", "bob"];
const OFFERS: [&str; 3] = ["cup", "chair", "vase"];

#[derive(Clone, Debug)]
enum Act {
    Buy { lines: Vec<(usize, u32)>, discount: i64, bearer: Bearer },
    CancelUnits { at: usize, line: u32, quantity: Option<u32> },
    CancelPart { at: usize },
    Ship { at: usize },
    Capture { at: usize },
    FailCapture { at: usize },
    Deliver { at: usize },
    Release { at: usize },
    Expire { at: usize },
    Adjust { vendor: usize, minor: i64 },
    Request { vendor: usize },
    Claim { vendor: usize, ordinal: u32 },
    Submit { vendor: usize, ordinal: u32 },
    Settle { vendor: usize, ordinal: u32 },
    Fail { vendor: usize, ordinal: u32 },
    Pass { days: i64 },
}

fn act() -> impl Strategy<Value = Act> {
    let at = || 0_usize..6;
    let vendor = || 0..VENDORS.len();
    let ordinal = || 0_u32..2;
    let bearer = prop_oneof![Just(Bearer::Vendor), Just(Bearer::Marketplace)];
    let lines = prop::collection::vec((0..OFFERS.len(), 1_u32..4), 1..4);
    prop_oneof![
        3 => (lines, 0_i64..2000, bearer)
            .prop_map(|(lines, discount, bearer)| Act::Buy { lines, discount, bearer }),
        2 => (at(), 1_u32..4, prop::option::of(0_u32..4))
            .prop_map(|(at, line, quantity)| Act::CancelUnits { at, line, quantity }),
        1 => at().prop_map(|at| Act::CancelPart { at }),
        8 => at().prop_map(|at| Act::Ship { at }),
        8 => at().prop_map(|at| Act::Capture { at }),
        1 => at().prop_map(|at| Act::FailCapture { at }),
        8 => at().prop_map(|at| Act::Deliver { at }),
        4 => at().prop_map(|at| Act::Release { at }),
        1 => at().prop_map(|at| Act::Expire { at }),
        2 => (vendor(), -500_i64..1500).prop_map(|(vendor, minor)| Act::Adjust { vendor, minor }),
        6 => vendor().prop_map(|vendor| Act::Request { vendor }),
        8 => (vendor(), ordinal()).prop_map(|(vendor, ordinal)| Act::Claim { vendor, ordinal }),
        8 => (vendor(), ordinal()).prop_map(|(vendor, ordinal)| Act::Submit { vendor, ordinal }),
        8 => (vendor(), ordinal()).prop_map(|(vendor, ordinal)| Act::Settle { vendor, ordinal }),
        2 => (vendor(), ordinal()).prop_map(|(vendor, ordinal)| Act::Fail { vendor, ordinal }),
        3 => (1_i64..6).prop_map(|days| Act::Pass { days }),
    ]
}

fn ledger(vendor: usize) -> LedgerOf {
    LedgerOf { vendor: id(VENDORS[vendor]), currency: currency("EUR") }
}

/// The part at place `at`, counting two vendors to an order.
fn part_at(at: usize) -> VendorOrderId {
    part(&format!("order {}", at / VENDORS.len()), VENDORS[at % VENDORS.len()])
}

/// Which payout a vendor has at each ordinal: the last that was asked for, where some were voided.
fn latest_payouts(market: &Market) -> impl Fn(usize, u32) -> PayoutId + use<> {
    let payouts = market.city.log().iter().filter_map(|envelope| {
        let Event::Payout(payout::Event::Requested { vendor, ordinal, .. }) = envelope.event else {
            return None;
        };
        Some(((vendor, ordinal), PayoutId(envelope.stream.id)))
    });
    let payouts: BTreeMap<(VendorId, u32), PayoutId> = payouts.collect();
    move |vendor, ordinal| {
        let asked = payouts.get(&(id(VENDORS[vendor]), ordinal)).copied();
        asked.unwrap_or(payout_id(ledger(vendor), ordinal, 0))
    }
}

fn do_it(market: &mut Market, number: usize, bought: &mut usize, act: Act) {
    let payout = latest_payouts(market);
    let intention: Box<dyn Intention> = match act {
        Act::Pass { days } => {
            market.city.pass(TimeDelta::days(days));
            return;
        }
        Act::Buy { lines, discount, bearer } => {
            let lines: Vec<_> = lines.iter().map(|(offer, quantity)| (OFFERS[*offer], *quantity)).collect();
            let discount = (discount > 0).then_some(Discount { minor: discount, bearer });
            let cart = Cart { discount, ..Market::cart(&lines) };
            match market.buy(order(&format!("order {bought}")), cart) {
                Ok(_) => *bought += 1,
                Err(Stop::Rejected(_)) => {}
                Err(stop) => panic!("{stop:?}"),
            }
            return;
        }
        Act::CancelUnits { at, line, quantity } => {
            Box::new(CancelUnits { part: part_at(at), line, quantity, cause: CancelCause::Customer })
        }
        Act::CancelPart { at } => Box::new(CancelPart { part: part_at(at), cause: CancelCause::Operator }),
        Act::Ship { at } => Box::new(ShipPart { part: part_at(at), tracking: None }),
        Act::Capture { at } => {
            let left = market.city.state::<VendorOrder>(part_at(at));
            let minor = left.known().map_or(0, |part| part.totals.payable_minor());
            Box::new(RecordCapture { part: part_at(at), minor, reference: "capture".into() })
        }
        Act::FailCapture { at } => {
            Box::new(RecordCaptureFailure { part: part_at(at), reason: "no funds".into() })
        }
        Act::Deliver { at } => Box::new(DeliverPart { part: part_at(at) }),
        Act::Release { at } => Box::new(ReleaseEarnings { part: part_at(at) }),
        Act::Expire { at } => {
            Box::new(ExpireAuthorisation { payment: payment_id(order(&format!("order {at}"))) })
        }
        Act::Adjust { vendor, minor } => Box::new(PostAdjustment {
            transaction: id(&format!("adjustment {number}")),
            vendor: id(VENDORS[vendor]),
            amount: euros(minor),
            against: Against::CustomerCredit,
            reason: Reason::parse("reason", "goodwill").unwrap(),
        }),
        Act::Request { vendor } => Box::new(RequestPayout {
            vendor: id(VENDORS[vendor]),
            currency: currency("EUR"),
            trigger: Trigger::Manual,
        }),
        Act::Claim { vendor, ordinal } => Box::new(ClaimEntries { payout: payout(vendor, ordinal) }),
        Act::Submit { vendor, ordinal } => {
            Box::new(RecordSubmitted { payout: payout(vendor, ordinal), reference: "transfer".into() })
        }
        Act::Settle { vendor, ordinal } => Box::new(SettlePayout { payout: payout(vendor, ordinal) }),
        Act::Fail { vendor, ordinal } => {
            Box::new(FailPayout { payout: payout(vendor, ordinal), reason: "no account".into() })
        }
    };
    match market.city.when(&*intention) {
        Ok(_) | Err(Stop::Rejected(_)) => {}
        Err(stop) => panic!("{stop:?}"),
    }
}

fn on(transaction: &Transaction, account: Account) -> i64 {
    transaction.legs.iter().filter(|leg| leg.account == account).map(|leg| leg.minor).sum()
}

/// What the log says, added up without the code under test.
#[derive(Default)]
struct Sums {
    by_account: BTreeMap<Account, i64>,
    by_vendor: BTreeMap<(VendorId, Account), i64>,
    entries: BTreeMap<TransactionId, i64>,
    claims: BTreeMap<PayoutId, (i64, Vec<TransactionId>)>,
    failed: Vec<PayoutId>,
    captured: BTreeMap<OrderId, [i64; 4]>,
    paid: BTreeMap<OrderId, i64>,
    held: BTreeMap<VendorOrderId, i64>,
}

impl Sums {
    fn of(market: &Market) -> Self {
        let mut sums = Sums::default();
        for envelope in market.city.log() {
            let event = &envelope.event;
            if let Event::Ledger(month::Event::Posted { vendor, transaction, .. }) = event {
                sums.add(*vendor, transaction);
            } else if let Event::Ledger(month::Event::EntriesClaimed { payout, entries }) = event {
                sums.claims.entry(*payout).or_default().1.extend(entries);
            } else if let Event::Payment(event) = event {
                sums.add_payment(event);
            } else if let Event::Payout(event) = event {
                sums.add_payout(PayoutId(envelope.stream.id), event);
            } else if let Event::VendorOrder(vendor_order::Event::Captured { belongs, totals, .. }) = event {
                let sum = sums.captured.entry(belongs.order).or_default();
                let parts = [
                    totals.payable_minor(),
                    totals.earnings_minor(),
                    totals.commission_minor,
                    totals.marketplace_discount_minor,
                ];
                sum.iter_mut().zip(parts).for_each(|(sum, minor)| *sum += minor);
            }
        }
        sums
    }

    fn add_payment(&mut self, event: &payment::Event) {
        match event {
            payment::Event::Authorised { splits, .. } => {
                self.held.extend(splits.iter().map(|split| (split.part, split.minor)));
            }
            payment::Event::Captured { order, part, minor, .. } => {
                *self.paid.entry(*order).or_default() += minor;
                *self.held.get_mut(part).unwrap() -= minor;
            }
            payment::Event::Released { part, minor, .. } => *self.held.get_mut(part).unwrap() -= minor,
            payment::Event::Expired { .. } => {}
        }
    }

    fn add_payout(&mut self, id: PayoutId, event: &payout::Event) {
        match event {
            payout::Event::Claimed { amount, .. } => self.claims.entry(id).or_default().0 = amount.minor,
            payout::Event::Failed { .. } => self.failed.push(id),
            payout::Event::Requested { .. }
            | payout::Event::Submitted { .. }
            | payout::Event::Paid { .. }
            | payout::Event::Voided { .. } => {}
        }
    }

    fn add(&mut self, vendor: VendorId, transaction: &Transaction) {
        assert_eq!(transaction.legs.iter().map(|leg| leg.minor).sum::<i64>(), 0);
        for leg in &transaction.legs {
            *self.by_account.entry(leg.account).or_default() += leg.minor;
            *self.by_vendor.entry((vendor, leg.account)).or_default() += leg.minor;
        }
        if matches!(transaction.occasion, Occasion::Released { .. } | Occasion::Adjusted { .. }) {
            let before = self.entries.insert(transaction.id, -on(transaction, Account::VendorAvailable));
            assert_eq!(before, None, "a transaction is posted once");
        }
    }

    fn check(&self, market: &Market) {
        assert_eq!(self.by_account.values().sum::<i64>(), 0);
        assert!(self.held.values().all(|left| *left >= 0), "no more is taken or given back than was held");

        let mut settled: Vec<TransactionId> = Vec::new();
        for (payout, (amount, entries)) in &self.claims {
            assert_eq!(*amount, entries.iter().map(|entry| self.entries[entry]).sum::<i64>());
            if !self.failed.contains(payout) {
                settled.extend(entries);
            }
        }
        let claims = settled.len();
        settled.sort();
        settled.dedup();
        assert_eq!(settled.len(), claims, "an entry is in one payout at most");

        for (order, [captured, earned, commission, borne]) in &self.captured {
            assert_eq!(*captured, earned + commission - borne);
            assert_eq!(captured, &self.paid[order]);
        }
        let balance = |account| self.by_account.get(&account).copied().unwrap_or(0);
        assert_eq!(balance(Account::Clearing), self.paid.values().sum::<i64>());
        let commission: i64 = self.captured.values().map(|[_, _, commission, _]| commission).sum();
        assert_eq!(balance(Account::CommissionIncome), -commission);

        for (index, name) in VENDORS.iter().enumerate() {
            let Some(open) = market.city.state::<LedgerBook>(id(name)).open(currency("EUR")) else {
                continue;
            };
            let month = market.city.state::<LedgerMonth>(ledger(index).month(open));
            let standing = month.standing().unwrap();
            for ((vendor, account), minor) in &self.by_vendor {
                if *vendor == id(name) {
                    assert_eq!(standing.balance_minor(*account), *minor, "{account:?} of {name}");
                }
            }
            let unclaimed: i64 = standing.unclaimed.iter().map(|entry| self.entries[entry]).sum();
            assert_eq!(unclaimed, standing.available_minor());
            for (payout, entries) in &standing.claimed {
                assert_eq!(*entries, self.claims[payout].1);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn s18_whatever_happens_the_money_adds_up(acts in prop::collection::vec(act(), 1..240), hold_days in 0_u16..4) {
        let market = Market::open().with_policies(|policies| policies.hold_days = hold_days);
        let market = market.with_vendor("ann").with_vendor("bob");
        let market = market.with_offer_and_freight("ann", "cup", 1005, 99).with_stock("ann", "chair", 333, 12);
        let mut market = charging(market.with_offer("bob", "vase", 1), percent("12.5"));
        let mut bought = 0;
        for (number, act) in acts.into_iter().enumerate() {
            do_it(&mut market, number, &mut bought, act);
        }
        Sums::of(&market).check(&market);
        let mut audit = MoneyAudit::default();
        let found: Vec<_> = market.city.log().iter().flat_map(|envelope| audit.take(envelope)).collect();
        prop_assert_eq!((found, audit.finish().0), (vec![], vec![]));
    }
}
