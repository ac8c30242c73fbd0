//! The stored form of events, the same on every backend: UUIDs, whole microseconds, and the exact JSON text
//! of body and meta. `schemas/log.md` describes it.

use crate::store::{
    Append, AppendError, BODY_BYTES_MAX, Cause, EVENTS_PER_APPEND_MAX, InputHash, STREAMS_PER_APPEND_MAX,
    StoreError,
};
use chrono::{DateTime, Utc};
use cityos_domain::event::{Event, Kind};
use cityos_domain::ids::{CommandId, EventId};
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_domain::upcast;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

/// An append that was found sound, its events numbered and encoded.
pub struct Prepared {
    pub command: CommandId,
    pub partition: Partition,
    pub input: InputHash,
    pub relies_on: Vec<(StreamId, Version)>,
    pub events: Vec<PreparedEvent>,
    /// Of every event here.
    pub meta: String,
    /// The versions the written streams reach, in the order they are first written.
    pub versions: Vec<(StreamId, Version)>,
    /// The same, as the receipt keeps it.
    pub versions_text: String,
}

/// One of its events.
pub struct PreparedEvent {
    pub id: EventId,
    pub stream: StreamId,
    pub version: Version,
    pub at: i64,
    pub type_name: String,
    pub schema_version: u16,
    pub body: String,
}

impl Prepared {
    /// Checks what can be checked without looking at the log.
    pub fn new(append: Append) -> Result<Self, AppendError> {
        let invalid = |why: String| Err(AppendError::Invalid(why));
        let Append { partition, relies_on, events, meta, input } = append;
        if events.len() > EVENTS_PER_APPEND_MAX || relies_on.len() > STREAMS_PER_APPEND_MAX {
            return invalid(format!("{} events over {} streams are too many", events.len(), relies_on.len()));
        }
        let mut reached = HashMap::with_capacity(relies_on.len());
        for (stream, version) in &relies_on {
            if stream.partition != partition {
                return invalid(format!("stream {stream} lies outside partition {partition}"));
            }
            if reached.insert(*stream, *version).is_some() {
                return invalid(format!("stream {stream} is relied on twice"));
            }
        }
        let mut written = Vec::new();
        let mut prepared = Vec::with_capacity(events.len());
        for new in events {
            let Some(version) = reached.get_mut(&new.stream) else {
                return invalid(format!("stream {} is written but not relied on", new.stream));
            };
            if new.event.kind() != new.stream.kind {
                return invalid(format!("stream {} holds no events of another kind", new.stream));
            }
            version.0 += 1;
            if !written.contains(&new.stream) {
                written.push(new.stream);
            }
            let encoded = new.event.encode();
            if encoded.body.len() > BODY_BYTES_MAX {
                return invalid(format!("an event of {} bytes is too large", encoded.body.len()));
            }
            prepared.push(PreparedEvent {
                id: new.id,
                stream: new.stream,
                version: *version,
                at: new.at.timestamp_micros(),
                schema_version: upcast::current_version(&encoded.type_name),
                type_name: encoded.type_name,
                body: encoded.body,
            });
        }
        let versions: Vec<_> = written.iter().map(|stream| (*stream, reached[stream])).collect();
        Ok(Prepared {
            command: meta.command,
            partition,
            input,
            relies_on,
            events: prepared,
            meta: serde_json::to_string(&meta).expect("meta holds only what JSON can"),
            versions_text: versions_text(&versions),
            versions,
        })
    }

    /// Fails on the first stream that `head` says has moved.
    pub fn check(
        &self,
        mut head: impl FnMut(StreamId) -> Result<Version, AppendError>,
    ) -> Result<(), AppendError> {
        for (stream, expected) in &self.relies_on {
            let current = head(*stream)?;
            if current != *expected {
                return Err(AppendError::Conflict { stream: *stream, expected: *expected, current });
            }
        }
        Ok(())
    }
}

/// An event as it lies in the log, borrowed from wherever it is kept.
pub struct Stored<'a> {
    pub position: u64,
    pub partition: Uuid,
    pub kind: &'a str,
    pub id: Uuid,
    pub version: u64,
    pub event_id: Uuid,
    pub type_name: &'a str,
    pub schema_version: u16,
    pub at: i64,
    pub recorded_at: i64,
    pub body: &'a str,
    pub meta: &'a str,
}

