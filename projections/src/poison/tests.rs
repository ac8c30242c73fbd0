//! An event that does not fit freezes its row and nothing else.

use super::*;
use crate::history::{self, id};
use crate::model::{Erased, Keys, ReadModel, Unfit};
use crate::query::Query;
use crate::rebuild::rebuild;
use crate::rehearsal::{Meddled, On, Stage, on_every_database};
use crate::row::table;
use cityos_domain::event::Event;
use cityos_domain::ids::OfferId;
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::stock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

table! {
    /// The units of an offer, counted in.
    pub struct Count {
        key {
            /// The offer.
            id: OfferId,
        }
        indexed {}
        plain {
            /// Events seen.
            events: i64,
            /// Units received.
            received: i64,
        }
    }
}

/// One model for each test, each of which can be made to choke on adjustments of the stock.
struct Counts<const N: usize>;

static CHOKES: [AtomicBool; 8] = [const { AtomicBool::new(false) }; 8];

type Projected = Counts<0>;
type Rebuilt = Counts<1>;
type Refused = Counts<2>;
type Unlisted = Counts<3>;
type Healed = Counts<4>;
type Outrun = Counts<5>;
type Compared = Counts<6>;
type Forgotten = Counts<7>;

const PROJECTED: &[&dyn AnyModel] = &[&Erased::<Projected>::new()];
const REBUILT: &[&dyn AnyModel] = &[&Erased::<Rebuilt>::new()];
const REFUSED: &[&dyn AnyModel] = &[&Erased::<Refused>::new()];
const UNLISTED: &[&dyn AnyModel] = &[&Erased::<Unlisted>::new()];
const RETRIED: &[&dyn AnyModel] = &[&Erased::<Healed>::new()];
const OUTRUN: &[&dyn AnyModel] = &[&Erased::<Outrun>::new()];
const COMPARED: &[&dyn AnyModel] = &[&Erased::<Compared>::new()];
const FORGOTTEN: &[&dyn AnyModel] = &[&Erased::<Forgotten>::new()];

impl<const N: usize> ReadModel for Counts<N> {
    const NAME: &'static str = [
        "projected_counts",
        "rebuilt_counts",
        "refused_counts",
        "unlisted_counts",
        "retried_counts",
        "outrun_counts",
        "compared_counts",
        "forgotten_counts",
    ][N];
    const VERSION: u32 = 1;
    type Row = Count;

    fn keys(event: &Envelope) -> Keys<OfferId> {
        let Event::Stock(_) = &event.event else { return Keys::None };
        Keys::One(OfferId(event.stream.id))
    }

    fn evolve(row: Option<Count>, id: &OfferId, event: &Envelope) -> Result<Option<Count>, Unfit> {
        let Event::Stock(happened) = &event.event else { return Ok(row) };
        if CHOKES[N].load(Ordering::Relaxed) && matches!(happened, stock::Event::Adjusted { .. }) {
            panic!("adjustments are poison");
        }
        let mut count = row.unwrap_or(Count { id: *id, events: 0, received: 0 });
        count.events += 1;
        if let stock::Event::Received { quantity } = happened {
            count.received += i64::from(*quantity);
        }
        Ok(Some(count))
    }
}

fn stock_events(stage: &Stage, offer: &str) -> i64 {
    let stream = id::<OfferId>(offer).0;
    let own = history::partition("souk");
    let of_offer = |event: &&Envelope| {
        matches!(event.event, Event::Stock(_)) && event.stream.id == stream && event.stream.partition == own
    };
    stage.history.events().iter().filter(of_offer).count().try_into().unwrap()
}

/// How many events an offer's row has seen, and how many units they brought.
async fn counted<M: ReadModel<Row = Count>>(stage: &Stage, offer: &str) -> Option<[i64; 2]> {
    let own = history::partition("souk");
    let of_offer = Query::<M>::new(own).filter(Count::id().is(id(offer)));
    let counts = of_offer.sums_by(&stage.reads, Count::id(), [Count::events(), Count::received()]).await;
    counts.unwrap().pop().map(|(_, counts)| counts)
}

