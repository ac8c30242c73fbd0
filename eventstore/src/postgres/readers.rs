//! What is read from the log's tables. Long pages are decoded while the rest of them still comes in.

use crate::database::postgres::{Pooled, failure};
use crate::store::{Cause, Happened, InputHash, PAGE_BYTES_MAX, Receipt, RowHead, StoreError};
use crate::stored::{Stored, StoredFact, instant, versions_from_text};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use futures_util::TryStreamExt;
use std::pin::pin;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

/// How many rows are decoded at a time, off the thread that receives them.
const ROWS_DECODED_AT_ONCE: usize = 512;

const LOG_AFTER: &str = "SELECT position, version, event_id, type, schema_version, at, recorded_at, body, meta, partition, kind, \
     id FROM log.events WHERE position > $1 ORDER BY position LIMIT $2";

/// Whose stream it is the asker knows.
const STREAM_AFTER: &str = "SELECT position, version, event_id, type, schema_version, at, recorded_at, body, meta FROM log.events \
     WHERE partition = $1 AND kind = $2 AND id = $3 AND version > $4 ORDER BY version LIMIT $5";

/// What it takes to fold them.
const FACTS_AFTER: &str = "SELECT version, position, type, schema_version, body FROM log.events \
     WHERE partition = $1 AND kind = $2 AND id = $3 AND version > $4 ORDER BY version LIMIT $5";

/// The log after a position, each event as `read` gives it. Ends with the event by which they come to [`PAGE_BYTES_MAX`].
pub async fn log<T: Send + 'static>(
    client: &Pooled,
    after: Position,
    limit: u32,
    read: fn(Stored<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let rows = query(client, LOG_AFTER, &[&integer(after.0), &i64::from(limit)]).await?;
    events(rows, None, PAGE_BYTES_MAX, read).await
}

/// One stream after a version.
pub async fn stream(
    client: &Pooled,
    stream: StreamId,
    after: Version,
    limit: u32,
) -> Result<Vec<Envelope>, StoreError> {
    let StreamId { partition, kind, id } = stream;
    let (after, limit) = (integer(after.0), i64::from(limit));
    let rows = query(client, STREAM_AFTER, &[&partition.id(), &kind.name(), &id, &after, &limit]).await?;
    events(rows, Some(stream), usize::MAX, |stored| stored.decode()).await
}

/// What happened in one stream after a version.
pub async fn happened(
    client: &Pooled,
    stream: StreamId,
    after: Version,
    limit: u32,
) -> Result<Happened, StoreError> {
    let StreamId { partition, kind, id } = stream;
    let values: [&(dyn ToSql + Sync); 5] =
        [&partition.id(), &kind.name(), &id, &integer(after.0), &i64::from(limit)];
    let mut rows = pin!(query(client, FACTS_AFTER, &values).await?);
    let mut happened = Happened { events: Vec::new(), version: after };
    while let Some(row) = rows.try_next().await.map_err(failure)? {
        happened.version = Version(unsigned(&row, 0)?);
        let fact = StoredFact {
            position: unsigned(&row, 1)?,
            type_name: text(&row, 2)?,
            schema_version: schema_version(&row, 3)?,
            body: text(&row, 4)?,
        };
        happened.events.push(fact.decode()?);
    }
    Ok(happened)
}

async fn query(client: &Pooled, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<RowStream, StoreError> {
    let statement = client.prepare_cached(sql).await.map_err(failure)?;
    client.query_raw(&statement, values.iter().copied()).await.map_err(failure)
}

async fn events<T: Send + 'static>(
    rows: RowStream,
    stream: Option<StreamId>,
    bytes_max: usize,
    read: fn(Stored<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut rows = pin!(rows);
    let (mut decoding, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
    while bytes < bytes_max
        && let Some(row) = rows.try_next().await.map_err(failure)?
    {
        bytes += text(&row, BODY)?.len() + text(&row, META)?.len();
        waiting.push(row);
        if waiting.len() == ROWS_DECODED_AT_ONCE {
            let rows = std::mem::take(&mut waiting);
            decoding.push(spawn_blocking(move || decode(rows, stream, read)));
        }
    }
    let mut events = Vec::new();
    for part in decoding {
        events.extend(joined(part).await?);
    }
    events.extend(decode(waiting, stream, read)?);
    Ok(events)
}

async fn joined<T>(part: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    part.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => StoreError::Closed,
    })?
}

