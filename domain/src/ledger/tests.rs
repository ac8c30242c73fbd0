//! Months that carry over, adjustments, and payouts that settle every entry once.

use crate::calendar::{Month, Zone};
use crate::event::Event;
use crate::ids::{PayoutId, TransactionId, VendorId};
use crate::ledger::adjusting::{Against, PostAdjustment};
use crate::ledger::book::{LedgerBook, LedgerOf};
use crate::ledger::month::{self, Account, ENTRIES_PER_EVENT_MAX, LedgerMonth};
use crate::ledger::paying_out::{ClaimEntries, FailPayout, RecordSubmitted, RequestPayout, SettlePayout};
use crate::ledger::payout::{self, Payout, Trigger, payout_id};
use crate::ledger::standing::Standing;
use crate::ledger::transactions;
use crate::marketplace::vendor::{self, TerminateVendor, Vendor};
use crate::money::Money;
use crate::rehearsal::id;
use crate::rehearsal::market::Market;
use crate::rehearsal::scene::{currency, reason};
use crate::text::Reason;
use chrono::{TimeDelta, TimeZone, Utc};

fn ledger(code: &str) -> LedgerOf {
    LedgerOf { vendor: id("ann"), currency: currency(code) }
}

fn adjust(name: &str, code: &str, minor: i64) -> PostAdjustment {
    PostAdjustment {
        transaction: id::<TransactionId>(name),
        vendor: id("ann"),
        amount: Money { minor, currency: currency(code) },
        against: Against::Adjustments,
        reason: Reason::parse("reason", "goodwill").unwrap(),
    }
}

fn request(code: &str) -> RequestPayout {
    RequestPayout { vendor: id("ann"), currency: currency(code), trigger: Trigger::Manual }
}

fn market() -> Market {
    let minimums = [(currency("EUR"), 2500), (currency("USD"), 2500)].into_iter().collect();
    Market::open().with_policies(|policies| policies.payout_minimum_minor = minimums).with_vendor("ann")
}

fn with_available(code: &str, minor: i64) -> Market {
    let mut market = market();
    market.city.when(&adjust("first", code, minor)).unwrap();
    market
}

fn standing(market: &Market, code: &str) -> Standing {
    let open = market.city.state::<LedgerBook>(id("ann")).open(currency(code)).expect("something was posted");
    market.city.state::<LedgerMonth>(ledger(code).month(open)).standing().cloned().unwrap()
}

fn first_payout() -> PayoutId {
    payout_id(ledger("EUR"), 0, 0)
}

/// How much was claimed, and how many entries that was.
fn claimed(events: &[Event]) -> Option<(i64, usize)> {
    let of = |event: &Event| {
        if let Event::Ledger(month::Event::EntriesClaimed { entries, .. }) = event {
            entries.len()
        } else {
            0
        }
    };
    let entries = events.iter().map(of).sum();
    events.iter().find_map(|event| {
        let Event::Payout(payout::Event::Claimed { amount, .. }) = event else { return None };
        Some((amount.minor, entries))
    })
}

#[test]
fn s18_below_the_minimum_nothing_is_paid_and_it_is_carried() {
    let mut market = with_available("EUR", 2499);
    assert_eq!(market.city.refusal(&request("EUR")), "PAYOUT_BELOW_MINIMUM");
    assert_eq!(market.city.refusal(&request("JPY")), "PAYOUT_BELOW_MINIMUM");
    market.city.when(&adjust("one more", "EUR", 1)).unwrap();
    market.city.when(&request("EUR")).unwrap();
    let events = market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    assert_eq!(claimed(&events), Some((2500, 2)));
}

#[test]
fn s18_currencies_never_net() {
    let mut market = with_available("EUR", 3000);
    market.city.when(&adjust("debt", "USD", -1000)).unwrap();
    market.city.when(&request("EUR")).unwrap();
    let events = market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    assert_eq!(claimed(&events), Some((3000, 1)));
    assert_eq!(market.city.refusal(&request("USD")), "PAYOUT_BELOW_MINIMUM");
    assert_eq!(standing(&market, "USD").available_minor(), -1000);
}

