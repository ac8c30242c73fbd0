//! Which keys of which build are frozen, and why.

use super::tables::Build;
use crate::dialect::Dialect;
use crate::model::{AnyModel, StoredKey};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::row::{Field, Type, Unreadable};
use crate::session::{Found, Parameter, Read, Session, Statement, parameters};
use cityos_domain::log::Partition;
use std::borrow::Cow;
use std::collections::HashSet;

/// The live build of a model, whose name and fingerprint are the parameters.
const LIVE: &str =
    "(SELECT concat_ws('_', model, fingerprint, build) FROM live WHERE model = ? AND fingerprint = ?)";

fn encode(key: &StoredKey) -> String {
    serde_json::to_string(key).expect("keys hold only what JSON can")
}

fn decode(key: String) -> Result<StoredKey, ReadError> {
    Ok(serde_json::from_str(&key).map_err(|_| Unreadable::not::<StoredKey>(key.into_value()))?)
}

fn read_key(row: &dyn Found) -> Result<StoredKey, ReadError> {
    decode(row.get(0)?)
}

/// Keeps later events of the row's key out of the build; of a row that is frozen already, says anew why.
pub(crate) fn freeze(session: &dyn Session, build: &Build, row: &Frozen) -> Result<(), ReadError> {
    let Frozen { key, position, event, error } = row;
    // What an error says may be what no text of every database may hold.
    let error = error.replace('\0', "\u{fffd}");
    session.execute(
        "INSERT INTO frozen (build, key, position, event, error) VALUES (?, ?, ?, ?, ?) ON CONFLICT (build, key)
             DO UPDATE SET position = excluded.position, event = excluded.event, error = excluded.error",
        parameters![&build.table(), &encode(key), *position, event.0, &error],
    )?;
    Ok(())
}

/// Lets the events of `key` in again.
pub(crate) fn thaw(session: &dyn Session, build: &Build, key: &StoredKey) -> Result<(), ReadError> {
    session.execute(
        "DELETE FROM frozen WHERE build = ? AND key = ?",
        parameters![&build.table(), &encode(key)],
    )?;
    Ok(())
}

/// The frozen keys of a build, each with the event that did not fit.
pub(crate) fn frozen(session: &dyn Session, build: &Build) -> Result<Vec<Frozen>, ReadError> {
    frozen_first(session, build, usize::MAX)
}

/// The first of them, by key, at most `limit`.
pub(crate) fn frozen_first(
    session: &dyn Session,
    build: &Build,
    limit: usize,
) -> Result<Vec<Frozen>, ReadError> {
    let Statement { sql, parameters } = first("?", parameters![&build.table()], None, limit);
    session.all(&sql, &parameters, read_frozen)
}

/// Asks for those of the live build and of one partition.
pub(crate) fn frozen_of(
    model: &dyn AnyModel,
    partition: Partition,
    limit: usize,
) -> (Statement<'static>, Read<Frozen>) {
    let live = parameters![model.name(), &model.fingerprint()];
    (first(LIVE, live, Some(partition), limit), read_frozen)
}

fn first<'p>(
    build: &str,
    named: &[Parameter<'p>],
    partition: Option<Partition>,
    limit: usize,
) -> Statement<'p> {
    let prefix = partition.map(|partition| encode(&vec![partition.id().into_value()]));
    let prefix = prefix.as_deref().and_then(|key| key.strip_suffix(']')).unwrap_or_default();
    let end = format!("{prefix}{}", char::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Statement {
        sql: format!(
            "SELECT key, position, event, error FROM frozen
             WHERE build = {build} AND key >= ? AND key < ? ORDER BY key LIMIT ?"
        ),
        parameters: [named, parameters![prefix, &end, limit]].concat(),
    }
}

fn read_frozen(row: &dyn Found) -> Result<Frozen, ReadError> {
    Ok(Frozen { key: read_key(row)?, position: row.position(1)?, event: row.get(2)?, error: row.get(3)? })
}

/// How many keys of a build are frozen.
pub(crate) fn frozen_count(session: &dyn Session, build: &Build) -> Result<u64, ReadError> {
    let count = session.one("SELECT count(*) FROM frozen WHERE build = ?", parameters![&build.table()])?;
    Ok(count.unwrap_or_default())
}

/// Which of `keys` are frozen.
pub(crate) fn frozen_among<'k>(
    session: &dyn Session,
    build: &Build,
    keys: impl Iterator<Item = &'k StoredKey>,
) -> Result<HashSet<StoredKey>, ReadError> {
    let table = build.table();
    // As nearly always none is: then the keys are not even spelled out.
    let some = session.one("SELECT 1 FROM frozen WHERE build = ? LIMIT 1", parameters![&table])?;
    if some.is_none_or(|one: i64| one == 0) {
        return Ok(HashSet::new());
    }
    let keys = keys.map(|key| Cow::Owned(encode(key).into_value())).collect();
    let (among, keys) = session.dialect().among("key", Type::Text, keys);
    let mut parameters = vec![(&table).into()];
    parameters.extend(keys);
    let found =
        session.all(&format!("SELECT key FROM frozen WHERE build = ? AND {among}"), &parameters, read_key)?;
    Ok(found.into_iter().collect())
}

/// Asks which of `keys` are frozen in the live build.
pub(crate) fn frozen_live(
    dialect: &dyn Dialect,
    model: &dyn AnyModel,
    keys: &[StoredKey],
) -> (Statement<'static>, Read<StoredKey>) {
    let keys = keys.iter().map(|key| Cow::Owned(encode(key).into_value())).collect();
    let (among, keys) = dialect.among("key", Type::Text, keys);
    let sql = format!("SELECT key FROM frozen WHERE build = {LIVE} AND {among}");
    let mut parameters = parameters![model.name(), &model.fingerprint()].to_vec();
    parameters.extend(keys);
    (Statement { sql, parameters }, read_key)
}
