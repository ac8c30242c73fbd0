//! Writes batches of appends, each batch in one transaction with one flush. An append that cannot be done
//! fails alone: it is checked before its first row is written, so there is nothing to take back.

use super::readers;
use crate::clock::Clock;
use crate::database::sqlite::failure;
use crate::queue::{self, Answer, Figures};
use crate::store::{AppendError, Appended, StoreError};
use crate::stored::{Prepared, recorded_at};
use chrono::{DateTime, Utc};
use cityos_domain::log::{Position, StreamId, Version};
use quick_cache::unsync::Cache;
use rusqlite::{CachedStatement, Connection, TransactionBehavior, params};
use std::sync::Arc;

/// How many streams' versions the writer keeps in mind.
const HEADS_MAX: usize = 100_000;

pub const INSERT_EVENT: &str = "INSERT INTO events (position, partition, kind, id, version, event_id, type, \
     schema_version, at, recorded_at, body, meta) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const INSERT_RECEIPT: &str = "INSERT INTO receipts (partition, command, input, position, versions, recorded_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (partition, command) DO NOTHING";

const STREAM_HEAD: &str = "SELECT max(version) FROM events WHERE partition = ?1 AND kind = ?2 AND id = ?3";

const FORGET_RECEIPTS: &str = "DELETE FROM receipts WHERE sequence IN (SELECT sequence FROM \
     (SELECT sequence, recorded_at FROM receipts ORDER BY sequence LIMIT ?2) WHERE recorded_at < ?1)";

/// The one connection that writes.
pub struct Writer {
    pub connection: Connection,
    clock: Arc<dyn Clock>,
    /// Valid while nobody else writes.
    heads: Cache<StreamId, Version>,
    tail: Option<Tail>,
    figures: Figures,
}

/// The end of the log.
#[derive(Clone, Copy)]
struct Tail {
    /// Changes when another connection commits.
    data_version: i64,
    position: u64,
    recorded_at: i64,
}

impl Writer {
    pub fn new(connection: Connection, clock: Arc<dyn Clock>) -> Self {
        let heads = Cache::new(HEADS_MAX);
        Writer { connection, clock, heads, tail: None, figures: Figures::default() }
    }

    fn write(&mut self, batch: &[Prepared]) -> Result<Vec<Answer>, AppendError> {
        let nothing_written = |error| AppendError::Store(failure(error));
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(nothing_written)?;
        let data_version = transaction
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(nothing_written)?;
        if self.tail.is_none_or(|tail| tail.data_version != data_version) {
            self.heads.clear();
            let (position, recorded_at) = readers::tail(&transaction).map_err(nothing_written)?;
            self.tail = Some(Tail { data_version, position, recorded_at });
        }
        let mut tail = self.tail.expect("it was just read");
        tail.recorded_at = recorded_at(self.clock.now(), tail.recorded_at);
        let mut batch_writer =
            BatchWriter::new(&transaction, &mut self.heads, tail).map_err(nothing_written)?;
        let mut answers = Vec::with_capacity(batch.len());
        for append in batch {
            answers.push(batch_writer.append(append).map_err(AppendError::Store)?);
        }
        let (tail, written) = (batch_writer.tail, batch_writer.written);
        drop(batch_writer);
        if written.commands == 0 {
            return Ok(answers);
        }
        transaction.commit().map_err(|error| {
            let error = failure(error);
            if matches!(error, StoreError::Busy | StoreError::Full | StoreError::ReadOnly) {
                return AppendError::Store(error);
            }
            // The last flush may have failed after the data had reached the disk.
            AppendError::Unknown(error)
        })?;
        self.tail = Some(tail);
        self.figures.flushes += 1;
        self.figures.commands += written.commands;
        self.figures.events += written.events;
        Ok(answers)
    }
}

impl queue::Writer for Writer {
    /// SQLite lets one in at a time when the batch is written.
    fn take_turn(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&mut self, batch: &[Prepared]) -> Vec<Answer> {
        self.figures.batches += 1;
        self.write(batch).unwrap_or_else(|failure| {
            self.tail = None;
            self.heads.clear();
            vec![Err(failure); batch.len()]
        })
    }

    fn head(&self) -> Position {
        Position(self.tail.map_or(0, |tail| tail.position))
    }

    fn figures(&self) -> Figures {
        self.figures
    }
}

/// One transaction in the making.
struct BatchWriter<'a> {
    connection: &'a Connection,
    insert_event: CachedStatement<'a>,
    insert_receipt: CachedStatement<'a>,
    stream_head: CachedStatement<'a>,
    heads: &'a mut Cache<StreamId, Version>,
    tail: Tail,
    written: Figures,
}

