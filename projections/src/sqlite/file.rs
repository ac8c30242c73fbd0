//! The file: one writer connection, a few readers. Everything in it can be rebuilt from the log, so it is not flushed
//! with every commit.

use super::claim::{Claim, claim};
use super::dialect::Sqlite;
use crate::claim::Holder;
use crate::dialect::Dialect;
use crate::reads::ReadError;
use crate::session::Session;
use cityos_eventstore::database::sqlite::{self, Schema};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, TransactionBehavior};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many questions are answered at once; more wait.
const READERS_MAX: usize = 4;

/// How long a connection waits for another process to finish its write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps.
const STATEMENTS_KEPT: usize = 256;

/// How much of the tables the writer keeps in memory, in KiB: rows lie in the order of keys that are not in the log's.
const WRITER_CACHE_KIB: i32 = 131_072;

/// How much of tables of its own a connection keeps in memory, in KiB.
const OWN_TABLES_CACHE_KIB: i32 = 65_536;

const SCHEMA: Schema = Schema { application: i32::from_be_bytes(*b"cRea"), version: 1, sql: BOOKKEEPING };

/// The tables about the others.
const BOOKKEEPING: &str = "
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
const LATER: &str = "
    CREATE TABLE IF NOT EXISTS unfinished (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, build INTEGER NOT NULL,
        PRIMARY KEY (model, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS rejected (
        model TEXT NOT NULL, fingerprint TEXT NOT NULL, build INTEGER NOT NULL,
        PRIMARY KEY (model, fingerprint, build)
    ) STRICT, WITHOUT ROWID;";

/// The read database.
pub(crate) struct File {
    path: PathBuf,
    writer: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    read_statements: Arc<AtomicU64>,
}

impl File {
    /// How things are spelled in it.
    pub(crate) const DIALECT: &dyn Dialect = &Sqlite;

    /// Opens the file, or makes it.
    pub(crate) fn open(
        path: &Path,
        read_statements: &Arc<AtomicU64>,
        write_statements: &Arc<AtomicU64>,
    ) -> Result<Self, ReadError> {
        let mut writer = sqlite::open(path, &SCHEMA)?;
        configure(&mut writer, write_statements)?;
        // What the last commits wrote can be made from the log again.
        writer.pragma_update(None, "synchronous", "NORMAL")?;
        writer.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        writer.execute_batch(LATER)?;
        Ok(File {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            idle: Mutex::new(Vec::new()),
            turns: Arc::new(Semaphore::new(READERS_MAX)),
            read_statements: read_statements.clone(),
        })
    }

    fn reader(&self) -> Result<Connection, ReadError> {
        let mut reader = sqlite::open_reader(&self.path)?;
        configure(&mut reader, &self.read_statements)?;
        Ok(reader)
    }

    /// Claims all tables of a model, or says who has them, where they have said so already.
    pub(crate) fn claim(&self, model: &str, holder: &Holder) -> io::Result<Result<Claim, Option<Holder>>> {
        let mut lock = self.path.clone().into_os_string();
        lock.push(format!(".{model}.lock"));
        claim(lock.as_ref(), holder)
    }

    /// Waits for a turn to read, and for as long as it is kept one fewer is given to others.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        self.turns.clone().acquire_owned().await.map_err(|_| ReadError::Stopped)
    }

    /// Does `work` with a connection to read with. A panic of it goes on in the caller, and costs the connection.
    pub(crate) fn ask<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = idle.map_or_else(|| self.reader(), Ok)?;
        let answer = work(&reader);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        answer
    }

    /// The same at one moment.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.ask(|reader| work(&*reader.unchecked_transaction()?))
    }

    /// Does `work` in one transaction that nobody writes beside.
    pub(crate) fn write<T, E: From<ReadError>>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic rolled its transaction back: the connection behind a poisoned lock is fit for use.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(ReadError::from)?;
        let done = work(&*transaction)?;
        transaction.commit().map_err(ReadError::from)?;
        Ok(done)
    }

    /// A connection that looks at this moment, and may have tables of its own.
    pub(crate) fn apart(&self) -> Result<Box<dyn Session + Send>, ReadError> {
        let conn = self.reader()?;
        // Nothing but tables of its own can be written beside what it looks at.
        conn.pragma_update(None, "query_only", false)?;
        conn.pragma_update(Some("temp"), "cache_size", -OWN_TABLES_CACHE_KIB)?;
        conn.execute_batch("BEGIN; SELECT schema_version FROM about")?;
        Ok(Box::new(conn))
    }
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
