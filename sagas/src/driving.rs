//! Drives one run as far as it goes now. What comes next is decided by the run itself; here is the order that
//! makes it safe: the intent is in the log before the outside world is called, and only whoever put it there calls.

use crate::context::{Context, NO_INPUT};
use crate::engine::{Engine, EngineError};
use crate::registry::AnySaga;
use crate::saga::{Failure, NO_WAY_BACK_DELAYS_S, Progress};
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Kind;
use cityos_domain::ids::{CommandId, RunId, derive};
use cityos_domain::log::{Actor, Meta, Origin, Partition, Position, StreamId, Version};
use cityos_domain::saga_run::{Command as Tells, Direction, FailureKind, Next, Run, SagaRun, Task, Wait};
use cityos_domain::workspace::Tell;
use cityos_eventstore::executor::{Command, ExecuteError};
use cityos_eventstore::members::{Duty, View};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::timeout;

/// How many steps one visit to a run takes at most: more than any saga has, forward, back and repeated.
const TURNS_MAX: usize = 200;

/// How long a step may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// How long an attempt has the run to itself: as long as a call may take, and ten seconds for the appends around it.
/// So long a run waits whose process was killed in the middle of a call.
const LEASE: TimeDelta = TimeDelta::seconds(CALL_LIMIT.as_secs() as i64 + 10);

/// A visit to one run.
pub(crate) struct Visit<'e> {
    engine: &'e Engine,
    /// Whether another version of the program may know runs that this one does not.
    left_to_others: bool,
    partition: Partition,
    run: RunId,
    /// What stands on everything this run leads to; the command's id is filled in.
    meta: Meta,
    reached: Option<Position>,
}

/// Drives the run as far as it goes now. `None`: there was nothing to do, or another worker was faster.
pub(crate) async fn drive(
    engine: &Engine,
    view: &View,
    partition: Partition,
    run: RunId,
) -> Result<Option<Position>, EngineError> {
    let stream = SagaRun::stream(partition, run);
    let first = engine.executor().store().read(stream, Version(0), 1).await?;
    let Some(started) = first.into_iter().next() else { return Ok(None) };
    let meta = Meta { reason: None, causation: Some(started.id), origin: Origin::Saga, ..started.meta };
    let left_to_others = view.other_editions_have(Duty::Saga);
    let mut visit = Visit { engine, left_to_others, partition, run, meta, reached: None };
    for _ in 0..TURNS_MAX {
        if !visit.turn().await? {
            break;
        }
    }
    Ok(visit.reached)
}

impl<'e> Visit<'e> {
    /// Does the next thing. `false`: there is none now.
    async fn turn(&mut self) -> Result<bool, EngineError> {
        let (state, version) = self.engine.executor().load::<SagaRun>(self.partition, self.run).await?;
        let SagaRun::Live(run) = &*state else { return Ok(false) };
        self.meta.actor = Actor::saga(&run.saga);
        let now = self.engine.now();
        match state.next(now) {
            Next::Nothing | Next::Later(_) => Ok(false),
            Next::Look(wait) => {
                if wait.until <= now || self.has_moved(&wait).await? {
                    self.record(version, "wake", Tells::Wake).await
                } else {
                    Ok(false)
                }
            }
            Next::Take(task) => match self.engine.registry().driver(run) {
                Ok(saga) => self.take(saga, run, version, task).await,
                Err(_) if self.left_to_others => Ok(false),
                Err(reason) => self.record(version, "park", Tells::Park { reason }).await,
            },
            Next::Lost(task) => {
                let lost = Failure::unknown("WORKER_LOST", "the attempt's outcome was not recorded in time");
                // A run that this program does not know is due again at once, and parked then.
                let tells = match self.engine.registry().driver(run) {
                    Ok(saga) => self.failed(saga, task, lost),
                    Err(_) if self.left_to_others => return Ok(false),
                    Err(_) => fail(task, lost, Some(now)),
                };
                self.record(version, "lost", tells).await
            }
        }
    }

