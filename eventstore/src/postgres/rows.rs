//! Rows of the log's tables as they are, read and written.

use super::PostgresStore;
use super::readers::integer;
use super::session::{CHANNEL, LOCK};
use crate::copy::{Batch, End, LogRows, StoredReceipt};
use crate::database::postgres::{failure, pooled};
use crate::store::StoreError;
use async_trait::async_trait;
use cityos_domain::log::Position;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row, Transaction};

const RECEIPTS: &str = "SELECT sequence, partition, command, input, position, versions, recorded_at FROM log.receipts \
     WHERE sequence > $1 AND position <= $2 ORDER BY sequence LIMIT $3";

const END: &str = "SELECT (SELECT coalesce(max(position), 0) FROM log.events), \
     (SELECT coalesce(max(sequence), 0) FROM log.receipts)";

/// What is acknowledged is on the disk, whatever the server does for others.
const DURABLY: &str =
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

const PUT_EVENTS: &str = "INSERT INTO log.events (position, partition, kind, id, version, event_id, type, schema_version, at, \
         recorded_at, body, meta) \
     SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::uuid[], $5::bigint[], $6::uuid[], $7::text[], \
         $8::integer[], $9::bigint[], $10::bigint[], $11::text[], $12::text[])";

const PUT_RECEIPTS: &str = "INSERT INTO log.receipts (partition, command, input, position, versions, recorded_at) \
     SELECT partition, command, input, position, versions, recorded_at \
     FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bigint[], $5::text[], $6::bigint[]) WITH ORDINALITY \
         AS r (partition, command, input, position, versions, recorded_at, number) ORDER BY number";

#[async_trait]
impl LogRows for PostgresStore {
    async fn receipts(
        &self,
        after: i64,
        end: Position,
        limit: u32,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        let client = pooled(&self.pool).await?;
        let rows = client.query(RECEIPTS, &[&after, &integer(end.0), &i64::from(limit)]).await;
        rows.map_err(failure)?.iter().map(receipt).collect()
    }

    async fn put(&self, end: End, batch: Batch) -> Result<bool, StoreError> {
        if self.queue.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let mut client = pooled(&self.pool).await?;
        // The end is to be seen as it is when the lock is ours.
        let beginning = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
        let writing = beginning.start().await.map_err(failure)?;
        writing.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failure)?;
        let there = writing.query_one(END, &[]).await.map_err(failure)?;
        let there = End { position: Position(there.get::<_, i64>(0).unsigned_abs()), sequence: there.get(1) };
        if there != end {
            return Ok(false);
        }
        write(&writing, &batch).await.map_err(failure)?;
        writing.commit().await.map_err(failure)?;
        Ok(true)
    }
}

fn receipt(row: &Row) -> Result<StoredReceipt, StoreError> {
    Ok(StoredReceipt {
        sequence: row.try_get(0).map_err(failure)?,
        partition: row.try_get(1).map_err(failure)?,
        command: row.try_get(2).map_err(failure)?,
        input: row.try_get(3).map_err(failure)?,
        position: Position(row.try_get::<_, i64>(4).map_err(failure)?.unsigned_abs()),
        versions: row.try_get(5).map_err(failure)?,
        recorded_at: row.try_get(6).map_err(failure)?,
    })
}

async fn write(writing: &Transaction<'_>, batch: &Batch) -> Result<(), tokio_postgres::Error> {
    let Batch { events, receipts } = batch;
    writing.execute(DURABLY, &[]).await?;
    if let Some(last) = events.last() {
        let values: [&(dyn ToSql + Sync); 12] = [
            &column(events, |event| integer(event.position.0)),
            &column(events, |event| event.partition),
            &column(events, |event| &*event.kind),
            &column(events, |event| event.id),
            &column(events, |event| integer(event.version.0)),
            &column(events, |event| event.event_id.0),
            &column(events, |event| &*event.type_name),
            &column(events, |event| i32::from(event.schema_version)),
            &column(events, |event| event.at),
            &column(events, |event| event.recorded_at),
            &column(events, |event| &*event.body),
            &column(events, |event| &*event.meta),
        ];
        writing.execute(PUT_EVENTS, &values).await?;
        writing.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &last.position.0.to_string()]).await?;
    }
    let values: [&(dyn ToSql + Sync); 6] = [
        &column(receipts, |receipt| receipt.partition),
        &column(receipts, |receipt| receipt.command),
        &column(receipts, |receipt| &*receipt.input),
        &column(receipts, |receipt| integer(receipt.position.0)),
        &column(receipts, |receipt| &*receipt.versions),
        &column(receipts, |receipt| receipt.recorded_at),
    ];
    writing.execute(PUT_RECEIPTS, &values).await?;
    Ok(())
}

fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
