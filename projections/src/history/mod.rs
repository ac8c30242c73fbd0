//! A log for tests of whatever reads one: it holds every type of event, tells a story that every fold can
//! follow, and happens to two tenants alike, with the same ids in both.

mod city;
mod marketplace;
mod runs;
mod sales;

use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{CommandId, EventId, TenantId, derive};
use cityos_domain::log::{Actor, Envelope, Meta, Origin, Partition, Position, StreamId, Version};
use cityos_domain::money::Currency;
use cityos_domain::text::{Code, LocalText, Locale, Slug};
use cityos_eventstore::store::{Append, EventStore, InputHash, NewEvent};
use std::collections::HashMap;
use uuid::Uuid;

/// A log in the making.
#[derive(Clone, Debug)]
pub struct History {
    now: DateTime<Utc>,
    events: Vec<Envelope>,
    versions: HashMap<StreamId, u64>,
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}

impl History {
    /// An empty one, in the first minute of 2026.
    pub fn new() -> Self {
        let now = DateTime::from_timestamp(1_767_225_600, 0).expect("2026 is in range");
        History { now, events: Vec::new(), versions: HashMap::new() }
    }

    /// Every type of event, for two tenants that trade and one that is gone.
    pub fn of_everything() -> Self {
        let mut history = History::new();
        city::geography(&mut history);
        for name in ["bazaar", "souk"] {
            let tenant = city::tenant(&mut history, name);
            marketplace::opens(&mut history, tenant);
            sales::are_made(&mut history, tenant);
            runs::end_in_every_way(&mut history, tenant);
        }
        city::tenant_leaves(&mut history);
        history
    }

    /// It is now.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Time goes by.
    pub fn wait(&mut self, minutes: i64) {
        self.now += TimeDelta::minutes(minutes);
    }

    /// Something happens to the aggregate `id`.
    pub fn happens(&mut self, partition: Partition, id: impl Into<Uuid>, event: impl Into<Event>) {
        let event = event.into();
        let stream = StreamId { partition, kind: event.kind(), id: id.into() };
        let version = self.versions.entry(stream).or_default();
        *version += 1;
        let number = self.events.len() as u64 + 1;
        let command = CommandId(derive(&["history", "command", &number.to_string()]));
        self.events.push(Envelope {
            id: command.event(0),
            stream,
            version: Version(*version),
            position: Position(number),
            at: self.now,
            recorded_at: self.now,
            meta: Meta::of(command, Actor::user("historian"), Origin::Live),
            event,
        });
    }

    /// The id of the newest event.
    pub fn latest(&self) -> EventId {
        self.events.last().expect("something has happened").id
    }

    /// What happened.
    pub fn events(&self) -> &[Envelope] {
        &self.events
    }

    /// Appends events `from` up to, but without, `to` to a log that holds exactly those before. It may
    /// recover from nothing: a refusal is a panic.
    pub async fn write(&self, store: &dyn EventStore, from: usize, to: usize) {
        for envelope in &self.events[from..to] {
            let append = Append {
                partition: envelope.stream.partition,
                relies_on: vec![(envelope.stream, Version(envelope.version.0 - 1))],
                events: vec![NewEvent {
                    id: envelope.id,
                    stream: envelope.stream,
                    at: envelope.at,
                    event: envelope.event.clone(),
                }],
                meta: envelope.meta.clone(),
                input: InputHash([0; 32]),
            };
            store.append(append).await.expect("the history fits the log");
        }
    }
}

/// The id of something called `name`.
pub fn id<Id: From<Uuid>>(name: &str) -> Id {
    derive(&["history", name]).into()
}

/// The partition of the tenant called `name`.
pub fn partition(name: &str) -> Partition {
    Partition::Tenant(id::<TenantId>(name))
}

/// Brazilian reais.
pub fn brl() -> Currency {
    Currency::parse("currency", "BRL").expect("it is a currency")
}

fn slug(text: &str) -> Slug {
    Slug::parse("slug", text).expect("it is one")
}

fn code(text: &str) -> Code {
    Code::parse("code", text).expect("it is one")
}

fn locale() -> Locale {
    Locale::parse("locale", "pt-BR").expect("it is one")
}

fn name(text: &str) -> LocalText {
    LocalText::parse("name", [(locale(), text.to_owned())]).expect("it is a name")
}

#[cfg(test)]
mod tests;
