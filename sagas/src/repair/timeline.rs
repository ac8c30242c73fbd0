//! What a run's stream tells, in the order it happened: an attempt and what came of it are one entry.

use crate::engine::Engine;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::AggregateEvent;
use cityos_domain::ids::RunId;
use cityos_domain::log::{Actor, Envelope, Partition, Version};
use cityos_domain::saga_run::{Direction, Event, FailureKind, Outcome, Outlook, Run, SagaRun};
use cityos_eventstore::store::StoreError;
use serde_json::Value;

/// Events read at a time.
const READ_LIMIT: u32 = 1_000;

/// A run, with all that happened to it.
pub struct Told {
    /// As it is.
    pub state: SagaRun,
    /// As it was last before it was over: as it is, where it is not over.
    pub run: Run,
    /// Its version.
    pub version: Version,
    /// What happened.
    pub timeline: Vec<Entry>,
    /// Why this program cannot drive it.
    pub stranger: Option<String>,
}

/// Something that happened to a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// When; for an attempt, when it began.
    pub at: DateTime<Utc>,
    /// What.
    pub what: What,
    /// At which step.
    pub step: Option<String>,
    /// Which way the step was taken.
    pub direction: Option<Direction>,
    /// The number of the attempt, from 1.
    pub attempt: Option<u32>,
    /// The idempotency key under which the outside world was called: to be searched for there.
    pub key: Option<String>,
    /// How long the attempt took; not known of a step that only wrote to the log.
    pub took: Option<TimeDelta>,
    /// The stable code of what went wrong.
    pub code: Option<String>,
    /// What went wrong, or why.
    pub message: Option<String>,
    /// When the run goes on, or the attempt may be taken for lost.
    pub until: Option<DateTime<Utc>>,
    /// What the run knew then, where it changed.
    pub memo: Option<Value>,
    /// Who did it.
    pub actor: Actor,
    /// Why, in the words of an operator.
    pub reason: Option<String>,
}

/// What can happen to a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It was started.
    Started,
    /// A step is being attempted.
    Attempting,
    /// A step was done.
    Done,
    /// A step was undone.
    Undone,
    /// A step failed.
    Failed(FailureKind),
    /// A step began to wait.
    Waiting,
    /// What it waited for may have come.
    Woken,
    /// It turned back.
    Turned,
    /// It was parked.
    Parked,
    /// An operator had the step tried again.
    Retried,
    /// An operator answered for a step.
    Skipped,
    /// It was over.
    Ended(Outcome),
}

impl Engine {
    /// A run, with what happened to it up to `until` (`None`: all of it). `None`: there is no such run.
    pub async fn tell_run(
        &self,
        partition: Partition,
        id: RunId,
        until: Option<Version>,
    ) -> Result<Option<Told>, StoreError> {
        let stream = SagaRun::stream(partition, id);
        let mut told: Option<Told> = None;
        let mut after = Version(0);
        loop {
            let page = self.executor().store().read(stream, after, READ_LIMIT).await?;
            let more = page.len() == READ_LIMIT as usize;
            after = page.last().map_or(after, |last| last.version);
            for envelope in page.iter().filter(|it| until.is_none_or(|until| it.version <= until)) {
                told = follow(told, envelope);
            }
            if !more || until.is_some_and(|until| until <= after) {
                break;
            }
        }
        if let Some(told) = &mut told
            && matches!(told.state, SagaRun::Live(_))
        {
            told.stranger = self.registry().driver(&told.run).err();
        }
        Ok(told)
    }
}

