//! From one build of a model to another: the build that is being made, the switch to it, the way back, and what is
//! dropped.

use super::tables::{Build, build, create_build, live_build, next_number, position, show};
use crate::builds::{Table, TableState};
use crate::model::AnyModel;
use crate::reads::ReadError;
use cityos_domain::log::Position;
use rusqlite::{Connection, OptionalExtension, params};

/// The build that is to be the next: begun now, or by someone who did not finish it.
pub(crate) fn next_build(conn: &Connection, model: &dyn AnyModel) -> Result<Build, ReadError> {
    let live = live_build(conn, model)?;
    let begun = conn
        .query_row(
            "SELECT build FROM unfinished WHERE model = ? AND fingerprint = ?",
            params![live.model, live.fingerprint],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(number) = begun {
        return build(conn, model, number);
    }
    let next = Build { number: next_number(conn, model)?, position: Position::START, ..live };
    create_build(conn, model, &next)?;
    conn.execute(
        "INSERT INTO unfinished (model, fingerprint, build) VALUES (?, ?, ?)",
        params![next.model, next.fingerprint, next.number],
    )?;
    Ok(next)
}

/// Makes a build that is whole the live one.
pub(crate) fn switch(conn: &Connection, model: &dyn AnyModel, to: &Build) -> Result<(), ReadError> {
    conn.execute(
        "UPDATE live SET build = ? WHERE model = ? AND fingerprint = ?",
        params![to.number, to.model, to.fingerprint],
    )?;
    for book in ["unfinished", "rejected"] {
        conn.execute(
            &format!("DELETE FROM {book} WHERE model = ? AND fingerprint = ? AND build = ?"),
            params![to.model, to.fingerprint, to.number],
        )?;
    }
    show(conn, model, to)
}

/// Remembers of a build that was live that it was turned away from.
pub(crate) fn reject(conn: &Connection, build: &Build) -> Result<(), ReadError> {
    conn.execute(
        "INSERT OR IGNORE INTO rejected (model, fingerprint, build) VALUES (?, ?, ?)",
        params![build.model, build.fingerprint, build.number],
    )?;
    Ok(())
}

/// What was live before the live build: the newest before it that nobody has turned away from.
pub(crate) fn build_before(conn: &Connection, model: &dyn AnyModel) -> Result<Option<Build>, ReadError> {
    let live = live_build(conn, model)?;
    let before: Option<i64> = conn.query_row(
        "SELECT max(build) FROM builds LEFT JOIN rejected USING (model, fingerprint, build)
         WHERE model = ? AND fingerprint = ? AND build < ? AND rejected.build IS NULL",
        params![live.model, live.fingerprint, live.number],
        |row| row.get(0),
    )?;
    before.map(|number| build(conn, model, number)).transpose()
}

/// Every build of every model, of this program and of others, without its size.
pub(crate) fn tables(conn: &Connection) -> Result<Vec<Table>, ReadError> {
    let mut statement = conn.prepare_cached(
        "SELECT model, fingerprint, builds.build, position, live.build IS builds.build, unfinished.build IS builds.build,
             rejected.build IS builds.build
         FROM builds LEFT JOIN rejected USING (model, fingerprint, build)
             LEFT JOIN live USING (model, fingerprint) LEFT JOIN unfinished USING (model, fingerprint)
         ORDER BY model, fingerprint, builds.build",
    )?;
    let rows = statement.query_map([], |row| {
        let state = match (row.get(4)?, row.get(5)?, row.get(6)?) {
            (true, _, _) => TableState::Live,
            (false, true, _) => TableState::Unfinished,
            (false, false, true) => TableState::Rejected,
            (false, false, false) => TableState::Old,
        };
        Ok(Table {
            model: row.get(0)?,
            fingerprint: row.get(1)?,
            build: row.get(2)?,
            position: position(row.get(3)?),
            state,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many rows a table has, and how many bytes it takes with its indexes.
pub(crate) fn size(conn: &Connection, table: &Table) -> Result<(u64, u64), ReadError> {
    let name = table.name();
    let rows: i64 = conn.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |row| row.get(0))?;
    let bytes: i64 = conn.query_row(
        "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE
         AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index'))",
        [name],
        |row| row.get(0),
    )?;
    Ok((rows.unsigned_abs(), bytes.unsigned_abs()))
}

/// Drops a table with all that is known about it. Where it is its fingerprint's live one, so goes what readers use.
pub(crate) fn drop_table(conn: &Connection, table: &Table) -> Result<(), ReadError> {
    let Table { model, fingerprint, build, state, .. } = table;
    if *state == TableState::Live {
        conn.execute_batch(&format!("DROP VIEW IF EXISTS \"{model}_{fingerprint}\""))?;
    }
    drop_named(conn, &table.name(), model, fingerprint, *build)
}

/// Drops a build that is not live.
pub(crate) fn drop_build(conn: &Connection, build: &Build) -> Result<(), ReadError> {
    drop_named(conn, &build.table(), build.model, &build.fingerprint, build.number)
}

fn drop_named(
    conn: &Connection,
    table: &str,
    model: &str,
    fingerprint: &str,
    build: i64,
) -> Result<(), ReadError> {
    conn.execute_batch(&format!("DROP TABLE IF EXISTS \"{table}\""))?;
    conn.execute("DELETE FROM frozen WHERE build = ?", [table])?;
    for book in ["live", "unfinished", "rejected", "builds"] {
        conn.execute(
            &format!("DELETE FROM {book} WHERE model = ? AND fingerprint = ? AND build = ?"),
            params![model, fingerprint, build],
        )?;
    }
    Ok(())
}
