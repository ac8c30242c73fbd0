//! Carries out commands: loads what an intention asks for, has it decide, appends what it decided together
//! with the saga runs that start on it, and tries again where someone else was faster.

use crate::clock::Clock;
use crate::store::{Append, AppendError, Appended, EventStore, InputHash, NewEvent, StoreError};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Kind;
use cityos_domain::ids::{CommandId, EventId, RunId};
use cityos_domain::log::{Meta, Origin, Partition, StreamId, Version};
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run;
use cityos_domain::workspace::{Changes, Decided, Fetch, Intention, Loaded, Stop, Workspace};
use futures_util::future::try_join_all;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How often a command is decided at most while others keep moving what it relies on.
pub const ATTEMPTS_MAX: u32 = 32;

/// How many streams one intention may look at.
pub const STREAMS_SEEN_MAX: usize = 4_096;

/// How many folded streams are kept in memory.
const STATES_MAX: usize = 50_000;

/// Events read at a time when a stream is folded.
const READ_LIMIT: u32 = 1_000;

/// Queues for those who lost a race: a retry waits here for the retries before it on the same stream.
const QUEUES: usize = 64;

/// A wish with all that is known about it. Its id is that of its meta.
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// Where everything it looks at and writes lies.
    pub partition: Partition,
    /// Business time.
    pub at: DateTime<Utc>,
    /// Who wants it, under which id, and why. Stands on every event it leads to.
    pub meta: Meta,
    /// What it was given: the same id with another input is refused.
    pub input: InputHash,
    /// The version its author saw, where they said so.
    pub expected: Option<(StreamId, Version)>,
}

impl Command {
    /// The same id is the same command: it is done once.
    pub fn id(&self) -> CommandId {
        self.meta.command
    }
}

/// What else starts when something happens.
pub trait Reactions: Send + Sync {
    /// The saga runs this event starts. Pure. Not asked about imports.
    fn react(&self, id: EventId, event: &Decided) -> Vec<(RunId, saga_run::Event)>;
}

/// Nothing starts.
impl Reactions for () {
    fn react(&self, _: EventId, _: &Decided) -> Vec<(RunId, saga_run::Event)> {
        Vec::new()
    }
}

/// Where a command led.
pub type Executed = Appended;

/// Why a command was not done. Only after [`ExecuteError::Store`] it may have been.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The rules say no.
    #[error(transparent)]
    Rejected(Rejected),
    /// The author saw another version than there is.
    #[error("{stream} is at version {} by now", current.0)]
    VersionConflict {
        /// The stream the author named.
        stream: StreamId,
        /// Where it is.
        current: Version,
    },
    /// The same id was used for another input before.
    #[error("the command was given before with another input")]
    KeyReused,
    /// Others kept moving what it relies on. May be repeated.
    #[error("others were faster {ATTEMPTS_MAX} times")]
    Contended,
    /// The intention looks at more streams than one decision may.
    #[error("the decision needs more than {STREAMS_SEEN_MAX} streams")]
    TooWide,
    /// The append was no append: a bug, or far too large.
    #[error("the decision cannot be written: {0}")]
    Unwritable(String),
    /// The store could not, or whether it did is not known. May be repeated as it is: then it is found out.
    #[error("the store could not carry out the command")]
    Store(#[source] StoreError),
}

/// Carries out commands. Clones share their memory.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    reactions: Arc<dyn Reactions>,
    /// Folds of prefixes of streams: they may be behind the log but never wrong.
    states: Cache<StreamId, Loaded>,
    queues: Vec<Arc<Mutex<()>>>,
}

impl Executor {
    /// An executor over `store`; `reactions` says which sagas start.
    pub fn new(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>, reactions: Arc<dyn Reactions>) -> Self {
        let queues = (0..QUEUES).map(|_| Arc::default()).collect();
        let states = Cache::new(STATES_MAX);
        Executor { shared: Arc::new(Shared { store, clock, reactions, states, queues }) }
    }

