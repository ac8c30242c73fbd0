//! Rows at which the fold stopped because an event did not fit: to look at, and to fold anew once it is known
//! why. Such a row stays at its last good version, and the later events of its key wait.

use crate::apply::by_key;
use crate::bulk::cut;
use crate::claim::claimed;
use crate::model::{AnyModel, Erased, Folded, KeyOf, ReadModel, StoredKey, StoredRow};
use crate::projector::{PAGE_EVENTS_MAX, ProjectError};
use crate::reads::{ReadError, ReadStore};
use crate::repair::{RepairError, belong_together};
use crate::row::{Field, RowKey, Value};
use crate::session::Session;
use crate::sql::{self, Build};
use cityos_domain::ids::EventId;
use cityos_domain::log::{Envelope, Partition, Position};
use cityos_eventstore::store::{EventStore, Page};
use std::collections::{HashMap, HashSet};

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
    reads.read(move |session| sql::frozen(session, &sql::live_build(session, model)?)).await
}

/// Which of these rows of a model, named by partition and key, are frozen: one statement for all of them.
pub async fn frozen_among<M: ReadModel>(
    reads: &ReadStore,
    wanted: impl IntoIterator<Item = (Partition, KeyOf<M>)>,
) -> Result<HashSet<(Partition, KeyOf<M>)>, ReadError> {
    let stored = |(partition, key): &(Partition, KeyOf<M>)| {
        let mut values = vec![partition.id().into_value()];
        values.extend(key.clone().into_values());
        values
    };
    let wanted: HashMap<StoredKey, _> = wanted.into_iter().map(|place| (stored(&place), place)).collect();
    let keys: Vec<_> = wanted.keys().cloned().collect();
    let mut partitions: Vec<_> = wanted.values().map(|(partition, _)| *partition).collect();
    partitions.dedup();
    let of_one = (partitions.len() == 1).then(|| partitions[0]);
    let (question, read_key) = sql::frozen_live(reads.dialect(), &Erased::<M>::new(), &keys);
    let found: HashSet<_> = reads.ask(of_one, question, read_key).await?.into_iter().collect();
    Ok(wanted.into_iter().filter(|(key, _)| found.contains(key)).map(|(_, place)| place).collect())
}

/// What came of a retry.
#[derive(Clone, PartialEq, Debug)]
pub struct Retried {
    /// How many rows every event fits now: they are live again.
    pub healed: usize,
    /// The others, each with the event that does not fit now. It may be a later one than before.
    pub frozen: Vec<Frozen>,
}

/// Folds the frozen rows of a model anew, from the start of the log. Each goes as far as its events fit, whatever
/// becomes of the others. May be repeated, and done while a projector runs.
pub async fn retry_frozen(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
) -> Result<Retried, RepairError> {
    claimed(reads, model.name(), "retried", fold_anew(store, reads, model)).await
}

async fn fold_anew(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
) -> Result<Retried, RepairError> {
    belong_together(store, reads).await?;
    let (build, frozen) = reads
        .read(move |session| {
            let Some(build) = sql::live_build_if_any(session, model)? else { return Ok(None) };
            let frozen = sql::frozen(session, &build)?;
            Ok(Some((build, frozen)))
        })
        .await?
        .ok_or(RepairError::NoTable(model.name()))?;
    let mut rows: HashMap<StoredKey, Retrying> =
        frozen.into_iter().map(|frozen| (frozen.key, Retrying::default())).collect();
    let mut at = Position::START;
    for _ in 0..CHASES_MAX {
        if rows.is_empty() {
            break;
        }
        // The projector moves on meanwhile, but not beyond the log: the page that holds the place where it is, is
        // folded as far as that, in the transaction that thaws.
        while at < build.position {
            let page = cut(store.read_all(at, PAGE_EVENTS_MAX).await?, build.position);
            if page.scanned_to == at {
                return Err(ProjectError::AheadOfLog.into());
            }
            fold(model, &mut rows, &page)?;
            at = page.scanned_to;
        }
        let next = store.read_all(at, PAGE_EVENTS_MAX).await?;
        let (mut then, number, scanned_to) = (rows.clone(), build.number, next.scanned_to);
        let ahead = next.clone();
        let written = reads
            .write(&[model.name()], move |session| {
                let build = sql::build(session, model, number)?;
                if build.position > scanned_to {
                    return Ok(None);
                }
                fold(model, &mut then, &cut(ahead, build.position))?;
                Ok::<_, RepairError>(Some(put_back(session, &build, model, then)?))
            })
            .await?;
        if let Some(retried) = written {
            return Ok(retried);
        }
        fold(model, &mut rows, &next)?;
        at = scanned_to;
    }
    match rows.is_empty() {
        true => Ok(Retried { healed: 0, frozen: Vec::new() }),
        false => Err(RepairError::Outrun(model.name())),
    }
}

/// A row on its way through the log, and what it stopped at.
#[derive(Clone, Default)]
struct Retrying {
    row: Option<StoredRow>,
    stopped: Option<Frozen>,
}

/// Folds what of the page touches the rows into those that have not stopped.
fn fold(model: &dyn AnyModel, rows: &mut HashMap<StoredKey, Retrying>, page: &Page) -> Result<(), ReadError> {
    for (key, events) in by_key(model, &page.events)? {
        let Some(retrying) = rows.get_mut(&key).filter(|retrying| retrying.stopped.is_none()) else {
            continue;
        };
        let Folded { row, poison } = model.fold(retrying.row.as_ref(), &key, &events);
        retrying.row = row;
        retrying.stopped = poison.map(|(at, unfit)| Frozen::at(key.clone(), events[at], unfit.to_string()));
    }
    Ok(())
}

/// Writes the rows, each for itself: one that is refused stays as it is, and frozen.
fn put_back(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    rows: HashMap<StoredKey, Retrying>,
) -> Result<Retried, ReadError> {
    let mut retried = Retried { healed: 0, frozen: Vec::new() };
    let before: HashMap<_, _> =
        sql::frozen(session, build)?.into_iter().map(|frozen| (frozen.key.clone(), frozen)).collect();
    for (key, Retrying { row, stopped }) in rows {
        let mut frozen = stopped;
        match &row {
            Some(row) => sql::upsert_each(session, build, model, &[(&key, row)], &mut |_, why| {
                let refused = format!("the write was refused: {why}");
                frozen = before.get(&key).cloned().map(|frozen| Frozen { error: refused, ..frozen });
            })?,
            None => sql::delete(session, build, model, &[&key])?,
        }
        match frozen {
            Some(frozen) => {
                sql::freeze(session, build, &frozen)?;
                retried.frozen.push(frozen);
            }
            None => {
                sql::thaw(session, build, &key)?;
                retried.healed += 1;
            }
        }
    }
    retried.frozen.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(retried)
}

#[cfg(test)]
mod tests;
