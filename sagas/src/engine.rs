//! Finds what is due and has it done: runs to drive, and the other timers. What is due is asked of the read models,
//! never kept here, so that any process may take over at any moment. Nothing here sleeps for a business reason.

use crate::ports::Ports;
use crate::registry::Registry;
use crate::timers;
use crate::wakes::Wakes;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::clock::Clock;
use cityos_eventstore::executor::{ExecuteError, Executor};
use cityos_eventstore::members::{Duty, Members, View};
use cityos_eventstore::store::StoreError;
use cityos_projections::models::due_timers::{DueTimer, DueTimers, Timer};
use cityos_projections::{ProjectError, Projector, Query, ReadError, ReadStore};
use futures_util::{FutureExt, StreamExt};
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many timers one look finds at most.
const WORKS_MAX: usize = 1_000;

/// How many timers are fired at once where nothing else is set.
const CONCURRENCY: usize = 16;

/// How long a timer is left alone whose firing changed nothing, or failed; or until processes come or go.
const HELD_FOR: TimeDelta = TimeDelta::seconds(30);

/// How long the engine waits for the read models to show what it has done before it asks them again anyway.
const PROJECTION_LAG_MAX: Duration = Duration::from_secs(5);

/// How long an idle engine waits before it looks again, woken or not.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// How many rounds of catching up and driving [`settle`] makes at most.
const SETTLE_ROUNDS_MAX: usize = 10_000;

/// Why the engine could not do its work. All of it may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    /// A command could not be carried out.
    #[error("a command could not be carried out")]
    Command(#[from] ExecuteError),
    /// The read models could not be asked.
    #[error("the read models could not be asked")]
    Reads(#[from] ReadError),
    /// The read models could not be moved on.
    #[error("the read models could not be moved on")]
    Projection(#[from] ProjectError),
    /// What was to be done panicked.
    #[error("it panicked")]
    Panicked,
    /// What was to come to rest did not.
    #[error("there was still something due after {SETTLE_ROUNDS_MAX} rounds")]
    Restless,
}

/// Drives sagas and fires timers. Clones are the same engine; several engines, in one process or many, may work on
/// one log.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

struct Parts {
    executor: Executor,
    registry: Arc<Registry>,
    reads: ReadStore,
    projector: Projector,
    ports: Ports,
    concurrency: usize,
    wakes: Wakes,
    /// As one sees it who drives everything.
    alone: View,
    /// Timers that are left alone for a while.
    held: Mutex<HashMap<Due, DateTime<Utc>>>,
}

/// One timer at one due time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Due {
    /// When it is due.
    pub(crate) at: DateTime<Utc>,
    /// Where it lies.
    pub(crate) partition: Partition,
    /// The timer, unique in its partition.
    pub(crate) timer: Uuid,
}

/// Something to be done now.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) due: Due,
    pub(crate) what: Timer,
}

impl Work {
    /// Whether it is for this process to do.
    pub(crate) fn is_mine(&self, view: &View) -> bool {
        let share = match self.what {
            // However it came to be due: whoever drives a run has it in mind.
            Timer::DriveRun { run } => run.0,
            Timer::ExpireReservation { .. }
            | Timer::ExpireAuthorisation { .. }
            | Timer::ReleaseEarnings { .. }
            | Timer::PayoutsDue {} => self.due.timer,
        };
        view.is_mine(Duty::Saga, share)
    }
}

impl Engine {
    /// An engine that carries out commands with `executor`, finds what is due in `reads`, which `projector` moves,
    /// and calls the outside world through `ports`.
    pub fn new(
        executor: Executor,
        registry: Arc<Registry>,
        reads: ReadStore,
        projector: Projector,
        ports: Ports,
    ) -> Self {
        Engine(Arc::new(Parts {
            executor,
            registry,
            reads,
            projector,
            ports,
            concurrency: CONCURRENCY,
            wakes: Wakes::default(),
            alone: View::alone([Duty::Saga]),
            held: Mutex::default(),
        }))
    }

    /// With at most so many timers fired at once. Before the engine is cloned.
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        let parts = Arc::get_mut(&mut self.0).expect("an engine is set up before it is cloned");
        parts.concurrency = concurrency.max(1);
        self
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.0.executor
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn reads(&self) -> &ReadStore {
        &self.0.reads
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.0.ports
    }

    pub(crate) fn shown_to(&self) -> Position {
        self.0.projector.position()
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.0.executor.clock()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock().now()
    }

    /// Moves the read models to the end of the log, does everything that is due then, and says how much of it
    /// changed anything. What fails is logged and left for later.
    pub async fn drive_due(&self) -> Result<usize, EngineError> {
        self.0.projector.catch_up().await?;
        let works = self.due(&self.0.alone, WORKS_MAX, &BTreeSet::new()).await?;
        let fired = futures_util::stream::iter(works).map(|work| self.fire(&self.0.alone, work));
        let fired: Vec<_> = fired.buffer_unordered(self.0.concurrency).collect().await;
        Ok(fired.into_iter().flatten().count())
    }

