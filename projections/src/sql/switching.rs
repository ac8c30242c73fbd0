//! From one build of a model to another: the build that is being made, the switch to it, the way back, and what is
//! dropped.

use super::tables::{Build, build, create_build, live_build, next_number, show};
use crate::builds::{Table, TableState};
use crate::model::AnyModel;
use crate::reads::ReadError;
use crate::row::{Field, Unreadable};
use crate::session::{Session, parameters};
use cityos_domain::log::Position;

/// The build that is to be the next: begun now, or by someone who did not finish it.
pub(crate) fn next_build(session: &dyn Session, model: &dyn AnyModel) -> Result<Build, ReadError> {
    let live = live_build(session, model)?;
    let begun = session.one(
        "SELECT build FROM unfinished WHERE model = ? AND fingerprint = ?",
        parameters![live.model, &live.fingerprint],
    )?;
    if let Some(number) = begun {
        return build(session, model, number);
    }
    let next = Build { number: next_number(session, model)?, position: Position::START, ..live };
    create_build(session, model, &next)?;
    session.execute(
        "INSERT INTO unfinished (model, fingerprint, build) VALUES (?, ?, ?)",
        parameters![next.model, &next.fingerprint, next.number],
    )?;
    Ok(next)
}

/// Makes a build that is whole the live one.
pub(crate) fn switch(session: &dyn Session, model: &dyn AnyModel, to: &Build) -> Result<(), ReadError> {
    session.execute(
        "UPDATE live SET build = ? WHERE model = ? AND fingerprint = ?",
        parameters![to.number, to.model, &to.fingerprint],
    )?;
    for book in ["unfinished", "rejected"] {
        session.execute(
            &format!("DELETE FROM {book} WHERE model = ? AND fingerprint = ? AND build = ?"),
            parameters![to.model, &to.fingerprint, to.number],
        )?;
    }
    show(session, model, to)
}

/// Remembers of a build that was live that it was turned away from.
pub(crate) fn reject(session: &dyn Session, build: &Build) -> Result<(), ReadError> {
    session.execute(
        "INSERT INTO rejected (model, fingerprint, build) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        parameters![build.model, &build.fingerprint, build.number],
    )?;
    Ok(())
}

/// What was live before the live build: the newest before it that nobody has turned away from.
pub(crate) fn build_before(session: &dyn Session, model: &dyn AnyModel) -> Result<Option<Build>, ReadError> {
    let live = live_build(session, model)?;
    let before: Option<Option<i64>> = session.one(
        "SELECT max(build) FROM builds LEFT JOIN rejected USING (model, fingerprint, build)
         WHERE model = ? AND fingerprint = ? AND build < ? AND rejected.build IS NULL",
        parameters![live.model, &live.fingerprint, live.number],
    )?;
    before.flatten().map(|number| build(session, model, number)).transpose()
}

/// Every build of every model, of this program and of others, without its size.
pub(crate) fn tables(session: &dyn Session) -> Result<Vec<Table>, ReadError> {
    session.all(
        "SELECT model, fingerprint, builds.build, position, CASE builds.build WHEN live.build THEN 'live'
             WHEN unfinished.build THEN 'unfinished' WHEN rejected.build THEN 'rejected' ELSE 'old' END
         FROM builds LEFT JOIN rejected USING (model, fingerprint, build)
             LEFT JOIN live USING (model, fingerprint) LEFT JOIN unfinished USING (model, fingerprint)
         ORDER BY model, fingerprint, builds.build",
        &[],
        |row| {
            let state: String = row.get(4)?;
            Ok(Table {
                model: row.get(0)?,
                fingerprint: row.get(1)?,
                build: row.get(2)?,
                position: row.position(3)?,
                state: TableState::named(&state)
                    .ok_or_else(|| Unreadable::not::<TableState>(state.into_value()))?,
            })
        },
    )
}

/// How many rows a table has, and how many bytes it takes with its indexes.
pub(crate) fn size(session: &dyn Session, table: &Table) -> Result<(u64, u64), ReadError> {
    let name = table.name();
    let rows = session.one(&format!("SELECT count(*) FROM \"{name}\""), &[])?;
    let bytes = session.one(session.dialect().bytes(), parameters![&name])?;
    Ok((rows.unwrap_or_default(), bytes.unwrap_or_default()))
}

/// Drops a table with all that is known about it. Where it is its fingerprint's live one, so goes what readers use.
pub(crate) fn drop_table(session: &dyn Session, table: &Table) -> Result<(), ReadError> {
    let Table { model, fingerprint, build, state, .. } = table;
    if *state == TableState::Live {
        session.batch(&session.dialect().drop("VIEW", &format!("{model}_{fingerprint}")))?;
    }
    drop_named(session, &table.name(), model, fingerprint, *build)
}

/// Drops a build that is not live.
pub(crate) fn drop_build(session: &dyn Session, build: &Build) -> Result<(), ReadError> {
    drop_named(session, &build.table(), build.model, &build.fingerprint, build.number)
}

fn drop_named(
    session: &dyn Session,
    table: &str,
    model: &str,
    fingerprint: &str,
    build: i64,
) -> Result<(), ReadError> {
    session.batch(&session.dialect().drop("TABLE", table))?;
    session.execute("DELETE FROM frozen WHERE build = ?", parameters![table])?;
    for book in ["live", "unfinished", "rejected", "builds"] {
        session.execute(
            &format!("DELETE FROM {book} WHERE model = ? AND fingerprint = ? AND build = ?"),
            parameters![model, fingerprint, build],
        )?;
    }
    Ok(())
}
