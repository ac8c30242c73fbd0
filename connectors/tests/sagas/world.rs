//! A city with its sagas, read models, sandbox and a clock that stands still; and lives: processes that work on it
//! one after the other or side by side, some of which die.

use crate::mortal::{Dying, Mortality};
use chrono::{DateTime, TimeDelta, Utc};
use cityos_connectors::sandbox::Sandbox;
use cityos_domain::event::AggregateEvent;
use cityos_domain::ids::{CommandId, RunId, derive};
use cityos_domain::ledger::payout;
use cityos_domain::log::{Actor, Envelope, Meta, Origin, Partition, Position, StreamId};
use cityos_domain::rehearsal::beginning;
use cityos_domain::saga_run::{self, Intervention, Measure, SagaRun};
use cityos_domain::text::Reason;
use cityos_domain::workspace::{Intention, Tell};
use cityos_eventstore::clock::{Clock, ManualClock};
use cityos_eventstore::executor::{Command, ExecuteError, Executed, Executor};
use cityos_eventstore::members::{Duty, Members};
use cityos_eventstore::memory::MemoryStore;
use cityos_eventstore::store::{EventStore, InputHash};
use cityos_projections::model::{AnyModel, Erased};
use cityos_projections::models::due_timers::{DueTimer, DueTimers, Timer};
use cityos_projections::models::saga_runs::SagaRuns;
use cityos_projections::models::vendor_balances::VendorBalances;
use cityos_projections::{Projector, Query, ReadStore};
use cityos_sagas::registry::{AnySaga, Registry};
use cityos_sagas::rehearsal::Act;
use cityos_sagas::{Engine, settle};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The read models the engine asks.
const MODELS: &[&dyn AnyModel] =
    &[&Erased::<DueTimers>::new(), &Erased::<SagaRuns>::new(), &Erased::<VendorBalances>::new()];

/// How long something others do may take, in real time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far ahead of the clock a run's own timers are followed: further than any retry, less than any month.
const HORIZON: TimeDelta = TimeDelta::days(1);

pub struct World {
    pub clock: ManualClock,
    pub sandbox: Sandbox,
    store: MemoryStore,
    dir: tempfile::TempDir,
}

/// A process.
pub struct Life {
    pub executor: Executor,
    pub engine: Engine,
    pub projector: Projector,
    reads: ReadStore,
    clock: ManualClock,
    mortality: Arc<Mortality>,
}

/// The process died; its work is left as it was.
#[derive(Debug)]
pub struct Died {
    /// The act it died in.
    pub act: usize,
}

impl World {
    pub fn new() -> Self {
        let clock = ManualClock::at(beginning());
        let dir = tempfile::tempdir().unwrap();
        // It outlives every process here, so its books need no disk.
        let sandbox = Sandbox::open(Path::new(":memory:"), Arc::new(clock.clone())).unwrap();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        World { clock, sandbox, store, dir }
    }

    /// A process that does not die.
    pub async fn life(&self, sagas: Vec<Box<dyn AnySaga>>) -> Life {
        self.mortal_life(sagas, Arc::default()).await
    }

    pub async fn mortal_life(&self, sagas: Vec<Box<dyn AnySaga>>, mortality: Arc<Mortality>) -> Life {
        let log: Arc<dyn EventStore> = Arc::new(self.store.clone());
        let store: Arc<dyn EventStore> = Arc::new(Dying { inner: log, mortality: mortality.clone() });
        let registry = Arc::new(Registry::of(sagas));
        let executor = Executor::new(store.clone(), Arc::new(self.clock.clone()), registry.clone());
        let reads = ReadStore::open(&self.dir.path().join("read.db")).unwrap();
        let projector = Projector::new(store, reads.clone(), MODELS).await.unwrap();
        let ports = mortality.over(self.sandbox.ports());
        let engine = Engine::new(executor.clone(), registry, reads.clone(), projector.clone(), ports);
        Life { executor, engine, projector, reads, clock: self.clock.clone(), mortality }
    }

    pub async fn log(&self) -> Vec<Envelope> {
        self.store.read_all(Position::START, 100_000).await.unwrap().events
    }

    /// What happened to the runs of a saga, in order.
    pub async fn history(&self, saga: &str) -> Vec<(DateTime<Utc>, saga_run::Event)> {
        let runs = self.runs(saga, Position::START).await;
        let of_saga = |envelope: Envelope| {
            let run = (envelope.stream.partition, RunId(envelope.stream.id));
            let event = saga_run::Event::of(&envelope.event).filter(|_| runs.contains(&run))?;
            Some((envelope.at, event.clone()))
        };
        self.log().await.into_iter().filter_map(of_saga).collect()
    }

    /// Everything that happened to payouts, in order, with whom it happened to.
    pub async fn payouts(&self) -> Vec<(StreamId, payout::Event)> {
        let of_payouts =
            |envelope: Envelope| Some((envelope.stream, payout::Event::of(&envelope.event)?.clone()));
        self.log().await.into_iter().filter_map(of_payouts).collect()
    }

