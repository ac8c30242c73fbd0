//! How operators look at runs and step in: what the command line and the API have in common. What may be done is
//! decided by the run itself; here is how runs are found, what would come of a measure, and how it is carried out.

pub mod foresight;
pub mod timeline;

use self::foresight::Foresight;
use crate::context::NO_INPUT;
use crate::engine::Engine;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{CommandId, RunId, derive};
use cityos_domain::log::{Actor, Meta, Origin, Partition, StreamId, Version};
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::{Direction, InterveneAll, Intervention, Measure, Outlook, SagaRun};
use cityos_eventstore::executor::{Command, ExecuteError, Executed};
use cityos_projections::models::saga_runs::{self, SagaRuns};
use cityos_projections::{PAGE_ROWS_MAX, Query, ReadError};
use serde_json::Value;
use std::collections::HashMap;

/// The most runs that are listed, or stepped in at, at once.
pub const RUNS_MAX: usize = PAGE_ROWS_MAX;

/// Runs that were looked for.
pub struct Found {
    /// The oldest of them, at most [`RUNS_MAX`], and where each lies.
    pub runs: Vec<(Partition, saga_runs::SagaRun)>,
    /// How many there are.
    pub count: u64,
}

/// What would come of a measure at one run.
#[derive(Clone, PartialEq, Debug)]
pub struct Planned {
    /// Where the run lies.
    pub partition: Partition,
    /// The run.
    pub run: RunId,
    /// The version it was looked at.
    pub seen: Version,
    /// What would come of it, or why it may not be done.
    pub outlook: Result<Outlook, Rejected>,
    /// Why this program could not drive the run on: it would park it again.
    pub stranger: Option<String>,
}

impl Planned {
    fn stream(&self) -> StreamId {
        SagaRun::stream(self.partition, self.run)
    }
}

/// What became of a measure at one run.
pub struct Taken {
    /// What was planned.
    pub planned: Planned,
    /// Whether it had been done before, or why it was not done.
    pub done: Result<bool, NotTaken>,
}

/// Why a measure was not taken at a run.
#[derive(Clone, Debug)]
pub enum NotTaken {
    /// The run says no.
    Refused(Rejected),
    /// It could not be written. Only after [`ExecuteError::Store`] it may have been.
    Failed(ExecuteError),
}

impl Engine {
    /// The runs that `query` asks for, the oldest first, as the read models show them.
    pub async fn find_runs(&self, query: impl Fn() -> Query<SagaRuns>) -> Result<Found, ReadError> {
        let oldest = query().sort(saga_runs::SagaRun::started_at().ascending()).first(RUNS_MAX);
        let runs = oldest.fetch_with_partition(self.reads()).await?;
        let count = match runs.len() {
            RUNS_MAX => query().count(self.reads()).await?,
            fewer => fewer as u64,
        };
        Ok(Found { runs, count })
    }

    /// What would come of `measure` at a run as the log has it now. Nothing is written.
    pub async fn plan(
        &self,
        partition: Partition,
        run: RunId,
        measure: &Measure,
    ) -> Result<Planned, ExecuteError> {
        let (state, seen) =
            self.executor().load::<SagaRun>(partition, run).await.map_err(ExecuteError::Store)?;
        let outlook = match state.outlook(measure, self.now()) {
            Ok(outlook) => self.goes_on_after(partition, &state, measure).await?.map(|()| outlook),
            Err(rejection) => Err(rejection.into()),
        };
        let stranger = match &*state {
            SagaRun::Live(run) => self.registry().driver(run).err(),
            SagaRun::Absent | SagaRun::Ended(_) => None,
        };
        Ok(Planned { partition, run, seen, outlook, stranger })
    }

    /// Refuses to skip a step that nobody can answer for, or where the run would then know too little to go on, or what
    /// its saga cannot read. What the run itself says to a measure is not asked.
    pub async fn can_go_on_after(
        &self,
        partition: Partition,
        run: RunId,
        measure: &Measure,
    ) -> Result<Result<(), Rejected>, ExecuteError> {
        let (state, _) =
            self.executor().load::<SagaRun>(partition, run).await.map_err(ExecuteError::Store)?;
        self.goes_on_after(partition, &state, measure).await
    }

