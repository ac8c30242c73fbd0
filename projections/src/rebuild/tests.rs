//! Rebuilds that are broken off, meet a live table that moves, or meet each other end in the same table, or say why not.

use super::*;
use crate::claim::ClaimError;
use crate::model::{Erased, Keys, ReadModel, Unfit};
use crate::models::REGISTRY;
use crate::models::places::{Place, Places};
use crate::models::vendors::Vendors;
use crate::query::Query;
use crate::rehearsal::{Damage, Meddled, On, Stage, model, on_every_database};
use crate::{Difference, digest, replay_digest};
use cityos_domain::ids::PlaceId;
use cityos_domain::log::Envelope;
use cityos_eventstore::store::{Page, StoreError};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

async fn broken(_: Page) -> Result<Page, StoreError> {
    Err(StoreError::Busy)
}

async fn a_rebuild_that_is_broken_off_anywhere_goes_on_from_its_last_checkpoint_and_ends_with_the_same_rows(
    on: On,
) {
    let mut stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let grown = stage.digests().await;
    for (model, (_, grown)) in REGISTRY.iter().zip(grown) {
        // The first page is looked at for the log's name.
        for pages in [2, 5, 6] {
            let log = Meddled::after(pages, &stage.store, broken);
            let broken = rebuild(&log, &stage.reads, *model, 20, |_| {}).await;
            assert!(matches!(broken, Err(RepairError::Project(ProjectError::Log(_)))), "{broken:?}");
            assert_eq!(digest(&stage.reads, *model).await.unwrap(), grown, "the live table stays");
            stage.restart().await;
        }
        let rebuilt = stage.rebuild(*model).await;
        assert!(rebuilt.from >= Position(160), "{} began at {:?}", model.name(), rebuilt.from);
        let compared = rebuilt.compared.unwrap();
        assert!(compared.is_identical(), "{}: {compared:?}", model.name());
        assert_eq!(compared.log, grown);
        assert_eq!(digest(&stage.reads, *model).await.unwrap(), grown);
    }
}

async fn a_rebuild_whose_rows_cannot_be_written_says_so_and_leaves_the_live_table_as_it_is(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let model = REGISTRY[0];
    let grown = digest(&stage.reads, model).await.unwrap();
    let condition = "NEW.build = 2 AND NEW.position > 100";
    stage.meddle(on.refuse("UPDATE", "builds", condition, "not so far")).await;
    let failed = rebuild(&*stage.store, &stage.reads, model, 20, |_| {}).await;
    assert!(matches!(failed, Err(RepairError::Reads(_))), "{failed:?}");
    assert!(failed.unwrap_err().to_string().contains("not so far"));
    assert_eq!(digest(&stage.reads, model).await.unwrap(), grown);
    stage.meddle(on.admit("builds")).await;
    let rebuilt = stage.rebuild(model).await;
    assert_eq!(rebuilt.from, Position(100));
    assert!(rebuilt.compared.unwrap().is_identical());
}

async fn a_rebuild_meets_a_live_table_that_moves_on_and_compares_the_two_at_the_same_position(on: On) {
    for model in REGISTRY {
        let stage = Stage::empty(on).await;
        let count = stage.history.events().len();
        let half = count / 2;
        stage.history.write(&*stage.store, 0, half).await;
        let projector = stage.projector_of(std::slice::from_ref(model)).await.with_pages_of(50);
        projector.catch_up().await.unwrap();
        let grown = AtomicBool::new(false);
        // When the rebuild has all but come to where the live table was, the log and that table grow.
        let log = Meddled::after(half / 20 - 1, &stage.store, async |page| {
            if !grown.swap(true, Ordering::SeqCst) {
                stage.history.write(&*stage.store, half, count).await;
                projector.catch_up().await.unwrap();
            }
            Ok(page)
        });
        let rebuilt = rebuild(&log, &stage.reads, *model, 20, |_| {}).await.unwrap();
        assert_eq!(rebuilt.to, Position(count as u64));
        let compared = rebuilt.compared.unwrap();
        assert_eq!(compared.table.position, Position(count as u64), "{}", model.name());
        assert!(compared.is_identical(), "{}", model.name());
    }
}

async fn a_model_that_has_nothing_yet_is_built_in_bulk_and_the_projector_goes_on_from_there(on: On) {
    let stage = Stage::set(on).await;
    let projector = stage.projector().await;
    for model in REGISTRY {
        let rebuilt = stage.rebuild(*model).await;
        assert_eq!(rebuilt.compared, Err(Uncompared::Nothing));
        assert_eq!(rebuilt.to, stage.store.head().await.unwrap());
    }
    let built = stage.digests().await;
    let before = stage.reads.statements_written();
    projector.catch_up().await.unwrap();
    assert_eq!(stage.digests().await, built);
    let written = stage.reads.statements_written() - before;
    assert!(written < 5 * REGISTRY.len() as u64, "{written} statements for nothing to do");
}

