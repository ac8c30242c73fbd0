//! Looking at one moment of the database, and a table of one's own to compare with: both belong to one connection and are
//! gone with it, even where the process is killed.

use super::rows::{delete, load, scan_both, upsert};
use super::tables::{Build, definition, live_build_if_any};
use super::{is_refusal, open_reader};
use crate::bulk::{Target, WriteError, readable};
use crate::folding::Changes;
use crate::model::{AnyModel, StoredKey, StoredRow};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::row::Value;
use cityos_domain::log::Position;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of a scratch table is kept in memory, in KiB.
const SCRATCH_CACHE_KIB: i32 = 65_536;

/// The number of a scratch table, which is no build's.
const SCRATCH: i64 = 0;

/// The database at one moment.
pub(crate) struct Snapshot(Connection);

pub(crate) fn open_snapshot(path: &Path, statements: &Arc<AtomicU64>) -> Result<Snapshot, ReadError> {
    let conn = open_reader(path, statements)?;
    conn.execute_batch("BEGIN; SELECT schema_version FROM about")?;
    Ok(Snapshot(conn))
}

impl Snapshot {
    /// Looks at it.
    pub(crate) fn conn(&self) -> &Connection {
        &self.0
    }
}

/// A table of a model that lies beside the database as it was when it was first looked at.
pub(crate) struct Scratch {
    conn: Mutex<Connection>,
    model: &'static dyn AnyModel,
    build: Build,
}

pub(crate) fn open_scratch(
    path: &Path,
    statements: &Arc<AtomicU64>,
    model: &'static dyn AnyModel,
) -> Result<Scratch, ReadError> {
    let conn = open_reader(path, statements)?;
    // Tables of the connection's own are written to.
    conn.pragma_update(None, "query_only", false)?;
    conn.pragma_update(Some("temp"), "cache_size", -SCRATCH_CACHE_KIB)?;
    let build = Build {
        model: model.name(),
        fingerprint: model.fingerprint(),
        number: SCRATCH,
        position: Position::START,
    };
    conn.execute_batch(&format!("BEGIN; CREATE TEMPORARY TABLE {}", definition(model, &build)))?;
    Ok(Scratch { conn: Mutex::new(conn), model, build })
}

impl Scratch {
    fn conn(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live build and its frozen keys, if there is one. The first call fixes the moment.
    pub(crate) fn live(&self) -> Result<Option<(Build, Vec<Frozen>)>, ReadError> {
        let conn = self.conn();
        let Some(live) = live_build_if_any(&conn, self.model)? else { return Ok(None) };
        let frozen = super::frozen(&conn, &live)?;
        Ok(Some((live, frozen)))
    }

    /// Shows every row of `live` and of this table, those of the same key together, in key order.
    pub(crate) fn beside(
        &self,
        live: &Build,
        see: impl FnMut(Option<&[Value]>, Option<&[Value]>),
    ) -> Result<(), ReadError> {
        scan_both(&self.conn(), self.model, live, &self.build, see)
    }
}

impl Target for Scratch {
    fn load(&self, keys: &[StoredKey]) -> Result<HashMap<StoredKey, StoredRow>, ReadError> {
        readable(load(&self.conn(), &self.build, self.model, keys)?)
    }

    fn write(&self, changes: &[Changes], _: Position, _: Position) -> Result<(), WriteError> {
        write_changes(&self.conn(), self.model, &self.build, changes)
    }
}

/// Writes rows in bulk; where the database refuses one, says which.
pub(crate) fn write_changes(
    conn: &Connection,
    model: &dyn AnyModel,
    build: &Build,
    changes: &[Changes],
) -> Result<(), WriteError> {
    for Changes { rows, .. } in changes {
        let gone: Vec<_> = rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key).collect();
        delete(conn, build, model, &gone)?;
        let there: Vec<_> = rows.iter().filter_map(|(key, row)| Some((key, row.as_ref()?))).collect();
        match upsert(conn, build, model, &there) {
            Err(ReadError::Database(error)) if is_refusal(&error) => {
                for (key, row) in there {
                    if let Err(ReadError::Database(error)) = upsert(conn, build, model, &[(key, row)]) {
                        return Err(WriteError::Refused(key.clone(), error.to_string()));
                    }
                }
            }
            written => written?,
        }
    }
    Ok(())
}
