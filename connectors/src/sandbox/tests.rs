//! The sandbox keeps the rules of money, and fails on cue.

use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::money::Currency;
use cityos_eventstore::clock::ManualClock;

struct Rehearsed {
    sandbox: Sandbox,
    clock: ManualClock,
    dir: tempfile::TempDir,
}

impl Rehearsed {
    fn new() -> Self {
        let clock = ManualClock::at(DateTime::<Utc>::UNIX_EPOCH);
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(&dir.path().join("sandbox.db"), Arc::new(clock.clone())).unwrap();
        Rehearsed { sandbox, clock, dir }
    }

    async fn authorise(&self, key: &str, minor: i64) -> Result<String, PortError> {
        self.sandbox.authorise(key, Partition::Platform, OrderId::default(), eur(minor)).await
    }

    async fn open_account(&self) -> String {
        self.sandbox.open_account("open", Partition::Platform, VendorId::default()).await.unwrap()
    }
}

fn eur(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("currency", "EUR").unwrap() }
}

fn code(answer: Result<String, PortError>) -> String {
    match answer {
        Err(PortError::Refused { code, .. } | PortError::Unavailable { code, .. }) => code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn no_more_is_captured_and_released_than_was_authorised() {
    let it = Rehearsed::new();
    let held = it.authorise("a", 100).await.unwrap();
    it.sandbox.capture("c1", &held, eur(60)).await.unwrap();
    assert_eq!(code(it.sandbox.release("r1", &held, eur(41)).await), "AMOUNT_TOO_LARGE");
    it.sandbox.release("r1", &held, eur(40)).await.unwrap();
    assert_eq!(code(it.sandbox.capture("c2", &held, eur(1)).await), "AMOUNT_TOO_LARGE");
    assert_eq!(code(it.sandbox.capture("c3", "authorisation-9", eur(1)).await), "AUTHORISATION_UNKNOWN");
    assert_eq!(code(it.authorise("nothing", 0).await), "AMOUNT_INVALID");
}

#[tokio::test]
async fn a_key_is_done_once_while_it_is_remembered_and_refused_for_anything_else() {
    let it = Rehearsed::new();
    let first = it.authorise("a", 100).await.unwrap();
    it.clock.advance(TimeDelta::hours(23));
    assert_eq!(it.authorise("a", 100).await.unwrap(), first);
    assert_eq!(code(it.authorise("a", 101).await), "KEY_REUSED");
    assert_eq!(it.sandbox.done(Operation::Authorise).await.unwrap().len(), 1);
    assert_eq!(it.sandbox.requests(Operation::Authorise).await.unwrap(), 3);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_but_what_was_done_under_it_is_found_for_ever() {
    let it = Rehearsed::new();
    let first = it.authorise("a", 100).await.unwrap();
    it.clock.advance(TimeDelta::hours(24));
    assert_ne!(it.authorise("a", 100).await.unwrap(), first);
    let found = PaymentProvider::find(&it.sandbox, "a").await.unwrap();
    assert_eq!(found, Some(first));
    assert_eq!(PaymentProvider::find(&it.sandbox, "b").await.unwrap(), None);
}

#[tokio::test]
async fn the_books_survive_a_restart() {
    let it = Rehearsed::new();
    let first = it.authorise("a", 100).await.unwrap();
    let path = it.dir.path().join("sandbox.db");
    let again = Sandbox::open(&path, Arc::new(it.clock.clone())).unwrap();
    assert_eq!(PaymentProvider::find(&again, "a").await.unwrap(), Some(first.clone()));
    assert_eq!(again.done(Operation::Authorise).await.unwrap()[0].reference, first);
}

#[tokio::test]
async fn a_closed_account_is_sent_nothing() {
    let it = Rehearsed::new();
    assert_eq!(code(it.sandbox.transfer("t", "account-9", eur(5)).await), "ACCOUNT_UNKNOWN");
    let account = it.open_account().await;
    it.sandbox.transfer("t", &account, eur(5)).await.unwrap();
    it.sandbox.close_account("close", &account).await.unwrap();
    assert_eq!(code(it.sandbox.transfer("t2", &account, eur(5)).await), "ACCOUNT_CLOSED");
}

#[tokio::test]
async fn faults_on_cue_do_or_do_not_do_the_work_as_they_say() {
    let it = Rehearsed::new();
    let faults = [
        (Fault::Refuse("CARD_DECLINED".into()), 0),
        (Fault::Unavailable("INSUFFICIENT_FUNDS".into()), 0),
        (Fault::TimeOut, 0),
        (Fault::LoseReply, 1),
    ];
    for (fault, done) in faults {
        it.sandbox.faults().cue(Operation::Authorise, fault.clone());
        let answer = it.authorise(&format!("{fault:?}"), 100).await;
        assert!(answer.is_err(), "{fault:?} answered {answer:?}");
        assert_eq!(it.sandbox.done(Operation::Authorise).await.unwrap().len(), done, "{fault:?}");
    }
    it.authorise("no fault is left", 100).await.unwrap();
}

#[tokio::test]
async fn a_late_answer_comes_when_its_time_has_come() {
    let it = Rehearsed::new();
    it.sandbox.faults().cue(Operation::Authorise, Fault::Late(TimeDelta::minutes(5)));
    let (sandbox, clock) = (it.sandbox.clone(), it.clock.clone());
    let asked = tokio::spawn(async move {
        sandbox.authorise("a", Partition::Platform, OrderId::default(), eur(100)).await
    });
    while it.sandbox.done(Operation::Authorise).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished());
    clock.advance(TimeDelta::minutes(5));
    asked.await.unwrap().unwrap();
}

#[tokio::test]
async fn chance_falls_the_same_way_for_the_same_seed_and_about_as_often_as_it_says() {
    let fell = |seed: u64| async move {
        let it = Rehearsed::new();
        let chance = Chance { seed, refuse: 100, unavailable: 100, time_out: 100, lose_reply: 100 };
        it.sandbox.faults().chance(chance);
        let mut fell = Vec::new();
        for number in 0..200 {
            fell.push(it.authorise(&format!("key {number}"), 100).await.is_err());
        }
        fell
    };
    let first = fell(1).await;
    assert_eq!(first, fell(1).await);
    assert_ne!(first, fell(2).await);
    let failures = first.iter().filter(|fell| **fell).count();
    assert!((50..=110).contains(&failures), "{failures} of 200 failed");
}
