//! Shipping, capturing, delivering, and what the vendor has of it.

use super::{charging, order, part, percent};
use crate::event::Event;
use crate::foundation::tenant::CaptureMoment;
use crate::ledger::book::LedgerBook;
use crate::ledger::book::LedgerOf;
use crate::ledger::month::{self, Account, LedgerMonth};
use crate::ledger::standing::Standing;
use crate::orders::capturing::RecordCapture;
use crate::orders::earning::ReleaseEarnings;
use crate::orders::order::{Bearer, Cart, Discount};
use crate::orders::shipping::{DeliverPart, ShipPart};
use crate::rehearsal::id;
use crate::rehearsal::market::Market;
use crate::rehearsal::scene::currency;
use chrono::TimeDelta;

fn ship() -> ShipPart {
    ShipPart { part: part("order", "ann"), tracking: Some("T-1".into()) }
}

fn capture() -> RecordCapture {
    RecordCapture { part: part("order", "ann"), minor: 9_600, reference: "capture".into() }
}

fn deliver() -> DeliverPart {
    DeliverPart { part: part("order", "ann") }
}

fn release() -> ReleaseEarnings {
    ReleaseEarnings { part: part("order", "ann") }
}

fn bought(hold_days: u16) -> Market {
    let market = Market::open().with_policies(|policies| policies.hold_days = hold_days).with_vendor("ann");
    let mut market = charging(market.with_offer_and_freight("ann", "desk", 5000, 300), percent("10"));
    let discount = Some(Discount { minor: 1000, bearer: Bearer::Marketplace });
    let cart = Cart { discount, ..Market::cart(&[("desk", 2)]) };
    market.buy(order("order"), cart).unwrap();
    market
}

fn standing(market: &Market) -> Standing {
    let ledger = LedgerOf { vendor: id("ann"), currency: currency("EUR") };
    let open =
        market.city.state::<LedgerBook>(ledger.vendor).open(ledger.currency).expect("something was posted");
    market.city.state::<LedgerMonth>(ledger.month(open)).standing().cloned().unwrap()
}

#[test]
fn a_part_is_captured_after_it_ships_and_not_before() {
    let mut market = bought(0);
    assert_eq!(market.city.refusal(&capture()), "PART_NOT_SHIPPED");
    assert_eq!(market.city.refusal(&deliver()), "PART_NOT_SHIPPED");
    market.city.when(&ship()).unwrap();
    assert_eq!(market.city.when(&ship()).unwrap(), []);
    market.city.when(&capture()).unwrap();
    assert_eq!(market.city.when(&capture()).unwrap(), []);
}

#[test]
fn a_capture_is_one_transaction_that_sums_to_zero() {
    let mut market = bought(0);
    market.city.when(&ship()).unwrap();
    let events = market.city.when(&capture()).unwrap();
    let posted: Vec<_> = events
        .iter()
        .filter_map(|event| {
            if let Event::Ledger(month::Event::Posted { transaction, .. }) = event {
                Some(transaction)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(posted.len(), 1);
    let standing = standing(&market);
    assert_eq!(standing.balance_minor(Account::Clearing), 9600);
    assert_eq!(standing.balance_minor(Account::CommissionIncome), -1000);
    assert_eq!(standing.balance_minor(Account::Adjustments), 1000);
    assert_eq!(standing.balance_minor(Account::VendorPending), -9600);
}

#[test]
fn earnings_become_available_after_the_hold_days_and_once() {
    let mut market = bought(3);
    market.city.when(&ship()).unwrap();
    market.city.when(&capture()).unwrap();
    market.city.when(&deliver()).unwrap();
    assert_eq!(market.city.when(&deliver()).unwrap(), []);
    market.city.pass(TimeDelta::days(3) - TimeDelta::seconds(1));
    assert_eq!(market.city.refusal(&release()), "PART_EARNINGS_NOT_DUE");
    market.city.pass(TimeDelta::seconds(1));
    market.city.when(&release()).unwrap();
    assert_eq!(market.city.when(&release()).unwrap(), []);
    assert_eq!(standing(&market).available_minor(), 9600);
    assert_eq!(standing(&market).balance_minor(Account::VendorPending), 0);
}

#[test]
fn without_hold_days_earnings_are_available_with_whichever_comes_last() {
    let mut delivered_last = bought(0);
    let mut captured_last = delivered_last.clone();
    delivered_last.city.when(&ship()).unwrap();
    delivered_last.city.when(&capture()).unwrap();
    delivered_last.city.when(&deliver()).unwrap();
    captured_last.city.when(&ship()).unwrap();
    captured_last.city.when(&deliver()).unwrap();
    assert_eq!(captured_last.city.refusal(&release()), "PART_EARNINGS_NOT_DUE");
    captured_last.city.when(&capture()).unwrap();
    assert_eq!(standing(&delivered_last), standing(&captured_last));
    assert_eq!(standing(&captured_last).available_minor(), 9600);
}

#[test]
fn a_suspended_tenants_orders_go_on() {
    let mut market = bought(0);
    market.suspend();
    market.city.when(&ship()).unwrap();
    market.city.when(&capture()).unwrap();
    market.city.when(&deliver()).unwrap();
}

#[test]
fn at_placement_a_part_is_captured_before_it_ships() {
    let market = Market::open().with_policies(|policies| policies.capture = CaptureMoment::AtPlacement);
    let mut market = market.with_vendor("ann").with_offer("ann", "desk", 5000);
    market.buy(order("order"), Market::cart(&[("desk", 1)])).unwrap();
    assert_eq!(market.city.refusal(&ship()), "PART_BEING_CAPTURED");
    market.city.when(&RecordCapture { minor: 5000, ..capture() }).unwrap();
    market.city.when(&ship()).unwrap();
    market.city.when(&deliver()).unwrap();
    assert_eq!(standing(&market).available_minor(), 5000);
}
