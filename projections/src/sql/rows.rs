//! Rows in bulk: load by keys, write, delete, and read a whole table in key order.

use super::tables::{Build, view};
use super::{all_columns, key_columns, quoted};
use crate::dialect::Dialect;
use crate::model::{AnyModel, Erased, ReadModel, StoredKey, StoredRow};
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Row, Unreadable, Value};
use crate::session::{Found, Read, Rows, Session, Statement};
use std::cmp::Ordering;
use std::collections::HashMap;

/// What looks up the rows of `keys`, partition first.
fn lookup<'k>(
    dialect: &'static dyn Dialect,
    table: &str,
    columns: &'static [ColumnSpec],
    keys: &'k [StoredKey],
) -> impl Iterator<Item = Statement<'k>> + use<'k> {
    let key: Vec<_> = key_columns(columns).collect();
    let equal = |(at, column): (usize, &&ColumnSpec)| {
        format!("\"{table}\".\"{}\" = wanted.column{}", column.name, at + 1)
    };
    let found: Vec<_> = key.iter().enumerate().map(equal).collect();
    let select = format!("SELECT {}", quoted(all_columns(columns)));
    // A cross join keeps its order where there is a choice: each wanted key is looked up, the table is never scanned.
    let of_wanted = format!("AS wanted CROSS JOIN \"{table}\" WHERE {}", found.join(" AND "));
    keys.chunks(dialect.looked_up_at_once()).map(move |keys| {
        // A key found twice is the same row.
        let last = keys.last().into_iter().cycle();
        let keys: Vec<_> = keys.iter().chain(last).take(dialect.filled_up_to(keys.len())).collect();
        let cells = |at| keys.iter().map(|key| &key[at]).collect();
        let wanted = key.iter().enumerate().map(|(at, column)| (column.kind, cells(at)));
        let Statement { sql, parameters } = dialect.tuples(wanted.collect());
        Statement { sql: format!("{select} FROM ({sql}) {of_wanted}"), parameters }
    })
}

/// The rows of `keys` that the build has; of one that cannot be read, why.
pub(crate) fn load(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    keys: &[StoredKey],
) -> Result<HashMap<StoredKey, Result<StoredRow, Unreadable>>, ReadError> {
    let columns = model.columns();
    let mut rows = HashMap::with_capacity(keys.len());
    for Statement { sql, parameters } in lookup(session.dialect(), &build.table(), columns, keys) {
        session.query(&sql, &parameters, &mut |row| {
            // What was found by its key has one that can be read.
            rows.insert(row.values(0, key_columns(columns))?, row.values(1, columns));
            Ok(())
        })?;
    }
    Ok(rows)
}

