//! What is read from the log's file, and the connections it is read with. Rows are decoded where they are
//! read, off the threads that serve requests.

use crate::database::sqlite::{blocking, failure};
use crate::store::{Happened, InputHash, PAGE_BYTES_MAX, Receipt, RowHead, StoreError};
use crate::stored::{Stored, StoredEvent, StoredFact, instant, versions_from_text};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use rusqlite::Error::IntegralValueOutOfRange;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How many reads run at once; further ones wait.
const READERS_MAX: usize = 8;

const EVENTS: &str = "SELECT position, partition, kind, id, version, event_id, type, schema_version, at, \
     recorded_at, body, meta FROM events";

/// Connections for reading, opened when they are first needed.
pub struct Readers {
    path: PathBuf,
    open: fn(&Path) -> Result<Connection, StoreError>,
    idle: Mutex<Vec<Connection>>,
    room: Arc<Semaphore>,
}

impl Readers {
    /// Connections to the file at `path`, made by `open`.
    pub fn new(path: &Path, open: fn(&Path) -> Result<Connection, StoreError>) -> Self {
        let room = Arc::new(Semaphore::new(READERS_MAX));
        Readers { path: path.to_owned(), open, idle: Mutex::default(), room }
    }

    /// Does `work` with a connection, on a thread that may block.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let room = self.room.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let read = move || {
            let _room = room;
            let idle = readers.idle().pop();
            let connection = idle.map_or_else(|| (readers.open)(&readers.path), Ok)?;
            let result = work(&connection);
            readers.idle().push(connection);
            result
        };
        blocking(read).await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("nothing panics while it holds the list")
    }
}

/// The log after a position.
pub fn log(connection: &Connection, after: Position, limit: u32) -> Result<Vec<Envelope>, StoreError> {
    let params = params![integer(after.0), limit];
    events(connection, &log_after(), params, PAGE_BYTES_MAX, |stored| stored.decode())
}

/// The log after a position, not understood.
pub fn stored_log(
    connection: &Connection,
    after: Position,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let params = params![integer(after.0), limit];
    events(connection, &log_after(), params, PAGE_BYTES_MAX, |stored| Ok(stored.into()))
}

/// The first row after a position, or of all, as far as it can be read.
pub fn first_row(connection: &Connection, after: Option<Position>) -> rusqlite::Result<Option<RowHead>> {
    let first = "SELECT position, partition FROM events WHERE position >= ?1 ORDER BY position LIMIT 1";
    let from = after.map_or(i64::MIN, |after| integer(after.0).saturating_add(1));
    let head = |row: &Row<'_>| Ok(RowHead { position: row.get(0)?, partition: uuid(row, 1).ok() });
    connection.prepare_cached(first)?.query_row([from], head).optional()
}

fn log_after() -> String {
    format!("{EVENTS} WHERE position > ?1 ORDER BY position LIMIT ?2")
}

/// One stream after a version.
pub fn stream(
    connection: &Connection,
    stream: StreamId,
    after: Version,
    limit: u32,
) -> Result<Vec<Envelope>, StoreError> {
    let sql = format!(
        "{EVENTS} WHERE partition = ?1 AND kind = ?2 AND id = ?3 AND version > ?4 ORDER BY version LIMIT ?5"
    );
    let StreamId { partition, kind, id } = stream;
    events(
        connection,
        &sql,
        params![partition.id().as_bytes(), kind.name(), id.as_bytes(), integer(after.0), limit],
        usize::MAX,
        |stored| stored.decode(),
    )
}

/// What happened in one stream after a version.
pub fn happened(
    connection: &Connection,
    stream: StreamId,
    after: Version,
    limit: u32,
) -> Result<Happened, StoreError> {
    let facts = "SELECT version, position, type, schema_version, body FROM events \
         WHERE partition = ?1 AND kind = ?2 AND id = ?3 AND version > ?4 ORDER BY version LIMIT ?5";
    let mut facts = connection.prepare_cached(facts).map_err(failure)?;
    let StreamId { partition, kind, id } = stream;
    let partition = partition.id();
    let params = params![partition.as_bytes(), kind.name(), id.as_bytes(), integer(after.0), limit];
    let mut rows = facts.query(params).map_err(failure)?;
    let mut happened = Happened { events: Vec::new(), version: after };
    while let Some(row) = rows.next().map_err(failure)? {
        let (version, fact) = fact(row).map_err(failure)?;
        happened.version = version;
        happened.events.push(fact.decode()?);
    }
    Ok(happened)
}

fn fact<'a>(row: &'a Row<'_>) -> rusqlite::Result<(Version, StoredFact<'a>)> {
    let fact = StoredFact {
        position: unsigned(row, 1)?,
        type_name: row.get_ref(2)?.as_str()?,
        schema_version: row.get(3)?,
        body: row.get_ref(4)?.as_str()?,
    };
    Ok((Version(unsigned(row, 0)?), fact))
}

/// Ends with the event by which they come to `bytes_max`.
fn events<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    bytes_max: usize,
    read: impl Fn(Stored<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let mut rows = statement.query(params).map_err(failure)?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < bytes_max
        && let Some(row) = rows.next().map_err(failure)?
    {
        let stored = stored(row).map_err(failure)?;
        bytes += stored.body.len() + stored.meta.len();
        events.push(read(stored)?);
    }
    Ok(events)
}

fn stored<'a>(row: &'a Row<'_>) -> rusqlite::Result<Stored<'a>> {
    Ok(Stored {
        position: unsigned(row, 0)?,
        partition: uuid(row, 1)?,
        kind: row.get_ref(2)?.as_str()?,
        id: uuid(row, 3)?,
        version: row.get::<_, i64>(4)? as u64,
        event_id: uuid(row, 5)?,
        type_name: row.get_ref(6)?.as_str()?,
        schema_version: row.get(7)?,
        at: row.get(8)?,
        recorded_at: row.get(9)?,
        body: row.get_ref(10)?.as_str()?,
        meta: row.get_ref(11)?.as_str()?,
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value = row.get(column)?;
    u64::try_from(value).map_err(|_| IntegralValueOutOfRange(column, value))
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// What fits SQLite's integers: no position or version ever comes near their end.
pub fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The position of the newest event.
pub fn head(connection: &Connection) -> rusqlite::Result<Position> {
    tail(connection).map(|(position, _)| Position(position))
}

/// Position and time of the newest event.
pub fn tail(connection: &Connection) -> rusqlite::Result<(u64, i64)> {
    let mut statement = connection
        .prepare_cached("SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1")?;
    let tail = statement.query_row([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))).optional()?;
    Ok(tail.unwrap_or((0, i64::MIN)))
}

/// What a command left behind.
pub fn receipt(
    connection: &Connection,
    partition: Partition,
    command: CommandId,
) -> Result<Option<Receipt>, StoreError> {
    let sql =
        "SELECT input, position, versions, recorded_at FROM receipts WHERE partition = ?1 AND command = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let row = statement.query_row(params![partition.id().as_bytes(), command.0.as_bytes()], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get(3)?))
    });
    let Some((input, position, versions, recorded_at)) = row.optional().map_err(failure)? else {
        return Ok(None);
    };
    Ok(Some(Receipt {
        command,
        input: InputHash(input),
        position: Position(position as u64),
        versions: versions_from_text(partition, &versions).map_err(StoreError::Database)?,
        recorded_at: instant(recorded_at).map_err(StoreError::Database)?,
    }))
}
