//! The writer's connection, and the statements of one batch: the lock with what others wrote before it, and all that is written
//! with the commit, each one way and back.

use super::readers::{integer, receipt_in};
use crate::database::postgres::{Pooled, Role, Server, failure};
use crate::store::{Receipt, StoreError};
use crate::stored::Prepared;
use chrono::{DateTime, Utc};
use cityos_domain::event::Kind;
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Partition, StreamId, Version};
use futures_util::future::join3;
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{Client, Row, Statement};
use uuid::Uuid;

/// The channel on which a batch tells where the log ends now.
pub const CHANNEL: &str = "cityos_log";

/// How many events of other writers are looked at one by one. After more, every stream is looked up anew.
pub const OTHERS_MAX: usize = 10_000;

/// How long the lock outlives a writer that is gone, or hangs, while it has it.
const HELD_AT_MOST: Duration = Duration::from_secs(5);

/// "cityos" and 1: one lock for the log of a database.
pub(super) const LOCK: i64 = 0x6369_7479_6f73_0001;

const OTHERS: &str = "SELECT position, partition, kind, id, version, recorded_at FROM log.events \
     WHERE position > $1 ORDER BY position DESC LIMIT $2";

const HEADS: &str = "SELECT (SELECT e.version FROM log.events AS e WHERE e.partition = s.partition \
         AND e.kind = s.kind COLLATE \"C\" AND e.id = s.id ORDER BY e.version DESC LIMIT 1) \
     FROM unnest($1::uuid[], $2::text[], $3::uuid[]) WITH ORDINALITY AS s (partition, kind, id, number) \
     ORDER BY s.number";

const RECEIPTS: &str = "SELECT r.command, r.input, r.position, r.versions, r.recorded_at, r.partition \
     FROM log.receipts AS r JOIN unnest($1::uuid[], $2::uuid[]) AS asked (partition, command) USING (partition, command)";

const WRITE: &str = "WITH receipts AS (
         INSERT INTO log.receipts (partition, command, input, position, versions, recorded_at)
         SELECT r.partition, r.command, r.input, r.position, r.versions, $1
         FROM unnest($3::uuid[], $4::uuid[], $5::bytea[], $6::bigint[], $7::text[])
             AS r (partition, command, input, position, versions)
     )
     INSERT INTO log.events (position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at,
         body, meta)
     SELECT $2 + e.number, e.partition, e.kind, e.id, e.version, e.event_id, e.type, e.schema_version, e.at, $1,
         e.body, e.meta
     FROM unnest($8::uuid[], $9::text[], $10::uuid[], $11::bigint[], $12::uuid[], $13::text[], $14::integer[],
             $15::bigint[], $16::text[], $17::text[]) WITH ORDINALITY
         AS e (partition, kind, id, version, event_id, type, schema_version, at, body, meta, number)";

const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks \
     WHERE locktype = 'advisory' AND pid = $1 AND (classid::bigint << 32) + objid::bigint = $2";

const FORGET_RECEIPTS: &str = "DELETE FROM log.receipts WHERE sequence IN (SELECT sequence FROM \
     (SELECT sequence, recorded_at FROM log.receipts ORDER BY sequence LIMIT $2) AS oldest WHERE recorded_at < $1)";

/// What commands left behind; of one that cannot be read, why.
pub type Receipts = HashMap<(Partition, CommandId), Result<Receipt, StoreError>>;

/// The connection.
pub struct Session {
    client: Client,
    /// Which session of the server's this is.
    pub backend: Backend,
    lock: Statement,
    others: Statement,
    heads: Statement,
    receipts: Statement,
    write: Statement,
    notify: Statement,
}

/// What the server calls one of its sessions.
#[derive(Clone, Copy, Debug)]
pub struct Backend(i32);

/// The end of the log.
#[derive(Clone, Copy)]
pub struct Tail {
    pub position: u64,
    pub recorded_at: i64,
}

impl Tail {
    /// Of an empty log.
    pub const EMPTY: Tail = Tail { position: 0, recorded_at: i64::MIN };
}

