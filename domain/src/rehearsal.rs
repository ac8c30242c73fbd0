//! A city in memory, for tests: what happened is given, an intention is tried, what happens then is looked at.
//!
//! It keeps the promises of the real log that decisions depend on: an append fails where a stream the
//! decision relied on has moved, and every event survives its stored form.

pub mod market;
pub mod scene;

use crate::aggregate::Aggregate;
use crate::event::Event;
use crate::ids::{CommandId, EventId, TenantId, derive};
use crate::log::{Actor, Envelope, Meta, Origin, Partition, Position, StreamId, Version};
use crate::workspace::{Changes, Intention, Loaded, Stop, Workspace, fold_events};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::collections::HashMap;
use uuid::Uuid;

/// How often one intention may ask for more streams before it is taken for one that never ends.
const LOADS_MAX: usize = 100;

/// The id that belongs to a name: tests speak of `id::<OfferId>("blue lamp")`.
pub fn id<Id: From<Uuid>>(name: &str) -> Id {
    derive(&["rehearsal", name]).into()
}

/// The moment a city begins at: Monday, 5 January 2026, noon UTC.
pub fn beginning() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 5, 12, 0, 0).single().expect("noon exists once in UTC")
}

/// An in-memory log and a clock that stands still unless told otherwise.
#[derive(Clone, Debug)]
pub struct City {
    partition: Partition,
    now: DateTime<Utc>,
    commands: usize,
    log: Vec<Envelope>,
    streams: HashMap<StreamId, Vec<Envelope>>,
}

/// A decision that is made but not written: others may be written before it.
#[derive(Clone, Debug)]
pub struct Pending {
    command: CommandId,
    changes: Changes,
}

/// A pending decision relied on a stream that has moved since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// Where it is now.
    pub current: Version,
}

impl City {
    /// An empty city in which everything happens in the platform's partition.
    pub fn platform() -> Self {
        City {
            partition: Partition::Platform,
            now: beginning(),
            commands: 0,
            log: Vec::new(),
            streams: HashMap::new(),
        }
    }

    /// An empty city in which everything happens in the partition of one tenant.
    pub fn of_tenant(tenant: TenantId) -> Self {
        City { partition: Partition::Tenant(tenant), ..City::platform() }
    }

    /// The partition everything happens in.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Sets the time, forward or back.
    pub fn set_time(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.now = at;
        self
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: TimeDelta) -> &mut Self {
        self.now += time;
        self
    }

    /// Writes what has already happened to an aggregate.
    pub fn given<A: Aggregate>(
        &mut self,
        id: A::Id,
        events: impl IntoIterator<Item = A::Event>,
    ) -> &mut Self {
        let command = self.next_command();
        let stream = A::stream(self.partition, id);
        for (index, event) in events.into_iter().enumerate() {
            let at = self.now;
            self.write(command.event(index), command, stream, at, event.into());
        }
        self
    }

    /// Tries `intention` as a command of its own, to its end. Answers what happened, in the order it was decided.
    pub fn when(&mut self, intention: &dyn Intention) -> Result<Vec<Event>, Stop> {
        let command = self.next_command();
        self.when_command(command, intention)
    }

    /// Tries `intention` as `command`, for tests in which the command's id matters.
    pub fn when_command(
        &mut self,
        command: CommandId,
        intention: &dyn Intention,
    ) -> Result<Vec<Event>, Stop> {
        let changes = self.decide(command, intention)?;
        Ok(self.append(Pending { command, changes }).expect("nobody else writes meanwhile"))
    }