    /// The log it writes to.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.shared.store
    }

    /// The clock commands should take their business time from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Carries out a command. Repeating it changes nothing and gives the first answer.
    pub async fn execute(
        &self,
        command: &Command,
        intention: &dyn Intention,
    ) -> Result<Executed, ExecuteError> {
        let mut unknown = None;
        match self.try_execute(command, intention, &mut unknown).await {
            // An attempt before this failure may be in the log: what is known least is what the caller hears.
            Err(ExecuteError::Store(error)) => Err(ExecuteError::Store(unknown.unwrap_or(error))),
            Err(ExecuteError::Contended) => Err(unknown.map_or(ExecuteError::Contended, ExecuteError::Store)),
            answered => answered,
        }
    }

    /// Leaves in `unknown` why it is not known of an attempt whether it was written.
    async fn try_execute(
        &self,
        command: &Command,
        intention: &dyn Intention,
        unknown: &mut Option<StoreError>,
    ) -> Result<Executed, ExecuteError> {
        // States from memory are tried first: where they are behind, the append or a second look finds out.
        let mut fresh = false;
        let mut _turn;
        for _ in 0..ATTEMPTS_MAX {
            let decided = self.decide(command, intention, fresh).await?;
            let failure = match decided {
                Ok(changes) => match self.append(command, changes).await {
                    Ok(executed) => return Ok(executed),
                    Err(failure) => failure,
                },
                Err(refusal) if fresh => return self.unless_done(command, refusal).await,
                Err(_) => {
                    fresh = true;
                    continue;
                }
            };
            fresh = true;
            match failure {
                AppendError::Conflict { stream, current, .. } => {
                    if command.expected.is_some_and(|(expected, _)| expected == stream) {
                        return Err(ExecuteError::VersionConflict { stream, current });
                    }
                    _turn = None;
                    _turn = Some(self.queue(stream).await);
                }
                AppendError::Unknown(error) => *unknown = Some(error),
                AppendError::KeyReused { .. } => return Err(ExecuteError::KeyReused),
                AppendError::Invalid(why) => {
                    return self.unless_done(command, ExecuteError::Unwritable(why)).await;
                }
                AppendError::Store(error) => return Err(ExecuteError::Store(error)),
            }
        }
        Err(ExecuteError::Contended)
    }

    /// What a command would come to, as the log is now: nothing is written, and whether it was given before is not asked.
    pub async fn try_out(&self, command: &Command, intention: &dyn Intention) -> Result<(), ExecuteError> {
        self.decide(command, intention, true).await?.map(|_| ())
    }

    /// The aggregate as the log has it now, and its version.
    pub async fn load<A: Aggregate>(
        &self,
        partition: Partition,
        id: A::Id,
    ) -> Result<(Arc<A>, Version), StoreError> {
        Ok(typed(self.fetch(Fetch::of::<A>(partition, id), true).await?))
    }

    /// The aggregate as it is remembered here, with its version then, or as the log has it where nothing is remembered. Others
    /// may have moved it since: what is decided on it must be written under that version, as commands are.
    pub async fn recall<A: Aggregate>(
        &self,
        partition: Partition,
        id: A::Id,
    ) -> Result<(Arc<A>, Version), StoreError> {
        Ok(typed(self.fetch(Fetch::of::<A>(partition, id), false).await?))
    }

    async fn decide(
        &self,
        command: &Command,
        intention: &dyn Intention,
        fresh: bool,
    ) -> Result<Result<Changes, ExecuteError>, ExecuteError> {
        let mut loaded = HashMap::new();
        loop {
            let mut city = Workspace::new(command.id(), command.partition, command.at, loaded.clone());
            if let Some((stream, version)) = command.expected {
                city.expect(stream, version);
            }
            match intention.decide(&mut city) {
                Ok(()) => return Ok(Ok(city.into_changes())),
                Err(Stop::Rejected(rejected)) => return Ok(Err(ExecuteError::Rejected(rejected))),
                Err(Stop::Moved { stream, current }) => {
                    return Ok(Err(ExecuteError::VersionConflict { stream, current }));
                }
                Err(Stop::Missing) => {
                    assert!(!city.missing().is_empty(), "a decision that lacks something names it");
                    if loaded.len() + city.missing().len() > STREAMS_SEEN_MAX {
                        return Ok(Err(ExecuteError::TooWide));
                    }
                    let fetched = try_join_all(city.missing().iter().map(|fetch| self.fetch(*fetch, fresh)));
                    let fetched = fetched.await.map_err(ExecuteError::Store)?;
                    loaded.extend(city.missing().iter().map(|fetch| fetch.stream).zip(fetched));
                }
            }
        }
    }

    async fn append(&self, command: &Command, changes: Changes) -> Result<Executed, AppendError> {
        let Changes { mut relies_on, events, mut states } = changes;
        // What the author saw holds even where the decision did not look at it.
        if let Some((stream, version)) = command.expected
            && !relies_on.iter().any(|(seen, _)| *seen == stream)
        {
            relies_on.push((stream, version));
        }
        let mut runs = Vec::new();
        let mut new: Vec<NewEvent> = Vec::with_capacity(events.len());
        for decided in events {
            let id = command.id().event(new.len());
            if command.meta.origin != Origin::Import {
                let started = self.shared.reactions.react(id, &decided);
                runs.extend(started.into_iter().map(|(run, event)| (run, decided.at, event)));
            }
            new.push(NewEvent { id, stream: decided.stream, at: decided.at, event: decided.event });
        }
        for (run, at, event) in runs {
            let stream = StreamId { partition: command.partition, kind: Kind::SagaRun, id: run.0 };
            relies_on.push((stream, Version(0)));
            new.push(NewEvent { id: command.id().event(new.len()), stream, at, event: event.into() });
        }
        let append = Append {
            partition: command.partition,
            relies_on,
            events: new,
            meta: command.meta.clone(),
            input: command.input,
        };
        let appended = self.shared.store.append(append).await?;
        if !appended.replayed {
            for (stream, version) in &appended.versions {
                if let Some(state) = states.remove(stream) {
                    self.shared.states.insert(*stream, Loaded { state, version: *version });
                }
            }
        }
        Ok(appended)
    }

    /// A command that was done before is not refused for what it did itself.
    async fn unless_done(&self, command: &Command, refusal: ExecuteError) -> Result<Executed, ExecuteError> {
        match self.shared.store.receipt(command.partition, command.id()).await {
            Ok(Some(receipt)) => receipt.replay(command.input).map_err(|_| ExecuteError::KeyReused),
            Ok(None) => Err(refusal),
            Err(error) => Err(ExecuteError::Store(error)),
        }
    }

    async fn fetch(&self, fetch: Fetch, fresh: bool) -> Result<Loaded, StoreError> {
        let Fetch { stream, fold } = fetch;
        let cached = self.shared.states.get(&stream);
        if !fresh && let Some(loaded) = cached {
            return Ok(loaded);
        }
        let (mut state, mut version) = cached.map_or((None, Version(0)), |it| (Some(it.state), it.version));
        loop {
            let happened = self.shared.store.read_to_fold(stream, version, READ_LIMIT).await?;
            if !happened.events.is_empty() {
                version = happened.version;
                state = Some(fold(state, &happened.events));
            }
            if happened.events.len() < READ_LIMIT as usize {
                break;
            }
        }
        let loaded = Loaded { state: state.unwrap_or_else(|| fold(None, &[])), version };
        if version > Version(0) {
            self.shared.states.insert(stream, loaded.clone());
        }
        Ok(loaded)
    }

    async fn queue(&self, stream: StreamId) -> OwnedMutexGuard<()> {
        let queue = stream.id.as_u128() as usize % QUEUES;
        self.shared.queues[queue].clone().lock_owned().await
    }
}

fn typed<A: Aggregate>(Loaded { state, version }: Loaded) -> (Arc<A>, Version) {
    (state.downcast().expect("a stream's kind names its aggregate's type"), version)
}

#[cfg(test)]
mod tests;
