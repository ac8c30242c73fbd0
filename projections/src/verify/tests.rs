//! A comparison with the log finds what somebody edited, at one moment, and leaves nothing behind.

use super::*;
use crate::models::REGISTRY;
use crate::rehearsal::{Damage, Meddled, On, Stage, model, on_every_database};
use crate::row::Value;
use crate::{ChangedColumn, Difference, digest, drop_table, tables};
use cityos_eventstore::store::{EventStore, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};

async fn verified(stage: &Stage, model: &'static dyn AnyModel) -> Verified {
    verify(&*stage.store, &stage.reads, model, |_| {}).await.unwrap()
}

async fn every_table_that_was_grown_is_identical_and_nothing_is_left_behind(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.with_pages_of(7).catch_up().await.unwrap();
    let (schema, written) = (stage.schema().await, stage.reads.statements_written());
    for model in REGISTRY {
        let found = verified(&stage, *model).await;
        assert!(found.is_sound(), "{}: {found:?}", model.name());
        assert_eq!(found.compared.table, digest(&stage.reads, *model).await.unwrap());
        assert!(found.compared.log.rows > 0);
    }
    assert_eq!(stage.schema().await, schema);
    assert_eq!(stage.reads.statements_written(), written, "it only looks");
}

async fn rows_that_were_edited_put_in_or_taken_out_are_told_with_what_differs(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let vendors = model("vendors");
    stage
        .tamper(
            vendors,
            "UPDATE TABLE SET evidence = 77, reason = NULL WHERE id = (SELECT id FROM TABLE ORDER BY id LIMIT 1)",
        )
        .await;
    let found = verified(&stage, vendors).await;
    assert!(!found.is_sound());
    let compared = found.compared;
    assert_eq!((compared.missing, compared.extra, compared.changed), (0, 0, 2), "one of each tenant");
    let Difference::Changed { columns, .. } = &compared.differences[0] else { panic!("{compared:?}") };
    let evidence = columns.iter().find(|column| column.name == "evidence").unwrap();
    let ChangedColumn { table, log, .. } = evidence;
    assert_eq!(*table, Value::Integer(77));
    assert_ne!(*log, Value::Integer(77));

    let count = stage.tamper(vendors, "DELETE FROM TABLE").await as u64;
    let compared = verified(&stage, vendors).await.compared;
    assert_eq!((compared.missing, compared.extra, compared.changed), (count, 0, 0));
    assert_eq!(compared.differing(), count);
    assert!(matches!(compared.differences[0], Difference::Missing { .. }));
}

async fn a_value_that_nobody_can_read_is_told_with_its_key_and_its_column(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    for Damage { model: name, column, sql, shows } in on.damages() {
        let damaged = stage.tamper(model(name), sql).await as u64;
        let compared = verified(&stage, model(name)).await.compared;
        assert_eq!((compared.missing, compared.extra, compared.changed), (0, 0, damaged), "{name}");
        let Difference::Changed { columns, .. } = &compared.differences[0] else { panic!("{compared:?}") };
        let [changed] = &columns[..] else { panic!("{columns:?}") };
        assert_eq!((changed.name, changed.table.to_string()), (*column, format!("unreadable: {shows}")));
    }
}

#[tokio::test]
async fn of_a_key_that_nobody_can_read_the_row_is_missing_and_one_too_many_is_there() {
    let stage = Stage::set(On::Sqlite).await;
    stage.projector().await.catch_up().await.unwrap();
    for cut in ["x'00'", "x'ff'"] {
        let cut = format!("UPDATE TABLE SET id = {cut} WHERE id = (SELECT min(id) FROM TABLE)");
        let cut = stage.tamper(model("vendors"), &cut).await as u64;
        let compared = verified(&stage, model("vendors")).await.compared;
        assert_eq!((compared.missing, compared.extra, compared.changed), (cut, cut, 0), "{compared:?}");
        stage.rebuild(model("vendors")).await;
    }
}

async fn a_switch_and_a_drop_meanwhile_are_not_held_up_and_disturb_nothing(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let switched = AtomicBool::new(false);
    let log = Meddled::after(1, &stage.store, async |page| {
        if !switched.swap(true, Ordering::SeqCst) {
            stage.rebuild(REGISTRY[0]).await;
            let old = tables(&stage.reads).await.unwrap().into_iter().find(|table| table.is_of(REGISTRY[0]));
            let dropped = drop_table(&stage.reads, REGISTRY, old.unwrap()).await;
            match on {
                On::Sqlite => dropped.unwrap(),
                On::Postgres => {
                    // It is being looked at.
                    let busy = RepairError::Reads(ReadError::Database(StoreError::Busy));
                    assert_eq!(dropped.unwrap_err().to_string(), busy.to_string());
                }
            }
        }
        Ok(page)
    });
    let found = verify(&log, &stage.reads, REGISTRY[0], |_| {}).await.unwrap();
    assert!(found.is_sound() && switched.load(Ordering::SeqCst), "{found:?}");
}

async fn a_table_that_moves_on_meanwhile_is_compared_as_it_was_at_one_moment(on: On) {
    for model in REGISTRY {
        let stage = Stage::empty(on).await;
        let count = stage.history.events().len();
        stage.history.write(&*stage.store, 0, count / 2).await;
        let projector = stage.projector_of(std::slice::from_ref(model)).await;
        let seen = projector.catch_up().await.unwrap();
        let moved = AtomicBool::new(false);
        let log = Meddled::after(1, &stage.store, async |page| {
            if !moved.swap(true, Ordering::SeqCst) {
                stage.history.write(&*stage.store, count / 2, count).await;
                projector.catch_up().await.unwrap();
            }
            Ok(page)
        });
        let found = verify(&log, &stage.reads, *model, |_| {}).await.unwrap();
        assert!(found.is_sound(), "{}: {found:?}", model.name());
        assert_eq!(found.compared.table.position, seen, "{}", model.name());
        assert!(moved.load(Ordering::SeqCst));
        assert_eq!(stage.store.head().await.unwrap(), Position(count as u64));
    }
}

on_every_database! {
    every_table_that_was_grown_is_identical_and_nothing_is_left_behind,
    rows_that_were_edited_put_in_or_taken_out_are_told_with_what_differs,
    a_value_that_nobody_can_read_is_told_with_its_key_and_its_column,
    a_switch_and_a_drop_meanwhile_are_not_held_up_and_disturb_nothing,
    a_table_that_moves_on_meanwhile_is_compared_as_it_was_at_one_moment,
}
