//! The runs of sagas: where each stands, what it waits for, what went wrong last.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{EventId, RunId};
use cityos_domain::log::Envelope;
use cityos_domain::saga_run::{self, Direction, Outcome, PlannedStep};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// At work, or about to be.
    Running,
    /// Waits for something to happen, or for a moment.
    Waiting,
    /// Waits for an operator.
    Parked,
    /// Every step was done.
    Completed,
    /// Everything that was done is undone.
    Compensated,
    /// An operator gave it up.
    Abandoned,
}

named!(RunState, Direction);

table! {
    /// A run of a saga.
    pub struct SagaRun {
        key {
            /// Its id.
            id: RunId,
        }
        across {
            /// The stream it waits for something to happen to.
            waiting_id: Option<Uuid>,
        }
        indexed {
            /// The saga's name.
            saga: String,
            /// Where it stands.
            state: RunState,
            /// When it was started.
            started_at: DateTime<Utc>,
            /// The stable code of what went wrong last.
            error_code: Option<String>,
        }
        plain {
            /// The kind of the stream it waits for.
            waiting_kind: Option<String>,
            /// The version of that stream it has seen: anything newer wakes it.
            waiting_seen: Option<u64>,
            /// The event it started on.
            cause: EventId,
            /// The steps in running order.
            steps: Vec<PlannedStep>,
            /// The step it is, or was last, at.
            step: Option<String>,
            /// Whether it goes forward or back.
            direction: Direction,
            /// How often that step was attempted.
            attempts: u32,
            /// When it goes on by itself, where it is not at work.
            next_at: Option<DateTime<Utc>>,
            /// What went wrong last.
            error: Option<String>,
            /// Why it went back or was parked.
            reason: Option<String>,
            /// When something last happened to it.
            updated_at: DateTime<Utc>,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The runs.
pub struct SagaRuns;

impl ReadModel for SagaRuns {
    const NAME: &'static str = "saga_runs";
    const VERSION: u32 = 1;
    type Row = SagaRun;

    fn keys(event: &Envelope) -> Keys<RunId> {
        let Event::SagaRun(_) = &event.event else { return Keys::None };
        Keys::One(RunId(event.stream.id))
    }

    fn evolve(row: Option<SagaRun>, id: &RunId, event: &Envelope) -> Result<Option<SagaRun>, Unfit> {
        let Event::SagaRun(happened) = &event.event else { return Ok(row) };
        use saga_run::Event as E;
        if let E::Started { saga, steps, cause, .. } = happened {
            return Ok(Some(SagaRun {
                id: *id,
                waiting_id: None,
                saga: saga.clone(),
                state: RunState::Running,
                started_at: event.at,
                waiting_kind: None,
                waiting_seen: None,
                cause: *cause,
                steps: steps.clone(),
                step: None,
                direction: Direction::Forward,
                attempts: 0,
                next_at: None,
                error_code: None,
                error: None,
                reason: None,
                updated_at: event.at,
                version: event.version.0,
            }));
        }
        // Whatever happens to a run ends its waiting, unless it is to wait.
        let mut run = SagaRun {
            waiting_id: None,
            waiting_kind: None,
            waiting_seen: None,
            next_at: None,
            state: RunState::Running,
            updated_at: event.at,
            version: event.version.0,
            ..existing(row)?
        };
        match happened {
            E::Started { .. } | E::Woken { .. } | E::Retried {} => {}
            E::Attempted { step, direction, attempt, .. } => {
                (run.step, run.direction, run.attempts) = (Some(step.clone()), *direction, *attempt);
            }
            E::Done { step, .. } | E::Undone { step } | E::Skipped { step, .. } => {
                run.step = Some(step.clone());
            }
            E::Failed { step, direction, attempt, code, error, retry_at, .. } => {
                (run.step, run.direction, run.attempts) = (Some(step.clone()), *direction, *attempt);
                (run.error_code, run.error) = (Some(code.clone()), Some(error.clone()));
                run.next_at = *retry_at;
            }
            E::Waiting { step, on_kind, on_id, seen, until } => {
                run.state = RunState::Waiting;
                run.step = Some(step.clone());
                run.waiting_id = Some(*on_id);
                run.waiting_kind = Some(on_kind.clone());
                run.waiting_seen = Some(seen.0);
                run.next_at = Some(*until);
            }
            E::Turned { code, reason } => {
                run.direction = Direction::Back;
                (run.error_code, run.reason) = (Some(code.clone()), Some(reason.clone()));
            }
            E::Parked { reason } => {
                (run.state, run.reason) = (RunState::Parked, Some(reason.clone()));
            }
            E::Ended { outcome, .. } => {
                run.state = match outcome {
                    Outcome::Completed => RunState::Completed,
                    Outcome::Compensated => RunState::Compensated,
                    Outcome::Abandoned => RunState::Abandoned,
                };
            }
        }
        Ok(Some(run))
    }
}
