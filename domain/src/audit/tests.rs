//! Books that are sound pass whole; whatever amount in them is changed, and whatever event is left out or there twice,
//! is found where it is.

mod whose;

use super::{Amount, Breach, Covered, Figure, MoneyAudit, Subject, Sums, Violation};
use crate::commission::rules::{Command as Charge, CommissionRules, Fee, catch_all};
use crate::event::{Event, Kind};
use crate::ids::{OrderId, PayoutId, TenantId, TransactionId};
use crate::ledger::adjusting::{Against, PostAdjustment};
use crate::ledger::book::LedgerOf;
use crate::ledger::month::{self, Account, Leg};
use crate::ledger::paying_out::{ClaimEntries, FailPayout, RecordSubmitted, RequestPayout, SettlePayout};
use crate::ledger::payout::{self, Trigger, payout_id};
use crate::log::{Envelope, Partition};
use crate::money::Rate;
use crate::orders::canceling::{CancelPart, CancelUnits};
use crate::orders::capturing::RecordCapture;
use crate::orders::order::{Bearer, Cart, Discount, part_id};
use crate::orders::payment;
use crate::orders::shipping::{DeliverPart, ShipPart};
use crate::orders::vendor_order::{CancelCause, VendorOrder};
use crate::rehearsal::id;
use crate::rehearsal::market::{Market, euros};
use crate::rehearsal::scene::{currency, reason};
use crate::workspace::{Intention, Tell};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::BTreeMap;

fn ann() -> LedgerOf {
    LedgerOf { vendor: id("ann"), currency: currency("EUR") }
}

fn payout(ordinal: u32) -> PayoutId {
    payout_id(ann(), ordinal, 0)
}

/// Three orders and three payouts over two months: discounts, commission, cancelations, a payout that fails over
/// the end of the month, one that is paid, one that is under way.
fn history() -> Vec<Envelope> {
    let mut market = Market::open().with_policies(|policies| policies.hold_days = 2);
    market = market.with_vendor("ann").with_vendor("bob");
    market = market.with_offer_and_freight("ann", "cup", 1005, 99).with_offer("bob", "vase", 700);
    let fee = Fee::percent(Rate::parse_percent("rate", "12.5").unwrap());
    for command in [Charge::ChangeCatchAll { fee }, Charge::Enable { rule: catch_all() }] {
        market.city.when(&Tell::<CommissionRules> { id: id::<TenantId>("tenant"), command }).unwrap();
    }
    let discount = Some(Discount { minor: 333, bearer: Bearer::Marketplace });
    market.buy(id("both"), Cart { discount, ..Market::cart(&[("cup", 4), ("vase", 1)]) }).unwrap();
    market.buy(id("small"), Market::cart(&[("cup", 1)])).unwrap();
    market.buy(id("open"), Market::cart(&[("cup", 2)])).unwrap();
    let both = part_id(id::<OrderId>("both"), id("ann"));
    let cause = CancelCause::Customer;
    does(&mut market, &CancelUnits { part: both, line: 1, quantity: Some(1), cause });
    does(&mut market, &CancelPart { part: part_id(id::<OrderId>("both"), id("bob")), cause });
    for part in [both, part_id(id::<OrderId>("small"), id("ann"))] {
        does(&mut market, &ShipPart { part, tracking: None });
        let minor = market.city.state::<VendorOrder>(part).known().unwrap().totals.payable_minor();
        does(&mut market, &RecordCapture { part, minor, reference: "capture".into() });
        does(&mut market, &DeliverPart { part });
    }
    market.city.pass(TimeDelta::days(3));
    for part in [both, part_id(id::<OrderId>("small"), id("ann"))] {
        does(&mut market, &crate::orders::earning::ReleaseEarnings { part });
    }
    does(&mut market, &adjustment("goodwill", 500));
    does(&mut market, &request());
    does(&mut market, &ClaimEntries { payout: payout(0) });
    market.city.pass(TimeDelta::days(30));
    does(&mut market, &adjustment("fine", -100));
    does(&mut market, &FailPayout { payout: payout(0), reason: "no account".into() });
    does(&mut market, &request());
    does(&mut market, &ClaimEntries { payout: payout(1) });
    does(&mut market, &RecordSubmitted { payout: payout(1), reference: "transfer".into() });
    does(&mut market, &SettlePayout { payout: payout(1) });
    does(&mut market, &adjustment("bonus", 2600));
    does(&mut market, &request());
    does(&mut market, &ClaimEntries { payout: payout(2) });
    does(&mut market, &adjustment("more", 1));
    market.city.log().to_vec()
}

