//! Which tables there are: the builds of each model, how far each has come, which one is live, and which of
//! their keys are frozen. Readers go through a view named after model and fingerprint, which always shows the
//! live build.

use super::{PARTITION, quoted, storage};
use crate::model::{AnyModel, StoredKey};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Field, Role, Unreadable};
use cityos_domain::ids::EventId;
use cityos_domain::log::Position;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// The tables about the others.
pub(super) const BOOKKEEPING: &str = "
    CREATE TABLE about (schema_version INTEGER NOT NULL, log BLOB) STRICT;
    INSERT INTO about (schema_version) VALUES (1);
    CREATE TABLE builds (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, build INTEGER NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (model, fingerprint, build)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE live (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, build INTEGER NOT NULL,
        PRIMARY KEY (model, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE frozen (
        build TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, event BLOB NOT NULL,
        error TEXT NOT NULL,
        PRIMARY KEY (build, key)
    ) STRICT, WITHOUT ROWID;";

/// Whether these are the read models of the log of this name. The first one asked about is taken for theirs.
pub(crate) fn belong_to(conn: &Connection, log: Uuid) -> Result<bool, ReadError> {
    conn.execute("UPDATE about SET log = ? WHERE log IS NULL", [log.as_bytes()])?;
    let own: [u8; 16] = conn.query_row("SELECT log FROM about", [], |row| row.get(0))?;
    Ok(own == *log.as_bytes())
}

/// One physical table of a model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Build {
    /// The model's name.
    pub(crate) model: &'static str,
    /// The model's fingerprint.
    pub(crate) fingerprint: String,
    /// Counts the builds of this fingerprint, from 1.
    pub(crate) number: i64,
    /// What it was built from: every event up to here.
    pub(crate) position: Position,
}

impl Build {
    /// The table's name.
    pub(crate) fn table(&self) -> String {
        format!("{}_{}_{}", self.model, self.fingerprint, self.number)
    }
}

/// The name readers use.
pub(super) fn view(model: &dyn AnyModel) -> String {
    format!("{}_{}", model.name(), model.fingerprint())
}

fn position(stored: i64) -> Position {
    Position(stored.try_into().expect("positions are not negative"))
}

fn stored(position: Position) -> i64 {
    position.0.try_into().expect("positions stay far below 2^63")
}

/// Makes sure that the model has a live build, if only an empty one.
pub(crate) fn prepare(conn: &Connection, model: &dyn AnyModel) -> Result<(), ReadError> {
    if live_build_if_any(conn, model)?.is_none() {
        let first = Build {
            model: model.name(),
            fingerprint: model.fingerprint(),
            number: 1,
            position: Position::START,
        };
        create_build(conn, model, &first)?;
        conn.execute(
            "INSERT INTO live (model, fingerprint, build) VALUES (?, ?, ?)",
            params![first.model, first.fingerprint, first.number],
        )?;
        show(conn, model, &first)?;
    }
    Ok(())
}

/// The build that is live for this program.
pub(crate) fn live_build(conn: &Connection, model: &dyn AnyModel) -> Result<Build, ReadError> {
    Ok(live_build_if_any(conn, model)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
}

fn live_build_if_any(conn: &Connection, model: &dyn AnyModel) -> Result<Option<Build>, ReadError> {
    let number = conn
        .prepare_cached("SELECT build FROM live WHERE model = ? AND fingerprint = ?")?
        .query_row(params![model.name(), model.fingerprint()], |row| row.get(0))
        .optional()?;
    number.map(|number| build(conn, model, number)).transpose()
}

/// The build of this number.
pub(crate) fn build(conn: &Connection, model: &dyn AnyModel, number: i64) -> Result<Build, ReadError> {
    let fingerprint = model.fingerprint();
    let at = conn
        .prepare_cached("SELECT position FROM builds WHERE model = ? AND fingerprint = ? AND build = ?")?
        .query_row(params![model.name(), fingerprint, number], |row| row.get(0))?;
    Ok(Build { model: model.name(), fingerprint, number, position: position(at) })
}

/// How far the live builds of `models` have come, in their order.
pub(crate) fn positions(conn: &Connection, models: &[&dyn AnyModel]) -> Result<Vec<Position>, ReadError> {
    let mut statement = conn.prepare_cached(
        "SELECT model, fingerprint, position FROM live JOIN builds USING (model, fingerprint, build)",
    )?;
    let mut rows = statement.query([])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let model: (String, String) = (row.get(0)?, row.get(1)?);
        found.insert(model, position(row.get(2)?));
    }
    let of = |model: &&dyn AnyModel| {
        found
            .get(&(model.name().to_owned(), model.fingerprint()))
            .copied()
            .ok_or(rusqlite::Error::QueryReturnedNoRows.into())
    };
    models.iter().map(of).collect()
}

/// The build after the live one: begun now, or by someone who did not finish it.
pub(crate) fn next_build(conn: &Connection, model: &dyn AnyModel) -> Result<Build, ReadError> {
    let live = live_build(conn, model)?;
    let next = Build { number: live.number + 1, position: Position::START, ..live };
    let newest: i64 = conn
        .prepare_cached("SELECT max(build) FROM builds WHERE model = ? AND fingerprint = ?")?
        .query_row(params![next.model, next.fingerprint], |row| row.get(0))?;
    if newest < next.number {
        create_build(conn, model, &next)?;
    }
    build(conn, model, next.number)
}

/// Makes the table of a build, its indexes, and its place in the books.
fn create_build(conn: &Connection, model: &dyn AnyModel, build: &Build) -> Result<(), ReadError> {
    let table = build.table();
    let column = |column: &ColumnSpec| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("\"{}\" {}{null}", column.name, storage(column.kind))
    };
    let columns: Vec<_> = std::iter::once(&PARTITION).chain(model.columns()).map(column).collect();
    let key = model.columns().iter().filter(|column| column.role == Role::Key);
    let key = quoted(std::iter::once(&PARTITION).chain(key));
    let mut ddl = format!(
        "CREATE TABLE \"{table}\" ({}, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID;",
        columns.join(", ")
    );
    // The key follows in every index of a table without row ids, so that sorted pages need no sorting.
    for ColumnSpec { name, role, .. } in model.columns() {
        if matches!(role, Role::Indexed | Role::Across) {
            let indexed = format!("\"partition\", \"{name}\"");
            ddl.push_str(&format!("CREATE INDEX \"{table}_{name}\" ON \"{table}\" ({indexed});"));
        }
        if *role == Role::Across {
            let indexed = format!("\"{name}\", \"partition\"");
            ddl.push_str(&format!("CREATE INDEX \"{table}_across_{name}\" ON \"{table}\" ({indexed});"));
        }
    }
    conn.execute_batch(&ddl)?;
    conn.execute(
        "INSERT INTO builds (model, fingerprint, build, position) VALUES (?, ?, ?, ?)",
        params![build.model, build.fingerprint, build.number, stored(build.position)],
    )?;
    Ok(())
}

/// Moves a build's checkpoint on, if it is still where `build` says: otherwise someone else was quicker.
pub(crate) fn advance(conn: &Connection, build: &Build, to: Position) -> Result<bool, ReadError> {
    let moved = conn
        .prepare_cached(
            "UPDATE builds SET position = ? WHERE model = ? AND fingerprint = ? AND build = ? AND position = ?",
        )?
        .execute(params![
            stored(to),
            build.model,
            build.fingerprint,
            build.number,
            stored(build.position)
        ])?;
    Ok(moved == 1)
}

/// Makes `next` live instead of the build before it, if that one is still live and not ahead.
pub(crate) fn switch(conn: &Connection, model: &dyn AnyModel, next: &Build) -> Result<bool, ReadError> {
    let live = live_build(conn, model)?;
    if live.number + 1 != next.number || live.position > next.position {
        return Ok(false);
    }
    conn.execute(
        "UPDATE live SET build = ? WHERE model = ? AND fingerprint = ? AND build = ?",
        params![next.number, next.model, next.fingerprint, live.number],
    )?;
    show(conn, model, next)?;
    Ok(true)
}

fn show(conn: &Connection, model: &dyn AnyModel, build: &Build) -> Result<(), ReadError> {
    let (view, table) = (view(model), build.table());
    conn.execute_batch(&format!(
        "DROP VIEW IF EXISTS \"{view}\"; CREATE VIEW \"{view}\" AS SELECT * FROM \"{table}\";"
    ))?;
    Ok(())
}

/// Drops the builds before the one that was live before the live one.
pub(crate) fn discard_stale_builds(conn: &Connection, model: &dyn AnyModel) -> Result<(), ReadError> {
    let live = live_build(conn, model)?;
    let stale: Vec<i64> = conn
        .prepare_cached("SELECT build FROM builds WHERE model = ? AND fingerprint = ? AND build < ?")?
        .query_map(params![live.model, live.fingerprint, live.number - 1], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for number in stale {
        let build = Build { number, ..live.clone() };
        conn.execute_batch(&format!("DROP TABLE \"{}\"", build.table()))?;
        conn.execute("DELETE FROM frozen WHERE build = ?", [build.table()])?;
        conn.execute(
            "DELETE FROM builds WHERE model = ? AND fingerprint = ? AND build = ?",
            params![build.model, build.fingerprint, build.number],
        )?;
    }
    Ok(())
}

fn encode(key: &StoredKey) -> String {
    serde_json::to_string(key).expect("keys hold only what JSON can")
}

fn decode(key: &str) -> Result<StoredKey, ReadError> {
    Ok(serde_json::from_str(key).map_err(|_| Unreadable::not::<StoredKey>(key.to_owned().into_value()))?)
}

/// Keeps later events of the row's key out of the build.
pub(crate) fn freeze(conn: &Connection, build: &Build, row: &Frozen) -> Result<(), ReadError> {
    let Frozen { key, position, event, error } = row;
    conn.prepare_cached("INSERT INTO frozen (build, key, position, event, error) VALUES (?, ?, ?, ?, ?)")?
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
    let mut statement =
        conn.prepare_cached("SELECT key, position, event, error FROM frozen WHERE build = ? ORDER BY key")?;
    let mut rows = statement.query([build.table()])?;
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