async fn a_rebuild_that_goes_on_beyond_a_live_table_that_is_behind_says_where_that_stands(on: On) {
    let stage = Stage::empty(on).await;
    let count = stage.history.events().len();
    stage.history.write(&*stage.store, 0, 50).await;
    stage.projector().await.catch_up().await.unwrap();
    stage.history.write(&*stage.store, 50, count).await;
    let log = Meddled::after(9, &stage.store, broken);
    rebuild(&log, &stage.reads, REGISTRY[0], 20, |_| {}).await.unwrap_err();
    let rebuilt = stage.rebuild(REGISTRY[0]).await;
    assert!(rebuilt.from > Position(50), "{rebuilt:?}");
    assert_eq!(rebuilt.compared, Err(Uncompared::Behind(Position(50))));
}

async fn the_second_of_two_rebuilds_of_one_model_is_refused_and_told_of_the_first(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let (model, there) = (REGISTRY[0], stage.reopened().await);
    let asked = AtomicUsize::new(0);
    let log = Meddled::after(1, &stage.store, async |page| {
        for reads in [&stage.reads, &there] {
            let second = rebuild(&*stage.store, reads, model, 20, |_| {}).await;
            let Err(RepairError::Claim(ClaimError::Taken { model: name, holder: Some(holder) })) = second
            else {
                panic!("{second:?}")
            };
            assert_eq!((&*name, holder.pid), (model.name(), std::process::id()));
            let refusal = ClaimError::Taken { model: name, holder: Some(holder) }.to_string();
            assert!(refusal.starts_with("places is being rebuilt by process "), "{refusal}");
        }
        asked.fetch_add(1, Ordering::SeqCst);
        stage.rebuild(REGISTRY[1]).await;
        Ok(page)
    });
    assert!(rebuild(&log, &stage.reads, model, 20, |_| {}).await.unwrap().compared.unwrap().is_identical());
    assert!(asked.load(Ordering::SeqCst) > 0);
    assert!(stage.rebuild(model).await.compared.unwrap().is_identical(), "and then it is anyone's");
}

async fn rows_that_are_not_as_the_log_has_them_are_told_and_gone_after_the_rebuild(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let model = REGISTRY[0];
    let good = digest(&stage.reads, model).await.unwrap();
    let lost =
        stage.tamper(model, "DELETE FROM TABLE WHERE id = (SELECT id FROM TABLE ORDER BY id LIMIT 1)").await;
    let edited = stage.tamper(model, "UPDATE TABLE SET children = children + 1").await;
    let first = on.id(Uuid::from_u128(1));
    let move_last =
        format!("UPDATE TABLE SET id = {first} WHERE id = (SELECT id FROM TABLE ORDER BY id DESC LIMIT 1)");
    stage.tamper(model, &move_last).await;
    assert_eq!(lost as u64 + edited as u64, good.rows);
    let head = stage.store.head().await.unwrap();
    let rebuilt = stage.rebuild(model).await;
    let compared = rebuilt.compared.unwrap();
    // The one that was moved is missing under its own key.
    assert_eq!((compared.missing, compared.extra, compared.changed), (2, 1, good.rows - 2));
    let first = &compared.differences[0];
    assert!(matches!(first, Difference::Extra { .. }), "{first:?}");
    assert_eq!(compared.log, good);
    assert_eq!(digest(&stage.reads, model).await.unwrap(), good);
    assert_eq!(stage.store.head().await.unwrap(), head, "a rebuild writes no events");
}

async fn values_that_nobody_can_read_are_mended(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    for Damage { model: name, sql, .. } in on.damages() {
        let good = digest(&stage.reads, model(name)).await.unwrap();
        let damaged = stage.tamper(model(name), sql).await as u64;
        assert_eq!(stage.rebuild(model(name)).await.compared.unwrap().changed, damaged);
        assert_eq!(digest(&stage.reads, model(name)).await.unwrap(), good);
    }
}

async fn a_live_table_that_is_gone_is_built_anew_without_a_comparison(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let model = REGISTRY[0];
    let good = digest(&stage.reads, model).await.unwrap();
    let table = stage.table(model).await;
    stage
        .meddle(match on {
            On::Sqlite => format!("DROP TABLE \"{table}\""),
            On::Postgres => format!("DROP TABLE \"{table}\" CASCADE"),
        })
        .await;
    let rebuilt = stage.rebuild(model).await;
    assert!(matches!(rebuilt.compared, Err(Uncompared::Unreadable(_))), "{rebuilt:?}");
    assert_eq!(digest(&stage.reads, model).await.unwrap(), good);
}

fn a_rebuild_asks_the_runtime_for_one_thread_that_blocks_however_many_fold(on: On) {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let stage = Stage::set(on).await;
        stage.projector().await.catch_up().await.unwrap();
        let rebuilt = timeout(Duration::from_secs(30), stage.rebuild(REGISTRY[0])).await;
        assert!(rebuilt.expect("it ends").compared.unwrap().is_identical());
    });
}

