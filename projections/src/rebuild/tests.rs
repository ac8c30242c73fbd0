//! Rebuilds that are broken off, run twice or run at once end in the same table.

use super::*;
use crate::models::REGISTRY;
use crate::projector::Projector;
use crate::rehearsal::Stage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, StreamId, Version};
use cityos_eventstore::store::{Append, AppendError, Appended, Page, Receipt};
use cityos_eventstore::stored::StoredEvent;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

async fn half_built(stage: &Stage, model: &'static dyn AnyModel, pages: usize) {
    // The first pages as a rebuild writes them: what is left of one that is killed then.
    let mut seen = 0;
    for _ in 0..pages {
        let page = stage.store.read_all(Position(seen), 20).await.unwrap();
        seen = page.scanned_to.0;
        let built: Result<_, ReadError> = stage
            .reads
            .write(move |conn| {
                let next = sqlite::next_build(conn, model)?;
                let mut poisoned = Vec::new();
                apply(conn, model, &next, &page, &mut poisoned)?;
                assert!(poisoned.is_empty());
                Ok(())
            })
            .await;
        built.unwrap();
    }
}

#[tokio::test]
async fn a_rebuild_that_was_broken_off_is_gone_on_with() {
    let mut stage = Stage::set().await;
    stage.projector().await.catch_up().await.unwrap();
    for model in REGISTRY {
        half_built(&stage, *model, 5).await;
    }
    stage.restart();
    for model in REGISTRY {
        let mut told = Vec::new();
        let rebuilt = rebuild(&*stage.store, &stage.reads, *model, |at| told.push(at)).await.unwrap();
        assert_eq!(rebuilt.before, rebuilt.now, "{}", model.name());
        assert_eq!(told, [rebuilt.now.position], "one more page was enough");
    }
}

/// A log that grows, and the live tables with it, when someone has just read to its end.
struct Growing<'s> {
    stage: &'s Stage,
    projector: Projector,
    written: AtomicUsize,
}

#[async_trait]
impl EventStore for Growing<'_> {
    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        let page = self.stage.store.read_all(after, limit).await?;
        let (count, history) = (self.stage.history.events().len(), &self.stage.history);
        let written = self.written.load(Ordering::Relaxed);
        if page.events.is_empty() && written < count {
            history.write(&*self.stage.store, written, count).await;
            self.projector.catch_up().await.unwrap();
            self.written.store(count, Ordering::Relaxed);
        }
        Ok(page)
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.stage.store.append(append).await
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.stage.store.read(stream, after, limit).await
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.stage.store.read_stored(after, limit).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        self.stage.store.receipt(partition, command).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.stage.store.head().await
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        self.stage.store.changed(after, at_most).await;
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        self.stage.store.forget_receipts(before, at_most).await
    }
}

#[tokio::test]
async fn a_rebuild_goes_after_a_live_table_that_moves_on_and_never_switches_back() {
    for model in REGISTRY {
        let stage = Stage::empty();
        let count = stage.history.events().len();
        let half = count / 2;
        stage.history.write(&*stage.store, 0, half).await;
        let projector = stage.projector().await.with_pages_of(50);
        projector.catch_up().await.unwrap();
        let growing = Growing { stage: &stage, projector, written: AtomicUsize::new(half) };
        let mut told = Vec::new();
        let rebuilt =
            rebuild_in_pages(&growing, &stage.reads, *model, 20, |at| told.push(at.0 as usize)).await;
        let rebuilt = rebuilt.unwrap();
        assert_eq!(rebuilt.now.position, Position(count as u64));
        assert_eq!(rebuilt.before, rebuilt.now, "{}", model.name());
        assert_eq!(told.len(), half.div_ceil(20) + (count - half).div_ceil(20));
        assert!(told.contains(&half));
    }
}

#[tokio::test]
async fn rebuilding_twice_and_at_once_while_a_projector_runs_ends_with_the_same_rows() {
    let stage = Stage::set().await;
    let projector = stage.projector().await.with_pages_of(9);
    let model = REGISTRY[REGISTRY.len() - 1];
    let there = stage.reopened();
    let (grown, one, other) = tokio::join!(
        projector.catch_up(),
        rebuild(&*stage.store, &stage.reads, model, |_| {}),
        rebuild(&*stage.store, &there, model, |_| {}),
    );
    grown.unwrap();
    let rows = [one.unwrap().now, other.unwrap().now];
    assert!(rows[0].same_rows(&rows[1]));
    projector.catch_up().await.unwrap();
    let again = rebuild(&*stage.store, &stage.reads, model, |_| {}).await.unwrap();
    assert!(again.before.same_rows(&rows[0]));
    assert!(again.now.same_rows(&rows[0]));
}

#[tokio::test]
async fn rows_that_do_not_belong_are_told_apart_and_gone_after_the_rebuild() {
    let stage = Stage::set().await;
    stage.projector().await.catch_up().await.unwrap();
    let model = REGISTRY[0];
    let good = digest(&stage.reads, model).await.unwrap();
    let tampered: Result<_, ReadError> = stage
        .reads
        .write(move |conn| {
            let table = sqlite::live_build(conn, model)?.table();
            Ok(conn.execute(&format!("UPDATE \"{table}\" SET children = children + 1"), [])?)
        })
        .await;
    assert!(tampered.unwrap() > 0);
    let rebuilt = rebuild(&*stage.store, &stage.reads, model, |_| {}).await.unwrap();
    assert!(!rebuilt.before.same_rows(&rebuilt.now));
    assert_eq!(rebuilt.now, good);
    assert_eq!(digest(&stage.reads, model).await.unwrap(), good);
}

#[tokio::test]
async fn only_the_live_table_and_the_one_before_it_are_kept() {
    let stage = Stage::set().await;
    stage.projector().await.catch_up().await.unwrap();
    let model = REGISTRY[0];
    for _ in 0..4 {
        rebuild(&*stage.store, &stage.reads, model, |_| {}).await.unwrap();
    }
    let tables = stage
        .reads
        .read(move |conn| {
            let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE ?";
            let pattern = format!("{}\\_%", model.name());
            Ok(conn.query_row(&format!("{sql} ESCAPE '\\'"), [pattern], |row| row.get::<_, i64>(0))?)
        })
        .await;
    assert_eq!(
        tables.unwrap(),
        3,
        "the live one, the one before it, and the one before that until the next rebuild"
    );
}

#[tokio::test]
async fn the_pure_fold_of_the_log_has_the_digest_of_the_table() {
    let stage = Stage::set().await;
    let head = stage.projector().await.catch_up().await.unwrap();
    let log = stage.store.read_all(Position::START, u32::MAX).await.unwrap().events;
    for model in REGISTRY {
        let live = digest(&stage.reads, *model).await.unwrap();
        assert_eq!(replay_digest(*model, &log, head).unwrap(), live, "{}", model.name());
        let shorter = replay_digest(*model, &log[..log.len() / 2], head).unwrap();
        assert_ne!(shorter, live, "{}", model.name());
    }
}
