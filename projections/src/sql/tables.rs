//! Which tables there are: the builds of each model, how far each has come, and which one is live. Readers go
//! through a view named after model and fingerprint, which always shows the live build.

use super::{all_columns, key_columns, quoted};
use crate::dialect::Dialect;
use crate::model::AnyModel;
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Role};
use crate::session::{Found, Session, parameters};
use cityos_domain::log::Position;
use std::collections::HashMap;
use uuid::Uuid;

/// Whether these may be the read models of the log of this name, as far as they know theirs.
pub(crate) fn may_belong_to(session: &dyn Session, log: Uuid) -> Result<bool, ReadError> {
    let own: Option<Option<Uuid>> = session.one("SELECT log FROM about", &[])?;
    Ok(own.flatten().is_none_or(|own| own == log))
}

/// Whether these are the read models of the log of this name. The first one asked about is taken for theirs.
pub(crate) fn belong_to(session: &dyn Session, log: Uuid) -> Result<bool, ReadError> {
    session.execute("UPDATE about SET log = ? WHERE log IS NULL", parameters![log])?;
    may_belong_to(session, log)
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

/// Makes sure that the model has a live build, if only an empty one.
pub(crate) fn prepare(session: &dyn Session, model: &dyn AnyModel) -> Result<(), ReadError> {
    if live_build_if_any(session, model)?.is_none() {
        let first = Build {
            model: model.name(),
            fingerprint: model.fingerprint(),
            number: next_number(session, model)?,
            position: Position::START,
        };
        create_build(session, model, &first)?;
        for index in indexes(session.dialect(), model, &first) {
            session.batch(&index)?;
        }
        session.execute(
            "INSERT INTO live (model, fingerprint, build) VALUES (?, ?, ?)",
            parameters![first.model, &first.fingerprint, first.number],
        )?;
        show(session, model, &first)?;
    }
    Ok(())
}

/// A number no build of this fingerprint has: there may be older ones where somebody dropped the live one.
pub(super) fn next_number(session: &dyn Session, model: &dyn AnyModel) -> Result<i64, ReadError> {
    let newest: Option<Option<i64>> = session.one(
        "SELECT max(build) FROM builds WHERE model = ? AND fingerprint = ?",
        parameters![model.name(), &model.fingerprint()],
    )?;
    Ok(newest.flatten().unwrap_or_default() + 1)
}

/// The build that is live for this program.
pub(crate) fn live_build(session: &dyn Session, model: &dyn AnyModel) -> Result<Build, ReadError> {
    live_build_if_any(session, model)?.ok_or(ReadError::NoBuild)
}

pub(crate) fn live_build_if_any(
    session: &dyn Session,
    model: &dyn AnyModel,
) -> Result<Option<Build>, ReadError> {
    let number = session.one(
        "SELECT build FROM live WHERE model = ? AND fingerprint = ?",
        parameters![model.name(), &model.fingerprint()],
    )?;
    number.map(|number| build(session, model, number)).transpose()
}

/// The build of this number.
pub(crate) fn build(session: &dyn Session, model: &dyn AnyModel, number: i64) -> Result<Build, ReadError> {
    let fingerprint = model.fingerprint();
    let at: Option<u64> = session.one(
        "SELECT position FROM builds WHERE model = ? AND fingerprint = ? AND build = ?",
        parameters![model.name(), &fingerprint, number],
    )?;
    let position = Position(at.ok_or(ReadError::NoBuild)?);
    Ok(Build { model: model.name(), fingerprint, number, position })
}

/// Asks which builds are live, and how far they have come.
pub(crate) const PLACES: &str =
    "SELECT model, fingerprint, build, position FROM live JOIN builds USING (model, fingerprint, build)";

/// A row of the answer: the model's name and fingerprint, and where it stands.
pub(crate) fn read_place(row: &dyn Found) -> Result<((String, String), Place), ReadError> {
    let model = (row.get(0)?, row.get(1)?);
    Ok((model, Place { build: row.get(2)?, position: row.position(3)? }))
}

/// Where `models` stand according to the answer, in their order.
pub(crate) fn places_of(
    models: &[&dyn AnyModel],
    answer: Vec<((String, String), Place)>,
) -> Result<Vec<Place>, ReadError> {
    let found: HashMap<_, _> = answer.into_iter().collect();
    let of = |model: &&dyn AnyModel| {
        found.get(&(model.name().to_owned(), model.fingerprint())).copied().ok_or(ReadError::NoBuild)
    };
    models.iter().map(of).collect()
}

/// Where `models` stand, in their order.
pub(crate) fn places(session: &dyn Session, models: &[&dyn AnyModel]) -> Result<Vec<Place>, ReadError> {
    places_of(models, session.all(PLACES, &[], read_place)?)
}

/// Makes the table of a build and its place in the books. Its indexes are made apart: a table is filled faster
/// without them.
pub(super) fn create_build(
    session: &dyn Session,
    model: &dyn AnyModel,
    build: &Build,
) -> Result<(), ReadError> {
    let dialect = session.dialect();
    session.batch(&format!("CREATE TABLE {}", definition(dialect, model, build)))?;
    session.batch(&dialect.protect(&build.table()))?;
    session.execute(
        "INSERT INTO builds (model, fingerprint, build, position) VALUES (?, ?, ?, ?)",
        parameters![build.model, &build.fingerprint, build.number, build.position],
    )?;
    Ok(())
}

/// What stands behind `CREATE TABLE`.
pub(super) fn definition(dialect: &dyn Dialect, model: &dyn AnyModel, build: &Build) -> String {
    let column = |column: &ColumnSpec| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("\"{}\" {}{null}", column.name, dialect.storage(column.kind))
    };
    let columns: Vec<_> = all_columns(model.columns()).map(column).collect();
    let key = quoted(key_columns(model.columns()));
    let options = dialect.table_options();
    format!("\"{}\" ({}, PRIMARY KEY ({key})){options}", build.table(), columns.join(", "))
}

