//! A decision in progress: what it has looked at, and what it wants written.
//!
//! An [`Intention`] is a pure function over a workspace. Where it asks for an aggregate that is not loaded
//! yet it stops with [`Stop::Missing`]; whoever runs it loads what is missing and runs it again. Every stream
//! it looked at becomes a guard of the append, so a decision cannot outlive what it relied on.

use crate::aggregate::Aggregate;
use crate::event::{AggregateEvent, Event};
use crate::ids::CommandId;
use crate::log::{Partition, StreamId, Version};
use crate::rejection::{Reject, Rejected};
use chrono::{DateTime, Utc};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// The state of some aggregate, its type forgotten.
pub type AnyState = Arc<dyn Any + Send + Sync>;

/// Folds further events into a state of the aggregate's type (`None`: it does not exist yet).
pub type Fold = fn(Option<AnyState>, &[Event]) -> AnyState;

/// Something a caller wants done. It may be run several times for one command, each time with more of the
/// log loaded, and must then decide the same.
pub trait Intention: Send + Sync {
    /// Decides. Nothing is written unless this returns `Ok`.
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop>;
}

/// Tells one aggregate one command: the intention that needs no other aggregate.
#[derive(Clone, Debug)]
pub struct Tell<A: Aggregate> {
    /// Whom.
    pub id: A::Id,
    /// What.
    pub command: A::Command,
}

impl<A: Aggregate> Intention for Tell<A>
where
    A::Id: Send + Sync,
    A::Command: Send + Sync,
{
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.send::<A>(self.id, &self.command)
    }
}

/// Why a decision did not come to its end.
#[derive(Clone, PartialEq, Debug)]
pub enum Stop {
    /// It needs streams that are not loaded: see [`Workspace::missing`].
    Missing,
    /// The rules say no.
    Rejected(Rejected),
    /// The stream is not at the version the caller expected.
    Moved {
        /// The stream.
        stream: StreamId,
        /// Its version now.
        current: Version,
    },
}

impl<R: Reject> From<R> for Stop {
    fn from(rejection: R) -> Self {
        Stop::Rejected(rejection.into())
    }
}

impl From<Rejected> for Stop {
    fn from(rejected: Rejected) -> Self {
        Stop::Rejected(rejected)
    }
}

/// A state as loaded from the log.
#[derive(Clone)]
pub struct Loaded {
    /// The folded state.
    pub state: AnyState,
    /// The version it was folded to.
    pub version: Version,
}

/// A stream a decision asked for, and how to fold it.
#[derive(Clone, Copy)]
pub struct Fetch {
    /// The stream.
    pub stream: StreamId,
    /// Folds its events.
    pub fold: Fold,
}

impl Fetch {
    /// The stream of the aggregate `id` and its fold.
    pub fn of<A: Aggregate>(partition: Partition, id: A::Id) -> Self {
        Fetch { stream: A::stream(partition, id), fold: fold::<A> }
    }
}

/// One event a decision wants written.
#[derive(Clone, PartialEq, Debug)]
pub struct Decided {
    /// To which stream.
    pub stream: StreamId,
    /// Business time.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: Event,
}

/// What a finished decision amounts to.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The versions of every stream that was looked at or is written.
    pub relies_on: Vec<(StreamId, Version)>,
    /// What happened, in the order it was decided.
    pub events: Vec<Decided>,
    /// What the streams it looked at will have become once the events are written.
    pub states: HashMap<StreamId, AnyState>,
}

/// What a decision sees of the log, and what it has decided so far.
pub struct Workspace {
    command: CommandId,
    partition: Partition,
    at: DateTime<Utc>,
    expected: Option<(StreamId, Version)>,
    streams: HashMap<StreamId, Loaded>,
    seen: Vec<StreamId>,
    missing: Vec<Fetch>,
    decided: Vec<Decided>,
}

impl Workspace {
    /// A workspace for `command` in `partition` at business time `at`, with the streams loaded so far.
    pub fn new(
        command: CommandId,
        partition: Partition,
        at: DateTime<Utc>,
        loaded: HashMap<StreamId, Loaded>,
    ) -> Self {
        Workspace {
            command,
            partition,
            at,
            expected: None,
            streams: loaded,
            seen: Vec::new(),
            missing: Vec::new(),
            decided: Vec::new(),
        }
    }

    /// Makes the decision stop with [`Stop::Moved`] unless `stream` is at `version` when it is [seen](Self::see).
    pub fn expect(&mut self, stream: StreamId, version: Version) {
        self.expected = Some((stream, version));
    }

