//! The database of the read models. Everything in it can be rebuilt from the log.

use crate::claim::{Claim, ClaimError, Holder};
use crate::dialect::Dialect;
use crate::model::{AnyModel, Unfit};
use crate::postgres::Database;
use crate::row::Unreadable;
use crate::session::{Found, Session, Statement};
use crate::sql::Scratch;
use crate::sqlite::File;
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::database::postgres::Server;
use cityos_eventstore::store::{Cause, StoreError};
use std::error::Error;
use std::path::Path;
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
    kept: Kept,
    read_statements: Arc<AtomicU64>,
    write_statements: Arc<AtomicU64>,
}

/// Where they are kept.
enum Kept {
    File(Arc<File>),
    Server(Box<Database>),
}

impl ReadStore {
    /// Opens the database at `path` if there is one.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, ReadError> {
        if path.exists() { ReadStore::open(path).map(Some) } else { Ok(None) }
    }

    /// Opens the database at `path`, or makes it. Several processes may have it open.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let (read_statements, write_statements) = Default::default();
        let kept = Kept::File(Arc::new(File::open(path, &read_statements, &write_statements)?));
        Ok(ReadStore(Arc::new(Shared { kept, read_statements, write_statements })))
    }

    /// Opens the read models of a server's database if there are any.
    pub async fn on_existing(server: &Server) -> Result<Option<Self>, ReadError> {
        if Database::is_there(server).await? { ReadStore::on(server).await.map(Some) } else { Ok(None) }
    }

    /// Opens the read models of a server's database, or makes their schema. Several processes may have it open.
    pub async fn on(server: &Server) -> Result<Self, ReadError> {
        let (read_statements, write_statements) = Default::default();
        let kept = Kept::Server(Box::new(Database::open(server, &read_statements, &write_statements).await?));
        Ok(ReadStore(Arc::new(Shared { kept, read_statements, write_statements })))
    }

    /// The same for measuring: questions that were asked before are answered from memory. Of a file, nothing is remembered.
    #[cfg(feature = "remembering")]
    pub fn remembering(&self) -> Self {
        let kept = match &self.0.kept {
            Kept::File(file) => Kept::File(file.clone()),
            Kept::Server(database) => Kept::Server(Box::new(database.remembering())),
        };
        let (read_statements, write_statements) =
            (self.0.read_statements.clone(), self.0.write_statements.clone());
        ReadStore(Arc::new(Shared { kept, read_statements, write_statements }))
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
        match &self.0.kept {
            Kept::File(_) => File::DIALECT,
            Kept::Server(_) => Database::DIALECT,
        }
    }

    /// Claims all tables of a model, or says who has them.
    pub(crate) async fn claim(&self, model: &str, holder: &Holder) -> Result<Claim, ClaimError> {
        let failed = |source| ClaimError::Failed { model: model.into(), source };
        let claimed = match &self.0.kept {
            Kept::File(file) => {
                file.claim(model, holder).map_err(|error| failed(Cause::new(error)))?.map(Claim::File)
            }
            Kept::Server(database) => {
                let claimed = database.claim(model, holder).await;
                claimed.map_err(|error| failed(Cause::new(error)))?.map(Claim::Server)
            }
        };
        claimed.map_err(|holder| ClaimError::Taken { model: model.into(), holder })
    }

    /// What `read` makes of each row of the answer to a question about one partition, or about all.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        partition: Option<Partition>,
        question: Statement<'_>,
        mut read: impl FnMut(&dyn Found) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<Vec<T>, ReadError> {
        match &self.0.kept {
            Kept::Server(database) => database.ask(partition, &question, read).await,
            Kept::File(file) => {
                let (file, Statement { sql, parameters }) = (file.clone(), question.into_owned());
                let mut ask = move |session: &dyn Session| session.all(&sql, &parameters, &mut read);
                let turn = file.turn().await?;
                blocking(turn, move || file.ask(|conn| ask(conn))).await
            }
        }
    }

    /// Does `work` with a connection to read with, which looks at one moment. A panic of it goes on in the caller.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = match &self.0.kept {
            Kept::File(file) => Some(file.turn().await?),
            Kept::Server(_) => None,
        };
        let reads = self.clone();
        blocking(turn, move || reads.read_here(work)).await
    }

    /// The same on this thread, which it blocks, and beside those that wait for their turn.
    pub(crate) fn read_here<T>(
        &self,
        work: impl FnOnce(&dyn Session) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match &self.0.kept {
            Kept::File(file) => file.read(work),
            Kept::Server(database) => database.read(work),
        }
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
        models: &[&str],
        work: impl FnOnce(&dyn Session) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.0.kept {
            // There is one writer at a time, whatever it writes.
            Kept::File(file) => file.write(work),
            Kept::Server(database) => database.write(models, work),
        }
    }

    /// What is there now, and stays as it is for whoever looks at it. Taken within a write, it is what no other
    /// write has changed since. Blocks.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn Session + Send>, ReadError> {
        match &self.0.kept {
            Kept::File(file) => file.apart(),
            Kept::Server(database) => database.apart(),
        }
    }

    /// A table that nobody else sees, beside what is there now, and that is gone with it. Blocks.
    pub(crate) fn scratch(&self, model: &'static dyn AnyModel) -> Result<Scratch, ReadError> {
        Scratch::within(self.snapshot()?, model)
    }
}

/// Does `work` on a thread that may block. It keeps its turn until it is done, also where whoever asked has gone away.
async fn blocking<T: Send + 'static>(
    turn: impl Send + 'static,
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let blocking = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(blocking).await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(ReadError::Stopped),
    })
}
