//! What an aggregate is: a state, the rule that decides what happens, and the fold of what happened.

use crate::event::AggregateEvent;
use crate::log::{Partition, StreamId};
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use std::fmt::Debug;
use std::sync::Arc;
use uuid::Uuid;

/// A consistency boundary with its rules. Synchronous and pure on purpose: whatever a rule must look up
/// belongs in the command. Its state serialises for those who look at it; it is never read back.
pub trait Aggregate: Default + Clone + PartialEq + Debug + Serialize + Send + Sync + 'static {
    /// Its identifier.
    type Id: Into<Uuid> + From<Uuid> + Copy;
    /// What may be asked of it.
    type Command;
    /// What can have happened to it.
    type Event: AggregateEvent;
    /// Why it may say no.
    type Rejection: Reject;

    /// What happens when `command` is given at business time `at`. No events means: already so.
    fn decide(&self, command: &Self::Command, at: DateTime<Utc>)
    -> Result<Vec<Self::Event>, Self::Rejection>;

    /// What `event` makes of it. Events are facts: this cannot fail.
    fn evolve(self, event: &Self::Event) -> Self;

    /// The stream of the aggregate `id` in `partition`.
    fn stream(partition: Partition, id: Self::Id) -> StreamId {
        StreamId { partition, kind: Self::Event::KIND, id: id.into() }
    }
}

/// What a command that wants `event` leads to: nothing where it is already so.
pub fn unless<E>(already_so: bool, event: E) -> Vec<E> {
    if already_so { Vec::new() } else { vec![event] }
}

/// Serialises what a state shares with others as if it were its own.
pub(crate) fn shared<T: Serialize, S: Serializer>(part: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    part.serialize(serializer)
}
