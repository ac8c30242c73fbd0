//! What the log is made of: partitions, streams, versions, positions and the envelope around an event.

use crate::event::{Event, Kind};
use crate::ids::{CommandId, EventId, TenantId};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Whose part of the log something lies in. One append never spans two partitions, so that a city may one
/// day live in several logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Partition {
    /// The city's own: geography and the register of tenants.
    Platform,
    /// Everything that belongs to one tenant.
    Tenant(TenantId),
}

impl Partition {
    /// The id under which the partition is stored: the tenant's, or the nil UUID for the platform.
    pub fn id(self) -> Uuid {
        match self {
            Partition::Platform => Uuid::nil(),
            Partition::Tenant(tenant) => tenant.0,
        }
    }

    /// The inverse of [`Partition::id`].
    pub fn from_id(id: Uuid) -> Self {
        if id.is_nil() { Partition::Platform } else { Partition::Tenant(TenantId(id)) }
    }

    /// The tenant, unless this is the platform.
    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Partition::Platform => None,
            Partition::Tenant(tenant) => Some(tenant),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Partition::Platform => f.write_str("platform"),
            Partition::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

/// The events of one aggregate: its partition, kind and id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId {
    /// Whose it is.
    pub partition: Partition,
    /// The aggregate's kind.
    pub kind: Kind,
    /// The aggregate's id.
    pub id: Uuid,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.partition, self.kind.name(), self.id)
    }
}

/// How many events a stream has. A stream that does not exist is at version 0.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Version(pub u64);

/// A place in the log, in commit order. Not necessarily gapless: nobody counts with positions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Position = Position(0);
}

/// Who acts: `user:…`, `saga:…`, `schedule`. An opaque subject, never a name or an e-mail address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// A person or program that authenticated as `subject`.
    pub fn user(subject: &str) -> Self {
        Actor(format!("user:{subject}"))
    }

    /// A saga of this name.
    pub fn saga(name: &str) -> Self {
        Actor(format!("saga:{name}"))
    }

    /// A timer that fell due.
    pub fn schedule() -> Self {
        Actor("schedule".into())
    }
}

/// Where a command came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Someone asked now.
    #[default]
    Live,
    /// Brought in from another system; what it tells has already happened elsewhere, so no saga starts on it.
    Import,
    /// A step of a saga.
    Saga,
    /// A timer that fell due.
    Schedule,
}

/// What is known about the command behind an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Meta {
    /// The command.
    pub command: CommandId,
    /// Who acted.
    pub actor: Actor,
    /// For whom, when someone acts in another's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Actor>,
    /// Why, where a reason was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What ties together everything one request led to.
    pub correlation: Uuid,
    /// The event that led to the command, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// W3C Trace Context `traceparent` of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The caller's locale (BCP 47).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Where the command came from.
    #[serde(default)]
    pub origin: Origin,
}

impl Meta {
    /// What there is to say about a command that nothing but itself led to.
    pub fn of(command: CommandId, actor: Actor, origin: Origin) -> Self {
        Meta {
            command,
            actor,
            on_behalf_of: None,
            reason: None,
            correlation: command.0,
            causation: None,
            traceparent: None,
            locale: None,
            origin,
        }
    }
}

/// An event with everything the log knows about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Envelope {
    /// The event's id.
    pub id: EventId,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in that stream, from 1.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// Business time, given by the command.
    pub at: DateTime<Utc>,
    /// The store's clock when it was written; never decreasing along the log.
    pub recorded_at: DateTime<Utc>,
    /// About the command behind it.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}
