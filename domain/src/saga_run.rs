//! A run of a saga, as an aggregate: what was intended, what is known to have happened, what is left to do.
//! What the steps do, and how often they are tried, stands in the sagas; here is only the bookkeeping that must
//! survive a crash, and the rules of turning back, parking and ending.

pub mod intervention;
pub mod outlook;
pub mod progress;

use crate::aggregate::Aggregate;
use crate::ids::{EventId, RunId};
use crate::log::{StreamId, Version};
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use intervention::{InterveneAll, Intervention, Measure};
pub use outlook::Outlook;
pub use progress::{Mark, Next, Run, SagaRun, Stand, Task, Wait};

/// Whether a run can go back from a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// What it did can be undone. Where it fails, the run turns back.
    Back,
    /// Once it is, or may have been, done there is no way back. Where it is refused for good, the run turns back.
    Pivot,
    /// There is no way back, not even where it is refused: the run then waits for an operator.
    Onward,
}

/// A step as the run was planned with it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// Its name in the saga.
    pub name: String,
    /// Whether there is a way back from it.
    pub way: Way,
}

/// Which way a step is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Doing it.
    Forward,
    /// Undoing it.
    Back,
}

/// How an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It did not happen and may work later.
    Transient,
    /// It did not happen, in this attempt or any before, and never will.
    Permanent,
    /// Whether it happened is not known.
    Unknown,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step was done.
    Completed,
    /// Every step that was, or may have been, done is undone.
    Compensated,
    /// An operator gave it up as it stood: what was done stays done.
    Abandoned,
}

/// What may be asked of a run: by whoever drives it, and by an operator.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Intends to call the outside world for a step. Only whoever's command this was may call.
    Attempt {
        /// The step.
        step: String,
        /// Forward or back.
        direction: Direction,
        /// Under which idempotency key.
        key: String,
        /// When the attempt may be taken for lost.
        lease_until: DateTime<Utc>,
    },
    /// The attempt did its step. The last step ends the run.
    Done {
        /// The step.
        step: String,
        /// The number of the attempt.
        attempt: u32,
        /// What the run knows now.
        memo: Value,
    },
    /// The attempt undid its step. The last one ends the run.
    Undone {
        /// The step.
        step: String,
        /// The number of the attempt.
        attempt: u32,
    },
    /// The attempt failed. Where it is not tried again the run turns back or parks.
    Fail {
        /// The step.
        step: String,
        /// Forward or back.
        direction: Direction,
        /// The number of the attempt.
        attempt: u32,
        /// How.
        kind: FailureKind,
        /// The stable code of what went wrong.
        code: String,
        /// What went wrong.
        error: String,
        /// When it is tried again; `None` where it is not.
        retry_at: Option<DateTime<Utc>>,
    },
    /// The attempt found that its step must wait.
    Wait {
        /// The step.
        step: String,
        /// The number of the attempt.
        attempt: u32,
        /// The stream it waits for.
        on: StreamId,
        /// The version of that stream it has seen.
        seen: Version,
        /// When it looks again in any case.
        until: DateTime<Utc>,
    },
    /// What a step waited for may have come.
    Wake,
    /// The run cannot be driven by this program. Not while an attempt is under way: its outcome would be lost.
    Park {
        /// Why.
        reason: String,
    },
    /// An operator steps in.
    Intervene(Intervention),
}

/// What can have happened to a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Something happened that the saga starts on. Written in the same append as its cause.
    Started {
        /// The saga's name.
        saga: String,
        /// The steps in running order: a run finishes by the plan it began with.
        steps: Vec<PlannedStep>,
        /// What it was started with.
        input: Value,
        /// The event it started on.
        cause: EventId,
    },
    /// The worker whose append of this won may now call the outside world, until the lease ends.
    Attempted {
        /// The step.
        step: String,
        /// Forward or back.
        direction: Direction,
        /// The number of this attempt, from 1.
        attempt: u32,
        /// Under which idempotency key the outside world is called.
        key: String,
        /// When another worker may take the attempt for lost.
        lease_until: DateTime<Utc>,
    },
    /// A step is done.
    Done {
        /// The step.
        step: String,
        /// What the run knows now.
        memo: Value,
    },
    /// A step is undone.
    Undone {
        /// The step.
        step: String,
    },
    /// An attempt failed.
    Failed {
        /// The step.
        step: String,
        /// Forward or back.
        direction: Direction,
        /// The number of the attempt.
        attempt: u32,
        /// How.
        kind: FailureKind,
        /// The stable code of what went wrong.
        code: String,
        /// What went wrong, for the operator. Never holds personal data.
        error: String,
        /// When it is tried again; `None` where it is not.
        retry_at: Option<DateTime<Utc>>,
    },
    /// A step waits for something to happen to a stream, or for a moment.
    Waiting {
        /// The step.
        step: String,
        /// The kind of stream it waits for.
        on_kind: String,
        /// The stream's id.
        on_id: Uuid,
        /// The version of that stream the step has seen: anything newer wakes it.
        seen: Version,
        /// When it looks again in any case.
        until: DateTime<Utc>,
    },
    /// What it waited for may have come.
    Woken {
        /// The step.
        step: String,
    },
    /// From here on it goes back.
    Turned {
        /// The stable code of the reason.
        code: String,
        /// Why, in words fit for whoever the run is about.
        reason: String,
    },
    /// It cannot go on or back by itself: an operator decides.
    Parked {
        /// Why.
        reason: String,
    },
    /// An operator had the failed step tried again.
    Retried {},
    /// An operator declared a step done, or undone, without the run doing it.
    Skipped {
        /// The step.
        step: String,
        /// What the run knows now, where the operator told it something.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memo: Option<Value>,
    },
    /// The run is over.
    Ended {
        /// How.
        outcome: Outcome,
        /// The steps that were done and not undone, where the run was given up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stays: Vec<String>,
        /// The steps of which it is not known whether they were done, where the run was given up.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        may_stay: Vec<String>,
        /// The steps that were still to be done, where the run was given up on its way forward.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        not_done: Vec<String>,
    },
}

