//! How far a run is, and what comes next: pure, so that every case can be looked at without a worker.

use super::{Direction, Event, FailureKind, Outcome, PlannedStep, Rejection, Way};
use crate::aggregate::Aggregate;
use crate::ids::EventId;
use crate::log::Version;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A run.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SagaRun {
    /// Not started.
    #[default]
    Absent,
    /// Going on, going back, waiting or parked.
    Live(Box<Run>),
    /// Over.
    Ended(Outcome),
}

/// What is known about a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// It was not done.
    Ahead,
    /// An attempt may have done it, or some of it, or have undone it.
    Unsure,
    /// It is done.
    Done,
    /// It was done, or may have been, and is undone.
    Undone,
    /// An operator answers for it: it is neither done nor undone by the run.
    Skipped,
}

/// Where a live run stands.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// The next step can be taken.
    Ready,
    /// A worker is at it.
    Attempting {
        /// When it may be taken for lost.
        lease_until: DateTime<Utc>,
    },
    /// The step failed and is tried again.
    Retrying {
        /// When.
        at: DateTime<Utc>,
    },
    /// The step waits.
    Waiting(Wait),
    /// An operator decides.
    Parked,
}

/// What a step waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Wait {
    /// The kind of stream.
    pub on_kind: String,
    /// The stream's id.
    pub on_id: Uuid,
    /// The version of it the step has seen.
    pub seen: Version,
    /// When it looks again in any case.
    pub until: DateTime<Utc>,
}

/// A run that is not over.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Run {
    /// The saga's name.
    pub saga: String,
    /// What it was started with.
    pub input: Value,
    /// What its steps learned; null before the first is done.
    pub memo: Value,
    /// The event it started on.
    pub cause: EventId,
    /// The plan it finishes by, and how far it is.
    pub steps: Vec<(PlannedStep, Mark)>,
    /// Forward or back.
    pub direction: Direction,
    /// Where it stands.
    pub stand: Stand,
    /// Code and reason of why it goes back, once it does.
    pub turned: Option<(String, String)>,
    /// Attempts at the current step in the current direction.
    pub(super) attempts: u32,
    /// How many of these failed since the step was reached or an operator had it tried again.
    pub(super) failures: u32,
}

/// The attempt that comes next, or is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// The step.
    pub step: String,
    /// Forward or back.
    pub direction: Direction,
    /// Its number, from 1.
    pub attempt: u32,
    /// How many attempts failed before, as far as the saga's patience goes.
    pub failures: u32,
}

/// What is to be done about a run.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// Take the step.
    Take(Task),
    /// Whoever was at it is not heard of any more: whether the step was taken is unknown.
    Lost(Task),
    /// Look whether what it waits for has come.
    Look(Wait),
    /// Nothing now; something then.
    Later(DateTime<Utc>),
    /// Nothing: it is over, or parked.
    Nothing,
}

impl SagaRun {
    /// What is to be done about the run at `at`.
    pub fn next(&self, at: DateTime<Utc>) -> Next {
        let SagaRun::Live(run) = self else { return Next::Nothing };
        match &run.stand {
            Stand::Ready => Next::Take(run.task(run.attempts + 1)),
            Stand::Attempting { lease_until } if *lease_until <= at => Next::Lost(run.task(run.attempts)),
            Stand::Attempting { lease_until } => Next::Later(*lease_until),
            Stand::Retrying { at: due } if *due <= at => Next::Take(run.task(run.attempts + 1)),
            Stand::Retrying { at: due } => Next::Later(*due),
            Stand::Waiting(wait) => Next::Look(wait.clone()),
            Stand::Parked => Next::Nothing,
        }
    }

    pub(super) fn live(&self) -> Result<&Run, Rejection> {
        match self {
            SagaRun::Absent => Err(Rejection::Unknown),
            SagaRun::Live(run) => Ok(run),
            SagaRun::Ended(outcome) => Err(Rejection::Ended(*outcome)),
        }
    }

    /// Adds the end of the run where these events leave nothing to be done.
    pub(super) fn conclude(&self, mut events: Vec<Event>) -> Vec<Event> {
        if let SagaRun::Live(run) = events.iter().fold(self.clone(), SagaRun::evolve)
            && run.current().is_none()
        {
            let outcome = match run.direction {
                Direction::Forward => Outcome::Completed,
                Direction::Back => Outcome::Compensated,
            };
            events.push(Event::ended(outcome));
        }
        events
    }
}

impl Run {
    /// The step that comes next: the first not done, or on the way back the last that must be undone.
    pub(super) fn current(&self) -> Option<usize> {
        match self.direction {
            Direction::Forward => {
                self.steps.iter().position(|(_, mark)| matches!(mark, Mark::Ahead | Mark::Unsure))
            }
            Direction::Back => {
                self.steps.iter().rposition(|(_, mark)| matches!(mark, Mark::Done | Mark::Unsure))
            }
        }
    }