fn decode<T>(
    rows: Vec<Row>,
    stream: Option<StreamId>,
    read: fn(Stored<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| read(stored(row, stream)?)).collect()
}

/// Where body and meta stand in a row.
const BODY: usize = 7;
const META: usize = 8;

/// The event in a row, of this stream or of the one that the row names.
fn stored(row: &Row, stream: Option<StreamId>) -> Result<Stored<'_>, StoreError> {
    let (partition, kind, id) = match stream {
        Some(StreamId { partition, kind, id }) => (partition.id(), kind.name(), id),
        None => (row.try_get(9).map_err(failure)?, text(row, 10)?, row.try_get(11).map_err(failure)?),
    };
    Ok(Stored {
        position: unsigned(row, 0)?,
        partition,
        kind,
        id,
        version: unsigned(row, 1)?,
        event_id: row.try_get(2).map_err(failure)?,
        type_name: text(row, 3)?,
        schema_version: schema_version(row, 4)?,
        at: row.try_get(5).map_err(failure)?,
        recorded_at: row.try_get(6).map_err(failure)?,
        body: text(row, BODY)?,
        meta: text(row, META)?,
    })
}

fn unsigned(row: &Row, column: usize) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column).map_err(failure)?;
    u64::try_from(value).map_err(|error| StoreError::Database(Cause::new(error)))
}

/// No version that could be lifted is out of range: those are undecodable.
fn schema_version(row: &Row, column: usize) -> Result<u16, StoreError> {
    let version: i32 = row.try_get(column).map_err(failure)?;
    Ok(u16::try_from(version).unwrap_or(u16::MAX))
}

fn text(row: &Row, column: usize) -> Result<&str, StoreError> {
    row.try_get(column).map_err(failure)
}

/// What fits the server's integers: no position or version ever comes near their end.
pub fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The position of the newest event.
pub async fn head(client: &Pooled) -> Result<Position, StoreError> {
    let newest = "SELECT coalesce(max(position), 0) FROM log.events";
    let newest = client.prepare_cached(newest).await.map_err(failure)?;
    let head: i64 = client.query_one(&newest, &[]).await.map_err(failure)?.get(0);
    Ok(Position(head.unsigned_abs()))
}

/// The first row after a position, or of all.
pub async fn first_row(client: &Pooled, after: Option<Position>) -> Result<Option<RowHead>, StoreError> {
    let first = "SELECT position, partition FROM log.events WHERE position >= $1 ORDER BY position LIMIT 1";
    let from = after.map_or(i64::MIN, |after| integer(after.0).saturating_add(1));
    let row = client.query_opt(first, &[&from]).await.map_err(failure)?;
    Ok(row.map(|row| RowHead { position: row.get(0), partition: row.get(1) }))
}

/// What a command left behind.
pub async fn receipt(
    client: &Pooled,
    partition: Partition,
    command: CommandId,
) -> Result<Option<Receipt>, StoreError> {
    let find = "SELECT command, input, position, versions, recorded_at FROM log.receipts \
                WHERE partition = $1 AND command = $2";
    let find = client.prepare_cached(find).await.map_err(failure)?;
    let row = client.query_opt(&find, &[&partition.id(), &command.0]).await.map_err(failure)?;
    row.map(|row| receipt_in(&row, partition)).transpose()
}

/// The receipt in a row of command, input, position, versions and time.
pub fn receipt_in(row: &Row, partition: Partition) -> Result<Receipt, StoreError> {
    let input: &[u8] = row.try_get(1).map_err(failure)?;
    let position: i64 = row.try_get(2).map_err(failure)?;
    Ok(Receipt {
        command: CommandId(row.try_get::<_, Uuid>(0).map_err(failure)?),
        input: InputHash(input.try_into().map_err(|error| StoreError::Database(Cause::new(error)))?),
        position: Position(position.unsigned_abs()),
        versions: versions_from_text(partition, text(row, 3)?).map_err(StoreError::Database)?,
        recorded_at: instant(row.try_get(4).map_err(failure)?).map_err(StoreError::Database)?,
    })
}
