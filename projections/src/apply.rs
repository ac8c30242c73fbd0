//! One page of the log folded into one build of a model: group by key, load, fold in memory, write in bulk
//! and move the checkpoint, all inside the caller's transaction.

use crate::model::{AnyModel, Folded, StoredKey, StoredRow};
use crate::reads::ReadError;
use crate::sqlite::{self, Build};
use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::store::Page;
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// An event that did not fit a row.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Poison {
    pub(crate) key: StoredKey,
    pub(crate) position: Position,
    pub(crate) event: cityos_domain::ids::EventId,
    pub(crate) error: String,
}

impl Poison {
    fn new(key: StoredKey, event: &Envelope, error: String) -> Self {
        Poison { key, position: event.position, event: event.id, error }
    }
}

/// Folds what `page` has beyond the build's checkpoint into it. Keys that are poisoned come back; what fits
/// them is written all the same. `false`: the build has come further already, nothing was done.
pub(crate) fn apply(
    conn: &Connection,
    model: &dyn AnyModel,
    build: &Build,
    page: &Page,
    poisoned: &mut Vec<Poison>,
) -> Result<bool, ReadError> {
    if page.scanned_to <= build.position || !sqlite::advance(conn, build, page.scanned_to)? {
        return Ok(false);
    }
    let mut groups = by_key(model, page.events.iter().filter(|event| event.position > build.position));
    if groups.is_empty() {
        return Ok(true);
    }
    let frozen: HashSet<_> = sqlite::frozen(conn, build)?.into_iter().map(|poison| poison.key).collect();
    groups.retain(|(key, _)| !frozen.contains(key));
    let keys: Vec<_> = groups.iter().map(|(key, _)| key.clone()).collect();
    let loaded = sqlite::load(conn, build, model, &keys)?;

    let mut changed: Vec<(&StoredKey, StoredRow, &Envelope)> = Vec::with_capacity(groups.len());
    let mut gone = Vec::new();
    for (key, events) in &groups {
        let Folded { row, poison } = model.fold(loaded.get(key), key, events);
        if let Some((at, unfit)) = poison {
            poisoned.push(Poison::new(key.clone(), events[at], unfit.to_string()));
        }
        match row {
            Some(row) => changed.push((key, row, events[0])),
            None if loaded.contains_key(key) => gone.push(key),
            None => {}
        }
    }
    write(conn, build, model, &changed, poisoned)?;
    sqlite::delete(conn, build, model, &gone)?;
    Ok(true)
}

/// The events of each key, in log order.
pub(crate) fn by_key<'e>(
    model: &dyn AnyModel,
    events: impl IntoIterator<Item = &'e Envelope>,
) -> Vec<(StoredKey, Vec<&'e Envelope>)> {
    let mut places: HashMap<StoredKey, usize> = HashMap::new();
    let mut groups: Vec<(StoredKey, Vec<&Envelope>)> = Vec::new();
    for event in events {
        for key in model.keys(event) {
            let place = *places.entry(key).or_insert_with_key(|key| {
                groups.push((key.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(event);
        }
    }
    groups
}

/// Writes the rows in bulk. Where the database refuses that, one by one: a row it refuses stays as it was,
/// and the first of its events in this page counts as the one that did not fit.
fn write(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    changed: &[(&StoredKey, StoredRow, &Envelope)],
    poisoned: &mut Vec<Poison>,
) -> Result<(), ReadError> {
    let rows: Vec<_> = changed.iter().map(|(key, row, _)| (*key, row)).collect();
    match sqlite::upsert(conn, build, model, &rows) {
        Err(ReadError::Database(error)) if sqlite::is_refusal(&error) => {}
        done => return done,
    }
    for (key, row, first) in changed {
        match sqlite::upsert(conn, build, model, &[(key, row)]) {
            Err(ReadError::Database(error)) if sqlite::is_refusal(&error) => {
                poisoned.retain(|poison| poison.key != **key);
                poisoned.push(Poison::new((*key).clone(), first, format!("the write was refused: {error}")));
            }
            done => done?,
        }
    }
    Ok(())
}
