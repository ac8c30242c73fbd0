//! Runs of sagas, and timers.

use super::super::due_timers::{DueTimers, Timer};
use super::super::saga_runs::{RunState, SagaRuns};
use super::{row, rows, steps, told};
use crate::history::{History, brl, id, partition};
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::ids::*;
use cityos_domain::marketplace::stock;
use cityos_domain::money::Money;
use cityos_domain::orders::payment;
use cityos_domain::orders::vendor_order::{self, Belongs};
use cityos_domain::saga_run::{self, Direction};

#[test]
fn runs_end_in_every_way() {
    use RunState::*;
    let states = |name: &str| steps::<SagaRuns, _>(id(name), |run| run.state);
    assert_eq!(states("completed run"), [Running, Completed]);
    assert_eq!(states("compensated run"), [Running, Compensated]);
    assert_eq!(
        states("abandoned run"),
        [Running, Waiting, Running, Parked, Running, Parked, Running, Abandoned]
    );
}

#[test]
fn a_run_that_waits_says_for_what() {
    let waiting = row::<SagaRuns>(id::<RunId>("waiting run"));
    assert_eq!((waiting.waiting_kind.as_deref(), waiting.waiting_seen), (Some("vendor"), Some(5)));
    assert_eq!(waiting.waiting_id, Some(id::<VendorId>("weaver").0));
    let woken = row::<SagaRuns>(id::<RunId>("abandoned run"));
    assert_eq!((woken.waiting_id, woken.waiting_kind, woken.next_at), (None, None, None));
}

#[test]
fn a_run_that_went_back_says_why() {
    let run = row::<SagaRuns>(id::<RunId>("compensated run"));
    assert_eq!(run.direction, Direction::Back);
    assert_eq!(run.error_code.as_deref(), Some("OUT_OF_STOCK"));
    assert_eq!(run.reason.as_deref(), Some("nothing is left"));
    let attempts = steps::<SagaRuns, _>(id("compensated run"), |run| (run.step.clone(), run.attempts));
    assert_eq!(attempts.len(), 5, "{attempts:?}");
}

/// When the timer is due after what is told: `None` where it is gone.
fn due(timer: Timer, tell: impl FnOnce(&mut History)) -> Option<Option<DateTime<Utc>>> {
    let rows = told::<DueTimers>(tell).unwrap();
    let found = rows.into_values().find(|row| row.id == timer.id())?;
    assert_eq!(found.purpose, timer);
    Some(found.due_at)
}

fn start() -> DateTime<Utc> {
    History::new().now()
}

fn in_minutes(minutes: i64) -> Option<Option<DateTime<Utc>>> {
    Some(Some(start() + TimeDelta::minutes(minutes)))
}

#[test]
fn a_run_is_due_at_once_unless_it_waits_is_leased_or_is_over() {
    let timer = |name: &str| steps::<DueTimers, _>(Timer::DriveRun { run: id(name) }.id(), |row| row.due_at);
    assert!(timer("waiting run").len() == 2);
    let left: Vec<_> = rows::<DueTimers>().into_values().map(|row| row.purpose).collect();
    assert!(left.contains(&Timer::DriveRun { run: id("waiting run") }));
    for over in ["completed run", "compensated run", "abandoned run", "parked run"] {
        assert!(!left.contains(&Timer::DriveRun { run: id(over) }), "{over}");
    }
    let run: RunId = id("run");
    let attempt = |history: &mut History| {
        let lease_until = history.now() + TimeDelta::minutes(3);
        let (step, key) = ("first".to_owned(), "k".to_owned());
        let direction = Direction::Forward;
        let attempted = saga_run::Event::Attempted { step, direction, attempt: 1, key, lease_until };
        history.happens(partition("bazaar"), run, attempted);
    };
    assert_eq!(due(Timer::DriveRun { run }, attempt), in_minutes(3));
    let retried = |history: &mut History| {
        history.wait(5);
        history.happens(partition("bazaar"), run, saga_run::Event::Retried {});
    };
    assert_eq!(due(Timer::DriveRun { run }, retried), in_minutes(5), "a parked run has no timer until then");
}