#[test]
fn s18_two_workers_and_an_operator_make_one_payout_of_all_entries() {
    let mut market = market();
    for number in 0..137 {
        market.city.when(&adjust(&format!("entry {number}"), "EUR", 100 + number)).unwrap();
    }
    let scheduled = RequestPayout { trigger: Trigger::Schedule, ..request("EUR") };
    let requested = market.city.race(&[&scheduled, &request("EUR"), &scheduled]);
    assert_eq!(
        requested.iter().filter(|result| result.as_ref().is_ok_and(|made| !made.is_empty())).count(),
        1
    );

    let claim = ClaimEntries { payout: first_payout() };
    let claims = market.city.race(&[&claim, &claim, &claim]);
    let made: Vec<_> = claims.iter().filter_map(|result| claimed(result.as_ref().unwrap())).collect();
    assert_eq!(made, [((0..137).map(|number| 100 + number).sum(), 137)]);
    assert_eq!(standing(&market, "EUR").unclaimed, []);
    assert_eq!(market.city.refusal(&request("EUR")), "PAYOUT_BELOW_MINIMUM");
}

#[test]
fn s18_a_claim_and_its_payout_are_one_append() {
    let mut market = with_available("EUR", 3000);
    market.city.when(&request("EUR")).unwrap();
    let pending = market.city.begin(&ClaimEntries { payout: first_payout() }).unwrap();
    assert_eq!(standing(&market, "EUR").unclaimed.len(), 1);
    market.city.append(pending).unwrap();
    let standing = standing(&market, "EUR");
    assert_eq!((standing.unclaimed.len(), standing.claimed.len()), (0, 1));
    assert_eq!(market.city.state::<Payout>(first_payout()).amount().unwrap().minor, 3000);
}

#[test]
fn a_vendor_who_cannot_be_paid_is_not_paid() {
    let mut market = with_available("EUR", 3000);
    market.city.when(&request("EUR")).unwrap();
    let suspended = vendor::Event::Suspended { reason: "complaints".into() };
    market.city.given::<Vendor>(id::<VendorId>("ann"), [suspended]);
    assert_eq!(market.city.refusal(&request("EUR")), "VENDOR_PAYOUTS_HELD");
    market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    assert!(matches!(market.city.state::<Payout>(first_payout()), Payout::Voided { .. }));
    assert_eq!(standing(&market, "EUR").unclaimed.len(), 1);
}

#[test]
fn payouts_held_by_a_suspension_are_asked_for_again_after_it() {
    let mut market = with_available("EUR", 3000);
    market.city.when(&request("EUR")).unwrap();
    let mut suspended = market.clone();
    suspended.suspend();
    assert_eq!(suspended.city.refusal(&request("EUR")), "TENANT_SUSPENDED");
    suspended.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    assert!(matches!(suspended.city.state::<Payout>(first_payout()), Payout::Voided { .. }));

    market.city.when(&FailPayout { payout: first_payout(), reason: "held".into() }).unwrap();
    market.city.when(&request("EUR")).unwrap();
    let second = payout_id(ledger("EUR"), 0, 1);
    let events = market.city.when(&ClaimEntries { payout: second }).unwrap();
    assert_eq!(claimed(&events), Some((3000, 1)));
    // Whoever still drives the voided one finds nothing to pay, and undoes nothing of the other.
    assert_eq!(market.city.when(&ClaimEntries { payout: first_payout() }), Ok(vec![]));
    assert_eq!(market.city.when(&FailPayout { payout: first_payout(), reason: "held".into() }), Ok(vec![]));
    assert_eq!(market.city.state::<Payout>(first_payout()).amount(), None);
    assert_eq!(market.city.state::<Payout>(second).amount().unwrap().minor, 3000);
}

