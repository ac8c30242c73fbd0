//! Balances, the ledger, payouts and the figures of the day.

use super::super::ledger_entries::{EntryKind, LedgerEntries};
use super::super::payouts::{PayoutStatus, Payouts};
use super::super::tenant_days::TenantDays;
use super::super::vendor_balances::VendorBalances;
use super::{row, rows, steps, told};
use crate::history::{History, brl, id, partition};
use crate::model::Unfit;
use crate::replay::replay;
use cityos_domain::event::Event;
use cityos_domain::ids::{PayoutId, TransactionId, VendorId};
use cityos_domain::ledger::month;

#[test]
fn money_moves_from_pending_to_paid() {
    let key = (id::<VendorId>("lamp maker"), brl());
    let balances = steps::<VendorBalances, _>(key, |balance| {
        [balance.pending_minor, balance.available_minor, balance.in_transit_minor, balance.paid_minor]
    });
    let expected = [
        [19_000, 0, 0, 0],
        [0, 19_000, 0, 0],
        [0, 0, 19_000, 0],
        [0, 19_000, 0, 0],
        [0, 19_700, 0, 0],
        [0, 0, 19_700, 0],
        [0, 0, 0, 19_700],
    ];
    assert_eq!(balances, expected);
    let balance = row::<VendorBalances>(key);
    assert_eq!((balance.earned_minor, balance.commission_minor), (19_000, 2_000), "gifts are not earned");
}

#[test]
fn a_balance_is_the_sum_of_its_entries_after_every_event() {
    let history = History::of_everything();
    for end in 0..history.events().len() {
        let told = &history.events()[..end];
        let entries = replay::<LedgerEntries>(told).unwrap();
        for ((own, _), balance) in replay::<VendorBalances>(told).unwrap() {
            let of_vendor =
                entries.iter().filter(|((of, _), entry)| *of == own && entry.vendor == balance.vendor);
            let mut sums = [0; 5];
            for (_, entry) in of_vendor {
                assert_eq!(entry.legs.iter().map(|leg| leg.minor).sum::<i64>(), 0);
                sums[0] += entry.pending_minor;
                sums[1] += entry.available_minor;
                sums[2] += entry.in_transit_minor;
                sums[3] += entry.paid_minor;
                sums[4] += entry.commission_minor;
            }
            let balance = [
                balance.pending_minor,
                balance.available_minor,
                balance.in_transit_minor,
                balance.paid_minor,
                balance.commission_minor,
            ];
            assert_eq!(sums, balance, "after {end} events");
        }
    }
}

#[test]
fn an_entry_tells_which_payout_took_it() {
    let entries = rows::<LedgerEntries>();
    let release = entries.values().find(|entry| entry.kind == EntryKind::Release).unwrap();
    let takers = steps::<LedgerEntries, _>(release.id, |entry| entry.settled_by);
    assert_eq!(takers, [None, Some(id("refused payout")), None, Some(id("payout"))]);
    assert_eq!(release.order, Some(id("first order")));
    let gift = row::<LedgerEntries>(id::<TransactionId>("gift"));
    assert_eq!((gift.kind, gift.available_minor), (EntryKind::Adjustment, 700));
    assert_eq!((gift.reason.as_deref(), gift.settled_by), (Some("a broken parcel"), Some(id("payout"))));
}

#[test]
fn no_two_payouts_take_one_entry() {
    let told = told::<LedgerEntries>(|history| {
        let everything = History::of_everything();
        let own = partition("bazaar");
        for event in everything.events().iter().filter(|event| event.stream.partition == own) {
            if !matches!(event.event, Event::Ledger(month::Event::EntriesUnclaimed { .. })) {
                history.happens(own, event.stream.id, event.event.clone());
            }
        }
    });
    assert!(matches!(told, Err(Unfit::Contradiction(_))));
}

#[test]
fn payouts_end_in_every_way() {
    use PayoutStatus::*;
    let statuses = |name: &str| steps::<Payouts, _>(id(name), |payout| payout.status);
    assert_eq!(statuses("payout"), [Requested, Claimed, Submitted, Paid]);
    assert_eq!(statuses("refused payout"), [Requested, Claimed, Failed]);
    assert_eq!(statuses("void payout"), [Requested, Voided]);
    let paid = row::<Payouts>(id::<PayoutId>("payout"));
    assert_eq!((paid.amount_minor, paid.ordinal), (19_700, 1));
    assert_eq!(paid.reference.as_deref(), Some("tr-1"));
    let failed = row::<Payouts>(id::<PayoutId>("refused payout"));
    assert_eq!(failed.reason.as_deref(), Some("account_closed"));
    assert!(failed.ended_at.is_some());
}

#[test]
fn every_figure_counts_on_its_own_day() {
    let days: Vec<_> = rows::<TenantDays>().into_values().collect();
    let dated = |look: fn(&crate::models::tenant_days::TenantDay) -> i64| -> Vec<i64> {
        days.iter().map(look).filter(|figure| *figure != 0).collect()
    };
    assert!(days.windows(2).all(|pair| pair[0].date < pair[1].date));
    assert_eq!(dated(|day| day.orders), [1, 1]);
    assert_eq!(dated(|day| day.orders_of_several_vendors), [1]);
    assert_eq!(dated(|day| day.lines), [3, 1]);
    assert_eq!(dated(|day| day.goods_minor), [35_000, 10_000]);
    assert_eq!(dated(|day| day.freight_minor), [2_000, 500]);
    assert_eq!(dated(|day| day.canceled_goods_minor), [15_000]);
    assert_eq!(dated(|day| day.commission_minor()), [3_500 - 1_500, 1_000]);
    assert_eq!(dated(|day| day.captured_lines), [2]);
    assert_eq!(dated(|day| day.captured_goods_minor), [20_000]);
    assert_eq!(dated(|day| day.captured_freight_minor), [1_000]);
    assert_eq!(dated(|day| day.captured_commission_minor), [2_000]);
    let owed: i64 = days.iter().map(|day| day.owed_change_minor).sum();
    let balances = rows::<VendorBalances>();
    let balance = balances.values().map(|balance| balance.pending_minor + balance.available_minor);
    assert_eq!(owed, balance.sum::<i64>());
}
