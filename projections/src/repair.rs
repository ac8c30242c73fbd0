//! What can go wrong when the tables of the read models are worked on.

use crate::claim::ClaimError;
use crate::model::{AnyModel, StoredKey};
use crate::poison::Frozen;
use crate::projector::ProjectError;
use crate::reads::{ReadError, ReadStore};
use crate::row::{Role, Value};
use crate::sql;
use cityos_domain::ids::EventId;
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::store::{EventStore, StoreError, name_of};

/// Why a rebuild, a comparison, a way back or a retry did not end. The live table is as it
/// was.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The log failed, or the read models are not made from it.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The read models could not be read or written.
    #[error(transparent)]
    Reads(#[from] ReadError),
    /// Somebody else works on the model.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// An event does not fit.
    #[error("the event {event} at {} does not fit the row {key}: {error}", position.0)]
    Poisoned {
        /// The row's key, as [`key_text`] writes it.
        key: String,
        /// Which event.
        event: EventId,
        /// Where it is.
        position: Position,
        /// Why it does not fit.
        error: String,
    },
    /// The database refuses a row.
    #[error("the row {key} is refused: {error}")]
    Refused {
        /// The row's key, as [`key_text`] writes it.
        key: String,
        /// What the database says.
        error: String,
    },
    /// The live table moves on faster than one can follow.
    #[error("the live table of {0} moves on too fast to be followed: try again when there is less to do")]
    Outrun(&'static str),
    /// The model has no table yet.
    #[error("{0} has no table yet: a server that starts, or a rebuild, makes one")]
    NoTable(&'static str),
    /// There is nothing to go back to.
    #[error("there is no table of {0} before the live one")]
    NothingBefore(&'static str),
    /// What is live stays.
    #[error("{0} is live: it is not dropped")]
    Live(String),
}

impl From<StoreError> for RepairError {
    fn from(error: StoreError) -> Self {
        RepairError::Project(error.into())
    }
}

impl RepairError {
    /// Whether it is not the world that failed, but the program, or the one that began the work.
    pub(crate) fn is_a_defect(&self) -> bool {
        matches!(
            self,
            RepairError::Poisoned { .. }
                | RepairError::Refused { .. }
                | RepairError::Reads(ReadError::Keys { .. } | ReadError::Unreadable(_))
        )
    }

    pub(crate) fn poisoned(model: &dyn AnyModel, row: Frozen) -> Self {
        let Frozen { key, position, event, error } = row;
        RepairError::Poisoned { key: key_text(model, &key), event, position, error }
    }
}

/// A stored key for people: `tenant=… id=…`.
pub fn key_text(model: &dyn AnyModel, key: &StoredKey) -> String {
    let parts = key_parts(model, key).into_iter();
    parts.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// The parts of a stored key by name. Of the platform's rows the partition is none.
pub fn key_parts<'k>(model: &dyn AnyModel, key: &'k StoredKey) -> Vec<(&'static str, &'k Value)> {
    let columns = model.columns().iter().filter(|column| column.role == Role::Key);
    let own = columns.map(|column| column.name).zip(&key[1..]);
    let platform = key[0] == Value::Uuid(Partition::Platform.id());
    let partition = (!platform).then_some(("tenant", &key[0]));
    partition.into_iter().chain(own).collect()
}

/// Refuses read models of another log.
pub(crate) async fn belong_together(store: &dyn EventStore, reads: &ReadStore) -> Result<(), RepairError> {
    let Some(log) = name_of(store).await? else { return Ok(()) };
    match reads.read(move |session| sql::may_belong_to(session, log)).await? {
        true => Ok(()),
        false => Err(ProjectError::OtherLog.into()),
    }
}
