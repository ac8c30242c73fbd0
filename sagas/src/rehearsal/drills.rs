//! Drills that end by themselves. Those that park are tried out by scenarios of their own.

use super::market::{opened, tell};
use super::{Act, End, Rehearsal};
use cityos_domain::drill::{ATTEMPTS_MAX, Command, Drill, Failing, Step};
use cityos_domain::rehearsal::id;
use cityos_domain::saga_run::{Direction, FailureKind};

/// For drills.
pub fn drills() -> Vec<Rehearsal> {
    let refused = Failing {
        step: Step::Commit,
        direction: Direction::Forward,
        kind: FailureKind::Permanent,
        attempts: ATTEMPTS_MAX,
    };
    vec![
        Rehearsal {
            name: "nothing fails",
            setting: opened(),
            acts: vec![drill(vec![]), Act::Settle],
            end: End::Completed,
        },
        Rehearsal {
            name: "the pivot is refused",
            setting: opened(),
            acts: vec![drill(vec![refused]), Act::Settle],
            end: End::Compensated,
        },
    ]
}

/// A drill begins.
pub fn drill(failing: Vec<Failing>) -> Act {
    tell::<Drill>(id("drill"), Command::Start { failing })
}
