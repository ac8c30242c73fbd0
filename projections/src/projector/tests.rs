//! Grown tables equal rebuilt ones, whoever moves them and wherever they stop.

use super::*;
use crate::history;
use crate::models::REGISTRY;
use crate::models::orders::Orders;
use crate::models::vendors::{Vendor, Vendors};
use crate::poison::{frozen, retry_frozen};
use crate::query::{Query, by_keys};
use crate::rehearsal::{Damage, On, Stage, model, on_every_database};
use crate::replay::replay;
use cityos_eventstore::clock::ManualClock;
use cityos_eventstore::memory::MemoryStore;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

async fn rebuilt_equals_grown_for_every_model_whatever_the_pages_and_restarts(on: On) {
    for seed in 1..=4_u32 {
        let mut stage = Stage::empty(on).await;
        let count = stage.history.events().len();
        let mut written = 0;
        let mut turn = seed;
        while written < count {
            turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let to = (written + 1 + (turn >> 16) as usize % 90).min(count);
            stage.history.write(&*stage.store, written, to).await;
            written = to;
            let projector = stage.projector().await.with_pages_of(1 + (turn >> 24) % 40);
            if turn.is_multiple_of(3) {
                projector.step().await.unwrap();
                stage.restart().await;
            } else {
                assert_eq!(projector.catch_up().await.unwrap().0, written as u64);
            }
        }
        stage.projector().await.catch_up().await.unwrap();
        for model in REGISTRY {
            let compared = stage.rebuild(*model).await.compared.unwrap();
            assert!(compared.is_identical(), "{} (seed {seed}): {compared:?}", model.name());
            assert!(compared.log.rows > 0, "{}", model.name());
        }
    }
}

async fn rows_come_back_from_the_database_as_they_were_folded(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let folded = replay::<Orders>(stage.history.events()).unwrap();
    let own = history::partition("souk");
    let keys: Vec<_> =
        folded.keys().filter(|(partition, _)| *partition == own).map(|(_, key)| *key).collect();
    let rows = by_keys::<Orders>(&stage.reads, own, keys.clone()).await.unwrap();
    assert_eq!(rows.len(), keys.len());
    for (key, row) in rows {
        assert_eq!(folded[&(own, key)], row);
    }
}

async fn a_row_that_nobody_can_read_is_frozen_by_its_next_event_and_everything_else_goes_on(on: On) {
    for Damage { model: name, sql, shows, .. } in on.damages() {
        let (stage, model) = (Stage::empty(on).await, model(name));
        let events = stage.history.events();
        let keys: Vec<_> = events.iter().map(|event| model.keys(event).unwrap()).collect();
        let again =
            |at: &usize| keys[*at].iter().any(|key| keys[..*at].iter().flatten().any(|one| one == key));
        let next = (0..events.len()).rev().find(again).unwrap();
        stage.history.write(&*stage.store, 0, next).await;
        let projector = stage.projector().await;
        projector.catch_up().await.unwrap();
        stage.tamper(model, sql).await;
        stage.history.write(&*stage.store, next, events.len()).await;
        assert_eq!(projector.catch_up().await.unwrap().0 as usize, events.len(), "no model stands still");

        let frozen = frozen(&stage.reads, model).await.unwrap();
        let told = format!("the stored row cannot be read: `{shows}` is not ");
        assert!(!frozen.is_empty() && frozen.iter().all(|row| row.error.starts_with(&told)), "{frozen:?}");
        let retried = retry_frozen(&*stage.store, &stage.reads, model).await.unwrap();
        assert_eq!((retried.healed, retried.frozen.len()), (frozen.len(), 0));
    }
}

async fn two_processes_may_move_the_same_models(on: On) {
    let stage = Stage::set(on).await;
    let here = stage.projector().await.with_pages_of(7);
    let there =
        Projector::new(stage.store.clone(), stage.reopened().await, REGISTRY).await.unwrap().with_pages_of(5);
    let (one, other) = tokio::join!(here.catch_up(), there.catch_up());
    assert_eq!(one.unwrap(), other.unwrap());
    let together = stage.digests().await;
    let alone = Stage::set(on).await;
    alone.projector().await.catch_up().await.unwrap();
    assert_eq!(together, alone.digests().await);
}

async fn a_model_that_is_new_starts_at_the_beginning_and_holds_up_no_other(on: On) {
    let stage = Stage::set(on).await;
    let old: &[&dyn AnyModel] = &REGISTRY[1..];
    let leaked: &'static [&'static dyn AnyModel] = Box::leak(old.to_vec().into_boxed_slice());
    stage.projector_of(leaked).await.catch_up().await.unwrap();
    let all = stage.projector().await.with_pages_of(10);
    assert_eq!(all.position(), Position::START);
    let head = stage.store.head().await.unwrap();
    all.step().await.unwrap();
    let places = all.places.borrow().clone();
    assert_eq!(places[0].position, Position(10));
    assert!(places[1..].iter().all(|place| place.position == head));
    assert_eq!(all.catch_up().await.unwrap(), head);
}

