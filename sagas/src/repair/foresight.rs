//! What the log would say to a command that is not given: whether a step could follow one that an operator answers for.

use crate::context::NO_INPUT;
use crate::engine::Engine;
use chrono::{DateTime, Utc};
use cityos_domain::ids::{CommandId, derive};
use cityos_domain::log::{Actor, Meta, Origin, Partition};
use cityos_domain::rejection::Rejected;
use cityos_domain::workspace::Intention;
use cityos_eventstore::executor::{Command, ExecuteError, Executor};

/// The log of a run's partition, to try commands on.
pub struct Foresight {
    executor: Executor,
    partition: Partition,
    at: DateTime<Utc>,
}

impl Foresight {
    pub(crate) fn new(engine: &Engine, partition: Partition) -> Self {
        Foresight { executor: engine.executor().clone(), partition, at: engine.now() }
    }

    /// What the rules would say to a command now. Nothing is written.
    pub async fn try_out(&self, intention: &dyn Intention) -> Result<Result<(), Rejected>, ExecuteError> {
        let meta = Meta::of(CommandId(derive(&["foresight"])), Actor::schedule(), Origin::Live);
        let command =
            Command { partition: self.partition, at: self.at, meta, input: NO_INPUT, expected: None };
        match self.executor.try_out(&command, intention).await {
            Err(ExecuteError::Rejected(rejected)) => Ok(Err(rejected)),
            tried => tried.map(Ok),
        }
    }
}
