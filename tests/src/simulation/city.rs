//! A city whose log and outside world outlive its processes: one that things befall, and a rival beside it to whom
//! nothing does.

use super::dice::Dice;
use super::fate::Fate;
use super::frail::{Frail, FrailModel, frail_ports};
use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use cityos_connectors::sandbox::Sandbox;
use cityos_eventstore::clock::{Clock, ManualClock};
use cityos_eventstore::executor::Executor;
use cityos_eventstore::memory::MemoryStore;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::EventStore;
use cityos_projections::model::AnyModel;
use cityos_projections::models::REGISTRY;
use cityos_projections::models::due_timers::{DueTimer, DueTimers, Timer};
use cityos_projections::{Projector, Query, ReadStore};
use cityos_sagas::ports::Ports;
use cityos_sagas::registry::registry;
use cityos_sagas::{Engine, settle};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A disk that is none, where there is one: a run writes little, but often.
const QUICK_DISK: &str = "/dev/shm";

/// How long the engine leaves alone what failed, and a little more.
const HELD: TimeDelta = TimeDelta::seconds(31);

/// How far the clock is put back at most at once.
pub const PUT_BACK_MAX: TimeDelta = TimeDelta::minutes(15);

/// Where the log is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Log {
    /// In memory.
    Memory,
    /// In SQLite.
    Sqlite,
}

/// A running process.
#[derive(Clone)]
pub struct Process {
    /// Carries out commands.
    pub executor: Executor,
    /// Drives sagas and timers.
    pub engine: Engine,
    /// Moves the read models.
    pub projector: Projector,
    /// The read models.
    pub reads: ReadStore,
}

/// The processes that run.
struct Running {
    mortal: Process,
    rival: Process,
}

/// The city.
pub struct City {
    /// Its time.
    pub clock: ManualClock,
    /// Its log, as it is.
    pub log: Arc<dyn EventStore>,
    /// The outside world.
    pub sandbox: Sandbox,
    /// What befalls the process that things befall.
    pub fate: Fate,
    models: &'static [&'static dyn AnyModel],
    running: Option<Running>,
    directory: TempDir,
}

impl City {
    /// A city in which nothing has happened yet.
    pub async fn open(log: Log, faults: Dice) -> Result<Self> {
        let quick = Path::new(QUICK_DISK);
        let directory = if quick.is_dir() { tempfile::tempdir_in(quick)? } else { tempfile::tempdir()? };
        let clock = ManualClock::at(beginning());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let log: Arc<dyn EventStore> = match log {
            Log::Memory => Arc::new(MemoryStore::new(shared.clone())),
            Log::Sqlite => Arc::new(SqliteStore::open(&directory.path().join("log.db"), shared.clone())?),
        };
        let sandbox = Sandbox::open(Path::new(":memory:"), shared)?;
        let fate = Fate::new(faults);
        let models = FrailModel::all(REGISTRY, &fate);
        let mut city = City { clock, log, sandbox, fate, models, running: None, directory };
        city.start().await?;
        Ok(city)
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The process that things befall.
    pub fn mortal(&self) -> &Process {
        &self.running.as_ref().expect("a city runs, but for the moment between stop and start").mortal
    }

    /// The process beside it.
    pub fn rival(&self) -> &Process {
        &self.running.as_ref().expect("a city runs, but for the moment between stop and start").rival
    }

    /// Ends the processes as they are.
    pub fn stop(&mut self) {
        drop(self.fate.take_ambush());
        self.running = None;
    }

    /// Starts new ones.
    pub async fn start(&mut self) -> Result<()> {
        self.fate.revive();
        let frail: Arc<dyn EventStore> =
            Arc::new(Frail { inner: self.log.clone(), log: self.log.clone(), fate: self.fate.clone() });
        let ports = frail_ports(self.sandbox.ports(), &self.log, &self.fate);
        let mortal = self.process(frail, self.models, ports).await?;
        let rival = self.process(self.log.clone(), REGISTRY, self.sandbox.ports()).await?;
        self.running = Some(Running { mortal, rival });
        Ok(())
    }

    async fn process(
        &self,
        log: Arc<dyn EventStore>,
        models: &'static [&'static dyn AnyModel],
        ports: Ports,
    ) -> Result<Process> {
        let registry = Arc::new(registry());
        let executor = Executor::new(log.clone(), Arc::new(self.clock.clone()), registry.clone());
        let reads = ReadStore::open(&self.reads_file())?;
        let projector =
            Projector::new(log, reads.clone(), models).await.context("opening the read models")?;
        // One thing at a time: what comes first is for the seed to say.
        let engine = Engine::new(executor.clone(), registry, reads.clone(), projector.clone(), ports)
            .with_concurrency(1);
        Ok(Process { executor, engine, projector, reads })
    }

    /// Everything due is done, and what runs come back to within `ahead`, without anything going wrong meanwhile.
    /// Time passes by as much as that takes.
    pub async fn rest(&self, ahead: TimeDelta) -> Result<()> {
        let until = self.now() + ahead;
        // What was left alone before the clock was put back is left alone for longer.
        self.clock.advance(PUT_BACK_MAX + HELD);
        loop {
            settle(&self.mortal().engine).await?;
            self.clock.advance(HELD);
            settle(&self.mortal().engine).await?;
            match self.next_drive().await? {
                Some(at) if at <= until => self.clock.set(at),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// When the next run is to be driven, after now.
    async fn next_drive(&self) -> Result<Option<DateTime<Utc>>> {
        let rows = Query::<DueTimers>::everywhere()
            .filter(DueTimer::due_at().from(Some(self.now() + TimeDelta::microseconds(1))))
            .sort(DueTimer::due_at().ascending());
        let drives = |row: &DueTimer| matches!(row.purpose, Timer::DriveRun { .. });
        Ok(rows.fetch(&self.mortal().reads).await?.into_iter().find(drives).and_then(|row| row.due_at))
    }

    fn reads_file(&self) -> PathBuf {
        self.directory.path().join("read.db")
    }

    fn reads_copy(&self) -> PathBuf {
        self.directory.path().join("read.copy")
    }

    /// Copies the read models. Only while nothing runs.
    pub fn keep_reads(&self) -> Result<()> {
        fs::copy(self.reads_file(), self.reads_copy())?;
        Ok(())
    }

    /// Puts the last copy of the read models back; where there is none, they are gone. Only while nothing runs.
    pub fn put_reads_back(&self) -> Result<()> {
        self.lose_reads()?;
        if self.reads_copy().exists() {
            fs::copy(self.reads_copy(), self.reads_file())?;
        }
        Ok(())
    }

    /// Deletes the read models. Only while nothing runs.
    pub fn lose_reads(&self) -> Result<()> {
        Ok(fs::remove_file(self.reads_file())?)
    }
}

/// When every simulated city begins: shortly before a month ends, in a year in which clocks change.
fn beginning() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 27, 20, 0, 0).single().expect("eight o'clock exists once in UTC")
}
