//! How an operator steps in where a run cannot help itself. A reason is always needed; it goes into the event's
//! meta with whoever gave it.

use super::{Direction, Event, Outcome, Rejection, Run, Stand};
use crate::text::Reason;

/// The code of a run that an operator turned back.
const COMPENSATED_BY_OPERATOR: &str = "COMPENSATED_BY_OPERATOR";

/// What an operator can do about a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Try the step again, now.
    Retry,
    /// Go back, although the run might still go on.
    Compensate,
    /// Take the step the run is parked at for done, or on the way back for undone.
    Skip,
    /// Give the run up as it stands.
    Abandon,
}

/// What an operator does about a run, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intervention {
    /// What.
    pub measure: Measure,
    /// Why: for the log, which keeps it beside what is done.
    pub reason: Reason,
}

impl Intervention {
    pub(super) fn decide(&self, run: &Run) -> Result<Event, Rejection> {
        let parked = match &run.stand {
            Stand::Parked => true,
            Stand::Retrying { .. } | Stand::Waiting(_) => false,
            Stand::Attempting { lease_until } => return Err(Rejection::Taken(*lease_until)),
            Stand::Ready => return Err(Rejection::GoesOn),
        };
        match self.measure {
            Measure::Retry => Ok(Event::Retried {}),
            Measure::Compensate if run.direction == Direction::Back => Err(Rejection::GoesBack),
            Measure::Compensate => match run.past_return() {
                Some(step) => Err(Rejection::PastReturn(step.into())),
                None => {
                    let (code, reason) =
                        (COMPENSATED_BY_OPERATOR.into(), "the marketplace took it back".into());
                    Ok(Event::Turned { code, reason })
                }
            },
            Measure::Skip if parked => Ok(Event::Skipped { step: run.task(0).step }),
            Measure::Skip => Err(Rejection::NotParked),
            Measure::Abandon => Ok(Event::Ended { outcome: Outcome::Abandoned }),
        }
    }
}
