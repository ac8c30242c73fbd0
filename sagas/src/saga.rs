//! What a saga is: steps in running order, and for each a way forward, a way back, and how much patience it is
//! tried with. A saga keeps no state of its own: what a run knows stands in its input and memo.

use crate::context::Context;
use crate::ports::PortError;
use crate::repair::foresight::Foresight;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::log::{StreamId, Version};
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::{FailureKind, Way};
use cityos_domain::workspace::Decided;
use cityos_eventstore::executor::ExecuteError;
use cityos_eventstore::store::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Seconds between attempts at a step that only writes to our own log.
const LOCAL_DELAYS_S: &[u32] = &[1, 5, 30, 120, 600];

/// Seconds between attempts at a step that calls the outside world, where a saga names no other.
const REMOTE_DELAYS_S: &[u32] = &[2, 10, 60, 600];

/// Seconds between attempts at a way back, or at a step that has none: where giving up helps nobody, patience does.
pub(crate) const NO_WAY_BACK_DELAYS_S: &[u32] = &[2, 10, 60, 600, 3_600, 21_600];

/// Work that spans aggregates and the outside world. Every method may be called again after it succeeded, and
/// must then leave things as they are. What was refused is not undone: where the cause of a run must come to an end
/// in any case, the first step does nothing, and its way back is that end.
#[async_trait]
pub trait Saga: Send + Sync + 'static {
    /// Its name in the log. Never changes.
    const NAME: &'static str;
    /// Its steps.
    type Step: Copy + PartialEq + Send + Sync + 'static;
    /// What a run is started with.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What a run's steps learn.
    type Memo: Serialize + DeserializeOwned + Default + Send + Sync;
    /// The steps in running order, with their names in the log.
    const STEPS: &'static [(&'static str, Self::Step)];

    /// What a run that this event starts is given.
    fn starts_on(event: &Decided) -> Option<Self::Input>;

    /// How a step is tried, and whether there is a way back from it.
    fn policy(step: Self::Step) -> Policy;

    /// Takes a step. What it puts into the memo is kept only where it is [`Progress::Done`].
    async fn act(
        step: Self::Step,
        input: &Self::Input,
        memo: &mut Self::Memo,
        cx: &Context,
    ) -> Result<Progress, Failure>;

    /// Undoes a step that was, or may have been, done; in the second case the memo knows nothing of it.
    async fn undo(
        step: Self::Step,
        input: &Self::Input,
        memo: &Self::Memo,
        cx: &Context,
    ) -> Result<(), Failure>;

    /// Why nobody can answer for a step instead of having it taken: it only writes down what has been done, or is
    /// settled, and unless it does nothing ever will.
    fn never_skipped(_step: Self::Step) -> Option<&'static str> {
        None
    }

    /// What the steps after `step` need to know and `memo` does not hold, or not so that they could go on with it, where
    /// an operator answers for the step instead of having it taken: such a run could go neither on nor back, so that it
    /// must be told.
    async fn lacks_after(
        _step: Self::Step,
        _input: &Self::Input,
        _memo: &Self::Memo,
        _log: &Foresight,
    ) -> Result<Option<String>, ExecuteError> {
        Ok(None)
    }

    /// Situations in which the saga is tried out, so that every step is reached, and undone where it can be.
    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal>;
}

/// How a step is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Whether there is a way back from it.
    pub way: Way,
    /// Whether it only writes to our own log: then it needs no intent first.
    pub local: bool,
    /// Seconds to wait before each further attempt; after the last the step is given up.
    pub delays_s: &'static [u32],
}

impl Policy {
    /// A step that only writes to our own log, and can be undone.
    pub const LOCAL: Policy = Policy { way: Way::Back, local: true, delays_s: LOCAL_DELAYS_S };

    /// A step that calls the outside world, and can be undone.
    pub const REMOTE: Policy = Policy { way: Way::Back, local: false, delays_s: REMOTE_DELAYS_S };

    /// The same with another way back.
    pub const fn way(self, way: Way) -> Self {
        Policy { way, ..self }
    }

    /// The same with other delays.
    pub const fn delays_s(self, delays_s: &'static [u32]) -> Self {
        Policy { delays_s, ..self }
    }
}

/// How far a step came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It is done.
    Done,
    /// It looks again once something happens to a stream of the run's partition, and when the time is up.
    Wait {
        /// The stream.
        on: StreamId,
        /// The version of it that was looked at.
        seen: Version,
        /// When the time is up.
        until: DateTime<Utc>,
    },
}

/// Why a step was not taken, or not undone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {error}")]
pub struct Failure {
    /// `Permanent` says that it did not happen in this attempt nor in any before.
    pub kind: FailureKind,
    /// A stable code.
    pub code: String,
    /// Never about a person. Of a `Permanent` failure, what is told to whoever the run is about; of others only operators
    /// read it.
    pub error: String,
}

impl Failure {
    /// It did not happen and may work later.
    pub fn transient(code: &str, error: impl ToString) -> Self {
        Failure { kind: FailureKind::Transient, code: code.into(), error: error.to_string() }
    }

    /// It did not happen and never will.
    pub fn permanent(code: &str, error: impl ToString) -> Self {
        Failure { kind: FailureKind::Permanent, code: code.into(), error: error.to_string() }
    }

    /// Whether it happened is not known.
    pub fn unknown(code: &str, error: impl ToString) -> Self {
        Failure { kind: FailureKind::Unknown, code: code.into(), error: error.to_string() }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Failure::permanent(&rejected.code, rejected.message)
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Refused { code, message } => Failure::permanent(&code, message),
            PortError::Unavailable { code, message } => Failure::transient(&code, message),
            PortError::Lost { message } => Failure::unknown("NO_ANSWER", message),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::transient("STORE_UNAVAILABLE", error)
    }
}

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Rejected(rejected) => rejected.into(),
            // It may have been written after all: it is repeated under its id, which finds out.
            ExecuteError::Store(error) => Failure::unknown("STORE_UNAVAILABLE", error),
            ExecuteError::Contended => Failure::transient("CONTENDED", error),
            ExecuteError::VersionConflict { .. }
            | ExecuteError::KeyReused
            | ExecuteError::TooWide
            | ExecuteError::Unwritable(_) => Failure::permanent("IMPOSSIBLE_COMMAND", error),
        }
    }
}
