//! Rows in bulk: load by keys, write, delete, and read a whole table in key order.

use super::tables::{Build, view};
use super::{PARTITION, batches, placeholders, quoted, values};
use crate::model::{AnyModel, Erased, ReadModel, StoredKey, StoredRow};
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Role, Row, Value};
use rusqlite::{Connection, Rows, params_from_iter};
use std::cmp::Ordering;
use std::collections::HashMap;

/// The most keys one statement looks up.
const LOOKUP_KEYS_MAX: usize = 1_024;

fn key_columns(columns: &'static [ColumnSpec]) -> impl Iterator<Item = &'static ColumnSpec> {
    std::iter::once(&PARTITION).chain(columns.iter().filter(|column| column.role == Role::Key))
}

fn load_from(
    conn: &Connection,
    table: &str,
    columns: &'static [ColumnSpec],
    keys: &[StoredKey],
    mut found: impl FnMut(Vec<Value>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let key: Vec<_> = key_columns(columns).collect();
    let all = || std::iter::once(&PARTITION).chain(columns);
    let on: Vec<_> = key
        .iter()
        .enumerate()
        .map(|(at, column)| format!("\"{}\" = column{}", column.name, at + 1))
        .collect();
    for batch in keys.chunks(LOOKUP_KEYS_MAX) {
        // Filled up with its last key again, so that few different statements are prepared: a key found twice is
        // the same row.
        let wanted = batch.len().next_power_of_two();
        let batch: Vec<&StoredKey> =
            batch.iter().chain(batch.last().into_iter().cycle()).take(wanted).collect();
        // A cross join keeps its order: each wanted key is looked up, the table is never scanned.
        let sql = format!(
            "SELECT {} FROM (VALUES {}) CROSS JOIN \"{table}\" ON {}",
            quoted(all()),
            placeholders(batch.len(), key.len()),
            on.join(" AND "),
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(batch.into_iter().flatten()))?;
        while let Some(row) = rows.next()? {
            found(values(row, 0, all())?)?;
        }
    }
    Ok(())
}

/// The rows of `keys` that the build has.
pub(crate) fn load(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    keys: &[StoredKey],
) -> Result<HashMap<StoredKey, StoredRow>, ReadError> {
    let key_width = key_columns(model.columns()).count();
    let mut rows = HashMap::with_capacity(keys.len());
    load_from(conn, &build.table(), model.columns(), keys, |mut stored| {
        let row = stored.split_off(1);
        stored.extend_from_slice(&row[..key_width - 1]);
        rows.insert(stored, row);
        Ok(())
    })?;
    Ok(rows)
}

/// The live rows of `keys` that exist.
pub(crate) fn rows_of<M: ReadModel>(conn: &Connection, keys: &[StoredKey]) -> Result<Vec<M::Row>, ReadError> {
    let mut rows = Vec::with_capacity(keys.len());
    load_from(conn, &view(&Erased::<M>::new()), M::Row::COLUMNS, keys, |mut stored| {
        rows.push(M::Row::from_values(stored.drain(1..))?);
        Ok(())
    })?;
    Ok(rows)
}

/// Writes rows, over those of the same keys.
pub(crate) fn upsert(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    rows: &[(&StoredKey, &StoredRow)],
) -> Result<(), ReadError> {
    let all = std::iter::once(&PARTITION).chain(model.columns());
    let (width, names) = (model.columns().len() + 1, quoted(all));
    for batch in batches(rows) {
        let groups = placeholders(batch.len(), width);
        let sql = format!("INSERT OR REPLACE INTO \"{}\" ({names}) VALUES {groups}", build.table());
        let values = batch.iter().flat_map(|(key, row)| key[..1].iter().chain(row.iter()));
        conn.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    }
    Ok(())
}

/// Deletes the rows of `keys`.
pub(crate) fn delete(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    keys: &[&StoredKey],
) -> Result<(), ReadError> {
    let width = key_columns(model.columns()).count();
    let names = quoted(key_columns(model.columns()));
    for batch in batches(keys) {
        let groups = placeholders(batch.len(), width);
        let sql = format!("DELETE FROM \"{}\" WHERE ({names}) IN (VALUES {groups})", build.table());
        let values = batch.iter().flat_map(|key| key.iter());
        conn.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    }
    Ok(())
}

/// Shows every row of the build to `see`, partition first, in key order.
pub(crate) fn scan(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    mut see: impl FnMut(&[Value]),
) -> Result<(), ReadError> {
    let mut statement = conn.prepare(&in_key_order(build, model))?;
    let mut rows = statement.query([])?;
    while let Some(row) = next(&mut rows, model)? {
        see(&row);
    }
    Ok(())
}

/// Shows every row of two builds to `see`, those of the same key together, in key order.
pub(crate) fn scan_both(
    conn: &Connection,
    model: &dyn AnyModel,
    one: &Build,
    other: &Build,
    mut see: impl FnMut(Option<&[Value]>, Option<&[Value]>),
) -> Result<(), ReadError> {
    let key_width = key_columns(model.columns()).count();
    let (mut left, mut right) =
        (conn.prepare(&in_key_order(one, model))?, conn.prepare(&in_key_order(other, model))?);
    let (mut left, mut right) = (left.query([])?, right.query([])?);
    let (mut one, mut other) = (next(&mut left, model)?, next(&mut right, model)?);
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one[..key_width].cmp(&other[..key_width]),
        };
        see(one.as_deref().filter(|_| order.is_le()), other.as_deref().filter(|_| order.is_ge()));
        if order.is_le() {
            one = next(&mut left, model)?;
        }
        if order.is_ge() {
            other = next(&mut right, model)?;
        }
    }
}

fn in_key_order(build: &Build, model: &dyn AnyModel) -> String {
    let all = std::iter::once(&PARTITION).chain(model.columns());
    let order = quoted(key_columns(model.columns()));
    format!("SELECT {} FROM \"{}\" ORDER BY {order}", quoted(all), build.table())
}

fn next(rows: &mut Rows<'_>, model: &dyn AnyModel) -> Result<Option<Vec<Value>>, ReadError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    values(row, 0, std::iter::once(&PARTITION).chain(model.columns())).map(Some)
}