impl<'a> BatchWriter<'a> {
    fn new(
        connection: &'a Connection,
        heads: &'a mut Cache<StreamId, Version>,
        tail: Tail,
    ) -> rusqlite::Result<Self> {
        Ok(BatchWriter {
            connection,
            insert_event: connection.prepare_cached(INSERT_EVENT)?,
            insert_receipt: connection.prepare_cached(INSERT_RECEIPT)?,
            stream_head: connection.prepare_cached(STREAM_HEAD)?,
            heads,
            tail,
            written: Figures::default(),
        })
    }

    /// The outer error fails the whole batch, the inner one this append.
    fn append(&mut self, append: &Prepared) -> Result<Answer, StoreError> {
        let checked =
            append.check(|stream| self.head(stream).map_err(|error| AppendError::Store(failure(error))));
        match checked {
            Ok(()) => {}
            Err(AppendError::Store(error)) => return Err(error),
            Err(refusal) => return Ok(self.replay(append)?.unwrap_or(Err(refusal))),
        }
        let position = self.tail.position + append.events.len() as u64;
        let receipt = self.insert_receipt.execute(params![
            append.partition.id().as_bytes(),
            append.command.0.as_bytes(),
            append.input.0,
            position as i64,
            append.versions_text,
            self.tail.recorded_at,
        ]);
        if receipt.map_err(failure)? == 0 {
            return Ok(self.replay(append)?.expect("the insert met a receipt in this same transaction"));
        }
        for event in &append.events {
            self.tail.position += 1;
            let inserted = self.insert_event.execute(params![
                self.tail.position as i64,
                event.stream.partition.id().as_bytes(),
                event.stream.kind.name(),
                event.stream.id.as_bytes(),
                event.version.0 as i64,
                event.id.0.as_bytes(),
                event.type_name,
                event.schema_version,
                event.at,
                self.tail.recorded_at,
                event.body,
                append.meta,
            ]);
            inserted.map_err(failure)?;
        }
        for (stream, version) in &append.versions {
            self.heads.insert(*stream, *version);
        }
        self.written.commands += 1;
        self.written.events += append.events.len() as u64;
        Ok(Ok(Appended {
            position: Position(self.tail.position),
            versions: append.versions.clone(),
            replayed: false,
        }))
    }

    /// The answer to a command that has a receipt. One that cannot be read is the trouble of this append alone,
    /// unless the database gave up the transaction over it.
    fn replay(&self, append: &Prepared) -> Result<Option<Answer>, StoreError> {
        match readers::receipt(self.connection, append.partition, append.command) {
            Ok(receipt) => Ok(receipt.map(|receipt| receipt.replay(append.input))),
            Err(error) if self.connection.is_autocommit() => Err(error),
            Err(error) => Ok(Some(Err(AppendError::Store(error)))),
        }
    }

    fn head(&mut self, stream: StreamId) -> rusqlite::Result<Version> {
        if let Some(version) = self.heads.get(&stream) {
            return Ok(*version);
        }
        let version: Option<i64> = self.stream_head.query_row(
            params![stream.partition.id().as_bytes(), stream.kind.name(), stream.id.as_bytes()],
            |row| row.get(0),
        )?;
        let version = Version(version.unwrap_or(0) as u64);
        self.heads.insert(stream, version);
        Ok(version)
    }
}

/// Deletes the oldest receipts if they are from before a time, and says how many.
pub fn forget_receipts(
    connection: &Connection,
    before: DateTime<Utc>,
    at_most: u32,
) -> Result<u32, StoreError> {
    let deleted = connection.execute(FORGET_RECEIPTS, params![before.timestamp_micros(), at_most]);
    Ok(deleted.map_err(failure)? as u32)
}

#[cfg(test)]
mod tests;