/// Asks for the live rows of `keys`.
pub(crate) fn by_keys<'k, M: ReadModel>(
    dialect: &'static dyn Dialect,
    keys: &'k [StoredKey],
) -> impl Iterator<Item = (Statement<'k>, Read<M::Row>)> + use<'k, M> {
    let statements = lookup(dialect, &view(&Erased::<M>::new()), M::Row::COLUMNS, keys);
    statements.map(|statement| (statement, read_row::<M> as Read<M::Row>))
}

/// A row whose partition stands before it.
fn read_row<M: ReadModel>(row: &dyn Found) -> Result<M::Row, ReadError> {
    Ok(M::Row::from_values(row.said_in(1, M::Row::COLUMNS)?)?)
}

/// Writes rows, over those of the same keys.
pub(crate) fn upsert(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    mut rows: &[(&StoredKey, &StoredRow)],
) -> Result<(), ReadError> {
    let (dialect, table) = (session.dialect(), build.table());
    let columns: Vec<_> = all_columns(model.columns()).collect();
    while !rows.is_empty() {
        let (batch, rest) = rows.split_at(dialect.written_at_once(rows.len()));
        rows = rest;
        let cells = |at: usize| match at {
            0 => batch.iter().map(|(key, _)| &key[0]).collect(),
            at => batch.iter().map(|(_, row)| &row[at - 1]).collect(),
        };
        let written = columns.iter().enumerate().map(|(at, column)| (column.kind, cells(at)));
        let Statement { sql, parameters } = dialect.tuples(written.collect());
        session.execute(&dialect.upsert(&table, &columns, &sql), &parameters)?;
    }
    Ok(())
}

/// The same for rows each of which the database may refuse: of such a row nothing is written, and `refused` is told its
/// place among `rows` and why.
pub(crate) fn upsert_each(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    rows: &[(&StoredKey, &StoredRow)],
    refused: &mut dyn FnMut(usize, String),
) -> Result<(), ReadError> {
    if rows.is_empty() {
        return Ok(());
    }
    match session.attempt(&mut || upsert(session, build, model, rows)) {
        Err(ReadError::Refused(why)) if rows.len() == 1 => refused(0, why),
        Err(ReadError::Refused(_)) => {
            // Whichever it is: it is in one of the halves.
            let (one, other) = rows.split_at(rows.len() / 2);
            upsert_each(session, build, model, one, refused)?;
            upsert_each(session, build, model, other, &mut |at, why| refused(one.len() + at, why))?;
        }
        written => written?,
    }
    Ok(())
}

/// Deletes the rows of `keys`.
pub(crate) fn delete(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    mut keys: &[&StoredKey],
) -> Result<(), ReadError> {
    let dialect = session.dialect();
    let columns: Vec<_> = key_columns(model.columns()).collect();
    while !keys.is_empty() {
        let (batch, rest) = keys.split_at(dialect.written_at_once(keys.len()));
        keys = rest;
        let cells = |at| batch.iter().map(|key| &key[at]).collect();
        let gone = columns.iter().enumerate().map(|(at, column)| (column.kind, cells(at)));
        let Statement { sql, parameters } = dialect.tuples(gone.collect());
        let names = quoted(columns.iter().copied());
        let sql = format!("DELETE FROM \"{}\" WHERE ({names}) IN ({sql})", build.table());
        session.execute(&sql, &parameters)?;
    }
    Ok(())
}

/// Shows every row of the build to `see`, partition first, in key order. What cannot be read is a text that says so.
pub(crate) fn scan(
    session: &dyn Session,
    build: &Build,
    model: &dyn AnyModel,
    mut see: impl FnMut(&[Value]),
) -> Result<(), ReadError> {
    session.scan(&in_key_order(build, model), &mut |rows| {
        while let Some(row) = next(rows, model)? {
            see(&row.values);
        }
        Ok(())
    })
}

/// Shows every row of two builds to `see`, those of the same key together, in key order. What cannot be read is a text
/// that says so; no row of the other build has a key with such a text.
pub(crate) fn scan_both(
    session: &dyn Session,
    model: &dyn AnyModel,
    one: &Build,
    other: &Build,
    mut see: impl FnMut(Option<&[Value]>, Option<&[Value]>),
) -> Result<(), ReadError> {
    session.scan(&in_key_order(one, model), &mut |left| {
        session.scan(&in_key_order(other, model), &mut |right| merge(model, left, right, &mut see))
    })
}

fn merge(
    model: &dyn AnyModel,
    left: &mut dyn Rows,
    right: &mut dyn Rows,
    see: &mut impl FnMut(Option<&[Value]>, Option<&[Value]>),
) -> Result<(), ReadError> {
    let key_width = key_columns(model.columns()).count();
    let (mut one, mut other) = (next(left, model)?, next(right, model)?);
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
            one = next(left, model)?;
        }
        if order.is_ge() {
            other = next(right, model)?;
        }
    }
}

fn in_key_order(build: &Build, model: &dyn AnyModel) -> String {
    let (all, order) = (quoted(all_columns(model.columns())), quoted(key_columns(model.columns())));
    format!("SELECT {all} FROM \"{}\" ORDER BY {order}", build.table())
}

/// A row to look at: a value that cannot be read is a text that says so.
struct Seen {
    values: Vec<Value>,
    /// How many of the first values could be read.
    readable: usize,
}

fn next(rows: &mut dyn Rows, model: &dyn AnyModel) -> Result<Option<Seen>, ReadError> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let (mut values, mut readable) = (Vec::with_capacity(model.columns().len() + 1), None);
    for (at, column) in all_columns(model.columns()).enumerate() {
        values.push(row.value(at, column.kind).unwrap_or_else(|Unreadable { value, .. }| {
            readable.get_or_insert(at);
            Value::Text(format!("unreadable: {value}"))
        }));
    }
    let readable = readable.unwrap_or(values.len());
    Ok(Some(Seen { values, readable }))
}
