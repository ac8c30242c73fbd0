//! Rows in bulk: load by keys, write, delete, and read a whole table in key order.

use super::tables::{Build, view};
use super::{PARTITION, Seen, batches, placeholders, quoted, values};
use crate::model::{AnyModel, Erased, ReadModel, StoredKey, StoredRow};
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Role, Row, Unreadable, Value};
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
    mut found: impl FnMut(&rusqlite::Row<'_>) -> Result<(), ReadError>,
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
            found(row)?;
        }
    }
    Ok(())
}

/// The rows of `keys` that the build has; of one that cannot be read, why.
pub(crate) fn load(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    keys: &[StoredKey],
) -> Result<HashMap<StoredKey, Result<StoredRow, Unreadable>>, ReadError> {
    let key: Vec<_> = key_columns(model.columns()).collect();
    let mut rows = HashMap::with_capacity(keys.len());
    load_from(conn, &build.table(), model.columns(), keys, |row| {
        // What was found by its key has one that can be read.
        let key = [values(row, 0, [&PARTITION])?, values(row, 1, key[1..].iter().copied())?].concat();
        match values(row, 1, model.columns()) {
            Ok(row) => rows.insert(key, Ok(row)),
            Err(ReadError::Unreadable(why)) => rows.insert(key, Err(why)),
            Err(error) => return Err(error),
        };
        Ok(())
    })?;
    Ok(rows)
}

/// The live rows of `keys` that exist.
pub(crate) fn rows_of<M: ReadModel>(conn: &Connection, keys: &[StoredKey]) -> Result<Vec<M::Row>, ReadError> {
    let mut rows = Vec::with_capacity(keys.len());
    load_from(conn, &view(&Erased::<M>::new()), M::Row::COLUMNS, keys, |row| {
        rows.push(M::Row::from_values(values(row, 1, M::Row::COLUMNS)?)?);
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

/// Shows every row of the build to `see`, partition first, in key order. What cannot be read is a text that says so.
pub(crate) fn scan(
    conn: &Connection,
    build: &Build,
    model: &dyn AnyModel,
    mut see: impl FnMut(&[Value]),
) -> Result<(), ReadError> {
    let mut statement = conn.prepare(&in_key_order(build, model))?;
    let mut rows = statement.query([])?;
    while let Some(row) = next(&mut rows, model)? {
        see(&row.values);
    }
    Ok(())
}

/// Shows every row of two builds to `see`, those of the same key together, in key order. What cannot be read is a text
/// that says so; no row of the other build has a key with such a text.
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
            // A key that cannot be read has no place among the others: it is shown where it stands.
            (Some(one), Some(_)) if one.readable < key_width => Ordering::Less,
            (Some(_), Some(other)) if other.readable < key_width => Ordering::Greater,
            (Some(one), Some(other)) => one.values[..key_width].cmp(&other.values[..key_width]),
        };
        let of_one = one.as_ref().filter(|_| order.is_le());
        let of_other = other.as_ref().filter(|_| order.is_ge());
        see(of_one.map(|row| &row.values[..]), of_other.map(|row| &row.values[..]));
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

fn next(rows: &mut Rows<'_>, model: &dyn AnyModel) -> Result<Option<Seen>, ReadError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Seen::of(row, std::iter::once(&PARTITION).chain(model.columns())).map(Some)
}