impl Event {
    /// The end of a run that came to it by itself.
    pub fn ended(outcome: Outcome) -> Self {
        Event::Ended { outcome, stays: Vec::new(), may_stay: Vec::new(), not_done: Vec::new() }
    }

    /// The end of a run that an operator gave up.
    pub fn given_up(stays: Vec<String>, may_stay: Vec<String>, not_done: Vec<String>) -> Self {
        Event::Ended { outcome: Outcome::Abandoned, stays, may_stay, not_done }
    }
}

/// Why a run says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// There is no such run.
    #[error("there is no such run")]
    Unknown,
    /// It is over.
    #[error("the run is over: {0:?}")]
    Ended(Outcome),
    /// Another step comes first.
    #[error("step `{0}` is not the run's next")]
    NotNext(String),
    /// A worker is at it, or was when it died.
    #[error(
        "an attempt is under way: where nothing is heard of it by {0}, a server finds out what became of it"
    )]
    Taken(DateTime<Utc>),
    /// The attempt is no longer the one that counts.
    #[error("attempt {0} was overtaken by another worker")]
    Overtaken(u32),
    /// It waits, or is tried again later.
    #[error("the run waits until {0}")]
    NotDue(DateTime<Utc>),
    /// It waits for an operator.
    #[error("the run is parked")]
    Parked,
    /// The operator's command is for runs that stand still.
    #[error("the run goes on by itself: only one that is parked or waits can be told this")]
    GoesOn,
    /// Only what failed for good can be skipped.
    #[error("only the step at which a run is parked can be skipped")]
    NotParked,
    /// The run is parked somewhere else than its operator believes.
    #[error("the run is parked at step `{at}`, not at `{asked}`")]
    OtherStep {
        /// The step the operator named.
        asked: String,
        /// Where it is parked.
        at: String,
    },
    /// What a step would have learned is told to a run that goes back.
    #[error("the run goes back: it learns nothing from a step")]
    LearnsNothing,
    /// It can no longer go back.
    #[error("step `{0}` is, or may have been, done, and there is no way back from it")]
    PastReturn(String),
    /// Its step must be done, sooner or later: to turn back would forget that.
    #[error(
        "step `{0}` is to be done, and there is no way back from it: the run can only be given up as it stands"
    )]
    Onward(String),
    /// It goes back already.
    #[error("the run goes back already")]
    GoesBack,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "SAGA_RUN_UNKNOWN",
            Rejection::Ended(_) => "SAGA_RUN_ENDED",
            Rejection::NotNext(_) => "SAGA_RUN_STEP_NOT_NEXT",
            Rejection::Taken(_) => "SAGA_RUN_TAKEN",
            Rejection::Overtaken(_) => "SAGA_RUN_OVERTAKEN",
            Rejection::NotDue(_) => "SAGA_RUN_NOT_DUE",
            Rejection::Parked => "SAGA_RUN_PARKED",
            Rejection::GoesOn => "SAGA_RUN_GOES_ON",
            Rejection::NotParked => "SAGA_RUN_NOT_PARKED",
            Rejection::OtherStep { .. } => "SAGA_RUN_OTHER_STEP",
            Rejection::LearnsNothing => "SAGA_RUN_LEARNS_NOTHING",
            Rejection::PastReturn(_) => "SAGA_RUN_PAST_RETURN",
            Rejection::Onward(_) => "SAGA_RUN_ONWARD",
            Rejection::GoesBack => "SAGA_RUN_GOES_BACK",
        }
    }
}