    /// The command being decided.
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// The partition everything seen and written lies in.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Business time.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Sets the business time of what is decided from here on: an import tells of several moments at once.
    pub fn set_at(&mut self, at: DateTime<Utc>) {
        self.at = at;
    }

    /// The state of an aggregate, with what this decision did to it so far. The decision now relies on it.
    pub fn see<A: Aggregate>(&mut self, id: A::Id) -> Result<Arc<A>, Stop> {
        let state = self.see_at_any_version::<A>(id)?;
        let stream = A::stream(self.partition, id);
        let current = self.streams[&stream].version;
        match self.expected {
            Some((expected, version)) if expected == stream && version != current => {
                Err(Stop::Moved { stream, current })
            }
            Some(_) | None => Ok(state),
        }
    }

    /// The same, whatever version was expected: for what is asked before the author may know of any.
    pub fn see_at_any_version<A: Aggregate>(&mut self, id: A::Id) -> Result<Arc<A>, Stop> {
        let stream = A::stream(self.partition, id);
        let Some(loaded) = self.streams.get(&stream) else {
            self.want::<A>(id);
            return Err(Stop::Missing);
        };
        let state = loaded.state.clone();
        if !self.seen.contains(&stream) {
            self.seen.push(stream);
        }
        Ok(state.downcast::<A>().expect("a stream's kind names its aggregate's type"))
    }

    /// The states of several aggregates, so that all that are missing are loaded at once.
    pub fn see_all<A: Aggregate>(&mut self, ids: &[A::Id]) -> Result<Vec<Arc<A>>, Stop> {
        for id in ids {
            self.want::<A>(*id);
        }
        ids.iter().map(|id| self.see::<A>(*id)).collect()
    }

    /// The version an aggregate was seen at, whatever this decision did to it since.
    pub fn version<A: Aggregate>(&self, id: A::Id) -> Option<Version> {
        let stream = A::stream(self.partition, id);
        self.streams.get(&stream).filter(|_| self.seen.contains(&stream)).map(|loaded| loaded.version)
    }

    /// Gives `command` to an aggregate and takes down what happens.
    pub fn send<A: Aggregate>(&mut self, id: A::Id, command: &A::Command) -> Result<(), Stop> {
        let state = self.see::<A>(id)?;
        let events = state.decide(command, self.at)?;
        drop(state);
        for event in events {
            self.apply::<A>(id, event);
        }
        Ok(())
    }

    /// Whether anything was decided so far.
    pub fn has_decided(&self) -> bool {
        !self.decided.is_empty()
    }

    fn apply<A: Aggregate>(&mut self, id: A::Id, event: A::Event) {
        let stream = A::stream(self.partition, id);
        let loaded = self.streams.get_mut(&stream).expect("send has seen the stream");
        let state = std::mem::replace(&mut loaded.state, Arc::new(()));
        let state = state.downcast::<A>().expect("a stream's kind names its aggregate's type");
        loaded.state = Arc::new(Arc::unwrap_or_clone(state).evolve(&event));
        self.decided.push(Decided { stream, at: self.at, event: event.into() });
    }

    fn want<A: Aggregate>(&mut self, id: A::Id) {
        let wanted = Fetch::of::<A>(self.partition, id);
        let known = |stream| self.missing.iter().any(|fetch| fetch.stream == stream);
        if !self.streams.contains_key(&wanted.stream) && !known(wanted.stream) {
            self.missing.push(wanted);
        }
    }

    /// What must be loaded before the decision can be tried again.
    pub fn missing(&self) -> &[Fetch] {
        &self.missing
    }

    /// What the decision amounts to.
    pub fn into_changes(self) -> Changes {
        // `streams` keeps the version each stream was loaded at: what is decided here does not move it.
        let relies_on = self.seen.iter().map(|stream| (*stream, self.streams[stream].version)).collect();
        let states = self.streams.into_iter().map(|(stream, loaded)| (stream, loaded.state)).collect();
        Changes { relies_on, events: self.decided, states }
    }
}

fn fold<A: Aggregate>(state: Option<AnyState>, events: &[Event]) -> AnyState {
    let state = match state {
        Some(state) => {
            Arc::unwrap_or_clone(state.downcast::<A>().expect("a stream's kind names its aggregate's type"))
        }
        None => A::default(),
    };
    Arc::new(fold_events(state, events.iter()))
}

/// Folds the events of one stream into its aggregate. Events of other aggregates are a bug of the caller.
pub fn fold_events<'a, A: Aggregate>(state: A, events: impl Iterator<Item = &'a Event>) -> A {
    events.fold(state, |state, event| {
        state.evolve(A::Event::of(event).expect("a stream holds only its own aggregate's events"))
    })
}