    /// Does what falls due and is this process's share, as it falls due, until `shutdown` ends; then finishes what it has
    /// begun. Someone must move the read models meanwhile.
    pub async fn run(&self, mut members: Members, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tasks = JoinSet::new();
        let mut under_way = BTreeSet::new();
        loop {
            let head = self.0.projector.position();
            let free = self.0.concurrency - tasks.len();
            let view = members.view();
            match self.due(&view, free, &under_way).await {
                Ok(works) => {
                    for work in works {
                        under_way.insert(work.due);
                        let (engine, view, due) = (self.clone(), view.clone(), work.due);
                        tasks.spawn(async move {
                            if let Some(position) = engine.fire(&view, work).await {
                                engine.shown(position).await;
                            }
                            due
                        });
                    }
                }
                Err(error) => {
                    tracing::error!(error = &error as &dyn Error, "what is due cannot be found");
                }
            }
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(done) = tasks.join_next() => {
                    under_way.remove(&done.expect("panics are caught, and nobody aborts what was begun"));
                }
                () = members.changed() => self.held().clear(),
                () = self.something_due(head) => {}
            }
        }
        tasks.join_all().await;
    }

    /// Returns when the read models have moved beyond `head`, when the next timer falls due, and now and then.
    async fn something_due(&self, head: Position) {
        let next = match self.next_due_after(self.now()).await {
            Ok(Some(at)) => at,
            Ok(None) | Err(_) => DateTime::<Utc>::MAX_UTC,
        };
        let moved = async {
            // Where nothing is written, nobody need look how far the read models are.
            self.executor().store().changed(head, IDLE_MAX).await;
            // Read models that cannot be asked are not asked again at once.
            if self.0.projector.reached(Position(head.0 + 1), IDLE_MAX).await.is_err() {
                tokio::time::sleep(IDLE_MAX).await;
            }
        };
        tokio::select! {
            () = moved => {}
            () = self.clock().wait_until(next) => {}
        }
    }

    /// When the first timer falls due after `after`, as far as the read models know.
    async fn next_due_after(&self, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, EngineError> {
        let later = Query::<DueTimers>::everywhere()
            .filter(DueTimer::due_at().from(Some(after + TimeDelta::microseconds(1))))
            .sort(DueTimer::due_at().ascending())
            .first(1);
        Ok(later.fetch(self.reads()).await?.first().and_then(|row| row.due_at))
    }

    /// At most `limit` things that are this process's to be done now, without those under way or held.
    async fn due(
        &self,
        view: &View,
        limit: usize,
        under_way: &BTreeSet<Due>,
    ) -> Result<Vec<Work>, EngineError> {
        if limit == 0 || !view.has(Duty::Saga) {
            return Ok(Vec::new());
        }
        let now = self.now();
        let held: BTreeSet<Due> = {
            let mut held = self.held();
            held.retain(|_, until| *until > now);
            held.keys().copied().collect()
        };
        let mut works = self.0.wakes.follow(self, view).await?;
        let (mut after, mut found) = (None, 0);
        loop {
            let mut rows = Query::<DueTimers>::everywhere()
                .filter(DueTimer::due_at().below(Some(now + TimeDelta::microseconds(1))))
                .sort(DueTimer::due_at().ascending())
                .first(limit.saturating_add(held.len() + under_way.len()));
            if let Some(last) = after {
                rows = rows.after(last);
            }
            let page = rows.page_with_partition(self.reads()).await?;
            after = page.rows.last().map(|(place, _)| place.clone());
            for (_, (partition, row)) in page.rows {
                let due = Due { at: row.due_at.unwrap_or(now), partition, timer: row.id };
                let work = Work { due, what: row.purpose };
                if !under_way.contains(&due) && !held.contains(&due) && work.is_mine(view) {
                    works.insert(due, work);
                    found += 1;
                }
            }
            // What is held, under way or another's still stands first in the table.
            if found >= limit || !page.more {
                break;
            }
        }
        works.retain(|due, _| !under_way.contains(due) && !held.contains(due));
        Ok(works.into_values().take(limit).collect())
    }

    /// Does one thing. `None`: nothing was changed, or it failed; then it is left alone for a while.
    async fn fire(&self, view: &View, work: Work) -> Option<Position> {
        let due = work.due;
        let fired = AssertUnwindSafe(timers::fire(self, view, &work)).catch_unwind();
        match fired.await.unwrap_or(Err(EngineError::Panicked)) {
            Ok(reached) => {
                // A run that is looked at for nothing is not a timer that stays due.
                if !self.0.wakes.done(due).await && reached.is_none() {
                    self.hold(due);
                }
                reached
            }
            Err(error) => {
                let what = work.what;
                tracing::error!(error = &error as &dyn Error, ?what, "a timer could not be fired");
                self.hold(due);
                None
            }
        }
    }

    fn hold(&self, due: Due) {
        let until = self.now() + HELD_FOR;
        self.held().insert(due, until);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Due, DateTime<Utc>>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the read models show what was done, so that it is not found due again.
    async fn shown(&self, position: Position) {
        match self.0.projector.reached(position, PROJECTION_LAG_MAX).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(position = position.0, "the read models lag behind the sagas"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "the read models cannot be asked");
            }
        }
    }
}

/// Drives until nothing is due any more at the time it is: for tests, and for commands that wait for their sagas.
pub async fn settle(engine: &Engine) -> Result<Position, EngineError> {
    for _ in 0..SETTLE_ROUNDS_MAX {
        if engine.drive_due().await? == 0 {
            return Ok(engine.0.projector.catch_up().await?);
        }
    }
    Err(EngineError::Restless)
}
