//! How an import gives its commands: under ids derived from what is imported, so that every repeat is the same
//! command, and marked as imported, so that no saga starts on what has happened elsewhere.

use super::rejects::Wrong;
use chrono::{DateTime, Utc};
use cityos_domain::ids::{CommandId, derive};
use cityos_domain::log::{Actor, Meta, Origin, Partition};
use cityos_domain::workspace::Intention;
use cityos_eventstore::executor::{Command, ExecuteError, Executed, Executor};
use cityos_eventstore::keys::Key;
use cityos_eventstore::store::InputHash;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives an import's commands.
pub struct Commands {
    executor: Executor,
    /// Under which what a command was given is hashed.
    input_key: Key,
    done: AtomicU64,
}

impl Commands {
    /// Commands go to `executor`; `input_key` is the installation's key for hashing inputs.
    pub fn new(executor: Executor, input_key: Key) -> Self {
        Commands { executor, input_key, done: AtomicU64::new(0) }
    }

    /// The executor they go to.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Gives one command. `what` and `name` say what is imported, `input` what of it must be the same when it is
    /// given again: then it changes nothing. With another input it is refused.
    pub async fn give(
        &self,
        partition: Partition,
        (what, name): (&str, &str),
        input: &str,
        at: DateTime<Utc>,
        intention: &dyn Intention,
    ) -> Result<Executed, ExecuteError> {
        let command = CommandId(derive(&["import", &partition.id().to_string(), what, name]));
        let meta = Meta::of(command, Actor("import".into()), Origin::Import);
        let input = InputHash(self.input_key.hash(&[input.as_bytes()]));
        let command = Command { partition, at, meta, input, expected: None };
        let executed = self.executor.execute(&command, intention).await?;
        self.done.fetch_add(u64::from(!executed.replayed), Ordering::Relaxed);
        Ok(executed)
    }

    /// How many commands were done; those that had been done before do not count.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

/// Tells a refusal, which is about what is imported with the id in `column` and nothing else, from a failure,
/// which ends the import.
pub fn done_or_refused(
    given: Result<Executed, ExecuteError>,
    column: &str,
) -> Result<Result<Executed, Wrong>, ExecuteError> {
    match given {
        Ok(executed) => Ok(Ok(executed)),
        Err(ExecuteError::Rejected(rejected)) => Ok(Err(rejected.into())),
        Err(ExecuteError::KeyReused) => {
            Ok(Err(Wrong::new(column, "was imported before with other content: it stays as it is")))
        }
        Err(error @ (ExecuteError::TooWide | ExecuteError::Unwritable(_))) => {
            Ok(Err(Wrong::new(column, error.to_string())))
        }
        Err(
            error @ (ExecuteError::VersionConflict { .. } | ExecuteError::Contended | ExecuteError::Store(_)),
        ) => Err(error),
    }
}
