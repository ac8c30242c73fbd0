//! Old tables stay until they are dropped, and programs of different versions find their own.

use super::*;
use crate::history::partition;
use crate::model::{Erased, Keys, ReadModel, Unfit};
use crate::models::REGISTRY;
use crate::query::Query;
use crate::rehearsal::{Meddled, On, Stage, on_every_database};
use crate::row::table;
use crate::{digest, rebuild, verify};
use cityos_domain::event::Event;
use cityos_domain::ids::OfferId;
use cityos_domain::log::Envelope;
use cityos_eventstore::store::{EventStore, StoreError};

const MODEL: &dyn AnyModel = REGISTRY[0];

async fn states(stage: &Stage, model: &dyn AnyModel) -> Vec<(i64, TableState)> {
    let tables = tables(&stage.reads).await.unwrap();
    tables.into_iter().filter(|table| table.is_of(model)).map(|table| (table.build, table.state)).collect()
}

async fn old_tables_stay_until_they_are_dropped_and_the_live_one_is_never(on: On) {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let first = stage.schema().await;
    for _ in 0..2 {
        stage.rebuild(MODEL).await;
    }
    let cut_off = Meddled::after(1, &stage.store, async |_| Err(StoreError::Busy));
    rebuild(&cut_off, &stage.reads, MODEL, 20, |_| {}).await.unwrap_err();
    use TableState::{Live, Old, Rejected, Unfinished};
    assert_eq!(states(&stage, MODEL).await, [(1, Old), (2, Old), (3, Live), (4, Unfinished)]);
    let sized = sized_tables(&stage.reads).await.unwrap();
    let live = sized.iter().find(|sized| sized.table.is_of(MODEL) && sized.table.state == Live).unwrap();
    assert_eq!(live.rows, digest(&stage.reads, MODEL).await.unwrap().rows);
    assert!(live.bytes > 0);

    let good = digest(&stage.reads, MODEL).await.unwrap();
    for table in tables(&stage.reads).await.unwrap().into_iter().filter(|table| table.is_of(MODEL)) {
        let dropped = drop_table(&stage.reads, REGISTRY, table.clone()).await;
        match table.state {
            Live => assert!(matches!(dropped, Err(RepairError::Live(_))), "{dropped:?}"),
            Old | Rejected | Unfinished => dropped.unwrap(),
        }
    }
    assert_eq!(states(&stage, MODEL).await, [(3, Live)]);
    assert_eq!(digest(&stage.reads, MODEL).await.unwrap(), good);
    assert_eq!(stage.schema().await.len(), first.len(), "nothing else is left of them");
}

async fn a_program_whose_live_table_another_one_dropped_makes_itself_a_new_one_beside_the_older_ones(on: On) {
    let mut stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    let good = digest(&stage.reads, MODEL).await.unwrap();
    stage.rebuild(MODEL).await;
    let own = tables(&stage.reads).await.unwrap();
    let live = own.into_iter().find(|table| table.is_of(MODEL) && table.state == TableState::Live).unwrap();
    drop_table(&stage.reads, &[], live).await.unwrap();
    stage.restart().await;
    stage.projector().await.catch_up().await.unwrap();
    assert_eq!(digest(&stage.reads, MODEL).await.unwrap(), good);
    assert_eq!(states(&stage, MODEL).await, [(1, TableState::Old), (2, TableState::Live)]);
}

table! {
    /// An offer's events, counted.
    pub struct Count {
        key {
            /// The offer.
            id: OfferId,
        }
        indexed {}
        plain {
            /// How many, times the version of who counted.
            events: i64,
        }
    }
}

/// One model in two versions of the program.
struct Counts<const VERSION: u32>;

impl<const VERSION: u32> ReadModel for Counts<VERSION> {
    const NAME: &'static str = "versioned_counts";
    const VERSION: u32 = VERSION;
    type Row = Count;

    fn keys(event: &Envelope) -> Keys<OfferId> {
        let Event::Stock(_) = &event.event else { return Keys::None };
        Keys::One(OfferId(event.stream.id))
    }

