//! Rows at which the fold stopped because an event did not fit: to look at, and to fold anew once it is known
//! why. Such a row stays at its last good version, and the later events of its key wait.

use crate::apply::by_key;
use crate::model::{AnyModel, Folded, StoredKey, StoredRow};
use crate::projector::{PAGE_EVENTS_MAX, ProjectError};
use crate::reads::{ReadError, ReadStore};
use crate::row::Value;
use crate::sqlite;
use cityos_domain::ids::EventId;
use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::store::EventStore;
use std::collections::HashMap;

/// How often a retry follows a projector that moves on before it gives up.
const CHASES_MAX: u32 = 100;

/// A frozen row.
#[derive(Clone, PartialEq, Debug)]
pub struct Frozen {
    /// Its key: the partition's id, then the key columns.
    pub key: Vec<Value>,
    /// Where the event that did not fit is.
    pub position: Position,
    /// Which event that is.
    pub event: EventId,
    /// Why it did not fit.
    pub error: String,
}

impl Frozen {
    pub(crate) fn at(key: StoredKey, event: &Envelope, error: String) -> Self {
        Frozen { key, position: event.position, event: event.id, error }
    }
}

/// The frozen rows of a model.
pub async fn frozen(reads: &ReadStore, model: &'static dyn AnyModel) -> Result<Vec<Frozen>, ReadError> {
    reads.read(move |conn| sqlite::frozen(conn, &sqlite::live_build(conn, model)?)).await
}

/// Folds the frozen rows of a model anew, from the start of the log. Those that every event fits now are live
/// again; how many that were. May be repeated, and done while a projector runs.
pub async fn retry_frozen(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
) -> Result<usize, ProjectError> {
    let mut rows: HashMap<StoredKey, Option<StoredRow>> =
        frozen(reads, model).await?.into_iter().map(|frozen| (frozen.key, None)).collect();
    let mut at = Position::START;
    for _ in 0..CHASES_MAX {
        if rows.is_empty() {
            return Ok(0);
        }
        let build = reads.read(move |conn| sqlite::live_build(conn, model)).await?;
        while at < build.position {
            let page = store.read_all(at, PAGE_EVENTS_MAX).await?;
            let events = page.events.iter().filter(|event| event.position <= build.position);
            for (key, events) in by_key(model, events)? {
                // A key that still has an event that does not fit is not put back: it stays frozen.
                if let Some(row) = rows.remove(&key)
                    && let Folded { row, poison: None } = model.fold(row.as_ref(), &key, &events)
                {
                    rows.insert(key, row);
                }
            }
            at = page.scanned_to.min(build.position);
        }
        let healed = rows.clone();
        let written: Result<_, ReadError> = reads
            .write(move |conn| {
                if sqlite::live_build(conn, model)? != build {
                    return Ok(None);
                }
                for (key, row) in &healed {
                    match row {
                        Some(row) => sqlite::upsert(conn, &build, model, &[(key, row)])?,
                        None => sqlite::delete(conn, &build, model, &[key])?,
                    }
                    sqlite::thaw(conn, &build, key)?;
                }
                Ok(Some(healed.len()))
            })
            .await;
        if let Some(healed) = written? {
            return Ok(healed);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests;