fn follow(told: Option<Told>, envelope: &Envelope) -> Option<Told> {
    let event = Event::of(&envelope.event)?;
    let Some(Told { state, run, mut timeline, stranger, .. }) = told else {
        let state = SagaRun::default().evolve(event);
        let SagaRun::Live(run) = state.clone() else { return None };
        let timeline = vec![entry(envelope, event)];
        return Some(Told { state, run: *run, version: envelope.version, timeline, stranger: None });
    };
    let state = state.evolve(event);
    let run = if let SagaRun::Live(run) = &state { run.as_ref().clone() } else { run };
    let mut next = entry(envelope, event);
    match timeline.pop_if(|last| last.what == What::Attempting && is_outcome(next.what)) {
        Some(Entry { at, attempt, key, .. }) => {
            next = Entry { at, attempt, key, took: Some(next.at - at), ..next };
        }
        None if next.attempt.is_none() && is_outcome(next.what) => {
            next.attempt = Some(failed_before(&timeline, &next) + 1);
        }
        None => {}
    }
    timeline.push(next);
    Some(Told { state, run, version: envelope.version, timeline, stranger })
}

/// Whether this is what came of an attempt.
fn is_outcome(what: What) -> bool {
    match what {
        What::Done | What::Undone | What::Failed(_) | What::Waiting => true,
        What::Started
        | What::Attempting
        | What::Woken
        | What::Turned
        | What::Parked
        | What::Retried
        | What::Skipped
        | What::Ended(_) => false,
    }
}

/// The number of the last attempt at the same step in the same direction that failed.
fn failed_before(timeline: &[Entry], next: &Entry) -> u32 {
    let same = |entry: &&Entry| {
        matches!(entry.what, What::Failed(_)) && entry.step == next.step && entry.direction == next.direction
    };
    timeline.iter().rev().find(same).and_then(|entry| entry.attempt).unwrap_or(0)
}

fn entry(envelope: &Envelope, event: &Event) -> Entry {
    let bare = |what| Entry {
        at: envelope.at,
        what,
        step: None,
        direction: None,
        attempt: None,
        key: None,
        took: None,
        code: None,
        message: None,
        until: None,
        memo: None,
        actor: envelope.meta.actor.clone(),
        reason: envelope.meta.reason.clone(),
    };
    let of_step = |what, step: &String| Entry { step: Some(step.clone()), ..bare(what) };
    let forward = Some(Direction::Forward);
    match event {
        Event::Started { .. } => bare(What::Started),
        Event::Attempted { step, direction, attempt, key, lease_until } => Entry {
            direction: Some(*direction),
            attempt: Some(*attempt),
            key: Some(key.clone()),
            until: Some(*lease_until),
            ..of_step(What::Attempting, step)
        },
        Event::Done { step, memo } => {
            Entry { direction: forward, memo: Some(memo.clone()), ..of_step(What::Done, step) }
        }
        Event::Undone { step } => Entry { direction: Some(Direction::Back), ..of_step(What::Undone, step) },
        Event::Failed { step, direction, attempt, kind, code, error, retry_at } => Entry {
            direction: Some(*direction),
            attempt: Some(*attempt),
            code: Some(code.clone()),
            message: Some(error.clone()),
            until: *retry_at,
            ..of_step(What::Failed(*kind), step)
        },
        Event::Waiting { step, on_kind, on_id, until, .. } => Entry {
            direction: forward,
            message: Some(format!("for {on_kind} {on_id}")),
            until: Some(*until),
            ..of_step(What::Waiting, step)
        },
        Event::Woken { step } => of_step(What::Woken, step),
        Event::Turned { code, reason } => {
            Entry { code: Some(code.clone()), message: Some(reason.clone()), ..bare(What::Turned) }
        }
        Event::Parked { reason } => Entry { message: Some(reason.clone()), ..bare(What::Parked) },
        Event::Retried {} => bare(What::Retried),
        Event::Skipped { step, memo } => Entry { memo: memo.clone(), ..of_step(What::Skipped, step) },
        Event::Ended { outcome, .. } => {
            let message = Outlook::of_end(event).map(|ends| ends.to_string());
            Entry { message, ..bare(What::Ended(*outcome)) }
        }
    }
}