/// The statements that make the indexes of a build, where they are not there.
pub(crate) fn indexes(dialect: &dyn Dialect, model: &dyn AnyModel, build: &Build) -> Vec<String> {
    let table = build.table();
    // The rest of the key is in every index, so that sorted pages need no sorting.
    let index = |name: String, first: [String; 2], column: &ColumnSpec| {
        let key = model.columns().iter().filter(|key| key.role == Role::Key && key.name != column.name);
        let columns: Vec<_> = first.into_iter().chain(key.map(|key| format!("\"{}\"", key.name))).collect();
        format!("CREATE INDEX IF NOT EXISTS \"{table}_{name}\" ON \"{table}\" ({})", columns.join(", "))
    };
    let of_column = |column: &ColumnSpec| {
        let ColumnSpec { name, nullable, role, .. } = column;
        let nulls = if *nullable { dialect.nulls_first() } else { "" };
        let (partition, sorted) = ("\"partition\"".to_owned(), format!("\"{name}\"{nulls}"));
        let within = || index((*name).to_owned(), [partition.clone(), sorted.clone()], column);
        let across = || index(format!("across_{name}"), [sorted.clone(), partition.clone()], column);
        match role {
            Role::Key | Role::Plain => Vec::new(),
            Role::Indexed => vec![within()],
            Role::Across => vec![within(), across()],
        }
    };
    model.columns().iter().flat_map(of_column).collect()
}

/// Moves a build's checkpoint on, if it is still where `build` says: otherwise someone else was quicker.
pub(crate) fn advance(session: &dyn Session, build: &Build, to: Position) -> Result<bool, ReadError> {
    let moved = session.execute(
        "UPDATE builds SET position = ? WHERE model = ? AND fingerprint = ? AND build = ? AND position = ?",
        parameters![to, build.model, &build.fingerprint, build.number, build.position],
    )?;
    Ok(moved == 1)
}

/// Has readers see this build.
pub(super) fn show(session: &dyn Session, model: &dyn AnyModel, build: &Build) -> Result<(), ReadError> {
    session.batch(&session.dialect().show(&view(model), &build.table()))
}

/// Keeps a build from being dropped for as long as the transaction lasts.
pub(crate) fn hold(session: &dyn Session, build: &Build) -> Result<(), ReadError> {
    session.dialect().hold(&build.table()).map_or(Ok(()), |hold| session.batch(&hold))
}
