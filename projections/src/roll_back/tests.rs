//! The way back leads to a table that has seen what the live one had, however far behind it was.

use super::*;
use crate::history::partition;
use crate::model::{Erased, Keys, ReadModel, Unfit};
use crate::models::REGISTRY;
use crate::models::vendors::{Vendor, Vendors};
use crate::rehearsal::{Meddled, On, Stage, on_every_database};
use crate::{TableState, digest, frozen, retry_frozen, tables, verify};
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::log::Envelope;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const MODEL: &dyn AnyModel = REGISTRY[0];

async fn states(stage: &Stage) -> Vec<(i64, TableState)> {
    let tables = tables(&stage.reads).await.unwrap();
    tables.into_iter().filter(|table| table.is_of(MODEL)).map(|table| (table.build, table.state)).collect()
}

async fn a_table_that_is_behind_comes_to_where_the_live_one_is_before_anybody_reads_it(on: On) {
    let stage = Stage::empty(on).await;
    let count = stage.history.events().len();
    stage.history.write(&*stage.store, 0, count / 2).await;
    let projector = stage.projector().await.with_pages_of(20);
    projector.catch_up().await.unwrap();
    let refused = roll_back(&*stage.store, &stage.reads, MODEL).await;
    assert!(matches!(refused, Err(RepairError::NothingBefore("places"))));
    stage.rebuild(MODEL).await;
    stage.history.write(&*stage.store, count / 2, count).await;
    projector.catch_up().await.unwrap();
    let good = digest(&stage.reads, MODEL).await.unwrap();

    let back = roll_back(&*stage.store, &stage.reads, MODEL).await.unwrap();
    assert_eq!((back.from, back.to, back.position.0 as usize, back.frozen), (2, 1, count, 0));
    assert_eq!(digest(&stage.reads, MODEL).await.unwrap(), good, "no event was skipped");
    let there = projector.reached(Position(count as u64), Duration::ZERO).await.unwrap();
    assert!(there && stage.projector().await.position() == good.position, "and that is so");
    use TableState::{Live, Old, Rejected};
    assert_eq!(states(&stage).await, [(1, Live), (2, Rejected)]);

    // What was turned away from is no unfinished build: the next is one of its own.
    assert!(stage.rebuild(MODEL).await.compared.unwrap().is_identical());
    assert_eq!(states(&stage).await, [(1, Old), (2, Rejected), (3, Live)]);
}

async fn a_live_table_that_moves_on_meanwhile_is_followed(on: On) {
    let stage = Stage::empty(on).await;
    let count = stage.history.events().len();
    stage.history.write(&*stage.store, 0, count / 2).await;
    let projector = stage.projector().await;
    projector.catch_up().await.unwrap();
    stage.rebuild(MODEL).await;
    let moved = AtomicBool::new(false);
    let log = Meddled::after(1, &stage.store, async |page| {
        if !moved.swap(true, Ordering::SeqCst) {
            stage.history.write(&*stage.store, count / 2, count).await;
            projector.catch_up().await.unwrap();
        }
        Ok(page)
    });
    let back = roll_back(&log, &stage.reads, MODEL).await.unwrap();
    assert_eq!((back.to, back.position), (1, Position(count as u64)));
    assert!(verify(&*stage.store, &stage.reads, MODEL, |_| {}).await.unwrap().is_sound());
}

async fn a_table_that_was_turned_away_from_is_never_gone_back_to(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    stage.rebuild(MODEL).await;
    assert_eq!(roll_back(&*stage.store, &stage.reads, MODEL).await.unwrap().to, 1);
    stage.rebuild(MODEL).await;
    let back = roll_back(&*stage.store, &stage.reads, MODEL).await.unwrap();
    assert_eq!((back.from, back.to), (3, 1), "2 was found wanting");
}

/// Vendors as they are, until events of theirs become poison.
struct Choking;

static CHOKES: AtomicBool = AtomicBool::new(false);

const CHOKING: &[&dyn AnyModel] = &[&Erased::<Choking>::new()];

impl ReadModel for Choking {
    const NAME: &'static str = "choking_vendors";
    const VERSION: u32 = 1;
    type Row = Vendor;

    fn keys(event: &Envelope) -> Keys<VendorId> {
        Vendors::keys(event)
    }

    fn evolve(row: Option<Vendor>, id: &VendorId, event: &Envelope) -> Result<Option<Vendor>, Unfit> {
        let poison = CHOKES.load(Ordering::Relaxed) && event.stream.partition == partition("souk");
        if poison && matches!(event.event, Event::Vendor(_)) {
            return Err(Unfit::Contradiction("it is poison now"));
        }
        Vendors::evolve(row, id, event)
    }
}

async fn an_event_that_does_not_fit_the_table_before_freezes_its_row_and_does_not_bar_the_way(on: On) {
    let stage = Stage::empty(on).await;
    let events = stage.history.events();
    let first = events.iter().position(|event| matches!(event.event, Event::Vendor(_))).unwrap();
    stage.history.write(&*stage.store, 0, first).await;
    let projector = stage.projector_of(CHOKING).await;
    projector.catch_up().await.unwrap();
    stage.rebuild(CHOKING[0]).await;
    stage.history.write(&*stage.store, first, events.len()).await;
    projector.catch_up().await.unwrap();
    let good = digest(&stage.reads, CHOKING[0]).await.unwrap();

    CHOKES.store(true, Ordering::Relaxed);
    let back = roll_back(&*stage.store, &stage.reads, CHOKING[0]).await.unwrap();
    assert_eq!((back.to, back.position), (1, good.position));
    assert!(back.frozen > 0);
    assert_eq!(frozen(&stage.reads, CHOKING[0]).await.unwrap().len(), back.frozen);
    CHOKES.store(false, Ordering::Relaxed);
    retry_frozen(&*stage.store, &stage.reads, CHOKING[0]).await.unwrap();
    assert_eq!(digest(&stage.reads, CHOKING[0]).await.unwrap(), good);
}

on_every_database! {
    a_table_that_is_behind_comes_to_where_the_live_one_is_before_anybody_reads_it,
    a_live_table_that_moves_on_meanwhile_is_followed,
    a_table_that_was_turned_away_from_is_never_gone_back_to,
    an_event_that_does_not_fit_the_table_before_freezes_its_row_and_does_not_bar_the_way,
}