async fn a_panic_freezes_its_row_alone_until_the_retry_that_it_fits(on: On) {
    let mut stage = Stage::set(on).await;
    CHOKES[0].store(true, Ordering::Relaxed);
    stage.projector_of(PROJECTED).await.with_pages_of(3).catch_up().await.unwrap();

    let frozen = super::frozen(&stage.reads, PROJECTED[0]).await.unwrap();
    assert_eq!(frozen.len(), 2, "the vase of each tenant");
    let event = stage.history.events().iter().find(|event| event.id == frozen[0].event).unwrap();
    assert_eq!(event.position, frozen[0].position);
    assert!(frozen[0].error.contains("adjustments are poison"), "{}", frozen[0].error);
    let vase = counted::<Projected>(&stage, "vase offer").await.unwrap();
    assert_eq!(vase, [1, 20], "as it was before the event that did not fit");
    let lamp = counted::<Projected>(&stage, "lamp offer").await.unwrap();
    assert_eq!(lamp[0], stock_events(&stage, "lamp offer"), "other rows go on");

    stage.restart().await;
    stage.projector_of(PROJECTED).await.catch_up().await.unwrap();
    let retried = retry_frozen(&*stage.store, &stage.reads, PROJECTED[0]).await.unwrap();
    assert_eq!((retried.healed, retried.frozen.len()), (0, 2));
    assert_eq!(super::frozen(&stage.reads, PROJECTED[0]).await.unwrap().len(), 2, "it still does not fit");

    CHOKES[0].store(false, Ordering::Relaxed);
    let retried = retry_frozen(&*stage.store, &stage.reads, PROJECTED[0]).await.unwrap();
    assert_eq!(retried, Retried { healed: 2, frozen: Vec::new() });
    assert!(super::frozen(&stage.reads, PROJECTED[0]).await.unwrap().is_empty());
    let vase = counted::<Projected>(&stage, "vase offer").await.unwrap();
    assert_eq!(vase[0], stock_events(&stage, "vase offer"));
    let verified = crate::verify(&*stage.store, &stage.reads, PROJECTED[0], |_| {}).await.unwrap();
    assert!(verified.is_sound(), "{verified:?}");
    let rebuilt = stage.rebuild(PROJECTED[0]).await;
    assert!(rebuilt.compared.unwrap().is_identical());
}

async fn a_rebuild_stops_at_poison_and_leaves_the_live_table_as_it_is(on: On) {
    let stage = Stage::set(on).await;
    stage.projector_of(REBUILT).await.catch_up().await.unwrap();
    let live = crate::digest(&stage.reads, REBUILT[0]).await.unwrap();
    CHOKES[1].store(true, Ordering::Relaxed);
    for checkpoint in [1, 20, 100_000] {
        let stopped = rebuild(&*stage.store, &stage.reads, REBUILT[0], checkpoint, |_| {}).await;
        let Err(RepairError::Poisoned { key, event, position, error }) = stopped else {
            panic!("{stopped:?}")
        };
        let vase = id::<OfferId>("vase offer");
        assert!(
            key.ends_with(&format!("id={}", vase.0)) && error.contains("adjustments are poison"),
            "{key}: {error}"
        );
        let own = stage.history.events().iter().find(|own| own.id == event).unwrap();
        assert!(own.position == position && matches!(own.event, Event::Stock(stock::Event::Adjusted { .. })));
    }
    assert_eq!(crate::digest(&stage.reads, REBUILT[0]).await.unwrap(), live);
    CHOKES[1].store(false, Ordering::Relaxed);
    let rebuilt = stage.rebuild(REBUILT[0]).await;
    assert_eq!(rebuilt.from, Position::START, "nothing is left of what did not fit");
    assert_eq!(rebuilt.compared.unwrap().log, live);
}

async fn a_row_the_database_refuses_is_frozen_and_the_rest_of_its_batch_is_written(on: On) {
    let stage = Stage::set(on).await;
    let projector = stage.projector_of(REFUSED).await;
    let vase = id::<OfferId>("vase offer").0;
    let table = stage.table(REFUSED[0]).await;
    let condition = format!("NEW.id = {}", on.id(vase));
    stage.meddle(on.refuse("INSERT", &table, &condition, "not this one")).await;
    projector.catch_up().await.unwrap();
    let frozen = super::frozen(&stage.reads, REFUSED[0]).await.unwrap();
    assert_eq!(frozen.len(), 2);
    assert!(frozen.iter().all(|frozen| frozen.error.contains("refused")), "{frozen:?}");
    assert_eq!(counted::<Refused>(&stage, "vase offer").await, None);
    let lamp = counted::<Refused>(&stage, "lamp offer").await.unwrap();
    assert_eq!(lamp[0], stock_events(&stage, "lamp offer"));
}

/// Folds two events and no more, and knows no rows but those of stock.
struct Wavering;

static FOLDED: AtomicUsize = AtomicUsize::new(0);

const WAVERING: &[&dyn AnyModel] = &[&Erased::<Wavering>::new()];

impl ReadModel for Wavering {
    const NAME: &'static str = "wavering_counts";
    const VERSION: u32 = 1;
    type Row = Count;

    fn keys(event: &Envelope) -> Keys<OfferId> {
        let Event::Stock(_) = &event.event else { panic!("this is no stock") };
        Keys::One(OfferId(event.stream.id))
    }

