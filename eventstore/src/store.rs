//! The port: what every backend promises about appending, reading and waiting, and how it can fail.
//! What the promises mean in detail is written down as tests in the contract.

use crate::stored::StoredEvent;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{CommandId, EventId, derive};
use cityos_domain::log::{Envelope, Meta, Partition, Position, StreamId, Version};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The most events one append may hold.
pub const EVENTS_PER_APPEND_MAX: usize = 4_096;

/// The most streams one append may rely on.
pub const STREAMS_PER_APPEND_MAX: usize = 8_192;

/// The largest body of an event, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// With how many bytes of bodies and metas a page of the log ends, however few events those are.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// A log of events.
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Writes all of it or none, durably before it returns. Repeating a command that is in the log with the
    /// same input succeeds, changes nothing and gives the first answer.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// The events of one stream after `after`, oldest first, at most `limit`.
    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError>;

    /// The same for whoever folds them: what happened, without what is known about it.
    async fn read_to_fold(
        &self,
        stream: StreamId,
        after: Version,
        limit: u32,
    ) -> Result<Happened, StoreError> {
        let events = self.read(stream, after, limit).await?;
        let version = events.last().map_or(after, |event| event.version);
        Ok(Happened { version, events: events.into_iter().map(|envelope| envelope.event).collect() })
    }

    /// The whole log after `after` in commit order, at most `limit` events. A page ends early with the event by which
    /// it comes to [`PAGE_BYTES_MAX`]: only an empty one is the end. An event never appears at or behind a position a
    /// page has already scanned.
    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError>;

    /// The same, in the same pages, as it is stored, without understanding it: for audits, which look at the bytes, and for events that
    /// nobody can read any more.
    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError>;

    /// The first row after `after`, or of all there are, whatever it is: for audits. What somebody put in front of the first
    /// position nothing else reads, and of a row that cannot be read this much may be known.
    async fn first_row(&self, after: Option<Position>) -> Result<Option<RowHead>, StoreError> {
        let first = self.read_stored(after.unwrap_or(Position::START), 1).await?.pop();
        let head = |event: StoredEvent| RowHead {
            position: event.position.0 as i64,
            partition: Some(event.partition),
        };
        Ok(first.map(head))
    }

    /// What a command left behind, unless it left nothing or its receipt is past keeping.
    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError>;

    /// The position of the newest event.
    async fn head(&self) -> Result<Position, StoreError>;

    /// Returns once the log goes beyond `after`, and after `at_most` in any case.
    async fn changed(&self, after: Position, at_most: Duration);

    /// Deletes up to `at_most` of the oldest receipts if they are from before `before`, and says how many.
    /// A command whose receipt is gone would be carried out again.
    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError>;
}

/// What tells a log from others: two may begin with the same event, but not in the same microsecond. One without
/// events has no name.
pub async fn name_of(log: &dyn EventStore) -> Result<Option<Uuid>, StoreError> {
    let first = log.read_stored(Position::START, 1).await?.pop();
    let name =
        |first: StoredEvent| derive(&["log", &first.event_id.0.to_string(), &first.recorded_at.to_string()]);
    Ok(first.map(name))
}

/// What happened in a stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Happened {
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// The version of the last of it; without any, that after which was asked.
    pub version: Version,
}

/// What one command wants written.
#[derive(Clone, PartialEq, Debug)]
pub struct Append {
    /// Where everything here lies.
    pub partition: Partition,
    /// The versions the decision was made at: of every stream it looked at and of every stream it writes.
    pub relies_on: Vec<(StreamId, Version)>,
    /// What happened, in order over all streams. May be empty: then only the receipt is written.
    pub events: Vec<NewEvent>,
    /// About the command. The receipt is kept under its id.
    pub meta: Meta,
    /// What the command was given.
    pub input: InputHash,
}

/// An event that has no place in the log yet.
#[derive(Clone, PartialEq, Debug)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub stream: StreamId,
    /// Business time; kept in whole microseconds.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: Event,
}

/// A keyed hash of a command's input as it was before anything in it was sealed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InputHash(pub [u8; 32]);

