//! What would come of it if an operator stepped in: found by doing it to the state, never by a second set of rules.

use super::{Direction, Event, Measure, Outcome, Rejection, SagaRun};
use crate::aggregate::Aggregate;
use chrono::{DateTime, Utc};
use std::fmt;

/// What would come of a measure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// The run goes on with this step.
    Goes {
        /// The step.
        step: String,
    },
    /// The run goes back and undoes these steps, in this order.
    Undoes {
        /// The steps: at least one.
        steps: Vec<String>,
    },
    /// The run is over.
    Ends {
        /// How.
        outcome: Outcome,
        /// The steps whose effect stays.
        stays: Vec<String>,
        /// The steps whose effect may stay: it is not known whether they were done.
        may_stay: Vec<String>,
        /// The steps that were still to be done.
        not_done: Vec<String>,
    },
}

impl Outlook {
    /// What the end of a run says; `None` of any other event.
    pub fn of_end(event: &Event) -> Option<Self> {
        let Event::Ended { outcome, stays, may_stay, not_done } = event else { return None };
        let [stays, may_stay, not_done] = [stays, may_stay, not_done].map(Clone::clone);
        Some(Outlook::Ends { outcome: *outcome, stays, may_stay, not_done })
    }
}

impl SagaRun {
    /// What would come of `measure` if it were taken at `at`, or why it may not be.
    pub fn outlook(&self, measure: &Measure, at: DateTime<Utc>) -> Result<Outlook, Rejection> {
        let events = self.conclude(vec![measure.decide(self.live()?, at)?]);
        if let Some(ends) = events.last().and_then(Outlook::of_end) {
            return Ok(ends);
        }
        let after = events.iter().fold(self.clone(), SagaRun::evolve);
        let run = after.live()?;
        Ok(match run.direction {
            Direction::Forward => Outlook::Goes { step: run.step().into() },
            Direction::Back => Outlook::Undoes { steps: run.to_undo().into_iter().map(Into::into).collect() },
        })
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outlook::Goes { step } => write!(f, "goes on with `{step}`"),
            Outlook::Undoes { steps } => write!(f, "undoes {}", list(steps)),
            Outlook::Ends { outcome: Outcome::Completed, .. } => f.write_str("is completed"),
            Outlook::Ends { outcome: Outcome::Compensated, .. } => {
                f.write_str("is compensated: nothing is left to be undone")
            }
            Outlook::Ends { outcome: Outcome::Abandoned, stays, may_stay, not_done } => {
                f.write_str("is given up")?;
                let left =
                    [("done and not undone", stays), ("perhaps done", may_stay), ("not done", not_done)];
                for (how, steps) in left.into_iter().filter(|(_, steps)| !steps.is_empty()) {
                    write!(f, "; {how}: {}", list(steps))?;
                }
                Ok(())
            }
        }
    }
}

/// Steps as people read them, in order.
pub fn list(steps: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = steps.iter().map(|step| format!("`{}`", step.as_ref())).collect();
    quoted.join(", then ")
}
