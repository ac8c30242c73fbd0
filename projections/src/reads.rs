//! The database of the read models: one file, one writer connection, a few readers. Everything in it can be
//! rebuilt from the log, so it is not flushed with every commit.

use crate::model::{AnyModel, Unfit};
use crate::row::Unreadable;
use crate::sqlite::{self, Scratch, Snapshot};
use cityos_domain::log::Position;
use cityos_eventstore::store::StoreError;
use rusqlite::Connection;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How many questions are answered at once; more wait.
pub const READERS_MAX: usize = 4;

/// Why a read model could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database did not cooperate.
    #[error("the read database failed")]
    Database(#[from] rusqlite::Error),
    /// The file is something else's, or cannot be used.
    #[error("the read database cannot be opened")]
    Open(#[from] StoreError),
    /// It cannot be told which rows an event touches: a bug in the model.
    #[error("which rows of {model} the event at {} touches cannot be told", position.0)]
    Keys {
        /// The model's name.
        model: &'static str,
        /// Where the event is.
        position: Position,
        /// What the model said.
        #[source]
        source: Unfit,
    },
    /// A stored value is not of its column's type.
    #[error("a stored row cannot be read")]
    Unreadable(#[from] Unreadable),
    /// The cursor was made for another order of rows.
    #[error("the cursor belongs to another list")]
    ForeignCursor,
    /// A filter names too many values.
    #[error("a filter names more than {max} values", max = crate::query::IN_VALUES_MAX)]
    TooManyValues,
    /// Somebody else has moved the table meanwhile.
    #[error("the table was moved by somebody else")]
    Overtaken,
    /// There is no thread to do the work.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The thread that did the work is gone.
    #[error("the work was stopped")]
    Stopped,
}

impl ReadError {
    /// With all that led to it.
    pub(crate) fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            words += &format!(": {error}");
            cause = error.source();
        }
        words
    }
}

/// The read models' database. Cheap to clone.
#[derive(Clone)]
pub struct ReadStore(Arc<Shared>);

struct Shared {
    path: PathBuf,
    writer: Mutex<Connection>,
    idle: Mutex<Vec<Connection>>,
    readers: Arc<Semaphore>,
    read_statements: Arc<AtomicU64>,
    write_statements: Arc<AtomicU64>,
}

impl ReadStore {
    /// Opens the database at `path` if there is one.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, ReadError> {
        if path.exists() { ReadStore::open(path).map(Some) } else { Ok(None) }
    }

    /// Opens the database at `path`, or makes it. Several processes may have it open.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let write_statements = Arc::new(AtomicU64::new(0));
        let writer = sqlite::open_writer(path, &write_statements)?;
        Ok(ReadStore(Arc::new(Shared {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            idle: Mutex::new(Vec::new()),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            read_statements: Arc::new(AtomicU64::new(0)),
            write_statements,
        })))
    }

    /// How many statements the driver has run to answer questions since the store was opened.
    pub fn statements_read(&self) -> u64 {
        self.0.read_statements.load(Ordering::Relaxed)
    }

    /// How many statements the driver has run to move the read models on.
    pub fn statements_written(&self) -> u64 {
        self.0.write_statements.load(Ordering::Relaxed)
    }

    /// A file beside the database, of this name behind the database's own.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        let mut file = self.0.path.clone().into_os_string();
        file.push(format!(".{name}"));
        file.into()
    }

    /// Does `work` with a connection to read with. A panic of it goes on in the caller, and costs the connection.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // The work keeps its place until it is done, also where whoever asked has gone away.
        let permit = self.0.readers.clone().acquire_owned().await.map_err(|_| ReadError::Stopped)?;
        let reads = self.clone();
        let blocking = move || {
            let _permit = permit;
            reads.read_here(work)
        };
        tokio::task::spawn_blocking(blocking).await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ReadError::Stopped),
        })
    }

    /// The same on this thread, which it blocks, and beside those that wait for their turn.
    pub(crate) fn read_here<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => sqlite::open_reader(&self.0.path, &self.0.read_statements)?,
        };
        let answer = work(&conn);
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        answer
    }

    /// Does `work` in one transaction that no other process writes beside: all of it, or, on an error or a panic,
    /// nothing. A panic is an error here: whoever moves the read models goes on trying.
    pub(crate) async fn write<T: Send + 'static, E: From<ReadError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let reads = self.clone();
        tokio::task::spawn_blocking(move || reads.write_here(work)).await.map_err(|_| ReadError::Stopped)?
    }

    /// The same on this thread, which it blocks.
    pub(crate) fn write_here<T, E: From<ReadError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        // A panic rolled its transaction back: the connection behind a poisoned lock is fit for use.
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(ReadError::from)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(ReadError::from)?;
        Ok(done)
    }

    /// What is there now, and stays as it is for whoever looks at it. Taken within a write, it is what no other
    /// write has changed since.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, ReadError> {
        sqlite::open_snapshot(&self.0.path, &self.0.read_statements)
    }

    /// A table that nobody else sees, and that is gone with it.
    pub(crate) fn scratch(&self, model: &'static dyn AnyModel) -> Result<Scratch, ReadError> {
        sqlite::open_scratch(&self.0.path, &self.0.read_statements, model)
    }
}
