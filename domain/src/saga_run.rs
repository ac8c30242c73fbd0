//! A run of a saga, as an aggregate: what was intended, what is known to have happened, what is left to do.
//! What the steps do, and how often they are tried, stands in the sagas; here is only the bookkeeping that must
//! survive a crash, and the rules of turning back, parking and ending.

use crate::ids::EventId;
use crate::log::Version;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// It did not happen and never will.
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
        on_id: uuid::Uuid,
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
        /// Why.
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
    },
    /// The run is over.
    Ended {
        /// How.
        outcome: Outcome,
    },
}
