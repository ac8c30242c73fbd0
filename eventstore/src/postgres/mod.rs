//! The log on a PostgreSQL server. One thread writes, in batches, beside those of other processes: whoever holds the log's
//! lock writes, so that positions have no gaps and become visible in their order. Reads go through a pool.

mod listening;
mod plan;
mod readers;
mod rows;
mod session;
mod writer;

pub use crate::queue::Figures;

use crate::clock::Clock;
use crate::database::postgres::{Pool, Role, Schema, Server, pooled};
use crate::queue::Queue;
use crate::store::{Append, AppendError, Appended, EventStore, Happened, Page, Receipt, RowHead, StoreError};
use crate::stored::{Prepared, StoredEvent};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use listening::Listening;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use writer::Writer;

/// The tables of the log.
pub(crate) const SCHEMA: Schema =
    Schema { name: "log", steps: &[include_str!("../../../schemas/log.postgres.sql")] };

/// How often a waiting reader looks whether another process has written: notices of that can be lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A log on a server. Clones share it; dropping the last one closes its connections.
#[derive(Clone)]
pub struct PostgresStore {
    /// None where the log is only read.
    queue: Option<Arc<Queue>>,
    pool: Pool,
    head: watch::Receiver<Position>,
    _listening: Arc<Listening>,
}

impl PostgresStore {
    /// Whether there is a log in this database.
    pub async fn is_there(server: &Server) -> Result<bool, StoreError> {
        server.check(&SCHEMA).await
    }

    /// Opens the log in this database. Where the login may, it makes database and tables, and brings them to the version of this
    /// program.
    pub async fn open(server: &Server, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        server.prepare_database().await?;
        server.prepare(&SCHEMA).await?;
        let (head, watching) = watch::channel(Position::START);
        let queue = Queue::start(Writer::new(server.clone(), clock)?, head.clone());
        let listening = Arc::new(Listening::start(server.clone(), Some(Role::App), head));
        let queue = Some(Arc::new(queue));
        Ok(PostgresStore { queue, pool: server.pool(Role::App)?, head: watching, _listening: listening })
    }

    /// Opens the log in this database for a login that may only read it. Whatever would write is refused with
    /// [`StoreError::ReadOnly`].
    pub async fn open_read_only(server: &Server) -> Result<Self, StoreError> {
        let server = server.with_setting("default_transaction_read_only", "on");
        let (head, watching) = watch::channel(Position::START);
        let listening = Arc::new(Listening::start(server.clone(), None, head));
        let store =
            PostgresStore { queue: None, pool: server.pool(None)?, head: watching, _listening: listening };
        store.head().await?;
        Ok(store)
    }

    /// What the writer has done since the log was opened.
    pub fn figures(&self) -> Figures {
        self.queue.as_ref().map_or_else(Figures::default, |queue| queue.figures())
    }
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let queue = self.queue.as_ref().ok_or(AppendError::Store(StoreError::ReadOnly))?;
        queue.append(Prepared::new(append)?).await
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        readers::stream(&pooled(&self.pool).await?, stream, after, limit).await
    }

    async fn read_to_fold(
        &self,
        stream: StreamId,
        after: Version,
        limit: u32,
    ) -> Result<Happened, StoreError> {
        readers::happened(&pooled(&self.pool).await?, stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        let events = readers::log(&pooled(&self.pool).await?, after, limit, |stored| stored.decode()).await?;
        Ok(Page { scanned_to: events.last().map_or(after, |event| event.position), events })
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        readers::log(&pooled(&self.pool).await?, after, limit, |stored| Ok(StoredEvent::from(stored))).await
    }

    async fn first_row(&self, after: Option<Position>) -> Result<Option<RowHead>, StoreError> {
        readers::first_row(&pooled(&self.pool).await?, after).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        readers::receipt(&pooled(&self.pool).await?, partition, command).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        readers::head(&pooled(&self.pool).await?).await
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
            // Nobody is told where no notice comes in time, nor where nobody listens any more.
            drop(tokio::time::timeout(left.min(LOOK_EVERY), head.changed()).await);
        }
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        if self.queue.is_none() {
            return Err(StoreError::ReadOnly);
        }
        session::forget_receipts(&pooled(&self.pool).await?, before, at_most).await
    }
}

#[cfg(test)]
mod tests;