/// What is written in one batch.
pub struct Batch<'b> {
    pub tail: Tail,
    pub recorded_at: i64,
    pub appends: Vec<&'b Prepared>,
}

impl Session {
    /// Connects and gets ready.
    pub async fn open(server: &Server) -> Result<Self, StoreError> {
        let client = server.connect(Some(Role::App)).await?;
        // What is acknowledged is on the disk, whatever the server does for others; and it may ask for more than its own disk.
        let settings = format!(
            "SET idle_in_transaction_session_timeout = {}; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            HELD_AT_MOST.as_millis()
        );
        client.batch_execute(&settings).await.map_err(failure)?;
        let own = client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(failure)?;
        let prepare = async |sql: &str| client.prepare(sql).await.map_err(failure);
        Ok(Session {
            backend: Backend(own.get(0)),
            lock: prepare("SELECT pg_advisory_xact_lock($1)").await?,
            others: prepare(OTHERS).await?,
            heads: prepare(HEADS).await?,
            receipts: prepare(RECEIPTS).await?,
            write: prepare(WRITE).await?,
            notify: prepare("SELECT pg_notify($1, $2)").await?,
            client,
        })
    }

    /// Begins a transaction that nobody writes the log beside, and says what others have written after `known`, newest first: at
    /// most [`OTHERS_MAX`] of it, and only the last where nothing is known.
    pub async fn begin(
        &self,
        known: Option<u64>,
    ) -> Result<(Option<Tail>, Vec<(StreamId, Version)>), StoreError> {
        let most = if known.is_some() { OTHERS_MAX as i64 } else { 1 };
        // Each statement sees what was committed when its turn came: the last of them all that was before the lock.
        let (begun, locked, others) = join3(
            self.client.batch_execute("BEGIN"),
            self.client.execute(&self.lock, &[&LOCK]),
            self.client.query(&self.others, &[&integer(known.unwrap_or(0)), &most]),
        )
        .await;
        begun.map_err(failure)?;
        locked.map_err(failure)?;
        let others = others.map_err(failure)?;
        let tail = others
            .first()
            .map(|row| Tail { position: row.get::<_, i64>(0).unsigned_abs(), recorded_at: row.get(5) });
        // A kind this program does not know is none it writes to.
        Ok((tail, others.iter().filter_map(other).collect()))
    }

    /// The versions of these streams, in their order.
    pub async fn heads(&self, streams: &[StreamId]) -> Result<Vec<Version>, StoreError> {
        let partitions: Vec<Uuid> = streams.iter().map(|stream| stream.partition.id()).collect();
        let kinds: Vec<&str> = streams.iter().map(|stream| stream.kind.name()).collect();
        let ids: Vec<Uuid> = streams.iter().map(|stream| stream.id).collect();
        let rows = self.client.query(&self.heads, &[&partitions, &kinds, &ids]).await.map_err(failure)?;
        let version = |row: &Row| Version(row.get::<_, Option<i64>>(0).unwrap_or(0).unsigned_abs());
        Ok(rows.iter().map(version).collect())
    }

    /// The receipts of those of these commands that have one.
    pub async fn receipts(&self, appends: &[&Prepared]) -> Result<Receipts, StoreError> {
        let partitions: Vec<Uuid> = appends.iter().map(|append| append.partition.id()).collect();
        let commands: Vec<Uuid> = appends.iter().map(|append| append.command.0).collect();
        let rows = self.client.query(&self.receipts, &[&partitions, &commands]).await.map_err(failure)?;
        let keyed = |row: &Row| {
            let partition = Partition::from_id(row.get(5));
            ((partition, CommandId(row.get(0))), receipt_in(row, partition))
        };
        Ok(rows.iter().map(keyed).collect())
    }