    fn evolve(row: Option<Count>, id: &OfferId, _: &Envelope) -> Result<Option<Count>, Unfit> {
        let events = row.map_or(0, |row| row.events) + i64::from(VERSION);
        Ok(Some(Count { id: *id, events }))
    }
}

const OLD_PROGRAM: &[&dyn AnyModel] = &[&Erased::<Counts<1>>::new(), MODEL];
const NEW_PROGRAM: &[&dyn AnyModel] = &[&Erased::<Counts<2>>::new(), MODEL];

async fn counted<M: ReadModel<Row = Count>>(stage: &Stage) -> i64 {
    let of_offers = Query::<M>::new(partition("souk")).sums_by(&stage.reads, Count::id(), [Count::events()]);
    of_offers.await.unwrap().iter().map(|(_, [events])| events).sum()
}

async fn a_new_fingerprint_fills_its_own_table_and_no_other_and_an_older_program_finds_its_own(on: On) {
    let mut stage = Stage::set(on).await;
    stage.projector_of(OLD_PROGRAM).await.catch_up().await.unwrap();
    let events = counted::<Counts<1>>(&stage).await;
    assert!(events > 0);
    let tables_of_old = stage.schema().await;

    stage.restart().await;
    let new = stage.projector_of(NEW_PROGRAM).await;
    let before = tables(&stage.reads).await.unwrap();
    let at_start: Vec<_> = before.iter().filter(|table| table.position == Position::START).collect();
    assert_eq!(at_start.len(), 1, "{before:?}");
    assert!(at_start[0].is_of(NEW_PROGRAM[0]));
    new.catch_up().await.unwrap();
    assert_eq!(counted::<Counts<2>>(&stage).await, 2 * events);
    assert_eq!(counted::<Counts<1>>(&stage).await, events);

    stage.restart().await;
    let old = stage.projector_of(OLD_PROGRAM).await;
    let head = stage.store.head().await.unwrap();
    assert_eq!(old.position(), head, "it has nothing to do");
    for model in OLD_PROGRAM.iter().chain(NEW_PROGRAM) {
        let verified = verify(&*stage.store, &stage.reads, *model, |_| {}).await.unwrap();
        assert!(verified.is_sound(), "{} {}", model.name(), model.fingerprint());
    }

    // Not the old program's own, seen from the new one: it may be dropped where it is named.
    let others = tables(&stage.reads).await.unwrap();
    let other = others.into_iter().find(|table| table.is_of(OLD_PROGRAM[0])).unwrap();
    drop_table(&stage.reads, NEW_PROGRAM, other).await.unwrap();
    let left = stage.schema().await;
    let gone: Vec<_> = tables_of_old.iter().filter(|name| !left.contains(name)).collect();
    let fingerprint = OLD_PROGRAM[0].fingerprint();
    assert!(gone.len() >= 2 && gone.iter().all(|name| name.contains(&fingerprint)), "{gone:?}");
    assert_eq!(counted::<Counts<2>>(&stage).await, 2 * events);
}

async fn a_table_that_another_version_of_the_program_builds_is_not_dropped_under_its_hands(on: On) {
    let stage = Stage::set(on).await;
    let builder = NEW_PROGRAM[0];
    let log = Meddled::after(1, &stage.store, async |page| {
        let begun = tables(&stage.reads).await.unwrap();
        let begun = begun.into_iter().find(|table| table.is_of(builder)).unwrap();
        let refused = drop_table(&stage.reads, OLD_PROGRAM, begun).await;
        assert!(matches!(refused, Err(RepairError::Claim(_))), "{refused:?}");
        Ok(page)
    });
    rebuild(&log, &stage.reads, builder, 20, |_| {}).await.unwrap();
    assert!(verify(&*stage.store, &stage.reads, builder, |_| {}).await.unwrap().is_sound());
}

on_every_database! {
    old_tables_stay_until_they_are_dropped_and_the_live_one_is_never,
    a_program_whose_live_table_another_one_dropped_makes_itself_a_new_one_beside_the_older_ones,
    a_new_fingerprint_fills_its_own_table_and_no_other_and_an_older_program_finds_its_own,
    a_table_that_another_version_of_the_program_builds_is_not_dropped_under_its_hands,
}
