//! Which keys of which build are frozen, and why.

use super::tables::{Build, position, stored};
use crate::model::{AnyModel, StoredKey};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::row::{Field, Unreadable};
use cityos_domain::ids::EventId;
use cityos_domain::log::Partition;
use rusqlite::{Connection, params};
use std::collections::HashSet;
use uuid::Uuid;

fn encode(key: &StoredKey) -> String {
    serde_json::to_string(key).expect("keys hold only what JSON can")
}

fn decode(key: &str) -> Result<StoredKey, ReadError> {
    Ok(serde_json::from_str(key).map_err(|_| Unreadable::not::<StoredKey>(key.to_owned().into_value()))?)
}

/// Keeps later events of the row's key out of the build; of a row that is frozen already, says anew why.
pub(crate) fn freeze(conn: &Connection, build: &Build, row: &Frozen) -> Result<(), ReadError> {
    let Frozen { key, position, event, error } = row;
    conn.prepare_cached(
        "INSERT OR REPLACE INTO frozen (build, key, position, event, error) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![build.table(), encode(key), stored(*position), event.0.as_bytes(), error])?;
    Ok(())
}

/// Lets the events of `key` in again.
pub(crate) fn thaw(conn: &Connection, build: &Build, key: &StoredKey) -> Result<(), ReadError> {
    conn.prepare_cached("DELETE FROM frozen WHERE build = ? AND key = ?")?
        .execute(params![build.table(), encode(key)])?;
    Ok(())
}

/// The frozen keys of a build, each with the event that did not fit.
pub(crate) fn frozen(conn: &Connection, build: &Build) -> Result<Vec<Frozen>, ReadError> {
    frozen_first(conn, build, None, usize::MAX)
}

/// The first of them, by key, at most `limit`: of one partition, or of all.
pub(crate) fn frozen_first(
    conn: &Connection,
    build: &Build,
    partition: Option<Partition>,
    limit: usize,
) -> Result<Vec<Frozen>, ReadError> {
    let prefix = partition.map(|partition| encode(&vec![partition.id().into_value()]));
    let prefix = prefix.as_deref().and_then(|key| key.strip_suffix(']')).unwrap_or_default();
    let mut statement = conn.prepare_cached(
        "SELECT key, position, event, error FROM frozen WHERE build = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
    )?;
    let end = format!("{prefix}{}", char::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![build.table(), prefix, end, limit])?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(Frozen {
            key: decode(&row.get::<_, String>(0)?)?,
            position: position(row.get(1)?),
            event: EventId(Uuid::from_bytes(row.get(2)?)),
            error: row.get(3)?,
        });
    }
    Ok(list)
}

/// How many keys of a build are frozen.
pub(crate) fn frozen_count(conn: &Connection, build: &Build) -> Result<u64, ReadError> {
    let count: i64 = conn
        .prepare_cached("SELECT count(*) FROM frozen WHERE build = ?")?
        .query_row([build.table()], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Which of `keys` are frozen.
pub(crate) fn frozen_among<'k>(
    conn: &Connection,
    build: &Build,
    keys: impl Iterator<Item = &'k StoredKey>,
) -> Result<HashSet<StoredKey>, ReadError> {
    let table = build.table();
    // As nearly always none is: then the keys are not even spelled out.
    let some: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM frozen WHERE build = ?)")?
        .query_row([&table], |row| row.get(0))?;
    if !some {
        return Ok(HashSet::new());
    }
    let keys: serde_json::Value = keys.map(encode).collect();
    let mut statement = conn.prepare_cached(
        "SELECT key FROM frozen WHERE build = ? AND key IN (SELECT value FROM json_each(?))",
    )?;
    let mut rows = statement.query(params![table, keys.to_string()])?;
    let mut found = HashSet::new();
    while let Some(row) = rows.next()? {
        found.insert(decode(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}

/// Which of `keys` are frozen in the live build.
pub(crate) fn frozen_live(
    conn: &Connection,
    model: &dyn AnyModel,
    keys: &[StoredKey],
) -> Result<HashSet<StoredKey>, ReadError> {
    let keys: serde_json::Value = keys.iter().map(encode).collect();
    let mut statement = conn.prepare_cached(
        "SELECT key FROM frozen WHERE build = (SELECT concat_ws('_', model, fingerprint, build) FROM live
             WHERE model = ? AND fingerprint = ?) AND key IN (SELECT value FROM json_each(?))",
    )?;
    let mut rows = statement.query(params![model.name(), model.fingerprint(), keys.to_string()])?;
    let mut found = HashSet::new();
    while let Some(row) = rows.next()? {
        found.insert(decode(&row.get::<_, String>(0)?)?);
    }
    Ok(found)
}