#[test]
fn a_payout_goes_its_way_once_and_a_paid_one_does_not_fail() {
    let mut market = with_available("EUR", 3000);
    let payout = first_payout();
    let submitted = RecordSubmitted { payout, reference: "tr_1".into() };
    let failed = FailPayout { payout, reason: "no account".into() };
    assert_eq!(market.city.refusal(&ClaimEntries { payout }), "PAYOUT_UNKNOWN");
    market.city.when(&request("EUR")).unwrap();
    assert_eq!(market.city.refusal(&submitted), "PAYOUT_NOT_NOW");
    market.city.when(&ClaimEntries { payout }).unwrap();
    assert_eq!(market.city.refusal(&SettlePayout { payout }), "PAYOUT_NOT_NOW");
    market.city.when(&submitted).unwrap();
    assert_eq!(market.city.when(&submitted).unwrap(), []);
    let other = RecordSubmitted { payout, reference: "tr_2".into() };
    assert_eq!(market.city.refusal(&other), "PAYOUT_OTHER_REFERENCE");
    market.city.when(&SettlePayout { payout }).unwrap();
    assert_eq!(market.city.when(&SettlePayout { payout }).unwrap(), []);
    assert_eq!(market.city.when(&ClaimEntries { payout }).unwrap(), []);
    assert_eq!(market.city.refusal(&failed), "PAYOUT_NOT_NOW");
    let standing = standing(&market, "EUR");
    assert_eq!(standing.balance_minor(Account::VendorPaid), -3000);
    assert_eq!(standing.balance_minor(Account::VendorInTransit), 0);
}

#[test]
fn a_failed_payout_makes_its_entries_available_for_the_next() {
    let mut market = with_available("EUR", 3000);
    let payout = first_payout();
    let failed = FailPayout { payout, reason: "no account".into() };
    market.city.when(&request("EUR")).unwrap();
    market.city.when(&ClaimEntries { payout }).unwrap();
    market.city.when(&failed).unwrap();
    assert_eq!(market.city.when(&failed).unwrap(), []);
    assert_eq!(standing(&market, "EUR").available_minor(), 3000);
    market.city.when(&request("EUR")).unwrap();
    let events = market.city.when(&ClaimEntries { payout: payout_id(ledger("EUR"), 1, 0) }).unwrap();
    assert_eq!(claimed(&events), Some((3000, 1)));
}

#[test]
fn what_a_vendor_owes_is_made_up_from_what_comes_next() {
    let mut market = with_available("EUR", -2200);
    market.city.when(&adjust("earned", "EUR", 5000)).unwrap();
    market.city.when(&request("EUR")).unwrap();
    let events = market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    assert_eq!(claimed(&events), Some((2800, 2)));
}

#[test]
fn a_vendor_is_terminated_when_no_order_is_open_and_nothing_is_owed_to_them_or_by_them_in_any_currency() {
    let mut market = with_available("EUR", 3000);
    let terminate = TerminateVendor { id: id("ann"), reason: reason(), open_parts: 0 };
    assert_eq!(market.city.refusal(&terminate), "VENDOR_STILL_SELLS");
    market.city.when(&request("EUR")).unwrap();
    market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    market.city.tell_vendor(id("ann"), vendor::Command::Suspend { reason: reason() });
    assert_eq!(market.city.refusal(&terminate), "VENDOR_NOT_SETTLED");
    market.city.when(&RecordSubmitted { payout: first_payout(), reference: "tr".into() }).unwrap();
    market.city.when(&SettlePayout { payout: first_payout() }).unwrap();
    market.city.when(&adjust("debt", "USD", -1)).unwrap();
    assert_eq!(market.city.refusal(&terminate), "VENDOR_NOT_SETTLED");
    market.city.when(&adjust("written off", "USD", 1)).unwrap();
    let busy = TerminateVendor { open_parts: 1, ..terminate.clone() };
    assert_eq!(market.city.refusal(&busy), "VENDOR_ORDERS_OPEN");
    assert_eq!(market.city.when(&terminate).unwrap().len(), 1);
    assert_eq!(market.city.when(&terminate).unwrap(), []);
    assert_eq!(
        market.city.refusal(&adjust("late", "EUR", 1)),
        "VENDOR_TERMINATED",
        "who would ever be paid it?"
    );
    let stranger = TerminateVendor { id: id("ghost"), reason: reason(), open_parts: 0 };
    assert_eq!(market.city.refusal(&stranger), "VENDOR_UNKNOWN");
}

#[test]
fn an_adjustment_needs_an_amount_and_a_vendor() {
    let mut market = market();
    assert_eq!(market.city.refusal(&adjust("none", "EUR", 0)), "INVALID_INPUT");
    assert_eq!(market.city.refusal(&adjust("much", "EUR", i64::MIN)), "INVALID_INPUT");
    let stranger = PostAdjustment { vendor: id("ghost"), ..adjust("a", "EUR", 1) };
    assert_eq!(market.city.refusal(&stranger), "VENDOR_UNKNOWN");
}