    fn evolve(row: Option<Count>, id: &OfferId, _: &Envelope) -> Result<Option<Count>, Unfit> {
        assert!(FOLDED.fetch_add(1, Ordering::Relaxed) < 2, "enough");
        Ok(row.or(Some(Count { id: *id, events: 1, received: 0 })))
    }
}

#[test]
fn a_fold_that_goes_well_once_and_then_no_more_leaves_the_row_as_it_was() {
    let history = history::History::of_everything();
    let stock: Vec<_> =
        history.events().iter().filter(|event| matches!(event.event, Event::Stock(_))).take(3).collect();
    let key = WAVERING[0].keys(stock[0]).unwrap().remove(0);
    let folded = WAVERING[0].fold(None, &key, &stock);
    assert_eq!(folded, Folded { row: None, poison: Some((0, Unfit::Panicked("enough".into()))) });
}

async fn a_model_that_cannot_tell_its_rows_is_named_with_the_event(on: On) {
    let stage = Stage::set(on).await;
    let stopped = stage.projector_of(WAVERING).await.catch_up().await;
    let Err(ProjectError::Reads(ReadError::Keys { model, position, source })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!((model, position), ("wavering_counts", Position(1)));
    assert_eq!(source, Unfit::Panicked("this is no stock".into()));
}

async fn a_frozen_row_that_cannot_be_listed_holds_the_model_up_instead_of_being_forgotten(on: On) {
    let stage = Stage::set(on).await;
    let projector = stage.projector_of(UNLISTED).await.with_pages_of(3);
    CHOKES[3].store(true, Ordering::Relaxed);
    stage.meddle(on.refuse("INSERT", "frozen", "NEW.position > 0", "no room")).await;
    let stopped = projector.catch_up().await;
    assert!(matches!(stopped, Err(ProjectError::Reads(ReadError::Refused(_)))), "{stopped:?}");
    let stopped = projector.position();
    let first = stage
        .history
        .events()
        .iter()
        .find(|event| matches!(event.event, Event::Stock(stock::Event::Adjusted { .. })));
    assert!(stopped < first.unwrap().position, "the checkpoint is not beyond what was not listed");
    stage.meddle(on.admit("frozen")).await;
    projector.catch_up().await.unwrap();
    assert_eq!(super::frozen(&stage.reads, UNLISTED[0]).await.unwrap().len(), 2);
}

async fn of_several_rows_that_are_retried_one_that_is_refused_stays_frozen_and_the_others_heal(on: On) {
    let stage = Stage::set(on).await;
    CHOKES[4].store(true, Ordering::Relaxed);
    stage.projector_of(RETRIED).await.catch_up().await.unwrap();
    CHOKES[4].store(false, Ordering::Relaxed);
    let frozen = super::frozen(&stage.reads, RETRIED[0]).await.unwrap();
    let Value::Uuid(partition) = frozen[0].key[0] else { panic!("{frozen:?}") };
    let table = stage.table(RETRIED[0]).await;
    let condition = format!("NEW.partition = {}", on.id(partition));
    stage.meddle(on.refuse("INSERT", &table, &condition, "not this one")).await;
    let retried = retry_frozen(&*stage.store, &stage.reads, RETRIED[0]).await.unwrap();
    assert_eq!((retried.healed, retried.frozen.len()), (1, 1));
    assert_eq!(retried.frozen[0].key, frozen[0].key);
    assert!(retried.frozen[0].error.contains("not this one"), "{retried:?}");
    assert_eq!(super::frozen(&stage.reads, RETRIED[0]).await.unwrap(), retried.frozen);
    stage.meddle(on.admit(&table)).await;
    assert_eq!(retry_frozen(&*stage.store, &stage.reads, RETRIED[0]).await.unwrap().healed, 1);
    assert!(crate::verify(&*stage.store, &stage.reads, RETRIED[0], |_| {}).await.unwrap().is_sound());
}

async fn a_retry_that_cannot_follow_a_model_that_moves_on_says_so_and_thaws_nothing(on: On) {
    let stage = Stage::empty(on).await;
    let projector = stage.projector_of(OUTRUN).await.with_pages_of(1);
    CHOKES[5].store(true, Ordering::Relaxed);
    let count = stage.history.events().len();
    stage.history.write(&*stage.store, 0, count - 1).await;
    projector.catch_up().await.unwrap();
    CHOKES[5].store(false, Ordering::Relaxed);
    let moved = AtomicBool::new(false);
    let log = Meddled::after(2, &stage.store, async |page: Page| {
        // The model sees what the retry does not get to see.
        if !moved.swap(true, Ordering::SeqCst) {
            stage.history.write(&*stage.store, count - 1, count).await;
            projector.catch_up().await.unwrap();
        }
        let nothing = page.events.first().map_or(page.scanned_to, |event| Position(event.position.0 - 1));
        Ok(Page { events: Vec::new(), scanned_to: nothing })
    });
    let given_up = retry_frozen(&log, &stage.reads, OUTRUN[0]).await;
    assert!(matches!(given_up, Err(RepairError::Outrun("outrun_counts"))), "{given_up:?}");
    assert_eq!(super::frozen(&stage.reads, OUTRUN[0]).await.unwrap().len(), 2);
    assert_eq!(retry_frozen(&*stage.store, &stage.reads, OUTRUN[0]).await.unwrap().healed, 2);
}

async fn frozen_rows_are_told_beside_a_table_that_is_as_far_as_it_fits_the_log(on: On) {
    let stage = Stage::set(on).await;
    CHOKES[6].store(true, Ordering::Relaxed);
    stage.projector_of(COMPARED).await.with_pages_of(3).catch_up().await.unwrap();
    let verified = crate::verify(&*stage.store, &stage.reads, COMPARED[0], |_| {}).await.unwrap();
    assert!(verified.compared.is_identical() && !verified.is_sound(), "{verified:?}");
    assert_eq!((verified.frozen.len(), verified.fit_now, verified.unlisted.len()), (2, 0, 0));

    let standing = crate::status(&*stage.store, Some(&stage.reads), COMPARED).await.unwrap().remove(0);
    assert_eq!((standing.lag(), standing.frozen_count), (0, 2));
    let [first, _] = &standing.frozen[..] else { panic!("{standing:?}") };
    let event = stage.history.events().iter().find(|event| event.id == first.row.event).unwrap();
    assert_eq!(first.row.position, event.position);
    assert!(first.since.is_some());

    let keys = ["vase offer", "lamp offer"].map(|name| (history::partition("souk"), id::<OfferId>(name)));
    let stale = frozen_among::<Compared>(&stage.reads, keys).await.unwrap();
    assert_eq!(stale, HashSet::from([keys[0]]));
    let of_souk = crate::frozen_rows_of(&*stage.store, &stage.reads, COMPARED, keys[0].0).await.unwrap();
    assert_eq!(of_souk.len(), 1, "no other tenant's");

    CHOKES[6].store(false, Ordering::Relaxed);
    let verified = crate::verify(&*stage.store, &stage.reads, COMPARED[0], |_| {}).await.unwrap();
    assert_eq!(verified.compared.changed, 2, "they fit now, and wait to be retried");
    assert_eq!((verified.frozen.len(), verified.fit_now), (2, 2));
}

async fn rows_that_an_event_does_not_fit_and_that_are_not_listed_as_frozen_are_told(on: On) {
    let stage = Stage::set(on).await;
    CHOKES[7].store(true, Ordering::Relaxed);
    stage.projector_of(FORGOTTEN).await.catch_up().await.unwrap();
    let frozen = super::frozen(&stage.reads, FORGOTTEN[0]).await.unwrap();
    stage.tamper(FORGOTTEN[0], "DELETE FROM frozen WHERE key = (SELECT min(key) FROM frozen)").await;
    let verified = crate::verify(&*stage.store, &stage.reads, FORGOTTEN[0], |_| {}).await.unwrap();
    assert!(verified.compared.is_identical() && !verified.is_sound(), "{verified:?}");
    assert_eq!((&verified.unlisted[..], &verified.frozen[..]), (&frozen[..1], &frozen[1..]));
    stage.tamper(FORGOTTEN[0], "DELETE FROM frozen").await;
    let verified = crate::verify(&*stage.store, &stage.reads, FORGOTTEN[0], |_| {}).await.unwrap();
    assert!(verified.compared.is_identical() && !verified.is_sound(), "{verified:?}");
}

on_every_database! {
    a_panic_freezes_its_row_alone_until_the_retry_that_it_fits,
    a_rebuild_stops_at_poison_and_leaves_the_live_table_as_it_is,
    a_row_the_database_refuses_is_frozen_and_the_rest_of_its_batch_is_written,
    a_model_that_cannot_tell_its_rows_is_named_with_the_event,
    a_frozen_row_that_cannot_be_listed_holds_the_model_up_instead_of_being_forgotten,
    of_several_rows_that_are_retried_one_that_is_refused_stays_frozen_and_the_others_heal,
    a_retry_that_cannot_follow_a_model_that_moves_on_says_so_and_thaws_nothing,
    frozen_rows_are_told_beside_a_table_that_is_as_far_as_it_fits_the_log,
    rows_that_an_event_does_not_fit_and_that_are_not_listed_as_frozen_are_told,
}
