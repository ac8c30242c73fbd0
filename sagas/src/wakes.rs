//! Finds the runs whose wait may be over: it follows the log and asks who waits for the streams that moved. What
//! it finds is only a reason to look; whether the wait is over is decided when the run is driven. Each process finds its own
//! runs. Where others come or go, it looks at all of its share once: what they had found is not known here.

use crate::engine::{Due, Engine, EngineError, Work};
use cityos_domain::event::Event;
use cityos_domain::ids::{RunId, derive};
use cityos_domain::log::{Envelope, Partition, Position};
use cityos_domain::saga_run;
use cityos_eventstore::members::View;
use cityos_projections::models::due_timers::Timer;
use cityos_projections::models::saga_runs::{SagaRun, SagaRuns};
use cityos_projections::{Filter, PAGE_ROWS_MAX, Query};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::Mutex;
use uuid::Uuid;

/// How many events are looked through at once.
const EVENTS_MAX: u32 = 1_000;

/// How far the log was followed, and the runs found that were not driven since.
#[derive(Default)]
pub(crate) struct Wakes(Mutex<Found>);

#[derive(Default)]
struct Found {
    /// How far, and whose share was looked for. `None` before the first look, which finds every run that waits.
    followed: Option<(Position, View)>,
    works: BTreeMap<Due, Work>,
}

impl Wakes {
    /// Follows the log as far as the read models have come, and gives all of this process's share that is not
    /// [done](Wakes::done).
    pub(crate) async fn follow(
        &self,
        engine: &Engine,
        view: &View,
    ) -> Result<BTreeMap<Due, Work>, EngineError> {
        let mut found = self.0.lock().await;
        let shown = engine.shown_to();
        match found.followed.clone().filter(|(_, before)| before == view) {
            None => {
                found.works.clear();
                for (partition, run) in waiting(engine, || SagaRun::waiting_id().is_set()).await? {
                    found.add(engine, view, partition, run, shown);
                }
                found.followed = Some((shown, view.clone()));
            }
            Some((mut from, _)) => {
                while from < shown {
                    let page = engine.executor().store().read_all(from, EVENTS_MAX).await?;
                    // Beyond what the read models show it cannot be asked yet who waits.
                    let events = page.events.iter().filter(|event| event.position <= shown);
                    let (began, moved) = look_through(events);
                    let for_one_moved = || SagaRun::waiting_id().is_in(moved.iter().copied().map(Some));
                    let woken =
                        if moved.is_empty() { vec![] } else { waiting(engine, for_one_moved).await? };
                    from = page.scanned_to.min(shown);
                    for (partition, run) in began.into_iter().chain(woken) {
                        found.add(engine, view, partition, run, from);
                    }
                    found.followed = Some((from, view.clone()));
                }
            }
        }
        Ok(found.works.clone())
    }

    /// What was found was done; whether it was found here.
    pub(crate) async fn done(&self, due: Due) -> bool {
        self.0.lock().await.works.remove(&due).is_some()
    }
}

impl Found {
    /// Each place in the log is a reason of its own: a run may be woken again while it is looked at.
    fn add(&mut self, engine: &Engine, view: &View, partition: Partition, run: RunId, place: Position) {
        let timer = derive(&["wake", &run.to_string(), &place.0.to_string()]);
        let due = Due { at: engine.now(), partition, timer };
        let work = Work { due, what: Timer::DriveRun { run } };
        if work.is_mine(view) {
            self.works.insert(due, work);
        }
    }
}

/// The runs that began to wait, for what they wait for may have come before they said so; and the streams that moved.
fn look_through<'e>(
    events: impl Iterator<Item = &'e Envelope>,
) -> (BTreeSet<(Partition, RunId)>, BTreeSet<Uuid>) {
    let (mut began, mut moved) = (BTreeSet::new(), BTreeSet::new());
    for envelope in events {
        if let Event::SagaRun(event) = &envelope.event {
            if matches!(event, saga_run::Event::Waiting { .. }) {
                began.insert((envelope.stream.partition, RunId(envelope.stream.id)));
            }
        } else {
            moved.insert(envelope.stream.id);
        }
    }
    (began, moved)
}

/// The runs that wait for what `on` says.
async fn waiting(
    engine: &Engine,
    on: impl Fn() -> Filter<SagaRun>,
) -> Result<Vec<(Partition, RunId)>, EngineError> {
    let mut found = Vec::new();
    let mut from = RunId::default();
    loop {
        let waiting = Query::<SagaRuns>::everywhere()
            .filter(on())
            .filter(SagaRun::id().from(from))
            .sort(SagaRun::id().ascending());
        let rows = waiting.fetch_with_partition(engine.reads()).await?;
        found.extend(rows.iter().map(|(partition, row)| (*partition, row.id)));
        match rows.last() {
            // Run ids are unique in the city: the next page begins with the last of this one.
            Some((_, last)) if rows.len() == PAGE_ROWS_MAX => from = last.id,
            Some(_) | None => return Ok(found),
        }
    }
}