/// That a command was done, also where it was already so and nothing was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The command.
    pub command: CommandId,
    /// What it was given.
    pub input: InputHash,
    /// The last position it wrote, or where the log ended when it had nothing to write.
    pub position: Position,
    /// The streams it wrote and the versions they reached.
    pub versions: Vec<(StreamId, Version)>,
    /// The store's clock when it was written.
    pub recorded_at: DateTime<Utc>,
}

impl Receipt {
    /// The answer to a command that was given again, with this input.
    pub fn replay(self, input: InputHash) -> Result<Appended, AppendError> {
        if input != self.input {
            return Err(AppendError::KeyReused { command: self.command });
        }
        Ok(Appended { position: self.position, versions: self.versions, replayed: true })
    }
}

/// The answer to an append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The last position written, or where the log ended when there was nothing to write.
    pub position: Position,
    /// The streams written and the versions they reached, in the order they were first written.
    pub versions: Vec<(StreamId, Version)>,
    /// Whether this is the answer an earlier append of the same command got.
    pub replayed: bool,
}

/// A part of the log.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// In commit order.
    pub events: Vec<Envelope>,
    /// How far was looked: where to go on. Does not move over what has not been read.
    pub scanned_to: Position,
}

/// Where a row of the log is, and whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowHead {
    /// Its position; that of an event is never below 1.
    pub position: i64,
    /// Its partition, if that can be read.
    pub partition: Option<Uuid>,
}

/// Why an append was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// A stream it relied on has moved. Nothing was written.
    #[error("stream {stream} is at version {}, not {}", current.0, expected.0)]
    Conflict {
        /// The first such stream.
        stream: StreamId,
        /// What was relied on.
        expected: Version,
        /// Where it is.
        current: Version,
    },
    /// The command is in the log with another input. Nothing was written.
    #[error("command {command} was given before with another input")]
    KeyReused {
        /// The command.
        command: CommandId,
    },
    /// It breaks the port's rules: a bug of the caller, or too large. Nothing was written.
    #[error("an append that cannot be: {0}")]
    Invalid(String),
    /// It may or may not be in the log. Repeating it is safe and finds out.
    #[error("whether the append was written is not known")]
    Unknown(#[source] StoreError),
    /// The store could not. Nothing was written.
    #[error("nothing was appended")]
    Store(#[source] StoreError),
}

/// Why the store could not do its work.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds what we need for longer than we wait. May be repeated.
    #[error("the database is held by another writer")]
    Busy,
    /// The database server cannot be reached, or does not take us in now. May be repeated.
    #[error("the database server cannot be reached")]
    Unreachable(#[source] Cause),
    /// The server does not have the database.
    #[error("the server has no such database")]
    NoDatabase(#[source] Cause),
    /// There is no room left on the disk.
    #[error("there is no room left on the disk")]
    Full,
    /// The database or its disk takes no writes.
    #[error("the database cannot be written to")]
    ReadOnly,
    /// The event at this position was written by a newer program, or is damaged.
    #[error("the event at position {} cannot be read", position.0)]
    Undecodable {
        /// Its position.
        position: Position,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The file is a database of something else.
    #[error("the file is none of its kind: it holds something else")]
    Foreign,
    /// The tables were made by a newer program.
    #[error("the database has schema version {found}; this program knows versions up to {known}")]
    Newer {
        /// What the log says.
        found: u32,
        /// What is known here.
        known: u32,
    },
    /// The tables are those of an older program, and this login may not change them.
    #[error(
        "the database has schema version {found}, this program needs {known}, and this login may not bring it there: start \
         this program once with a login that is granted cityos_owner"
    )]
    Older {
        /// What the database says.
        found: u32,
        /// What is needed here.
        known: u32,
    },
    /// The store is shut down.
    #[error("the store is closed")]
    Closed,
    /// Something else went wrong below.
    #[error("the database failed")]
    Database(#[source] Cause),
}

impl StoreError {
    /// Whether it may be over soon without anybody changing data or program: what failed is worth repeating later.
    pub fn may_pass(&self) -> bool {
        match self {
            StoreError::Busy | StoreError::Unreachable(_) | StoreError::Full => true,
            StoreError::NoDatabase(_)
            | StoreError::ReadOnly
            | StoreError::Undecodable { .. }
            | StoreError::Foreign
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Closed
            | StoreError::Database(_) => false,
        }
    }
}

/// What went wrong below, shared by all it went wrong for.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Wraps an error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Cause(error.into().into())
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
