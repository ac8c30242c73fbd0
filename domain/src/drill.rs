//! A drill: something that goes wrong on purpose and touches nothing, for operators to practise on. It lies in a
//! tenant's partition, where the runs lie that are repaired in earnest: whoever may repair those may practise here.

use crate::aggregate::Aggregate;
use crate::ids::DrillId;
use crate::rejection::Reject;
use crate::saga_run::{Direction, FailureKind};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a step may be told to fail.
pub const ATTEMPTS_MAX: u32 = 20;

/// A step of a drill, in running order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Can be undone.
    Prepare,
    /// Can be undone.
    Reserve,
    /// There is no way back past it.
    Commit,
    /// There is no way back from it, not even where it is refused.
    Record,
}

impl Step {
    /// Whether it can be undone.
    pub fn has_way_back(self) -> bool {
        match self {
            Step::Prepare | Step::Reserve => true,
            Step::Commit | Step::Record => false,
        }
    }
}

/// That a step fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Failing {
    /// Which step.
    pub step: Step,
    /// When it is done, or when it is undone.
    pub direction: Direction,
    /// In which way.
    pub kind: FailureKind,
    /// So many attempts, counted over the whole run; the next works.
    pub attempts: u32,
}

/// What may be asked of a drill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Begin.
    Start {
        /// What fails.
        failing: Vec<Failing>,
    },
}

/// What can have happened to a drill.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It has begun: a run starts on it.
    Started {
        /// What fails.
        failing: Vec<Failing>,
    },
}

/// Why a drill says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It has begun with something else.
    #[error("the drill has begun already")]
    Begun,
    /// A step that is never undone cannot fail at that.
    #[error("{0:?} is never undone: it fails forward or not at all")]
    NoWayBack(Step),
    /// Two things cannot happen at once.
    #[error("{0:?} is told to fail twice in the same direction")]
    FailsTwice(Step),
    /// Too often, or not at all.
    #[error("a step fails in 1 to {ATTEMPTS_MAX} attempts, not in {0}")]
    AttemptsOutsideLimits(u32),
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Begun => "DRILL_BEGUN",
            Rejection::NoWayBack(_) => "DRILL_NO_WAY_BACK",
            Rejection::FailsTwice(_) => "DRILL_FAILS_TWICE",
            Rejection::AttemptsOutsideLimits(_) => "DRILL_ATTEMPTS_OUTSIDE_LIMITS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::Begun => None,
            Rejection::NoWayBack(_) | Rejection::FailsTwice(_) | Rejection::AttemptsOutsideLimits(_) => {
                Some("failing")
            }
        }
    }
}

/// A drill.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub enum Drill {
    /// There is none.
    #[default]
    Unknown,
    /// It has begun. What became of it stands in its run.
    Begun {
        /// What fails.
        failing: Vec<Failing>,
    },
}

impl Aggregate for Drill {
    type Id = DrillId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let Command::Start { failing } = command;
        match self {
            Drill::Begun { failing: known } if known == failing => return Ok(vec![]),
            Drill::Begun { .. } => return Err(Rejection::Begun),
            Drill::Unknown => {}
        }
        for (place, Failing { step, direction, attempts, .. }) in failing.iter().enumerate() {
            if *direction == Direction::Back && !step.has_way_back() {
                return Err(Rejection::NoWayBack(*step));
            }
            if failing[..place].iter().any(|other| other.step == *step && other.direction == *direction) {
                return Err(Rejection::FailsTwice(*step));
            }
            if !(1..=ATTEMPTS_MAX).contains(attempts) {
                return Err(Rejection::AttemptsOutsideLimits(*attempts));
            }
        }
        Ok(vec![Event::Started { failing: failing.clone() }])
    }

    fn evolve(self, event: &Event) -> Self {
        let Event::Started { failing } = event;
        Drill::Begun { failing: failing.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{City, id};
    use crate::workspace::Tell;

    fn fails(step: Step, direction: Direction, attempts: u32) -> Failing {
        Failing { step, direction, kind: FailureKind::Transient, attempts }
    }

    #[test]
    fn a_drill_fails_only_where_and_as_often_as_a_run_can() {
        use Direction::{Back, Forward};
        use Step::{Commit, Prepare, Record};
        for (failing, code) in [
            (vec![fails(Commit, Back, 1)], "DRILL_NO_WAY_BACK"),
            (vec![fails(Record, Back, 1)], "DRILL_NO_WAY_BACK"),
            (vec![fails(Prepare, Back, 0)], "DRILL_ATTEMPTS_OUTSIDE_LIMITS"),
            (vec![fails(Prepare, Forward, ATTEMPTS_MAX + 1)], "DRILL_ATTEMPTS_OUTSIDE_LIMITS"),
            (vec![fails(Prepare, Back, 1), fails(Prepare, Back, 2)], "DRILL_FAILS_TWICE"),
        ] {
            let start = Tell::<Drill> { id: id("drill"), command: Command::Start { failing } };
            assert_eq!(City::platform().refusal(&start), code);
        }
    }

    #[test]
    fn a_drill_begins_once() {
        let mut city = City::platform();
        let start = |failing| Tell::<Drill> { id: id("drill"), command: Command::Start { failing } };
        let failing = vec![fails(Step::Reserve, Direction::Back, ATTEMPTS_MAX)];
        assert_eq!(city.when(&start(failing.clone())).unwrap().len(), 1);
        assert_eq!(city.when(&start(failing)), Ok(vec![]));
        assert_eq!(city.refusal(&start(vec![])), "DRILL_BEGUN");
    }
}