impl Aggregate for SagaRun {
    type Id = RunId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let run = self.live()?;
        match command {
            Command::Attempt { step, direction, key, lease_until } => {
                run.check_next(step, *direction)?;
                match self.next(at) {
                    Next::Take(Task { attempt, .. }) => Ok(vec![Event::Attempted {
                        step: step.clone(),
                        direction: *direction,
                        attempt,
                        key: key.clone(),
                        lease_until: *lease_until,
                    }]),
                    Next::Later(until) if matches!(run.stand, Stand::Attempting { .. }) => {
                        Err(Rejection::Taken(until))
                    }
                    Next::Later(until) | Next::Look(Wait { until, .. }) => Err(Rejection::NotDue(until)),
                    Next::Lost(_) => Err(Rejection::Taken(at)),
                    Next::Nothing => Err(Rejection::Parked),
                }
            }
            Command::Done { step, attempt, memo } => {
                run.check_outcome(step, Direction::Forward, *attempt, at)?;
                Ok(self.conclude(vec![Event::Done { step: step.clone(), memo: memo.clone() }]))
            }
            Command::Undone { step, attempt } => {
                run.check_outcome(step, Direction::Back, *attempt, at)?;
                Ok(self.conclude(vec![Event::Undone { step: step.clone() }]))
            }
            Command::Fail { step, direction, attempt, kind, code, error, retry_at } => {
                run.check_outcome(step, *direction, *attempt, at)?;
                let failed = Event::Failed {
                    step: step.clone(),
                    direction: *direction,
                    attempt: *attempt,
                    kind: *kind,
                    code: code.clone(),
                    error: error.clone(),
                    retry_at: *retry_at,
                };
                let given_up = match (retry_at, self.clone().evolve(&failed)) {
                    (None, SagaRun::Live(after)) => Some(after.given_up(*kind, code, error)),
                    (None | Some(_), _) => None,
                };
                Ok(self.conclude([failed].into_iter().chain(given_up).collect()))
            }
            Command::Wait { step, attempt, on, seen, until } => {
                run.check_outcome(step, Direction::Forward, *attempt, at)?;
                Ok(vec![Event::Waiting {
                    step: step.clone(),
                    on_kind: on.kind.name().into(),
                    on_id: on.id,
                    seen: *seen,
                    until: *until,
                }])
            }
            Command::Wake => match &run.stand {
                Stand::Waiting(_) => Ok(vec![Event::Woken { step: run.task(0).step }]),
                Stand::Ready | Stand::Attempting { .. } | Stand::Retrying { .. } | Stand::Parked => {
                    Ok(vec![])
                }
            },
            Command::Park { reason } => match &run.stand {
                Stand::Parked => Ok(vec![]),
                Stand::Attempting { lease_until } => Err(Rejection::Taken(*lease_until)),
                Stand::Ready | Stand::Retrying { .. } | Stand::Waiting(_) => {
                    Ok(vec![Event::Parked { reason: reason.clone() }])
                }
            },
            Command::Intervene(intervention) => {
                Ok(self.conclude(vec![intervention.measure.decide(run, at)?]))
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        if let Event::Started { saga, steps, input, cause } = event {
            return SagaRun::Live(Box::new(Run {
                saga: saga.clone(),
                input: input.clone(),
                memo: Value::Null,
                cause: *cause,
                steps: steps.iter().map(|step| (step.clone(), Mark::Ahead)).collect(),
                direction: Direction::Forward,
                stand: Stand::Ready,
                turned: None,
                attempts: 0,
                failures: 0,
            }));
        }
        let SagaRun::Live(run) = self else { return self };
        let run = *run;
        SagaRun::Live(Box::new(match event {
            Event::Started { .. } => run,
            Event::Attempted { attempt, lease_until, .. } => {
                Run { stand: Stand::Attempting { lease_until: *lease_until }, attempts: *attempt, ..run }
            }
            Event::Done { step, memo } => Run { memo: memo.clone(), ..run.marked(step, Mark::Done) },
            Event::Undone { step } => run.marked(step, Mark::Undone),
            Event::Failed { step, direction, attempt, kind, retry_at, .. } => {
                let failures = run.failures + 1;
                let run = match (direction, kind) {
                    (Direction::Forward | Direction::Back, FailureKind::Unknown) => {
                        run.marked(step, Mark::Unsure)
                    }
                    (Direction::Forward, FailureKind::Permanent) => run.marked(step, Mark::Ahead),
                    (Direction::Forward, FailureKind::Transient) => run.in_part(step),
                    (Direction::Back, FailureKind::Permanent | FailureKind::Transient) => run,
                };
                let stand = retry_at.map_or(Stand::Ready, |at| Stand::Retrying { at });
                Run { stand, attempts: *attempt, failures, ..run }
            }
            Event::Waiting { on_kind, on_id, seen, until, .. } => {
                let wait = Wait { on_kind: on_kind.clone(), on_id: *on_id, seen: *seen, until: *until };
                Run { stand: Stand::Waiting(wait), ..run }
            }
            Event::Woken { .. } => Run { stand: Stand::Ready, ..run },
            Event::Turned { code, reason } => Run {
                direction: Direction::Back,
                stand: Stand::Ready,
                turned: Some((code.clone(), reason.clone())),
                attempts: 0,
                failures: 0,
                ..run
            },
            Event::Parked { .. } => Run { stand: Stand::Parked, ..run },
            Event::Retried {} => Run { stand: Stand::Ready, failures: 0, ..run },
            Event::Skipped { step, memo } => {
                let memo = memo.clone().unwrap_or_else(|| run.memo.clone());
                Run { memo, ..run.marked(step, Mark::Skipped) }
            }
            Event::Ended { outcome, .. } => return SagaRun::Ended(*outcome),
        }))
    }
}

#[cfg(test)]
mod tests;
