//! Which tables there are: the builds of each model, how far each has come, and which one is live. Readers go
//! through a view named after model and fingerprint, which always shows the live build.

use super::{PARTITION, quoted, storage};
use crate::model::AnyModel;
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Role};
use cityos_domain::log::Position;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
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

/// What files of before do not have yet. An older program does not look at it.
pub(super) const LATER: &str = "
    CREATE TABLE IF NOT EXISTS unfinished (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, build INTEGER NOT NULL,
        PRIMARY KEY (model, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS rejected (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, build INTEGER NOT NULL,
        PRIMARY KEY (model, fingerprint, build)
    ) STRICT, WITHOUT ROWID;";

/// Whether these may be the read models of the log of this name, as far as they know theirs.
pub(crate) fn may_belong_to(conn: &Connection, log: Uuid) -> Result<bool, ReadError> {
    let own: Option<[u8; 16]> = conn.query_row("SELECT log FROM about", [], |row| row.get(0))?;
    Ok(own.is_none_or(|own| own == *log.as_bytes()))
}

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

/// Where a model stands: which build of it is live, and how far that has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The build's number.
    pub(crate) build: i64,
    /// How far it has come.
    pub(crate) position: Position,
}

/// The name readers use.
pub(super) fn view(model: &dyn AnyModel) -> String {
    format!("{}_{}", model.name(), model.fingerprint())
}

pub(super) fn position(stored: i64) -> Position {
    Position(stored.try_into().expect("positions are not negative"))
}

pub(super) fn stored(position: Position) -> i64 {
    position.0.try_into().expect("positions stay far below 2^63")
}

/// Makes sure that the model has a live build, if only an empty one.
pub(crate) fn prepare(conn: &Connection, model: &dyn AnyModel) -> Result<(), ReadError> {
    if live_build_if_any(conn, model)?.is_none() {
        let first = Build {
            model: model.name(),
            fingerprint: model.fingerprint(),
            number: next_number(conn, model)?,
            position: Position::START,
        };
        create_build(conn, model, &first)?;
        for index in indexes(model, &first) {
            conn.execute_batch(&index)?;
        }
        conn.execute(
            "INSERT INTO live (model, fingerprint, build) VALUES (?, ?, ?)",
            params![first.model, first.fingerprint, first.number],
        )?;
        show(conn, model, &first)?;
    }
    Ok(())
}

/// A number no build of this fingerprint has: there may be older ones where somebody dropped the live one.
pub(super) fn next_number(conn: &Connection, model: &dyn AnyModel) -> Result<i64, ReadError> {
    Ok(conn.query_row(
        "SELECT coalesce(max(build), 0) + 1 FROM builds WHERE model = ? AND fingerprint = ?",
        params![model.name(), model.fingerprint()],
        |row| row.get(0),
    )?)
}

/// The build that is live for this program.
pub(crate) fn live_build(conn: &Connection, model: &dyn AnyModel) -> Result<Build, ReadError> {
    Ok(live_build_if_any(conn, model)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
}

pub(crate) fn live_build_if_any(conn: &Connection, model: &dyn AnyModel) -> Result<Option<Build>, ReadError> {
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

/// Which builds of `models` are live, and how far they have come, in their order.
pub(crate) fn places(conn: &Connection, models: &[&dyn AnyModel]) -> Result<Vec<Place>, ReadError> {
    let mut statement = conn.prepare_cached(
        "SELECT model, fingerprint, build, position FROM live JOIN builds USING (model, fingerprint, build)",
    )?;
    let mut rows = statement.query([])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        let model: (String, String) = (row.get(0)?, row.get(1)?);
        found.insert(model, Place { build: row.get(2)?, position: position(row.get(3)?) });
    }
    let of = |model: &&dyn AnyModel| {
        found
            .get(&(model.name().to_owned(), model.fingerprint()))
            .copied()
            .ok_or(rusqlite::Error::QueryReturnedNoRows.into())
    };
    models.iter().map(of).collect()
}

/// Makes the table of a build and its place in the books. Its indexes are made apart: a table is filled faster
/// without them.
pub(super) fn create_build(conn: &Connection, model: &dyn AnyModel, build: &Build) -> Result<(), ReadError> {
    conn.execute_batch(&format!("CREATE TABLE {}", definition(model, build)))?;
    conn.execute(
        "INSERT INTO builds (model, fingerprint, build, position) VALUES (?, ?, ?, ?)",
        params![build.model, build.fingerprint, build.number, stored(build.position)],
    )?;
    Ok(())
}

/// What stands behind `CREATE TABLE`.
pub(super) fn definition(model: &dyn AnyModel, build: &Build) -> String {
    let column = |column: &ColumnSpec| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("\"{}\" {}{null}", column.name, storage(column.kind))
    };
    let columns: Vec<_> = std::iter::once(&PARTITION).chain(model.columns()).map(column).collect();
    let key = model.columns().iter().filter(|column| column.role == Role::Key);
    let key = quoted(std::iter::once(&PARTITION).chain(key));
    format!("\"{}\" ({}, PRIMARY KEY ({key})) STRICT, WITHOUT ROWID", build.table(), columns.join(", "))
}

/// The statements that make the indexes of a build, where they are not there.
pub(crate) fn indexes(model: &dyn AnyModel, build: &Build) -> Vec<String> {
    let table = build.table();
    let index = |name: String, columns: String| {
        format!("CREATE INDEX IF NOT EXISTS \"{table}_{name}\" ON \"{table}\" ({columns})")
    };
    // The key follows in every index of a table without row ids, so that sorted pages need no sorting.
    let of_column = |ColumnSpec { name, role, .. }: &ColumnSpec| {
        let within = || index((*name).to_owned(), format!("\"partition\", \"{name}\""));
        let across = || index(format!("across_{name}"), format!("\"{name}\", \"partition\""));
        match role {
            Role::Key | Role::Plain => Vec::new(),
            Role::Indexed => vec![within()],
            Role::Across => vec![within(), across()],
        }
    };
    model.columns().iter().flat_map(of_column).collect()
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

/// Has readers see this build.
pub(super) fn show(conn: &Connection, model: &dyn AnyModel, build: &Build) -> Result<(), ReadError> {
    let (view, table) = (view(model), build.table());
    conn.execute_batch(&format!(
        "DROP VIEW IF EXISTS \"{view}\"; CREATE VIEW \"{view}\" AS SELECT * FROM \"{table}\";"
    ))?;
    Ok(())
}
