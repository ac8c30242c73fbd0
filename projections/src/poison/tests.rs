//! An event that does not fit freezes its row and nothing else.

use super::*;
use crate::history::{self, id};
use crate::model::{Erased, Keys, ReadModel, Unfit};
use crate::query::Query;
use crate::rebuild::{RebuildError, rebuild};
use crate::rehearsal::Stage;
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

static CHOKES: [AtomicBool; 3] = [AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false)];

type Projected = Counts<0>;
type Rebuilt = Counts<1>;
type Refused = Counts<2>;

const PROJECTED: &[&dyn AnyModel] = &[&Erased::<Projected>::new()];
const REBUILT: &[&dyn AnyModel] = &[&Erased::<Rebuilt>::new()];
const REFUSED: &[&dyn AnyModel] = &[&Erased::<Refused>::new()];

impl<const N: usize> ReadModel for Counts<N> {
    const NAME: &'static str = ["projected_counts", "rebuilt_counts", "refused_counts"][N];
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

#[tokio::test]
async fn a_panic_freezes_its_row_alone_until_the_retry_that_it_fits() {
    let mut stage = Stage::set().await;
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

    stage.restart();
    stage.projector_of(PROJECTED).await.catch_up().await.unwrap();
    assert_eq!(retry_frozen(&*stage.store, &stage.reads, PROJECTED[0]).await.unwrap(), 0);
    assert_eq!(super::frozen(&stage.reads, PROJECTED[0]).await.unwrap().len(), 2, "it still does not fit");

    CHOKES[0].store(false, Ordering::Relaxed);
    assert_eq!(retry_frozen(&*stage.store, &stage.reads, PROJECTED[0]).await.unwrap(), 2);
    assert!(super::frozen(&stage.reads, PROJECTED[0]).await.unwrap().is_empty());
    let vase = counted::<Projected>(&stage, "vase offer").await.unwrap();
    assert_eq!(vase[0], stock_events(&stage, "vase offer"));
}

#[tokio::test]
async fn a_rebuild_stops_at_poison_and_leaves_the_live_table_as_it_is() {
    let stage = Stage::set().await;
    stage.projector_of(REBUILT).await.catch_up().await.unwrap();
    let live = crate::digest(&stage.reads, REBUILT[0]).await.unwrap();
    CHOKES[1].store(true, Ordering::Relaxed);
    let stopped = rebuild(&*stage.store, &stage.reads, REBUILT[0], |_| {}).await;
    assert!(matches!(stopped, Err(RebuildError::Poisoned { .. })), "{stopped:?}");
    assert_eq!(crate::digest(&stage.reads, REBUILT[0]).await.unwrap(), live);
    CHOKES[1].store(false, Ordering::Relaxed);
    let rebuilt = rebuild(&*stage.store, &stage.reads, REBUILT[0], |_| {}).await.unwrap();
    assert_eq!(rebuilt.now, live);
}

#[tokio::test]
async fn a_row_the_database_refuses_is_frozen_and_the_rest_of_its_batch_is_written() {
    let stage = Stage::set().await;
    let projector = stage.projector_of(REFUSED).await;
    let vase = id::<OfferId>("vase offer").0;
    let refuse: Result<(), ReadError> = stage
        .reads
        .write(move |conn| {
            let table = sqlite::live_build(conn, REFUSED[0])?.table();
            conn.execute_batch(&format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON \"{table}\" WHEN NEW.id = x'{}'
                 BEGIN SELECT RAISE(ABORT, 'not this one'); END",
                vase.simple()
            ))?;
            Ok(())
        })
        .await;
    refuse.unwrap();
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

#[tokio::test]
async fn a_model_that_cannot_tell_its_rows_is_named_with_the_event() {
    let stage = Stage::set().await;
    let stopped = stage.projector_of(WAVERING).await.catch_up().await;
    let Err(ProjectError::Reads(ReadError::Keys { model, position, source })) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!((model, position), ("wavering_counts", Position(1)));
    assert_eq!(source, Unfit::Panicked("this is no stock".into()));
}