async fn statements_grow_with_pages_and_rows_not_with_events(on: On) {
    let stage = Stage::set(on).await;
    let projector = stage.projector().await;
    let before = stage.reads.statements_written();
    projector.catch_up().await.unwrap();
    let (statements, events) = (stage.reads.statements_written() - before, stage.history.events().len());
    // Per model: where it is, its checkpoint, its frozen keys, and a few batches of rows loaded and written.
    assert!(statements < 20 * REGISTRY.len() as u64, "{statements} statements for {events} events");
}

async fn reading_ones_own_write_waits_for_it_and_gives_up_in_time(on: On) {
    let stage = Stage::set(on).await;
    let projector = stage.projector().await;
    let head = stage.store.head().await.unwrap();
    let moment = Duration::from_millis(1);
    assert!(!projector.reached(head, moment).await.unwrap());
    let moving = projector.clone();
    let (reached, caught_up) =
        tokio::join!(projector.reached(head, Duration::from_secs(60)), moving.catch_up());
    assert!(reached.unwrap());
    assert_eq!(caught_up.unwrap(), head);
    let rows = Query::<Vendors>::new(history::partition("bazaar"))
        .filter(Vendor::handle().starts_with("lamp"))
        .fetch(&stage.reads)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
}

async fn another_process_may_do_the_moving(on: On) {
    let stage = Stage::set(on).await;
    let here = stage.projector().await;
    let there = Projector::new(stage.store.clone(), stage.reopened().await, REGISTRY).await.unwrap();
    let head = there.catch_up().await.unwrap();
    assert!(here.reached(head, Duration::from_secs(60)).await.unwrap());
}

async fn a_projector_follows_the_log_until_it_is_told_to_stop(on: On) {
    let stage = Stage::empty(on).await;
    let projector = stage.projector().await;
    let (stop, running) = run(&projector);
    stage.history.write(&*stage.store, 0, 50).await;
    assert!(projector.reached(Position(50), Duration::from_secs(60)).await.unwrap());
    stop.send(()).unwrap();
    running.await.unwrap();
}

async fn read_models_of_a_longer_log_are_refused(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let shorter = Stage::empty(on).await;
    shorter.history.write(&*shorter.store, 0, 10).await;
    let refused = Projector::new(shorter.store.clone(), stage.reads.clone(), REGISTRY).await;
    assert!(matches!(refused.err(), Some(ProjectError::AheadOfLog)));
}

async fn read_models_of_another_log_are_refused_even_if_it_is_as_long(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let later = stage.history.now() + chrono::TimeDelta::days(1);
    let other = Arc::new(MemoryStore::new(Arc::new(ManualClock::at(later))));
    stage.history.write(&*other, 0, stage.history.events().len()).await;
    let refused = Projector::new(other, stage.reads.clone(), REGISTRY).await;
    assert!(matches!(refused.err(), Some(ProjectError::OtherLog)));
    stage.projector().await;
}

#[test]
fn a_file_of_another_program_is_no_read_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
    let refused = ReadStore::open(&path).err();
    assert!(matches!(refused, Some(ReadError::Open(StoreError::Foreign))), "{refused:?}");
}

async fn a_database_that_fails_for_a_while_is_written_again_without_a_restart(on: On) {
    let stage = Stage::set(on).await;
    let projector = stage.projector().await;
    let rename = async |from: &'static str, to: &'static str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let renamed: Result<(), ReadError> = stage.reads.write(&[], move |session| session.batch(&sql)).await;
        renamed.unwrap();
    };
    rename("live", "lost").await;
    assert!(projector.catch_up().await.is_err());
    let (stop, running) = run(&projector);
    let head = stage.store.head().await.unwrap();
    assert!(projector.reached(head, Duration::from_secs(1)).await.is_err());
    rename("lost", "live").await;
    assert!(projector.reached(head, Duration::from_secs(60)).await.unwrap());
    stop.send(()).unwrap();
    running.await.unwrap();
}

/// Starts a projector; whoever holds the sender can stop it.
fn run(projector: &Projector) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let projector = projector.clone();
    let running = async move {
        projector.run(Members::alone(Duty::ALL), async move { stopped.await.unwrap_or(()) }).await
    };
    (stop, tokio::spawn(running))
}

on_every_database! {
    rebuilt_equals_grown_for_every_model_whatever_the_pages_and_restarts,
    rows_come_back_from_the_database_as_they_were_folded,
    a_row_that_nobody_can_read_is_frozen_by_its_next_event_and_everything_else_goes_on,
    two_processes_may_move_the_same_models,
    a_model_that_is_new_starts_at_the_beginning_and_holds_up_no_other,
    statements_grow_with_pages_and_rows_not_with_events,
    reading_ones_own_write_waits_for_it_and_gives_up_in_time,
    another_process_may_do_the_moving,
    a_projector_follows_the_log_until_it_is_told_to_stop,
    read_models_of_a_longer_log_are_refused,
    read_models_of_another_log_are_refused_even_if_it_is_as_long,
    a_database_that_fails_for_a_while_is_written_again_without_a_restart,
}