    async fn has_moved(&self, wait: &Wait) -> Result<bool, EngineError> {
        let Some(kind) = Kind::from_name(&wait.on_kind) else { return Ok(false) };
        let stream = StreamId { partition: self.partition, kind, id: wait.on_id };
        Ok(!self.engine.executor().store().read(stream, wait.seen, 1).await?.is_empty())
    }

    async fn take(
        &mut self,
        saga: &dyn AnySaga,
        run: &Run,
        version: Version,
        task: Task,
    ) -> Result<bool, EngineError> {
        let at = self.engine.now();
        let cx = Context {
            executor: self.engine.executor().clone(),
            ports: self.engine.ports().clone(),
            partition: self.partition,
            run: self.run,
            at,
            meta: self.meta.clone(),
            turned: run.turned.clone(),
            task,
        };
        if !saga.policy(&cx.task.step).local {
            let Task { step, direction, .. } = cx.task.clone();
            let attempt = Tells::Attempt { step, direction, key: cx.key(), lease_until: at + LEASE };
            if !self.record(version, "attempt", attempt).await? {
                return Ok(false);
            }
        }
        let outcome = self.outcome(saga, run, &cx).await;
        let tells = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => self.failed(saga, cx.task, failure),
        };
        self.record(version, "outcome", tells).await
    }

    /// Has the saga take the step, but waits no longer than the lease allows, and survives its panics.
    async fn outcome(&self, saga: &dyn AnySaga, run: &Run, cx: &Context) -> Result<Tells, Failure> {
        let Task { step, attempt, .. } = cx.task.clone();
        match cx.task.direction {
            Direction::Forward => {
                let (progress, memo) = guarded(saga.act(run, cx)).await?;
                Ok(match progress {
                    Progress::Done => Tells::Done { step, attempt, memo },
                    Progress::Wait { on, seen, until } => Tells::Wait { step, attempt, on, seen, until },
                })
            }
            Direction::Back => {
                guarded(saga.undo(run, cx)).await?;
                Ok(Tells::Undone { step, attempt })
            }
        }
    }

    fn failed(&self, saga: &dyn AnySaga, task: Task, failure: Failure) -> Tells {
        let delays = match task.direction {
            Direction::Forward => saga.policy(&task.step).delays_s,
            Direction::Back => NO_WAY_BACK_DELAYS_S,
        };
        let delay = delays.get(task.failures as usize).filter(|_| failure.kind != FailureKind::Permanent);
        let retry_at = delay.map(|delay_s| self.engine.now() + TimeDelta::seconds(i64::from(*delay_s)));
        fail(task, failure, retry_at)
    }

    /// Writes what became of the run. `false`: another worker was faster, and goes on with it.
    async fn record(&mut self, seen: Version, what: &str, tells: Tells) -> Result<bool, EngineError> {
        let id = derive(&["saga run", &self.run.to_string(), &seen.0.to_string(), what]);
        let meta = Meta { command: CommandId(id), ..self.meta.clone() };
        let (partition, at) = (self.partition, self.engine.now());
        let command = Command { partition, at, meta, input: NO_INPUT, expected: None };
        let tell = Tell::<SagaRun> { id: self.run, command: tells };
        match self.engine.executor().execute(&command, &tell).await {
            Ok(executed) if executed.replayed => Ok(false),
            Ok(executed) => {
                self.reached = Some(executed.position);
                Ok(true)
            }
            Err(ExecuteError::Rejected(rejected)) => {
                tracing::debug!(run = %self.run, %rejected, "another worker was faster");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn fail(task: Task, failure: Failure, retry_at: Option<DateTime<Utc>>) -> Tells {
    let Task { step, direction, attempt, .. } = task;
    let Failure { kind, code, error } = failure;
    Tells::Fail { step, direction, attempt, kind, code, error, retry_at }
}

/// A step's work, cut off after [`CALL_LIMIT`]. Where it was cut off, or panicked, nobody knows how far it came.
async fn guarded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match timeout(CALL_LIMIT, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::unknown("STEP_PANICKED", "the step panicked")),
        Err(_) => Err(Failure::unknown("NO_ANSWER", format!("no answer within {CALL_LIMIT:?}"))),
    }
}
