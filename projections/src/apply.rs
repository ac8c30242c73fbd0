//! One page of the log folded into one build of a model: group by key, load, fold in memory, write in bulk
//! and move the checkpoint, all inside the caller's transaction.

use crate::model::{AnyModel, Folded, StoredKey, StoredRow, Unfit};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::session::Session;
use crate::sql::{self, Build};
use cityos_domain::log::Envelope;
use cityos_eventstore::store::Page;
use std::collections::HashMap;

/// Folds what `page` has beyond the build's checkpoint into it, unless the build has come further already. Keys
/// that are poisoned come back; what fits them is written all the same.
pub(crate) fn apply(
    session: &dyn Session,
    model: &dyn AnyModel,
    build: &Build,
    page: &Page,
    poisoned: &mut Vec<Frozen>,
) -> Result<(), ReadError> {
    if page.scanned_to <= build.position || !sql::advance(session, build, page.scanned_to)? {
        return Ok(());
    }
    let mut groups = by_key(model, page.events.iter().filter(|event| event.position > build.position))?;
    if groups.is_empty() {
        return Ok(());
    }
    let frozen = sql::frozen_among(session, build, groups.iter().map(|(key, _)| key))?;
    groups.retain(|(key, _)| !frozen.contains(key));
    let keys: Vec<_> = groups.iter().map(|(key, _)| key.clone()).collect();
    let mut loaded = sql::load(session, build, model, &keys)?;

    let mut changed: Vec<(&StoredKey, StoredRow, &Envelope)> = Vec::with_capacity(groups.len());
    let mut gone = Vec::new();
    for (key, events) in &groups {
        let before = match loaded.remove(key).transpose() {
            Ok(before) => before,
            Err(unreadable) => {
                let unfit = Unfit::Unreadable(unreadable).to_string();
                poisoned.push(Frozen::at(key.clone(), events[0], unfit));
                continue;
            }
        };
        let Folded { row, poison } = model.fold(before.as_ref(), key, events);
        if let Some((at, unfit)) = poison {
            poisoned.push(Frozen::at(key.clone(), events[at], unfit.to_string()));
        }
        match row {
            Some(row) => changed.push((key, row, events[0])),
            None if before.is_some() => gone.push(key),
            None => {}
        }
    }
    write(session, build, model, &changed, poisoned)?;
    sql::delete(session, build, model, &gone)
}

/// The events of each key, in log order.
pub(crate) fn by_key<'e>(
    model: &dyn AnyModel,
    events: impl IntoIterator<Item = &'e Envelope>,
) -> Result<Vec<(StoredKey, Vec<&'e Envelope>)>, ReadError> {
    let mut places: HashMap<StoredKey, usize> = HashMap::new();
    let mut groups: Vec<(StoredKey, Vec<&Envelope>)> = Vec::new();
    for event in events {
        let keys = model.keys(event).map_err(|source| ReadError::Keys {
            model: model.name(),
            position: event.position,
            source,
        })?;
        for key in keys {
            let place = *places.entry(key).or_insert_with_key(|key| {
                groups.push((key.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(event);
        }
    }
    Ok(groups)
}

/// Writes the rows. One that the database refuses stays as it was, and the first of its events in this page counts as the
/// one that did not fit.
fn write(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    changed: &[(&StoredKey, StoredRow, &Envelope)],
    poisoned: &mut Vec<Frozen>,
) -> Result<(), ReadError> {
    let rows: Vec<_> = changed.iter().map(|(key, row, _)| (*key, row)).collect();
    sql::upsert_each(session, build, model, &rows, &mut |at, why| {
        let (key, _, first) = &changed[at];
        poisoned.retain(|row| row.key != **key);
        poisoned.push(Frozen::at((*key).clone(), first, format!("the write was refused: {why}")));
    })
}