#[test]
fn a_month_hands_everything_on_and_an_earlier_date_goes_into_the_open_one() {
    let mut market = with_available("EUR", 3000);
    market.city.when(&request("EUR")).unwrap();
    market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    market.city.when(&adjust("left", "EUR", 70)).unwrap();
    let january = standing(&market, "EUR");

    market.city.set_time(Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap());
    market.city.when(&adjust("march", "EUR", 5)).unwrap();
    let unclaimed = [january.unclaimed.clone(), vec![id("march")]].concat();
    let carried = Standing { unclaimed, balances: standing(&market, "EUR").balances, ..january };
    assert_eq!(standing(&market, "EUR"), carried);
    market.city.pass(TimeDelta::days(-1));
    market.city.when(&adjust("late", "EUR", 2)).unwrap();
    let march = standing(&market, "EUR");
    let book = market.city.state::<LedgerBook>(id("ann"));
    assert_eq!(book.open(currency("EUR")).unwrap().to_string(), "2026-03");
    assert_eq!((march.available_minor(), march.unclaimed.len(), march.payouts), (77, 3, 1));
    market.city.when(&FailPayout { payout: first_payout(), reason: "closed".into() }).unwrap();
    assert_eq!(standing(&market, "EUR").available_minor(), 3077);
}

#[test]
fn two_first_transactions_of_a_month_open_it_once() {
    let mut market = with_available("EUR", 3000);
    market.city.set_time(Utc.with_ymd_and_hms(2026, 2, 1, 0, 0, 0).unwrap());
    let results = market.city.race(&[&adjust("one", "EUR", 1), &adjust("two", "EUR", 2)]);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(standing(&market, "EUR").available_minor(), 3003);
}

#[test]
fn a_ledger_of_any_number_of_entries_turns_its_page_and_pays_in_events_of_bounded_size() {
    const ENTRIES: usize = 20_000;
    let mut market = with_available("EUR", 3000);
    let january = Month { year: 2026, month: 1 };
    let posted = |number: usize| {
        let (id, date) = (id(&format!("entry {number}")), Zone::UTC.date(market.city.now()));
        let transaction = transactions::adjusted(id, "earned".into(), date, Account::Adjustments, 1);
        let LedgerOf { vendor, currency } = ledger("EUR");
        month::Event::Posted { vendor, currency, transaction }
    };
    let posted: Vec<_> = (1..ENTRIES).map(posted).collect();
    market.city.given::<LedgerMonth>(ledger("EUR").month(january), posted);

    market.city.when(&request("EUR")).unwrap();
    let all = 3000 + ENTRIES as i64 - 1;
    let events = market.city.when(&ClaimEntries { payout: first_payout() }).unwrap();
    assert_eq!(claimed(&events), Some((all, ENTRIES)));
    for (month, entries) in [(2, ENTRIES), (3, 0)] {
        market.city.when(&adjust(&format!("of month {month}"), "EUR", 3000)).unwrap();
        market.city.set_time(Utc.with_ymd_and_hms(2026, month, 10, 0, 0, 0).unwrap());
        market.city.when(&adjust(&format!("in month {month}"), "EUR", 3000)).unwrap();
        let now = standing(&market, "EUR");
        assert_eq!(now.claimed.values().map(Vec::len).sum::<usize>(), entries);
        if month == 2 {
            market.city.when(&FailPayout { payout: first_payout(), reason: "closed".into() }).unwrap();
            market.city.when(&request("EUR")).unwrap();
            let second = payout_id(ledger("EUR"), 1, 0);
            let events = market.city.when(&ClaimEntries { payout: second }).unwrap();
            assert_eq!(claimed(&events), Some((all + 6000, ENTRIES + 2)));
            market.city.when(&RecordSubmitted { payout: second, reference: "tr".into() }).unwrap();
            market.city.when(&SettlePayout { payout: second }).unwrap();
        }
    }
    assert_eq!(standing(&market, "EUR").available_minor(), 6000);
    let largest = market.city.log().iter().map(|envelope| envelope.event.encode().body.len()).max();
    assert!(largest.unwrap() < 64 * ENTRIES_PER_EVENT_MAX, "{largest:?}");
}
