//! The database of the read models. Everything in it can be rebuilt from the log.

use crate::model::{AnyModel, Unfit};
use crate::row::Unreadable;
use crate::session::{Dialect, Found, Session, Statement};
use crate::sql::Scratch;
use crate::sqlite::File;
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::store::StoreError;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a read model could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database did not cooperate.
    #[error("the read database failed")]
    Database(#[source] StoreError),
    /// The database takes offence at a row rather than failing altogether.
    #[error("the read database refuses what was to be written: {0}")]
    Refused(String),
    /// A model has no table that it should have.
    #[error("the model has no such table")]
    NoBuild,
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
    file: File,
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
        let (read_statements, write_statements) = Default::default();
        let file = File::open(path, &read_statements, &write_statements)?;
        Ok(ReadStore(Arc::new(Shared { file, read_statements, write_statements })))
    }

    /// How many statements the driver has run to answer questions since the store was opened.
    pub fn statements_read(&self) -> u64 {
        self.0.read_statements.load(Ordering::Relaxed)
    }

    /// How many statements the driver has run to move the read models on.
    pub fn statements_written(&self) -> u64 {
        self.0.write_statements.load(Ordering::Relaxed)
    }

    /// How the database has things spelled.
    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        File::DIALECT
    }

    /// A file beside the database, of this name behind the database's own.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.file.beside(name)
    }

    /// What `read` makes of each row of the answer to a question about one partition, or about all.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        _: Option<Partition>,
        question: Statement<'_>,
        mut read: impl FnMut(&dyn Found) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Vec<T>, ReadError> {
        let (reads, Statement { sql, parameters }) = (self.clone(), question.into_owned());
        self.turn(move || {
            reads.0.file.ask(|session| (session as &dyn Session).all(&sql, &parameters, &mut read))
        })
        .await
    }

    /// Does `work` with a connection to read with, which looks at one moment. A panic of it goes on in the caller.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let reads = self.clone();
        self.turn(move || reads.read_here(work)).await
    }

    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // The work keeps its place until it is done, also where whoever asked has gone away.
        let permit = self.0.file.turns.clone().acquire_owned().await.map_err(|_| ReadError::Stopped)?;
        let blocking = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(blocking).await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ReadError::Stopped),
        })
    }

    /// The same on this thread, which it blocks, and beside those that wait for their turn.
    pub(crate) fn read_here<T>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.0.file.read(work)
    }

    /// Does `work` in one transaction beside which nobody else writes what belongs to `models`: all of it, or, on an
    /// error or a panic, nothing. A panic is an error here: whoever moves the read models goes on trying.
    pub(crate) async fn write<T: Send + 'static, E: From<ReadError> + Send + 'static>(
        &self,
        models: &[&str],
        work: impl FnOnce(&dyn Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (reads, models) =
            (self.clone(), models.iter().map(|model| (*model).to_owned()).collect::<Vec<_>>());
        let blocking = move || {
            let models: Vec<_> = models.iter().map(String::as_str).collect();
            reads.write_here(&models, work)
        };
        tokio::task::spawn_blocking(blocking).await.map_err(|_| ReadError::Stopped)?
    }

    /// The same on this thread, which it blocks.
    pub(crate) fn write_here<T, E: From<ReadError>>(
        &self,
        _: &[&str],
        work: impl FnOnce(&dyn Session) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.file.write(work)
    }

    /// What is there now, and stays as it is for whoever looks at it. Taken within a write, it is what no other
    /// write has changed since. Blocks.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn Session + Send>, ReadError> {
        self.0.file.apart()
    }

    /// A table that nobody else sees, beside what is there now, and that is gone with it. Blocks.
    pub(crate) fn scratch(&self, model: &'static dyn AnyModel) -> Result<Scratch, ReadError> {
        Scratch::within(self.0.file.apart()?, model)
    }
}
