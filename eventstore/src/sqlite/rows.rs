//! Rows of the log's file as they are, read and written.

use super::readers::integer;
use super::{SCHEMA, SqliteStore, writer};
use crate::copy::{Batch, End, LogRows, StoredReceipt};
use crate::database::sqlite::{self, blocking, failure};
use crate::store::StoreError;
use async_trait::async_trait;
use cityos_domain::log::Position;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use uuid::Uuid;

const RECEIPTS: &str = "SELECT sequence, partition, command, input, position, versions, recorded_at FROM receipts \
     WHERE sequence > ?1 AND position <= ?2 ORDER BY sequence LIMIT ?3";

const END: &str = "SELECT (SELECT coalesce(max(position), 0) FROM events), (SELECT coalesce(max(sequence), 0) FROM receipts)";

const PUT_RECEIPT: &str = "INSERT INTO receipts (partition, command, input, position, versions, recorded_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

#[async_trait]
impl LogRows for SqliteStore {
    async fn receipts(
        &self,
        after: i64,
        end: Position,
        limit: u32,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        let read = move |connection: &Connection| -> rusqlite::Result<Vec<_>> {
            let mut statement = connection.prepare_cached(RECEIPTS)?;
            statement.query_map(params![after, integer(end.0), limit], receipt)?.collect()
        };
        self.readers.run(move |connection| read(connection).map_err(failure)).await
    }

    async fn put(&self, end: End, batch: Batch) -> Result<bool, StoreError> {
        if self.queue.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let path = self.path.clone();
        blocking(move || {
            let mut connection = sqlite::open(&path, &SCHEMA)?;
            let writing =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
            let there = writing.query_row(END, [], |row| {
                Ok(End { position: Position(row.get::<_, i64>(0)? as u64), sequence: row.get(1)? })
            });
            if there.map_err(failure)? != end {
                return Ok(false);
            }
            write(&writing, &batch).and_then(|()| writing.commit()).map_err(failure)?;
            Ok(true)
        })
        .await
    }
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<StoredReceipt> {
    Ok(StoredReceipt {
        sequence: row.get(0)?,
        partition: Uuid::from_bytes(row.get(1)?),
        command: Uuid::from_bytes(row.get(2)?),
        input: row.get(3)?,
        position: Position(row.get::<_, i64>(4)? as u64),
        versions: row.get(5)?,
        recorded_at: row.get(6)?,
    })
}

fn write(writing: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let mut put = writing.prepare(writer::INSERT_EVENT)?;
    for event in &batch.events {
        put.execute(params![
            integer(event.position.0),
            event.partition.as_bytes(),
            event.kind,
            event.id.as_bytes(),
            integer(event.version.0),
            event.event_id.0.as_bytes(),
            event.type_name,
            event.schema_version,
            event.at,
            event.recorded_at,
            event.body,
            event.meta,
        ])?;
    }
    let mut put = writing.prepare(PUT_RECEIPT)?;
    for receipt in &batch.receipts {
        put.execute(params![
            receipt.partition.as_bytes(),
            receipt.command.as_bytes(),
            receipt.input,
            integer(receipt.position.0),
            receipt.versions,
            receipt.recorded_at,
        ])?;
    }
    Ok(())
}
