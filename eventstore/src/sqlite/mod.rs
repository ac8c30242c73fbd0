//! The log in one SQLite file. One thread writes, in batches; reads run beside it on connections of their
//! own. Other processes may read and write the same file at the same time.

mod readers;
mod rows;
mod writer;

use crate::clock::Clock;
use crate::database::sqlite::{self, Schema, blocking, failure};
use crate::queue::{Figures, Queue};
use crate::store::{Append, AppendError, Appended, EventStore, Happened, Page, Receipt, RowHead, StoreError};
use crate::stored::{Prepared, StoredEvent};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use readers::Readers;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use writer::Writer;

/// The tables of the log.
pub(crate) const SCHEMA: Schema = Schema {
    application: i32::from_be_bytes(*b"cLog"),
    version: 1,
    sql: include_str!("../../../schemas/log.sqlite.sql"),
};

/// How often a waiting reader looks whether another process has written: those commits wake nobody here.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A log in a file. Clones share it; dropping the last one closes the file.
#[derive(Clone)]
pub struct SqliteStore {
    /// None where the log is only read.
    queue: Option<Arc<Queue>>,
    readers: Arc<Readers>,
    path: PathBuf,
    head: watch::Receiver<Position>,
}

impl SqliteStore {
    /// Opens the log at `path` and makes it where there is none. Blocks for as long as the disk takes.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let writer = Writer::new(sqlite::open(path, &SCHEMA)?, clock);
        let (head, watching) = watch::channel(Position::START);
        let queue = Arc::new(Queue::start(writer, head));
        let readers = Arc::new(Readers::new(path, sqlite::open_reader));
        Ok(SqliteStore { queue: Some(queue), readers, path: path.to_owned(), head: watching })
    }

    /// Opens the log at `path` for reading alone, also beside its writers, and changes nothing: a log on a medium that
    /// cannot be written can be read, too. Whatever would write is refused with [`StoreError::ReadOnly`].
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let open: fn(&Path) -> _ = |path| sqlite::open_to_look(path, &SCHEMA);
        open(path)?;
        let (_, head) = watch::channel(Position::START);
        let readers = Arc::new(Readers::new(path, open));
        Ok(SqliteStore { queue: None, readers, path: path.to_owned(), head })
    }

    /// What the writer has done since the log was opened.
    pub fn figures(&self) -> Figures {
        self.queue.as_ref().map_or_else(Figures::default, |queue| queue.figures())
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let queue = self.queue.as_ref().ok_or(AppendError::Store(StoreError::ReadOnly))?;
        queue.append(Prepared::new(append)?).await
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.readers.run(move |connection| readers::stream(connection, stream, after, limit)).await
    }

    async fn read_to_fold(
        &self,
        stream: StreamId,
        after: Version,
        limit: u32,
    ) -> Result<Happened, StoreError> {
        self.readers.run(move |connection| readers::happened(connection, stream, after, limit)).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        let events = self.readers.run(move |connection| readers::log(connection, after, limit)).await?;
        Ok(Page { scanned_to: events.last().map_or(after, |event| event.position), events })
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.readers.run(move |connection| readers::stored_log(connection, after, limit)).await
    }

    async fn first_row(&self, after: Option<Position>) -> Result<Option<RowHead>, StoreError> {
        self.readers.run(move |connection| readers::first_row(connection, after).map_err(failure)).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        self.readers.run(move |connection| readers::receipt(connection, partition, command)).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.readers.run(|connection| readers::head(connection).map_err(failure)).await
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        let until = Instant::now() + at_most;
        let mut head = self.head.clone();
        // If looking fails the caller is told when it reads.
        while *head.borrow_and_update() <= after && !self.head().await.is_ok_and(|head| head > after) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let pause = left.min(LOOK_EVERY);
            let woken = tokio::time::timeout(pause, head.changed()).await;
            if let Ok(Err(_writer_gone)) = woken {
                // Nobody here will write again, but other processes may.
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        if self.queue.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let path = self.path.clone();
        // A connection of its own, as if from another process: it happens too seldom to burden the writer with.
        blocking(move || writer::forget_receipts(&sqlite::open(&path, &SCHEMA)?, before, at_most)).await
    }
}