    async fn goes_on_after(
        &self,
        partition: Partition,
        state: &SagaRun,
        measure: &Measure,
    ) -> Result<Result<(), Rejected>, ExecuteError> {
        let (SagaRun::Live(run), Measure::Skip { step, learned }) = (state, measure) else {
            return Ok(Ok(()));
        };
        if run.direction == Direction::Back || step != run.step() {
            return Ok(Ok(()));
        }
        let mut taught = run.as_ref().clone();
        if !learned.is_empty() {
            taught.memo = run.knowing(learned);
        }
        let why = match self.registry().driver(&taught) {
            Ok(saga) => {
                if let Some(why) = saga.never_skipped(step) {
                    return Ok(Err(never_skipped(step, why)));
                }
                match saga.lacks_after(&taught, step, &Foresight::new(self, partition)).await? {
                    Some(what) => format!("the steps after `{step}` need to know {what}"),
                    None => return Ok(Ok(())),
                }
            }
            // Where no saga here knows the run, nobody can say what it needs.
            Err(_) if learned.is_empty() => return Ok(Ok(())),
            Err(why) => format!("the run could not go on with it: {why}"),
        };
        Ok(Err(Rejected::invalid("learned", why)))
    }

    /// Does what was planned at each run that may be told so and is still as it was seen; the others stay as they
    /// are. What is done at the runs of one partition is one command, whose id says which runs, at which versions,
    /// and what: two operators who do the same at once do it once, and the second is told so. What fails in one
    /// partition keeps no other from being helped.
    pub async fn carry_out(
        &self,
        plans: Vec<Planned>,
        intervention: &Intervention,
        actor: &Actor,
    ) -> Vec<Taken> {
        let mut partitions: Vec<_> = plans.iter().map(|planned| planned.partition).collect();
        partitions.sort();
        partitions.dedup();
        let mut reached = HashMap::new();
        for partition in partitions {
            let may = |it: &&Planned| it.partition == partition && it.outlook.is_ok();
            let runs: Vec<_> = plans.iter().filter(may).map(|it| (it.run, it.seen)).collect();
            if !runs.is_empty() {
                reached.insert(partition, self.intervene(partition, runs, intervention, actor).await);
            }
        }
        let taken = |planned: Planned| {
            let wrote = |executed: &Executed| executed.versions.iter().any(|(it, _)| *it == planned.stream());
            let done = match (&planned.outlook, reached.get(&planned.partition)) {
                (Err(rejected), _) => Err(NotTaken::Refused(rejected.clone())),
                (Ok(_), Some(Err(error))) => Err(NotTaken::Failed(error.clone())),
                (Ok(_), Some(Ok(executed))) if wrote(executed) => Ok(executed.replayed),
                (Ok(_), Some(Ok(_)) | None) => Err(NotTaken::Refused(moved_on())),
            };
            Taken { planned, done }
        };
        plans.into_iter().map(taken).collect()
    }

    async fn intervene(
        &self,
        partition: Partition,
        runs: Vec<(RunId, Version)>,
        intervention: &Intervention,
        actor: &Actor,
    ) -> Result<Executed, ExecuteError> {
        let mut parts = vec!["intervention".to_owned(), intervention.measure.name().into()];
        if let Measure::Skip { step, learned } = &intervention.measure {
            parts.extend([step.clone(), Value::Object(learned.clone()).to_string()]);
        }
        parts.extend(runs.iter().flat_map(|(run, seen)| [run.to_string(), seen.0.to_string()]));
        let id = CommandId(derive(&parts.iter().map(String::as_str).collect::<Vec<_>>()));
        let reason = Some(intervention.reason.as_str().to_owned());
        let meta = Meta { reason, ..Meta::of(id, actor.clone(), Origin::Live) };
        let command = Command { partition, at: self.now(), meta, input: NO_INPUT, expected: None };
        self.executor().execute(&command, &InterveneAll { runs, intervention: intervention.clone() }).await
    }
}

fn never_skipped(step: &str, why: &str) -> Rejected {
    Rejected {
        code: "SAGA_RUN_NEVER_SKIPPED".into(),
        message: format!("step `{step}` is not skipped: {why}"),
        field: Some("step".into()),
    }
}

/// Why nothing is done at a run that is not as it was seen.
pub fn moved_on() -> Rejected {
    Rejected {
        code: "SAGA_RUN_MOVED".into(),
        message: "something has happened to the run since it was looked at".into(),
        field: None,
    }
}