fn does(market: &mut Market, intention: &dyn Intention) {
    assert_ne!(market.city.when(intention).unwrap(), [], "it happens");
}

fn request() -> RequestPayout {
    RequestPayout { vendor: id("ann"), currency: currency("EUR"), trigger: Trigger::Manual }
}

fn adjustment(name: &str, minor: i64) -> PostAdjustment {
    PostAdjustment {
        transaction: id(name),
        vendor: id("ann"),
        amount: euros(minor),
        against: Against::Adjustments,
        reason: reason(),
    }
}

fn audit(log: &[Envelope]) -> (Vec<Violation>, BTreeMap<(Partition, crate::money::Currency), Covered>) {
    let mut audit = MoneyAudit::default();
    let told = log.iter().filter(|envelope| MoneyAudit::concerns(envelope.stream.kind));
    let mut found: Vec<_> = told.flat_map(|envelope| audit.take(envelope)).collect();
    let (last, covered) = audit.finish();
    found.extend(last);
    (found, covered)
}

fn found(log: &[Envelope]) -> Vec<Violation> {
    audit(log).0
}

/// Where the one event is that `is` tells.
fn place(log: &[Envelope], is: impl Fn(&Event) -> bool) -> usize {
    let places: Vec<_> = (0..log.len()).filter(|place| is(&log[*place].event)).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    places[0]
}

/// The log with one transaction changed.
fn with_transaction(name: &str, change: impl FnOnce(&mut month::Transaction)) -> (Vec<Envelope>, Violation) {
    let mut log = history();
    let wanted: TransactionId = id(name);
    let place = place(
        &log,
        |event| matches!(event, Event::Ledger(month::Event::Posted { transaction, .. }) if transaction.id == wanted),
    );
    let Event::Ledger(month::Event::Posted { transaction, .. }) = &mut log[place].event else { panic!() };
    change(transaction);
    let first = found(&log).remove(0);
    assert_eq!((first.position, first.stream), (log[place].position, log[place].stream));
    (log, first)
}

#[test]
fn sound_books_pass_and_the_audit_says_how_much_they_are() {
    let (violations, covered) = audit(&history());
    assert_eq!(violations, []);
    let sums = Sums {
        received_minor: 4203,
        borne_minor: 213,
        earned_minor: 3913,
        commission_minor: 503,
        ..Sums::default()
    };
    let expected = Covered {
        transactions: 13,
        moved_minor: 31_582,
        orders: 3,
        orders_open: 1,
        payouts: 3,
        payouts_paid: 1,
        paid_minor: 4313,
        sums,
    };
    assert_eq!(sums.came_in_minor(), sums.became_minor());
    let tenant = Partition::Tenant(id("tenant"));
    assert_eq!(covered, BTreeMap::from([((tenant, currency("EUR")), expected)]));
}

#[test]
fn a_log_without_money_covers_nothing() {
    assert_eq!(audit(&[]), (vec![], BTreeMap::new()));
}

#[test]
fn books_of_two_tenants_are_kept_apart() {
    let ours = history();
    let mut theirs = ours.clone();
    for envelope in &mut theirs {
        envelope.stream.partition = Partition::Tenant(id("other"));
        envelope.position.0 += ours.len() as u64;
    }
    let (violations, covered) = audit(&[ours, theirs].concat());
    assert_eq!((violations, covered.len()), (vec![], 2));
}

#[test]
fn a_transaction_that_makes_money_is_named() {
    let (_, first) = with_transaction("goodwill", |transaction| transaction.legs[0].minor -= 1);
    assert_eq!(first.subject, Subject::Ledger(ann()));
    assert_eq!(first.breach, Breach::Unbalanced { sum_minor: -1 });
}

#[test]
fn a_transaction_that_moves_another_account_is_named() {
    let legs = [Leg { account: Account::WriteOff, minor: 9 }, Leg { account: Account::Fees, minor: -9 }];
    let (_, first) = with_transaction("goodwill", |transaction| transaction.legs.extend(legs));
    assert_eq!(first.breach, Breach::StrayLeg { account: Account::WriteOff });
}

#[test]
fn an_adjustment_that_is_posted_again_after_it_was_paid_is_named() {
    let wanted: TransactionId = id("goodwill");
    let (_, first) = with_transaction("more", |transaction| transaction.id = wanted);
    assert_eq!(first.breach, Breach::Repeated { transaction: wanted });
}

