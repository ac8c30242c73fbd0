//! A log in memory, for tests and simulations. Keeps the stored form, so that it reads what a disk would.

use crate::clock::Clock;
use crate::store::{Append, AppendError, Appended, EventStore, PAGE_BYTES_MAX, Page, Receipt, StoreError};
use crate::stored::{Prepared, PreparedEvent, Stored, StoredEvent, instant, recorded_at};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;

/// A log that lives as long as its last clone.
#[derive(Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    log: Arc<Mutex<Log>>,
    head: watch::Sender<Position>,
}

#[derive(Default)]
struct Log {
    events: Vec<Kept>,
    /// Of each stream, where its events are.
    streams: HashMap<StreamId, Vec<usize>>,
    receipts: HashMap<(Partition, CommandId), Receipt>,
    /// Whose receipts there are, oldest first.
    commands: Vec<(Partition, CommandId)>,
}

struct Kept {
    event: PreparedEvent,
    recorded_at: i64,
    meta: Arc<str>,
}

impl MemoryStore {
    /// An empty log.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        MemoryStore { clock, log: Arc::default(), head: watch::Sender::new(Position::START) }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nothing panics while it holds the log")
    }
}

impl Log {
    fn head(&self) -> Position {
        Position(self.events.len() as u64)
    }

    fn version(&self, stream: StreamId) -> Version {
        Version(self.streams.get(&stream).map_or(0, |places| places.len() as u64))
    }

    fn append(&mut self, prepared: Prepared, clock: &dyn Clock) -> Result<Appended, AppendError> {
        let key = (prepared.partition, prepared.command);
        if let Some(receipt) = self.receipts.get(&key) {
            return receipt.clone().replay(prepared.input);
        }
        prepared.check(|stream| Ok(self.version(stream)))?;
        let last = self.events.last().map_or(i64::MIN, |kept| kept.recorded_at);
        let recorded_at = recorded_at(clock.now(), last);
        let meta: Arc<str> = prepared.meta.into();
        for event in prepared.events {
            self.streams.entry(event.stream).or_default().push(self.events.len());
            self.events.push(Kept { event, recorded_at, meta: meta.clone() });
        }
        let receipt = Receipt {
            command: prepared.command,
            input: prepared.input,
            position: self.head(),
            versions: prepared.versions,
            recorded_at: instant(recorded_at).expect("it came from an instant"),
        };
        self.receipts.insert(key, receipt.clone());
        self.commands.push(key);
        Ok(Appended { position: receipt.position, versions: receipt.versions, replayed: false })
    }

    fn stored(&self, index: usize) -> Stored<'_> {
        let Kept { event, recorded_at, meta } = &self.events[index];
        Stored {
            position: index as u64 + 1,
            partition: event.stream.partition.id(),
            kind: event.stream.kind.name(),
            id: event.stream.id,
            version: event.version.0,
            event_id: event.id.0,
            type_name: &event.type_name,
            schema_version: event.schema_version,
            at: event.at,
            recorded_at: *recorded_at,
            body: &event.body,
            meta,
        }
    }

    /// The places of the page after a position.
    fn after(&self, after: Position, limit: u32) -> Range<usize> {
        let from = self.events.len().min(after.0 as usize);
        let mut bytes = 0;
        let fits = self.events[from..].iter().take(limit as usize).take_while(|kept| {
            let is_open = bytes < PAGE_BYTES_MAX;
            bytes += kept.event.body.len() + kept.meta.len();
            is_open
        });
        from..from + fits.count()
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let prepared = Prepared::new(append)?;
        let mut log = self.log();
        let appended = log.append(prepared, &*self.clock)?;
        self.head.send_replace(log.head());
        Ok(appended)
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        let log = self.log();
        let places = log.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .skip(after.0 as usize)
            .take(limit as usize)
            .map(|index| log.stored(*index).decode())
            .collect()
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        let log = self.log();
        let places = log.after(after, limit);
        let events = places.map(|index| log.stored(index).decode()).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { scanned_to: events.last().map_or(after, |event| event.position), events })
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let log = self.log();
        Ok(log.after(after, limit).map(|index| log.stored(index).into()).collect())
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        Ok(self.log().receipts.get(&(partition, command)).cloned())
    }

    async fn head(&self) -> Result<Position, StoreError> {
        Ok(self.log().head())
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        let mut head = self.head.subscribe();
        let beyond = head.wait_for(|head| *head > after);
        // Time being up is an answer like any other.
        if let Ok(reached) = tokio::time::timeout(at_most, beyond).await {
            reached.expect("the store itself holds the sender");
        }
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        let mut log = self.log();
        let Log { receipts, commands, .. } = &mut *log;
        let oldest = commands.len().min(at_most as usize);
        let forgotten = commands.extract_if(..oldest, |key| {
            receipts.get(key).is_some_and(|receipt| receipt.recorded_at < before)
                && receipts.remove(key).is_some()
        });
        Ok(forgotten.count() as u32)
    }
}