    /// Writes the batch and commits. An error of the first kind is the server's: nothing was written. One of the second leaves
    /// open whether the batch was committed.
    pub async fn commit(&self, batch: &Batch<'_>) -> Result<(), CommitError> {
        let mut position = batch.tail.position;
        let (mut partitions, mut commands, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut positions, mut versions) = (Vec::new(), Vec::new());
        let mut events = Columns::default();
        for append in &batch.appends {
            position += append.events.len() as u64;
            partitions.push(append.partition.id());
            commands.push(append.command.0);
            inputs.push(&append.input.0[..]);
            positions.push(integer(position));
            versions.push(append.versions_text.as_str());
            events.push(append);
        }
        let (base, head) = (integer(batch.tail.position), position.to_string());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 17] = [
            &batch.recorded_at,
            &base,
            &partitions,
            &commands,
            &inputs,
            &positions,
            &versions,
            &events.partitions,
            &events.kinds,
            &events.ids,
            &events.versions,
            &events.event_ids,
            &events.types,
            &events.schema_versions,
            &events.ats,
            &events.bodies,
            &events.metas,
        ];
        // Where the first statement fails, the commit takes everything back.
        let (written, notified, committed) = join3(
            self.client.execute(&self.write, &values),
            self.client.execute(&self.notify, &[&CHANNEL, &head]),
            self.client.batch_execute("COMMIT"),
        )
        .await;
        for result in [written.map(|_| ()), notified.map(|_| ()), committed] {
            result.map_err(CommitError::of)?;
        }
        Ok(())
    }

    /// Ends the transaction with nothing written.
    pub async fn roll_back(&self) -> Result<(), StoreError> {
        self.client.batch_execute("ROLLBACK").await.map_err(failure)
    }
}

/// Why a batch was not committed, or may not have been.
pub enum CommitError {
    /// Nothing was written.
    Refused(StoreError),
    /// The answer did not come.
    Unknown(StoreError),
}

impl CommitError {
    /// What the server says on its way out, because its disk is full, say, it may say after it has committed.
    fn of(error: tokio_postgres::Error) -> Self {
        let severity = error.as_db_error().and_then(DbError::parsed_severity);
        if severity == Some(Severity::Error) {
            CommitError::Refused(failure(error))
        } else {
            CommitError::Unknown(failure(error))
        }
    }
}

/// The events of a batch, column by column.
#[derive(Default)]
struct Columns<'b> {
    partitions: Vec<Uuid>,
    kinds: Vec<&'b str>,
    ids: Vec<Uuid>,
    versions: Vec<i64>,
    event_ids: Vec<Uuid>,
    types: Vec<&'b str>,
    schema_versions: Vec<i32>,
    ats: Vec<i64>,
    bodies: Vec<&'b str>,
    metas: Vec<&'b str>,
}

impl<'b> Columns<'b> {
    fn push(&mut self, append: &'b Prepared) {
        for event in &append.events {
            self.partitions.push(event.stream.partition.id());
            self.kinds.push(event.stream.kind.name());
            self.ids.push(event.stream.id);
            self.versions.push(integer(event.version.0));
            self.event_ids.push(event.id.0);
            self.types.push(&event.type_name);
            self.schema_versions.push(event.schema_version.into());
            self.ats.push(event.at);
            self.bodies.push(&event.body);
            self.metas.push(&append.meta);
        }
    }
}

fn other(row: &Row) -> Option<(StreamId, Version)> {
    let kind = Kind::from_name(row.get(2))?;
    let stream = StreamId { partition: Partition::from_id(row.get(1)), kind, id: row.get(3) };
    Some((stream, Version(row.get::<_, i64>(4).unsigned_abs())))
}

/// Ends a session of the server's if it has the log's lock or waits for it: one that nobody hears of any more.
pub async fn terminate(server: &Server, Backend(pid): Backend) -> Result<(), StoreError> {
    // Only the login itself may end its sessions, not the roles they act under.
    let client = server.connect(None).await?;
    client.execute(TERMINATE, &[&pid, &LOCK]).await.map_err(failure)?;
    Ok(())
}

/// Deletes the oldest receipts if they are from before a time, and says how many.
pub async fn forget_receipts(
    client: &Pooled,
    before: DateTime<Utc>,
    at_most: u32,
) -> Result<u32, StoreError> {
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
        [&before.timestamp_micros(), &i64::from(at_most)];
    Ok(client.execute(FORGET_RECEIPTS, &values).await.map_err(failure)? as u32)
}