    /// The steps that would be undone if the run turned back now, in the order they would be.
    pub fn to_undo(&self) -> Vec<&str> {
        let undone = self.steps.iter().rev().filter(|(_, mark)| matches!(mark, Mark::Done | Mark::Unsure));
        undone.map(|(step, _)| step.name.as_str()).collect()
    }

    /// The same, unless there is no way back, or not any more; whether somebody may turn the run just now is not asked.
    pub fn way_back(&self) -> Result<Vec<&str>, Rejection> {
        if self.direction == Direction::Forward {
            if let Some(step) = self.past_return() {
                return Err(Rejection::PastReturn(step.into()));
            }
            if self.current().is_some_and(|step| self.steps[step].0.way == Way::Onward) {
                return Err(Rejection::Onward(self.step().into()));
            }
        }
        Ok(self.to_undo())
    }

    /// The step that comes next, or is under way.
    pub fn step(&self) -> &str {
        let (step, _) = &self.steps[self.current().expect("a live run has a next step")];
        &step.name
    }

    /// The memo with what was learned beside, or instead of, what is known under the same names.
    pub fn knowing(&self, learned: &Map<String, Value>) -> Value {
        let mut memo = self.memo.as_object().cloned().unwrap_or_default();
        memo.extend(learned.clone());
        memo.into()
    }

    pub(super) fn marked_as(&self, wanted: Mark) -> Vec<String> {
        let steps = self.steps.iter().filter(|(_, mark)| *mark == wanted);
        steps.map(|(step, _)| step.name.clone()).collect()
    }

    pub(super) fn task(&self, attempt: u32) -> Task {
        Task { step: self.step().into(), direction: self.direction, attempt, failures: self.failures }
    }

    /// The step there is no way back from, if the run has passed one or may have.
    pub(super) fn past_return(&self) -> Option<&str> {
        let passed = |(step, mark): &&(PlannedStep, Mark)| {
            step.way != Way::Back && matches!(mark, Mark::Done | Mark::Unsure | Mark::Skipped)
        };
        self.steps.iter().find(passed).map(|(step, _)| step.name.as_str())
    }

    pub(super) fn check_next(&self, step: &str, direction: Direction) -> Result<(), Rejection> {
        let task = self.task(0);
        if task.step == step && task.direction == direction {
            Ok(())
        } else {
            Err(Rejection::NotNext(step.into()))
        }
    }

    /// Whether the outcome of `attempt` at `step` counts: of the attempt under way, or of the next one where
    /// the step needs no intent first.
    pub(super) fn check_outcome(
        &self,
        step: &str,
        direction: Direction,
        attempt: u32,
        at: DateTime<Utc>,
    ) -> Result<(), Rejection> {
        self.check_next(step, direction)?;
        let counts = match &self.stand {
            Stand::Attempting { .. } => attempt == self.attempts,
            Stand::Ready => attempt == self.attempts + 1,
            Stand::Retrying { at: due } => *due <= at && attempt == self.attempts + 1,
            Stand::Waiting(_) => false,
            Stand::Parked => return Err(Rejection::Parked),
        };
        if counts { Ok(()) } else { Err(Rejection::Overtaken(attempt)) }
    }

    /// What becomes of a run whose step is not tried again.
    pub(super) fn given_up(&self, kind: FailureKind, code: &str, error: &str) -> Event {
        let way = self.current().map(|step| self.steps[step].0.way);
        let turns = match way {
            Some(Way::Back) => true,
            Some(Way::Pivot) => kind == FailureKind::Permanent,
            Some(Way::Onward) | None => false,
        };
        if turns && self.direction == Direction::Forward && self.past_return().is_none() {
            // What was refused is for whoever it was refused to; why it could not be tried is not.
            let reason = if kind == FailureKind::Permanent { error } else { "it could not be done for now" };
            Event::Turned { code: code.into(), reason: reason.into() }
        } else {
            Event::Parked { reason: format!("step `{}` failed: {error}", self.task(0).step) }
        }
    }

    /// A step that failed for now may have come part of the way: where it can be undone, it will be.
    pub(super) fn in_part(self, step: &str) -> Self {
        let undoable = |(planned, _): &(PlannedStep, Mark)| planned.name == step && planned.way == Way::Back;
        if self.steps.iter().any(undoable) { self.marked(step, Mark::Unsure) } else { self }
    }

    pub(super) fn marked(mut self, step: &str, mark: Mark) -> Self {
        if let Some((_, has)) = self.steps.iter_mut().find(|(planned, _)| planned.name == step) {
            *has = mark;
        }
        Run { stand: Stand::Ready, attempts: 0, failures: 0, ..self }
    }
}