    /// The code with which the rules refuse `intention`. Panics where they do not.
    pub fn refusal(&mut self, intention: &dyn Intention) -> String {
        match self.when(intention) {
            Err(Stop::Rejected(rejected)) => rejected.code,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// Decides `intention` without writing it.
    pub fn begin(&mut self, intention: &dyn Intention) -> Result<Pending, Stop> {
        let command = self.next_command();
        let changes = self.decide(command, intention)?;
        Ok(Pending { command, changes })
    }

    /// Writes a pending decision, unless a stream it relied on has moved.
    pub fn append(&mut self, pending: Pending) -> Result<Vec<Event>, Conflict> {
        for (stream, version) in &pending.changes.relies_on {
            let current = self.version(*stream);
            if current != *version {
                return Err(Conflict { stream: *stream, current });
            }
        }
        let mut happened = Vec::new();
        for (index, decided) in pending.changes.events.into_iter().enumerate() {
            happened.push(decided.event.clone());
            let id = pending.command.event(index);
            self.write(id, pending.command, decided.stream, decided.at, decided.event);
        }
        Ok(happened)
    }

    /// Lets all intentions decide on the same state of things before any of them is written; who comes too
    /// late decides again, as the executor has it. Answers in the order given.
    pub fn race(&mut self, intentions: &[&dyn Intention]) -> Vec<Result<Vec<Event>, Stop>> {
        let commands: Vec<_> = intentions.iter().map(|_| self.next_command()).collect();
        let decide = |(command, intention): (&CommandId, &&dyn Intention)| self.decide(*command, *intention);
        let decided: Vec<_> = commands.iter().zip(intentions).map(decide).collect();
        let mut results = Vec::new();
        for ((decided, command), intention) in decided.into_iter().zip(commands).zip(intentions) {
            let written = decided.ok().and_then(|changes| self.append(Pending { command, changes }).ok());
            results.push(match written {
                Some(happened) => Ok(happened),
                None => self.when_command(command, *intention),
            });
        }
        results
    }

    /// The state of an aggregate.
    pub fn state<A: Aggregate>(&self, id: A::Id) -> A {
        let stream = A::stream(self.partition, id);
        let events = self.streams.get(&stream).into_iter().flatten().map(|envelope| &envelope.event);
        fold_events(A::default(), events)
    }

    /// How many events a stream has.
    pub fn version(&self, stream: StreamId) -> Version {
        Version(self.streams.get(&stream).map_or(0, Vec::len) as u64)
    }

    /// Everything that happened, in order.
    pub fn log(&self) -> &[Envelope] {
        &self.log
    }

    fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        id(&format!("command {}", self.commands))
    }

    fn decide(&self, command: CommandId, intention: &dyn Intention) -> Result<Changes, Stop> {
        let mut loaded = HashMap::new();
        for _ in 0..LOADS_MAX {
            let mut workspace = Workspace::new(command, self.partition, self.now, loaded.clone());
            match intention.decide(&mut workspace) {
                Ok(()) => return Ok(workspace.into_changes()),
                Err(Stop::Missing) => {
                    for fetch in workspace.missing() {
                        let envelopes = self.streams.get(&fetch.stream).into_iter().flatten();
                        let events: Vec<_> = envelopes.map(|envelope| envelope.event.clone()).collect();
                        let state = (fetch.fold)(None, &events);
                        loaded.insert(fetch.stream, Loaded { state, version: self.version(fetch.stream) });
                    }
                }
                Err(stop) => return Err(stop),
            }
        }
        panic!("the intention asked for more streams {LOADS_MAX} times and did not end");
    }

    fn write(&mut self, id: EventId, command: CommandId, stream: StreamId, at: DateTime<Utc>, event: Event) {
        let stored = event.encode();
        let read = Event::decode(&stored.type_name, &stored.body).expect("a stored event can be read");
        assert_eq!(read, event, "an event comes back from its stored form as it was");
        let envelope = Envelope {
            id,
            stream,
            version: Version(self.version(stream).0 + 1),
            position: Position(self.log.len() as u64 + 1),
            at,
            recorded_at: self.log.last().map_or(self.now, |last| last.recorded_at.max(self.now)),
            meta: Meta::of(command, Actor::user("rehearsal"), Origin::Live),
            event,
        };
        self.log.push(envelope.clone());
        self.streams.entry(stream).or_default().push(envelope);
    }
}
