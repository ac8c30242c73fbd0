//! What a step works with: the log through commands of its own, the outside world through the ports, and the keys
//! that make a repeated attempt the same attempt.

use crate::ports::{PaymentProvider, PortError, Ports, TransferProvider};
use crate::saga::Failure;
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{CommandId, RunId, derive};
use cityos_domain::log::{Meta, Partition, Version};
use cityos_domain::saga_run::{Direction, Task};
use cityos_domain::workspace::Intention;
use cityos_eventstore::executor::{Command, Executor};
use cityos_eventstore::store::InputHash;
use std::sync::Arc;

/// A saga's commands have no input of their own: run, step and direction, which are in their ids, say all there is.
pub(crate) const NO_INPUT: InputHash = InputHash([0; 32]);

/// One attempt at one step.
pub struct Context {
    pub(crate) executor: Executor,
    pub(crate) ports: Ports,
    pub(crate) partition: Partition,
    pub(crate) run: RunId,
    pub(crate) task: Task,
    pub(crate) at: DateTime<Utc>,
    /// What stands on every event the run leads to; the command's id is filled in.
    pub(crate) meta: Meta,
    pub(crate) turned: Option<(String, String)>,
}

impl Context {
    /// When the attempt began.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// The step.
    pub fn step(&self) -> &str {
        &self.task.step
    }

    /// Its number in that direction, from 1.
    pub fn attempt(&self) -> u32 {
        self.task.attempt
    }

    /// Whether it is taken or undone.
    pub fn direction(&self) -> Direction {
        self.task.direction
    }

    /// The partition of the run and of the event it started on.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Code and reason of why the run goes back, once it does.
    pub fn turned(&self) -> Option<(&str, &str)> {
        self.turned.as_ref().map(|(code, reason)| (code.as_str(), reason.as_str()))
    }

    /// Customers' money.
    pub fn payments(&self) -> &dyn PaymentProvider {
        &*self.ports.payments
    }

    /// Vendors' money.
    pub fn transfers(&self) -> &dyn TransferProvider {
        &*self.ports.transfers
    }

    /// The idempotency key of this step in this direction, the same in every attempt.
    pub fn key(&self) -> String {
        key(self.run, &self.task.step, self.task.direction)
    }

    /// The idempotency key under which this step was done.
    pub fn forward_key(&self) -> String {
        key(self.run, &self.task.step, Direction::Forward)
    }

    /// Has the outside world do something once: any attempt but the first asks whether it was done before.
    pub async fn once<T>(
        &self,
        find: impl Future<Output = Result<Option<T>, PortError>>,
        act: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, Failure> {
        match self.done_before(find).await? {
            Some(found) => Ok(found),
            None => Ok(act.await?),
        }
    }

    /// What an attempt before this one did, if it did anything: the first has nothing to ask about.
    pub async fn done_before<T>(
        &self,
        find: impl Future<Output = Result<Option<T>, PortError>>,
    ) -> Result<Option<T>, Failure> {
        if self.task.attempt > 1 { asked(find.await) } else { Ok(None) }
    }

    /// Carries out the command of this step in the run's partition. A step has one in each direction: another told in
    /// the same direction is taken for its repetition, and not carried out.
    pub async fn tell(&self, intention: &dyn Intention) -> Result<(), Failure> {
        self.tell_in(self.partition, intention).await
    }

    /// Carries out the command of this step in another partition.
    pub async fn tell_in(&self, partition: Partition, intention: &dyn Intention) -> Result<(), Failure> {
        let id = CommandId(derive(&["saga step", &self.key()]));
        let meta = Meta { command: id, ..self.meta.clone() };
        let command = Command { partition, at: self.at, meta, input: NO_INPUT, expected: None };
        self.executor.execute(&command, intention).await?;
        Ok(())
    }

    /// An aggregate of the run's partition as it is now, and its version.
    pub async fn load<A: Aggregate>(&self, id: A::Id) -> Result<(Arc<A>, Version), Failure> {
        Ok(self.executor.load::<A>(self.partition, id).await?)
    }
}

/// The answer to a search. A search that fails says nothing about what was searched for.
pub(crate) fn asked<T>(answer: Result<Option<T>, PortError>) -> Result<Option<T>, Failure> {
    answer.map_err(|error| Failure::transient("SEARCH_FAILED", error))
}

fn key(run: RunId, step: &str, direction: Direction) -> String {
    match direction {
        Direction::Forward => format!("{run}:{step}"),
        Direction::Back => format!("{run}:{step}:back"),
    }
}
