//! How an operator steps in where a run cannot help itself. A reason is always needed; it goes into the event's
//! meta with whoever gave it.

use super::{Command, Direction, Event, Mark, Rejection, Run, SagaRun, Stand};
use crate::aggregate::Aggregate;
use crate::ids::RunId;
use crate::log::Version;
use crate::text::Reason;
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// The code of a run that an operator turned back.
const COMPENSATED_BY_OPERATOR: &str = "COMPENSATED_BY_OPERATOR";

/// What an operator can do about a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Try the step again, now.
    Retry,
    /// Go back, although the run might still go on.
    Compensate,
    /// Take the step the run is parked at for done, or on the way back for undone.
    Skip {
        /// The step: refused where the run is parked at another.
        step: String,
        /// What the step would have learned, by the names it has in the memo. Only on the way forward.
        learned: Map<String, Value>,
    },
    /// Give the run up as it stands.
    Abandon,
}

impl Measure {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Measure::Retry => "retry",
            Measure::Compensate => "compensate",
            Measure::Skip { .. } => "skip",
            Measure::Abandon => "abandon",
        }
    }
}

/// What an operator does about a run, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intervention {
    /// What.
    pub measure: Measure,
    /// Why: for the log, which keeps it beside what is done.
    pub reason: Reason,
}

impl Measure {
    pub(super) fn decide(&self, run: &Run, now: DateTime<Utc>) -> Result<Event, Rejection> {
        let ends_the_step = matches!(self, Measure::Compensate | Measure::Abandon);
        let parked = match &run.stand {
            Stand::Parked => true,
            // A worker may be at it: a step that only writes to the log says so when it is done, not before.
            Stand::Retrying { at } if *at <= now && ends_the_step => return Err(Rejection::GoesOn),
            Stand::Retrying { .. } | Stand::Waiting(_) => false,
            Stand::Attempting { lease_until } => return Err(Rejection::Taken(*lease_until)),
            Stand::Ready => return Err(Rejection::GoesOn),
        };
        match self {
            Measure::Retry => Ok(Event::Retried {}),
            Measure::Compensate if run.direction == Direction::Back => Err(Rejection::GoesBack),
            Measure::Compensate => {
                run.way_back()?;
                let (code, reason) = (COMPENSATED_BY_OPERATOR.into(), "the marketplace took it back".into());
                Ok(Event::Turned { code, reason })
            }
            Measure::Skip { .. } if !parked => Err(Rejection::NotParked),
            Measure::Skip { step, .. } if step != run.step() => {
                Err(Rejection::OtherStep { asked: step.clone(), at: run.step().into() })
            }
            Measure::Skip { step, learned } if learned.is_empty() => {
                Ok(Event::Skipped { step: step.clone(), memo: None })
            }
            Measure::Skip { .. } if run.direction == Direction::Back => Err(Rejection::LearnsNothing),
            Measure::Skip { step, learned } => {
                Ok(Event::Skipped { step: step.clone(), memo: Some(run.knowing(learned)) })
            }
            Measure::Abandon => Ok(Event::given_up(
                run.marked_as(Mark::Done),
                run.marked_as(Mark::Unsure),
                match run.direction {
                    Direction::Forward => run.marked_as(Mark::Ahead),
                    Direction::Back => Vec::new(),
                },
            )),
        }
    }
}

/// Steps in at several runs of one partition: at each that is still as its operator saw it and that may be told this.
/// The others are left as they are, and keep nobody from anything.
#[derive(Clone, Debug)]
pub struct InterveneAll {
    /// The runs, and the version each was seen at.
    pub runs: Vec<(RunId, Version)>,
    /// What is done, and why.
    pub intervention: Intervention,
}

impl Intention for InterveneAll {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let ids: Vec<_> = self.runs.iter().map(|(run, _)| *run).collect();
        let command = Command::Intervene(self.intervention.clone());
        for ((id, seen), run) in self.runs.iter().zip(city.see_all::<SagaRun>(&ids)?) {
            if city.version::<SagaRun>(*id) == Some(*seen) && run.decide(&command, city.at()).is_ok() {
                drop(run);
                city.send::<SagaRun>(*id, &command)?;
            }
        }
        Ok(())
    }
}