#[test]
fn units_are_let_go_unless_they_are_bought_in_time() {
    let (offer, reservation): (OfferId, ReservationId) = (id("offer"), id("reservation"));
    let timer = Timer::ExpireReservation { offer, reservation };
    let reserve = |history: &mut History| {
        let expires_at = history.now() + TimeDelta::minutes(15);
        let reserved = stock::Event::Reserved { reservation, quantity: 1, expires_at };
        history.happens(partition("bazaar"), offer, reserved);
    };
    assert_eq!(due(timer, reserve), in_minutes(15));
    let bought = |history: &mut History| {
        reserve(history);
        let part = id("part");
        let allocated = stock::Event::Allocated { reservation, quantity: 1, part };
        history.happens(partition("bazaar"), offer, allocated);
    };
    assert_eq!(due(timer, bought), None);
}

#[test]
fn an_authorisation_runs_out_while_any_of_it_is_held() {
    let (payment, order): (PaymentId, OrderId) = (id("payment"), id("order"));
    let timer = Timer::ExpireAuthorisation { payment };
    let after = |captures: &[i64], expires_at: Option<DateTime<Utc>>| {
        due(timer, |history| {
            let own = partition("bazaar");
            let authorised = payment::Event::Authorised {
                order,
                method: payment::Method::Provider,
                amount: Money { minor: 300, currency: brl() },
                reference: "r".into(),
                expires_at,
                splits: Vec::new(),
            };
            history.happens(own, payment, authorised);
            for minor in captures {
                let (part, minor, reference) = (id("part"), *minor, "c".to_owned());
                let captured = payment::Event::Captured { order, part, minor, currency: brl(), reference };
                history.happens(own, payment, captured);
            }
        })
    };
    let expires_at = Some(start() + TimeDelta::minutes(60));
    assert_eq!(after(&[], expires_at), in_minutes(60));
    assert_eq!(after(&[100], expires_at), in_minutes(60));
    assert_eq!(after(&[100, 200], expires_at), None);
    assert_eq!(after(&[], None), None, "what is paid elsewhere does not run out here");
}

#[test]
fn earnings_are_due_once_captured_and_delivered_in_whatever_order() {
    let part: VendorOrderId = id("part");
    let belongs = Belongs { order: id("order"), vendor: id("vendor"), currency: brl() };
    let captured = vendor_order::Event::Captured {
        belongs,
        payment: id("payment"),
        reference: "c".into(),
        date: cityos_domain::calendar::Zone::UTC.date(start()),
        lines: vec![1],
        totals: Default::default(),
    };
    let available_at = start() + TimeDelta::minutes(90);
    let delivered = vendor_order::Event::Delivered { belongs, available_at };
    let released = vendor_order::Event::EarningsReleased { belongs };
    let after = |events: &[&vendor_order::Event]| {
        due(Timer::ReleaseEarnings { part }, |history| {
            for event in events {
                history.happens(partition("bazaar"), part, (*event).clone());
            }
        })
    };
    assert_eq!(after(&[&captured]), Some(None), "never, as things are");
    assert_eq!(after(&[&delivered]), Some(None));
    assert_eq!(after(&[&captured, &delivered]), in_minutes(90));
    assert_eq!(after(&[&delivered, &captured]), in_minutes(90));
    assert_eq!(after(&[&captured, &delivered, &released]), None);
}

#[test]
fn scheduled_payouts_are_due_when_the_tenant_says() {
    let due = steps::<DueTimers, _>(Timer::PayoutsDue {}.id(), |row| row.due_at);
    assert_eq!(due.len(), 2, "as the policies said, and a day after the first were due");
    let gone = crate::replay::replay::<DueTimers>(History::of_everything().events()).unwrap();
    assert!(!gone.contains_key(&(partition("gone"), Timer::PayoutsDue {}.id())));
}
