//! What happened to a run of a saga, and what it would undo. For operators.

use crate::graphql::answer::Rejection;
use crate::graphql::saga_runs::Direction;
use async_graphql::{Enum, Json, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::{self, SagaRun};
use cityos_sagas::repair::timeline::{self, Told, What};
use serde_json::Value;

/// What can happen to a run.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "SagaRunHappening")]
pub enum Happening {
    /// It was started.
    Started,
    /// A step is being attempted.
    Attempting,
    /// A step was done.
    Done,
    /// A step was undone.
    Undone,
    /// A step failed.
    Failed,
    /// A step began to wait.
    Waiting,
    /// What it waited for may have come.
    Woken,
    /// It turned back.
    Turned,
    /// It was parked.
    Parked,
    /// An operator had the step tried again.
    Retried,
    /// An operator answered for a step.
    Skipped,
    /// It was over.
    Ended,
}

/// How an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "SagaFailure", remote = "saga_run::FailureKind")]
pub enum Failure {
    /// It did not happen and may work later.
    Transient,
    /// It did not happen and never will.
    Permanent,
    /// Whether it happened is not known.
    Unknown,
}

/// Something that happened to a run; an attempt and what came of it are one.
#[derive(SimpleObject)]
#[graphql(name = "SagaRunEntry")]
pub struct Entry {
    /// When; for an attempt, when it began.
    at: DateTime<Utc>,
    /// What.
    what: Happening,
    /// At which step.
    step: Option<String>,
    /// Which way the step was taken.
    direction: Option<Direction>,
    /// The number of the attempt, from 1.
    attempt: Option<u32>,
    /// The idempotency key under which the outside world was called: to be searched for there.
    key: Option<String>,
    /// How long the attempt took, in milliseconds; not known of a step that only wrote to the log.
    took_ms: Option<i64>,
    /// How it failed.
    failure: Option<Failure>,
    /// The stable code of what went wrong.
    code: Option<String>,
    /// What went wrong, or why.
    message: Option<String>,
    /// When the run goes on, or the attempt may be taken for lost.
    until: Option<DateTime<Utc>>,
    /// What the run knew then, where it changed.
    memo: Option<Json<Value>>,
    /// Who did it.
    actor: String,
    /// Why, in the words of an operator.
    reason: Option<String>,
}

impl From<timeline::Entry> for Entry {
    fn from(entry: timeline::Entry) -> Self {
        let failure = if let What::Failed(kind) = entry.what { Some(kind.into()) } else { None };
        let what = match entry.what {
            What::Started => Happening::Started,
            What::Attempting => Happening::Attempting,
            What::Done => Happening::Done,
            What::Undone => Happening::Undone,
            What::Failed(_) => Happening::Failed,
            What::Waiting => Happening::Waiting,
            What::Woken => Happening::Woken,
            What::Turned => Happening::Turned,
            What::Parked => Happening::Parked,
            What::Retried => Happening::Retried,
            What::Skipped => Happening::Skipped,
            What::Ended(_) => Happening::Ended,
        };
        Entry {
            at: entry.at,
            what,
            step: entry.step,
            direction: entry.direction.map(Into::into),
            attempt: entry.attempt,
            key: entry.key,
            took_ms: entry.took.map(|took| took.num_milliseconds()),
            failure,
            code: entry.code,
            message: entry.message,
            until: entry.until,
            memo: entry.memo.map(Json),
            actor: entry.actor.0,
            reason: entry.reason,
        }
    }
}

/// What a run would undo if it turned back.
#[derive(SimpleObject)]
pub struct SagaCompensationPreview {
    /// The steps it would undo, in this order.
    undoes: Vec<String>,
    /// Why there is no way back.
    no_way_back: Option<Rejection>,
}

impl SagaCompensationPreview {
    /// Of a run that is not over.
    pub fn of(told: &Told) -> Option<Self> {
        let SagaRun::Live(run) = &told.state else { return None };
        Some(match run.way_back() {
            Ok(steps) => {
                let undoes = steps.into_iter().map(Into::into).collect();
                SagaCompensationPreview { undoes, no_way_back: None }
            }
            Err(rejection) => {
                let no_way_back = Some(Rejected::from(rejection).into());
                SagaCompensationPreview { undoes: Vec::new(), no_way_back }
            }
        })
    }
}