#[test]
fn a_rebuild_of_a_file_asks_for_one_thread() {
    a_rebuild_asks_the_runtime_for_one_thread_that_blocks_however_many_fold(On::Sqlite);
}

#[test]
fn a_rebuild_on_postgres_asks_for_one_thread() {
    a_rebuild_asks_the_runtime_for_one_thread_that_blocks_however_many_fold(On::Postgres);
}

/// Places whose versions are more than a column can hold.
struct Overflowing;

const OVERFLOWING: &dyn AnyModel = &Erased::<Overflowing>::new();

impl ReadModel for Overflowing {
    const NAME: &'static str = "overflowing_places";
    const VERSION: u32 = 1;
    type Row = Place;

    fn keys(event: &Envelope) -> Keys<PlaceId> {
        Places::keys(event)
    }

    fn evolve(row: Option<Place>, id: &PlaceId, event: &Envelope) -> Result<Option<Place>, Unfit> {
        let row = Places::evolve(row, id, event)?;
        Ok(row.map(|row| Place { version: u64::MAX, ..row }))
    }
}

async fn a_rebuild_whose_folders_panic_ends_and_says_that_the_work_was_stopped(on: On) {
    let stage = Stage::set(on).await;
    for checkpoint in [20, 100_000] {
        let stopped = rebuild(&*stage.store, &stage.reads, OVERFLOWING, checkpoint, |_| {}).await;
        let stopped = stopped.unwrap_err();
        assert!(matches!(stopped, RepairError::Reads(ReadError::Stopped)), "{stopped:?}");
    }
}

async fn a_reader_in_a_tight_loop_sees_the_whole_table_before_and_after_every_switch(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let model = *REGISTRY.iter().find(|model| model.name() == "vendors").unwrap();
    let whole = digest(&stage.reads, model).await.unwrap().rows;
    let (tell, mut told) = watch::channel((0, 0));
    let reader = {
        let reads = stage.reopened().await;
        tokio::spawn(async move {
            let (mut old, mut new) = (0, 0);
            while tell.send((old, new)).is_ok() {
                let rows = Query::<Vendors>::everywhere().fetch(&reads).await.unwrap();
                assert_eq!(rows.len() as u64, whole);
                let marked = rows.iter().filter(|row| row.evidence == 1_000_000).count() as u64;
                assert!(marked == 0 || marked == whole, "{marked} of {whole} rows are of the old table");
                if marked == 0 { new += 1 } else { old += 1 }
            }
        })
    };
    for _ in 0..5 {
        // Every row of the old table is marked, none of the new one is: a mixed table would show both.
        stage.tamper(model, "UPDATE TABLE SET evidence = 1000000").await;
        let (old, _) = *told.borrow_and_update();
        told.wait_for(|(seen, _)| *seen > old + 1).await.unwrap();
        assert_eq!(stage.rebuild(model).await.compared.unwrap().changed, whole);
        let (_, new) = *told.borrow_and_update();
        told.wait_for(|(_, seen)| *seen > new + 1).await.unwrap();
    }
    drop(told);
    reader.await.unwrap();
}

async fn the_pure_fold_of_the_log_has_the_digest_of_the_table(on: On) {
    let stage = Stage::set(on).await;
    let head = stage.projector().await.catch_up().await.unwrap();
    let log = stage.store.read_all(Position::START, u32::MAX).await.unwrap().events;
    for model in REGISTRY {
        let live = digest(&stage.reads, *model).await.unwrap();
        assert_eq!(replay_digest(*model, &log, head).unwrap(), live, "{}", model.name());
        assert_ne!(replay_digest(*model, &[], head).unwrap(), live, "{}", model.name());
    }
}

on_every_database! {
    a_rebuild_that_is_broken_off_anywhere_goes_on_from_its_last_checkpoint_and_ends_with_the_same_rows,
    a_rebuild_whose_rows_cannot_be_written_says_so_and_leaves_the_live_table_as_it_is,
    a_rebuild_meets_a_live_table_that_moves_on_and_compares_the_two_at_the_same_position,
    a_model_that_has_nothing_yet_is_built_in_bulk_and_the_projector_goes_on_from_there,
    a_rebuild_that_goes_on_beyond_a_live_table_that_is_behind_says_where_that_stands,
    the_second_of_two_rebuilds_of_one_model_is_refused_and_told_of_the_first,
    rows_that_are_not_as_the_log_has_them_are_told_and_gone_after_the_rebuild,
    values_that_nobody_can_read_are_mended,
    a_live_table_that_is_gone_is_built_anew_without_a_comparison,
    a_rebuild_whose_folders_panic_ends_and_says_that_the_work_was_stopped,
    a_reader_in_a_tight_loop_sees_the_whole_table_before_and_after_every_switch,
    the_pure_fold_of_the_log_has_the_digest_of_the_table,
}