#[test]
fn a_vendor_who_is_paid_twice_for_one_entry_is_named() {
    let mut log = history();
    let paid_before: TransactionId = id("goodwill");
    let place = place(
        &log,
        |event| matches!(event, Event::Ledger(month::Event::EntriesClaimed { payout: of, .. }) if *of == payout(2)),
    );
    let Event::Ledger(month::Event::EntriesClaimed { entries, .. }) = &mut log[place].event else { panic!() };
    entries.push(paid_before);
    let violations = found(&log);
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].position, log[place].position);
    assert_eq!(violations[0].subject, Subject::Payout { payout: payout(2), vendor: id("ann") });
    assert_eq!(violations[0].breach, Breach::EntryNotOpen { entry: paid_before, held_by: None });

    let Event::Ledger(month::Event::EntriesClaimed { entries, .. }) = &mut log[place].event else { panic!() };
    entries.pop();
    entries.push(entries[0]);
    let held_by = Some(payout(2));
    assert_eq!(found(&log)[0].breach, Breach::EntryNotOpen { entry: id("bonus"), held_by });
}

#[test]
fn a_payout_that_is_paid_twice_is_named_by_the_payout_and_by_the_ledger() {
    let mut log = history();
    let paid = place(&log, |event| matches!(event, Event::Payout(payout::Event::Paid { .. })));
    let again = [log[paid].clone(), log[paid + 1].clone()];
    log.extend(again);
    let end = log.len();
    for (offset, envelope) in log[end - 2..].iter_mut().enumerate() {
        envelope.position.0 = (end - 1 + offset) as u64;
        envelope.meta.command = id("again");
    }
    let violations = found(&log);
    let subject = Subject::Payout { payout: payout(1), vendor: id("ann") };
    let named: Vec<_> = violations.iter().filter(|violation| violation.subject == subject).collect();
    let breach = Breach::PayoutNotNow { stage: "over, or was never asked for" };
    assert_eq!(named.iter().map(|violation| &violation.breach).collect::<Vec<_>>(), [&breach, &breach]);
    assert_eq!(named[0].position.0, end as u64 - 1);
    let figure = Figure::InTransit;
    let on_its_way = Breach::Differs { figure, found_minor: 2600 - 4313, expected_minor: 2600 };
    let of_ledger = |violation: &Violation| violation.subject == Subject::Ledger(ann());
    assert_eq!(violations.iter().find(|violation| of_ledger(violation)).unwrap().breach, on_its_way);
}

#[test]
fn a_payout_of_another_sum_than_its_entries_is_named() {
    let mut log = history();
    let place = place(
        &log,
        |event| matches!(event, Event::Payout(payout::Event::Claimed { amount, .. }) if amount.minor == 2600),
    );
    let Event::Payout(payout::Event::Claimed { amount, .. }) = &mut log[place].event else { panic!() };
    amount.minor += 50;
    let violations = found(&log);
    let breach = Breach::Differs { figure: Figure::Claimed, found_minor: 2600, expected_minor: 2650 };
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!((violations[0].position, &violations[0].breach), (log[place].position, &breach));
}

#[test]
fn an_order_whose_money_went_elsewhere_is_named_with_its_vendor() {
    let mut log = history();
    let place = place(
        &log,
        |event| matches!(event, Event::Payment(payment::Event::Captured { order, .. }) if *order == id("small")),
    );
    let Event::Payment(payment::Event::Captured { minor, .. }) = &mut log[place].event else { panic!() };
    *minor -= 4;
    let violations = found(&log);
    let breach = |subject| &violations.iter().find(|violation| violation.subject == subject).unwrap().breach;
    let (order, part) = (id("small"), part_id(id("small"), id("ann")));
    let sum = Breach::Differs { figure: Figure::OrderSum, found_minor: 1100, expected_minor: 1104 };
    assert_eq!(*breach(Subject::Order(order)), sum);
    let held = Breach::Differs { figure: Figure::Held, found_minor: 4, expected_minor: 0 };
    assert_eq!(*breach(Subject::Part { order, part, vendor: id("ann") }), held);
    let same_command = |violation: &Violation| {
        log[violation.position.0 as usize - 1].meta.command == log[place].meta.command
    };
    assert!(violations.iter().all(same_command), "{violations:?}");
    assert_eq!(held.code(), "held");
    assert_ne!(Figure::Booked(Amount::Tax).to_string(), Figure::Booked(Amount::Borne).to_string());
}

