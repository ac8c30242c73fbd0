//! A run that goes wrong as its script says, and touches nothing: for operators to practise on. Its steps are tried
//! like those that call the outside world, so that a drill looks like the real thing, but with little patience.

use crate::context::Context;
use crate::saga::{Failure, Policy, Progress, Saga};
use async_trait::async_trait;
use cityos_domain::drill::{self, Failing, Step};
use cityos_domain::event::Event;
use cityos_domain::saga_run::{Direction, FailureKind, Way};
use cityos_domain::workspace::Decided;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds between attempts: someone is watching.
const DELAYS_S: &[u32] = &[1, 1];

/// The saga.
pub struct DrillSaga;

/// What fails.
#[derive(Serialize, Deserialize)]
pub struct Input {
    failing: Vec<Failing>,
}

/// Under which key each step was done, as if somebody had been asked to.
#[derive(Default, Serialize, Deserialize)]
pub struct Memo {
    done: BTreeMap<String, String>,
}

#[async_trait]
impl Saga for DrillSaga {
    const NAME: &'static str = "drill";
    type Step = Step;
    type Input = Input;
    type Memo = Memo;
    const STEPS: &'static [(&'static str, Step)] = &[
        ("prepare", Step::Prepare),
        ("reserve", Step::Reserve),
        ("commit", Step::Commit),
        ("record", Step::Record),
    ];

    fn starts_on(event: &Decided) -> Option<Input> {
        let Event::Drill(drill::Event::Started { failing }) = &event.event else { return None };
        Some(Input { failing: failing.clone() })
    }

    fn policy(step: Step) -> Policy {
        let policy = Policy::REMOTE.delays_s(DELAYS_S);
        match step {
            Step::Prepare | Step::Reserve => policy,
            Step::Commit => policy.way(Way::Pivot),
            Step::Record => policy.way(Way::Onward),
        }
    }

    async fn act(step: Step, input: &Input, memo: &mut Memo, cx: &Context) -> Result<Progress, Failure> {
        play(step, Direction::Forward, input, cx)?;
        memo.done.insert(cx.step().into(), cx.key());
        Ok(Progress::Done)
    }

    async fn undo(step: Step, input: &Input, _: &Memo, cx: &Context) -> Result<(), Failure> {
        play(step, Direction::Back, input, cx)
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals() -> Vec<crate::rehearsal::Rehearsal> {
        crate::rehearsal::drills::drills()
    }
}

/// Fails where the script says so.
fn play(step: Step, direction: Direction, input: &Input, cx: &Context) -> Result<(), Failure> {
    let here = |it: &&Failing| it.step == step && it.direction == direction && cx.attempt() <= it.attempts;
    let Some(Failing { kind, attempts, .. }) = input.failing.iter().find(here) else { return Ok(()) };
    let code = match kind {
        FailureKind::Transient => "DRILL_UNAVAILABLE",
        FailureKind::Permanent => "DRILL_REFUSED",
        FailureKind::Unknown => "DRILL_NO_ANSWER",
    };
    let error = format!("attempt {} of {attempts} that are told to fail", cx.attempt());
    Err(Failure { kind: *kind, code: code.into(), error })
}