impl Stored<'_> {
    /// The event, lifted to its present shape.
    pub fn decode(&self) -> Result<Envelope, StoreError> {
        let undecodable =
            |source: Cause| StoreError::Undecodable { position: Position(self.position), source };
        let kind = Kind::from_name(self.kind)
            .ok_or_else(|| undecodable(Cause::new(format!("there is no kind `{}`", self.kind))))?;
        Ok(Envelope {
            id: EventId(self.event_id),
            stream: StreamId { partition: Partition::from_id(self.partition), kind, id: self.id },
            version: Version(self.version),
            position: Position(self.position),
            at: instant(self.at).map_err(undecodable)?,
            recorded_at: instant(self.recorded_at).map_err(undecodable)?,
            meta: serde_json::from_str(self.meta).map_err(|error| undecodable(Cause::new(error)))?,
            event: self.fact().decode()?,
        })
    }

    fn fact(&self) -> StoredFact<'_> {
        StoredFact {
            position: self.position,
            type_name: self.type_name,
            schema_version: self.schema_version,
            body: self.body,
        }
    }
}

/// What happened, as it lies in the log.
pub struct StoredFact<'a> {
    pub position: u64,
    pub type_name: &'a str,
    pub schema_version: u16,
    pub body: &'a str,
}

impl StoredFact<'_> {
    /// The same, lifted to its present shape.
    pub fn decode(&self) -> Result<Event, StoreError> {
        let undecodable =
            |source: Cause| StoreError::Undecodable { position: Position(self.position), source };
        let decode = |body: &str| Event::decode(self.type_name, body).map_err(Cause::new);
        if self.schema_version == upcast::current_version(self.type_name) {
            return decode(self.body).map_err(undecodable);
        }
        let lifted = || {
            let body = serde_json::from_str(self.body).map_err(Cause::new)?;
            let lifted = upcast::upcast(self.type_name, self.schema_version, body).map_err(Cause::new)?;
            decode(&lifted.to_string())
        };
        lifted().map_err(undecodable)
    }
}

/// An event as it lies in the log, to be kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredEvent {
    /// Its place in the log.
    pub position: Position,
    /// The partition's id: nil for the platform.
    pub partition: Uuid,
    /// The name of the aggregate's kind.
    pub kind: String,
    /// The aggregate's id.
    pub id: Uuid,
    /// Its place in its stream.
    pub version: Version,
    /// Its own id.
    pub event_id: EventId,
    /// Kind and name, such as `order.placed`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The version of the body's shape.
    pub schema_version: u16,
    /// Business time, in microseconds since 1970.
    pub at: i64,
    /// The store's clock when it was written, in the same unit.
    pub recorded_at: i64,
    /// The exact text of the body.
    pub body: String,
    /// The exact text of what is known about the command.
    pub meta: String,
}

impl StoredEvent {
    /// The event, lifted to its present shape.
    pub fn decode(&self) -> Result<Envelope, StoreError> {
        self.borrowed().decode()
    }

    /// The same, borrowed.
    pub fn borrowed(&self) -> Stored<'_> {
        Stored {
            position: self.position.0,
            partition: self.partition,
            kind: &self.kind,
            id: self.id,
            version: self.version.0,
            event_id: self.event_id.0,
            type_name: &self.type_name,
            schema_version: self.schema_version,
            at: self.at,
            recorded_at: self.recorded_at,
            body: &self.body,
            meta: &self.meta,
        }
    }
}

impl From<Stored<'_>> for StoredEvent {
    fn from(stored: Stored<'_>) -> Self {
        StoredEvent {
            position: Position(stored.position),
            partition: stored.partition,
            kind: stored.kind.to_owned(),
            id: stored.id,
            version: Version(stored.version),
            event_id: EventId(stored.event_id),
            type_name: stored.type_name.to_owned(),
            schema_version: stored.schema_version,
            at: stored.at,
            recorded_at: stored.recorded_at,
            body: stored.body.to_owned(),
            meta: stored.meta.to_owned(),
        }
    }
}

/// The instant kept as microseconds since 1970.
pub fn instant(micros: i64) -> Result<DateTime<Utc>, Cause> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Cause::new(format!("{micros} microseconds are no instant")))
}

/// When something is recorded: now, but never before what was recorded last.
pub fn recorded_at(now: DateTime<Utc>, last: i64) -> i64 {
    now.timestamp_micros().max(last)
}

/// The streams a command wrote, as a receipt keeps them.
fn versions_text(versions: &[(StreamId, Version)]) -> String {
    let rows: Vec<_> =
        versions.iter().map(|(stream, version)| (stream.kind.name(), stream.id, version)).collect();
    serde_json::to_string(&rows).expect("names, ids and numbers are JSON")
}

/// The inverse of [`versions_text`].
pub fn versions_from_text(partition: Partition, text: &str) -> Result<Vec<(StreamId, Version)>, Cause> {
    let rows: Vec<(String, Uuid, Version)> = serde_json::from_str(text).map_err(Cause::new)?;
    let stream = |(kind, id, version): (String, Uuid, Version)| {
        let known = Kind::from_name(&kind).ok_or_else(|| Cause::new(format!("there is no kind `{kind}`")))?;
        Ok((StreamId { partition, kind: known, id }, version))
    };
    rows.into_iter().map(stream).collect()
}
