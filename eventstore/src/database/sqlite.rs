//! Opening a SQLite file that several processes may share: durable commits, a schema of a known version, and
//! what its errors mean to us.

use crate::store::{Cause, StoreError};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process's transaction.
pub const BUSY_AT_MOST: Duration = Duration::from_secs(5);

/// How often turning a new file into a database is tried: two processes may be at it at once.
const OPEN_ATTEMPTS_MAX: u32 = 50;

/// The pause between two such attempts.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// The mode of files with secrets.
const OWNER_ONLY: u32 = 0o600;

/// What a file's tables are. Its statements make a table `about` with the one row `schema_version`.
pub struct Schema {
    /// Marks the file as one of these, as SQLite's `application_id`.
    pub application: i32,
    /// The version these statements make.
    pub version: u32,
    /// The statements.
    pub sql: &'static str,
}

/// Opens a file for writing and makes its tables where there are none. Commits are flushed to the disk.
pub fn open(path: &Path, schema: &Schema) -> Result<Connection, StoreError> {
    let mut attempt = 1;
    loop {
        match try_open(path, schema) {
            // Switching a file to write-ahead logging does not wait for whoever is just doing the same.
            Err(StoreError::Busy) if attempt < OPEN_ATTEMPTS_MAX => {
                attempt += 1;
                std::thread::sleep(OPEN_PAUSE);
            }
            result => return result,
        }
    }
}

fn try_open(path: &Path, schema: &Schema) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path).map_err(failure)?;
    connection.busy_timeout(BUSY_AT_MOST).map_err(failure)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failure)?;
    if is_new(&connection)? {
        let creation =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
        // Someone else may have been making it meanwhile.
        if is_new(&creation)? {
            creation.execute_batch(schema.sql).map_err(failure)?;
            creation.pragma_update(None, "application_id", schema.application).map_err(failure)?;
            creation.commit().map_err(failure)?;
        }
    }
    // Up to here nothing has touched a file that holds something else.
    check(&connection, schema)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(failure)?;
    Ok(connection)
}

/// Whether nothing has been made of this file yet, by anyone.
fn is_new(connection: &Connection) -> Result<bool, StoreError> {
    let empty: bool = connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)", [], |row| row.get(0))
        .map_err(failure)?;
    Ok(empty && application(connection)? == 0)
}

/// Makes an empty file that only its owner may read, or takes the others' rights from the one that is there.
pub fn create_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(path)?;
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))
}

/// Opens an existing file for reading beside its writers.
pub fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    // Even a reader of a write-ahead log writes, into the index it shares with the others.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(BUSY_AT_MOST).map_err(failure)?;
    connection.pragma_update(None, "query_only", true).map_err(failure)?;
    Ok(connection)
}

/// Opens an existing file that is only looked at: as [`open_reader`] does and, on a medium that takes no writes, as a
/// file that nobody changes meanwhile. Refuses what [`check`] refuses.
pub fn open_to_look(path: &Path, schema: &Schema) -> Result<Connection, StoreError> {
    let checked = |connection: Connection| check(&connection, schema).map(|()| connection);
    let shared = open_reader(path).and_then(checked);
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    match shared {
        // With neither a log of writes nor a way to make one there is nobody to read beside.
        Err(StoreError::ReadOnly | StoreError::Database(_))
            if path.exists() && !Path::new(&beside).exists() =>
        {
            open_at_rest(path).and_then(checked)
        }
        result => result,
    }
}

fn open_at_rest(path: &Path) -> Result<Connection, StoreError> {
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).map_err(failure)
}

/// Refuses a file that is something else, or whose schema this program does not know.
pub fn check(connection: &Connection, schema: &Schema) -> Result<(), StoreError> {
    if application(connection)? != schema.application {
        return Err(StoreError::Foreign);
    }
    match version(connection)? {
        Some(found) if found == schema.version => Ok(()),
        Some(found) if found > schema.version => Err(StoreError::Newer { found, known: schema.version }),
        // No program of ours has made such a file.
        _ => Err(StoreError::Foreign),
    }
}

fn application(connection: &Connection) -> Result<i32, StoreError> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failure)
}

fn version(connection: &Connection) -> Result<Option<u32>, StoreError> {
    let made = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'about')";
    if !connection.query_row(made, [], |row| row.get(0)).map_err(failure)? {
        return Ok(None);
    }
    let version = connection.query_row("SELECT schema_version FROM about", [], |row| row.get(0));
    version.optional().map_err(failure)
}

/// Does `work` on a thread that may block.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down and has not begun the work.
        Err(_) => StoreError::Closed,
    })?
}

/// What an error of the database means to whoever asked.
pub fn failure(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly,
        _ => StoreError::Database(Cause::new(error)),
    }
}

#[cfg(test)]
mod tests;
