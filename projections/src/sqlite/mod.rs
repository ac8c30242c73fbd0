//! Everything that is SQLite's own: how values are stored and how statements are spelled. The rest of the
//! crate knows only models, keys, rows and questions.

mod frozen;
mod rows;
mod scratch;
mod select;
mod switching;
mod tables;

pub(crate) use frozen::{freeze, frozen, frozen_among, frozen_count, frozen_first, frozen_live, thaw};
pub(crate) use rows::{delete, load, rows_of, scan, scan_both, upsert};
pub(crate) use scratch::{Scratch, Snapshot, open_scratch, open_snapshot, write_changes};
#[cfg(test)]
pub(crate) use select::statement;
pub(crate) use select::{count, select, sums};
pub(crate) use switching::{build_before, drop_build, drop_table, next_build, reject, size, switch, tables};
pub(crate) use tables::{
    Build, Place, advance, belong_to, build, indexes, live_build, live_build_if_any, may_belong_to, places,
    prepare,
};

use crate::reads::ReadError;
use crate::row::{ColumnSpec, Type, Unreadable, Value};
use chrono::{DateTime, NaiveDate};
use cityos_eventstore::database::sqlite::{self, Schema};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// How long a connection waits for another process to finish its write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps.
const STATEMENTS_KEPT: usize = 256;

const SCHEMA: Schema =
    Schema { application: i32::from_be_bytes(*b"cRea"), version: 1, sql: tables::BOOKKEEPING };

/// How much of the tables the writer keeps in memory, in KiB: rows lie in the order of keys that are not in the log's.
const WRITER_CACHE_KIB: i32 = 131_072;

pub(crate) fn open_writer(path: &Path, statements: &Arc<AtomicU64>) -> Result<Connection, ReadError> {
    let mut conn = sqlite::open(path, &SCHEMA)?;
    configure(&mut conn, statements)?;
    // What the last commits wrote can be made from the log again.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    conn.execute_batch(tables::LATER)?;
    Ok(conn)
}

pub(crate) fn open_reader(path: &Path, statements: &Arc<AtomicU64>) -> Result<Connection, ReadError> {
    let mut conn = sqlite::open_reader(path)?;
    configure(&mut conn, statements)?;
    Ok(conn)
}

fn configure(conn: &mut Connection, statements: &Arc<AtomicU64>) -> Result<(), ReadError> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let statements = statements.clone();
    let count = move |_: TraceEvent<'_>| {
        statements.fetch_add(1, Ordering::Relaxed);
    };
    conn.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(count))?;
    Ok(())
}

/// Whether the database took offence at a row rather than failed altogether: the transaction goes on.
pub(crate) fn is_refusal(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TooBig | TypeMismatch))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Bool(yes) => ToSqlOutput::Borrowed(ValueRef::Integer((*yes).into())),
            Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Uuid(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Value::Instant(at) => ToSqlOutput::Borrowed(ValueRef::Integer(at.timestamp_micros())),
            Value::Date(date) => ToSqlOutput::Owned(date.format(DATE).to_string().into()),
        })
    }
}

const DATE: &str = "%Y-%m-%d";

fn storage(kind: Type) -> &'static str {
    match kind {
        Type::Bool | Type::Integer | Type::Instant => "INTEGER",
        Type::Text | Type::Date | Type::Json => "TEXT",
        Type::Uuid => "BLOB",
    }
}

fn value(kind: Type, stored: ValueRef<'_>) -> Result<Value, Unreadable> {
    let read = match (kind, stored) {
        (_, ValueRef::Null) => Some(Value::Null),
        (Type::Bool, ValueRef::Integer(number)) => Some(Value::Bool(number != 0)),
        (Type::Integer, ValueRef::Integer(number)) => Some(Value::Integer(number)),
        (Type::Instant, ValueRef::Integer(micros)) => {
            DateTime::from_timestamp_micros(micros).map(Value::Instant)
        }
        (Type::Uuid, ValueRef::Blob(bytes)) => Uuid::from_slice(bytes).ok().map(Value::Uuid),
        (Type::Text | Type::Json, ValueRef::Text(bytes)) => {
            std::str::from_utf8(bytes).ok().map(|text| Value::Text(text.to_owned()))
        }
        (Type::Date, ValueRef::Text(bytes)) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| NaiveDate::parse_from_str(text, DATE).ok())
            .map(Value::Date),
        _ => None,
    };
    read.ok_or_else(|| Unreadable { wanted: kind.name(), value: Value::Text(shown(stored)) })
}

/// What is stored, for people.
fn shown(stored: ValueRef<'_>) -> String {
    match stored {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The values of `columns`, which stand in the row from `first` on.
fn values<'c>(
    row: &rusqlite::Row<'_>,
    first: usize,
    columns: impl IntoIterator<Item = &'c ColumnSpec>,
) -> Result<Vec<Value>, ReadError> {
    let read = |(at, column): (usize, &ColumnSpec)| Ok(value(column.kind, row.get_ref(first + at)?)?);
    columns.into_iter().enumerate().map(read).collect()
}

/// A row to look at: a value that cannot be read is a text that says so.
struct Seen {
    values: Vec<Value>,
    /// How many of the first values could be read.
    readable: usize,
}

impl Seen {
    fn of<'c>(
        row: &rusqlite::Row<'_>,
        columns: impl IntoIterator<Item = &'c ColumnSpec>,
    ) -> Result<Self, ReadError> {
        let (mut values, mut readable) = (Vec::new(), None);
        for (at, column) in columns.into_iter().enumerate() {
            values.push(value(column.kind, row.get_ref(at)?).unwrap_or_else(
                |Unreadable { value, .. }| {
                    readable.get_or_insert(at);
                    Value::Text(format!("unreadable: {value}"))
                },
            ));
        }
        let readable = readable.unwrap_or(values.len());
        Ok(Seen { values, readable })
    }
}

/// The partition, as the first column of every table.
const PARTITION: ColumnSpec =
    ColumnSpec { name: "partition", kind: Type::Uuid, nullable: false, role: crate::row::Role::Key };

fn quoted<'c>(columns: impl IntoIterator<Item = &'c ColumnSpec>) -> String {
    let names: Vec<_> = columns.into_iter().map(|column| format!("\"{}\"", column.name)).collect();
    names.join(", ")
}

/// `count` groups of `width` parameters: `(?,?),(?,?)`.
fn placeholders(count: usize, width: usize) -> String {
    let group = format!("({})", vec!["?"; width].join(","));
    vec![group; count].join(",")
}

/// The most rows one statement writes.
const BATCH_ROWS_MAX: usize = 64;

/// Cuts `items` into batches whose sizes are powers of two, so that few different statements are prepared.
fn batches<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if items.is_empty() {
            return None;
        }
        let size = BATCH_ROWS_MAX.min(1 << items.len().ilog2());
        let (batch, rest) = items.split_at(size);
        items = rest;
        Some(batch)
    })
}