#[test]
fn a_month_that_does_not_begin_with_what_the_last_one_ended_with_is_named() {
    let mut log = history();
    let place = place(&log, |event| {
        matches!(event, Event::Ledger(month::Event::Opened { month, vendor, .. })
            if month.month == 2 && *vendor == id("ann"))
    });
    let Event::Ledger(month::Event::Opened { balances, .. }) = &mut log[place].event else { panic!() };
    let was = balances.insert(Account::Clearing, 1).unwrap().into();
    let figure = Figure::Carried(Account::Clearing);
    let violations = found(&log);
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].position, log[place].position);
    assert_eq!(violations[0].breach, Breach::Differs { figure, found_minor: 1, expected_minor: was });
}

/// What is said beside the amounts that are added up: how they came about.
const SAID_BESIDE: &[&str] = &["unit_minor", "discount_minor", "base_minor", "counted_before_minor"];

/// Changes the `n`th amount of a body, if there is one, and says which it was.
fn change_amount(body: &mut Value, n: usize) -> Option<String> {
    fn walk(value: &mut Value, name: &str, left: &mut usize) -> Option<String> {
        let is_amount =
            name == "minor" || name.ends_with("_minor") || name == "balances" || name == "payouts";
        match value {
            Value::Object(fields) => fields.iter_mut().find_map(|(field, value)| {
                let inside = if name == "balances" { name } else { field };
                walk(value, inside, left)
            }),
            Value::Array(values) => values.iter_mut().find_map(|value| walk(value, name, left)),
            Value::Number(number) if is_amount && !SAID_BESIDE.contains(&name) => {
                if *left > 0 {
                    *left -= 1;
                    return None;
                }
                *value = (number.as_i64().unwrap() + 1).into();
                Some(name.to_owned())
            }
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => None,
        }
    }
    walk(body, "", &mut { n })
}

fn concerns(envelope: &Envelope) -> bool {
    MoneyAudit::concerns(envelope.stream.kind) && envelope.event.encode().type_name != "order.requested"
}

#[test]
fn whatever_amount_is_changed_is_found_where_it_is_written() {
    let log = history();
    let mut changed = 0;
    for place in (0..log.len()).filter(|place| concerns(&log[*place])) {
        let stored = log[place].event.encode();
        for n in 0.. {
            let mut body: Value = serde_json::from_str(&stored.body).unwrap();
            let Some(name) = change_amount(&mut body, n) else { break };
            let mut log = log.clone();
            log[place].event = Event::decode(&stored.type_name, &body.to_string()).unwrap();
            let first = found(&log).into_iter().next();
            let first = first.unwrap_or_else(|| panic!("{name} of {stored:?} at {place} is not found"));
            let at_once = log[first.position.0 as usize - 1].meta.command == log[place].meta.command;
            // What was left of commission and earnings shows when the rest is captured.
            let at_capture = stored.type_name == "vendor_order.units_canceled";
            assert!(at_once || at_capture, "{name} of {stored:?} is found as {first:?}");
            changed += 1;
        }
    }
    assert!(changed > 100, "only {changed} amounts were changed");
}

/// Events that move no money: nobody misses them, and they may be there twice.
const MOVE_NOTHING: &[&str] =
    &["order.requested", "vendor_order.shipped", "vendor_order.delivered", "vendor_order.canceled"];

#[test]
fn whatever_event_is_left_out_or_there_twice_is_found() {
    let log = history();
    let mut kinds: Vec<Kind> = Vec::new();
    for place in (0..log.len()).filter(|place| concerns(&log[*place])) {
        let stored = log[place].event.encode();
        if MOVE_NOTHING.contains(&stored.type_name.as_str()) {
            continue;
        }
        let (mut without, mut twice) = (log.clone(), log.clone());
        without.remove(place);
        twice.insert(place, log[place].clone());
        // An adjustment that nothing followed on is missed by nobody.
        if place + 1 < log.len() {
            assert_ne!(found(&without), [], "without {stored:?} at {place}");
        }
        assert_ne!(found(&twice), [], "twice {stored:?} at {place}");
        kinds.push(log[place].stream.kind);
    }
    for kind in [Kind::Order, Kind::VendorOrder, Kind::Payment, Kind::Ledger, Kind::Payout] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}