    /// Returns once the log is as `wanted`. Someone else must be at work meanwhile.
    pub async fn until(&self, wanted: impl Fn(&[Envelope]) -> bool) {
        let reached = async {
            loop {
                let head = self.store.head().await.unwrap();
                if wanted(&self.log().await) {
                    return;
                }
                self.store.changed(head, PATIENCE).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("it comes to this in time");
    }

    /// The runs of a saga that were started after `after`.
    pub async fn runs(&self, saga: &str, after: Position) -> Vec<(Partition, RunId)> {
        let started = |envelope: &Envelope| {
            let saga_run::Event::Started { saga: name, .. } = saga_run::Event::of(&envelope.event)? else {
                return None;
            };
            (name == saga).then_some((envelope.stream.partition, RunId(envelope.stream.id)))
        };
        self.log().await.iter().filter(|envelope| envelope.position > after).filter_map(started).collect()
    }
}

impl Life {
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn tell(
        &self,
        meta: Meta,
        partition: Partition,
        intention: &dyn Intention,
    ) -> Result<Executed, ExecuteError> {
        let command = Command { partition, at: self.now(), meta, input: InputHash([1; 32]), expected: None };
        self.executor.execute(&command, intention).await
    }

    /// Plays acts, from the one at `from` on. Acts are commands of their own: playing one again repeats it. Gives how
    /// many were refused.
    pub async fn play(&self, name: &str, acts: &[Act], from: usize) -> Result<usize, Died> {
        let mut refused = 0;
        for (index, act) in acts.iter().enumerate().skip(from) {
            match act {
                Act::Tell { partition, intention } | Act::Import { partition, intention } => {
                    let id = CommandId(derive(&["act", name, &index.to_string()]));
                    let origin =
                        if matches!(act, Act::Import { .. }) { Origin::Import } else { Origin::Live };
                    let meta = Meta { origin, ..meta(id) };
                    match self.tell(meta, *partition, &**intention).await {
                        Ok(_) => {}
                        Err(ExecuteError::Rejected(_)) => refused += 1,
                        Err(error) => assert!(self.mortality.is_dead(), "act {index} of {name}: {error}"),
                    }
                }
                Act::Settle => self.settle().await,
                Act::Pass(time) => self.clock.advance(*time),
            }
            if self.mortality.is_dead() {
                return Err(Died { act: index });
            }
        }
        Ok(refused)
    }

    /// Works on its own until `stop` is dropped or told something: read models and engine, as a server does.
    pub fn work(self: &Arc<Self>, stop: &watch::Sender<()>) -> JoinHandle<()> {
        let (life, mut projector_stop, mut engine_stop) = (self.clone(), stop.subscribe(), stop.subscribe());
        tokio::spawn(async move {
            let stopped = async move { drop(engine_stop.changed().await) };
            let members = Members::alone(Duty::ALL);
            let projecting =
                life.projector.run(members.clone(), async move { drop(projector_stop.changed().await) });
            tokio::join!(projecting, life.engine.run(members, stopped));
        })
    }

    /// Has everything done that is due, and what its runs have to come back to within a day.
    pub async fn settle(&self) {
        let until = self.now() + HORIZON;
        loop {
            let settled = settle(&self.engine).await;
            if self.mortality.is_dead() {
                return;
            }
            settled.unwrap();
            match self.next_drive().await {
                Some(at) if at <= until => self.clock.set(at),
                Some(_) | None => return,
            }
        }
    }

    async fn next_drive(&self) -> Option<DateTime<Utc>> {
        let rows = Query::<DueTimers>::everywhere()
            .filter(DueTimer::due_at().from(Some(self.now() + TimeDelta::microseconds(1))))
            .sort(DueTimer::due_at().ascending())
            .fetch(&self.reads);
        let drives = |row: &DueTimer| matches!(row.purpose, Timer::DriveRun { .. });
        rows.await.unwrap().into_iter().find(drives).and_then(|row| row.due_at)
    }

    /// Has an operator step in.
    pub async fn intervene(&self, partition: Partition, run: RunId, measure: Measure) {
        let reason = Reason::parse("reason", "the trouble is over").unwrap();
        let intervention = Intervention { measure, reason };
        let tell = Tell::<SagaRun> { id: run, command: saga_run::Command::Intervene(intervention) };
        let (_, version) = self.executor.load::<SagaRun>(partition, run).await.unwrap();
        let id = CommandId(derive(&["operator", &run.to_string(), &version.0.to_string()]));
        self.tell(meta(id), partition, &tell).await.unwrap();
    }
}

pub fn meta(id: CommandId) -> Meta {
    Meta::of(id, Actor::user("rehearsal"), Origin::Live)
}
