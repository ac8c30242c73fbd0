//! Runs of sagas: where they stand, whether they may be parked there, and that every call was intended first.

use super::{Invariant, Rest, hold};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Event;
use cityos_domain::ids::RunId;
use cityos_domain::log::{Envelope, Position};
use cityos_domain::saga_run::{self, Direction, FailureKind, Mark, PlannedStep, SagaRun, Stand, Way};
use std::collections::BTreeMap;

/// A run.
#[derive(Default)]
pub struct Seen {
    /// Its saga.
    pub saga: String,
    /// What it was started with.
    pub input: String,
    /// How it stands.
    pub state: SagaRun,
    /// Whether an operator took something of it upon themselves: skipped a step, or gave it up.
    pub taken_over: bool,
    last_failure: Option<FailureKind>,
}

impl Seen {
    /// Whether it waits for an operator, or one has taken something of it upon themselves.
    pub fn is_answered_for(&self) -> bool {
        let SagaRun::Live(run) = &self.state else { return self.taken_over };
        self.taken_over || run.stand == Stand::Parked
    }

    /// The step it stands at on its way forward.
    fn next_step(&self) -> Option<&PlannedStep> {
        let SagaRun::Live(run) = &self.state else { return None };
        let next = run.steps.iter().find(|(_, mark)| matches!(mark, Mark::Ahead | Mark::Unsure));
        next.map(|(step, _)| step)
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.state, SagaRun::Ended(_))
    }
}

/// All runs.
#[derive(Default)]
pub struct Runs {
    seen: BTreeMap<RunId, Seen>,
}

impl Runs {
    /// The run of this id.
    pub fn find(&self, id: &str) -> Option<&Seen> {
        self.seen.get(&RunId(id.parse().ok()?))
    }

    /// Whether an operator has, or is asked to have, a run of this saga for the thing its input names in hand.
    pub fn is_answered_for(&self, saga: &str, about: &str) -> bool {
        self.seen.values().any(|run| run.saga == saga && run.input.contains(about) && run.is_answered_for())
    }
}

impl Runs {
    /// Looks at the next event of the log.
    pub fn see(&mut self, event: &Envelope) {
        let Event::SagaRun(happened) = &event.event else { return };
        let run = self.seen.entry(RunId(event.stream.id)).or_default();
        if let saga_run::Event::Started { saga, input, .. } = happened {
            (run.saga, run.input) = (saga.clone(), input.to_string());
        } else if let saga_run::Event::Failed { kind, .. } = happened {
            run.last_failure = Some(*kind);
        }
        run.taken_over |= match happened {
            saga_run::Event::Skipped { .. } => true,
            saga_run::Event::Ended { outcome, .. } => *outcome == saga_run::Outcome::Abandoned,
            saga_run::Event::Started { .. }
            | saga_run::Event::Attempted { .. }
            | saga_run::Event::Done { .. }
            | saga_run::Event::Undone { .. }
            | saga_run::Event::Failed { .. }
            | saga_run::Event::Waiting { .. }
            | saga_run::Event::Woken { .. }
            | saga_run::Event::Turned { .. }
            | saga_run::Event::Parked { .. }
            | saga_run::Event::Retried {} => false,
        };
        run.state = std::mem::take(&mut run.state).evolve(happened);
    }
}

/// Where runs are parked, and what they called.
#[derive(Default)]
pub struct Parking {
    runs: Runs,
    /// Under each key, where in the log calls were intended.
    intended: BTreeMap<String, Vec<Position>>,
}

impl Invariant for Parking {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        if let Event::SagaRun(happened) = &event.event {
            let run = self.runs.seen.get(&RunId(event.stream.id));
            if let saga_run::Event::Parked { reason } = happened {
                may_park(run, reason)?;
            } else if let saga_run::Event::Attempted { key, .. } = happened {
                self.intended.entry(key.clone()).or_default().push(event.position);
                let twice = matches!(run, Some(Seen { state: SagaRun::Live(run), .. })
                    if matches!(run.stand, Stand::Attempting { .. }));
                hold(!twice, || format!("two workers are at {key}"))?;
            } else if let saga_run::Event::Failed { code, step, .. } = happened {
                hold(code != "STEP_PANICKED", || format!("step `{step}`: {code}"))?;
            }
        }
        self.runs.see(event);
        Ok(())
    }

    fn at_rest(&mut self, rest: &Rest<'_>) -> Result<(), String> {
        for (id, run) in &self.runs.seen {
            let SagaRun::Live(live) = &run.state else { continue };
            let stands = match &live.stand {
                // It was tried again with nothing in its way.
                Stand::Parked => {
                    !rest.at_the_end || run.taken_over || run.last_failure == Some(FailureKind::Permanent)
                }
                Stand::Waiting(wait) => !rest.at_the_end && wait.until > rest.now,
                Stand::Retrying { at } => !rest.at_the_end && *at > rest.now,
                Stand::Ready | Stand::Attempting { .. } => false,
            };
            hold(stands, || format!("run {id} of `{}` should go on: {:?}", run.saga, live.stand))?;
        }
        let mut made: BTreeMap<&str, usize> = BTreeMap::new();
        for call in rest.calls {
            let made = made.entry(&call.key).or_default();
            *made += 1;
            let intended = self.intended.get(&call.key).into_iter().flatten();
            let intended = intended.filter(|position| **position <= call.head).count();
            hold(*made <= intended, || format!("call {made} of {} was not intended first", call.key))?;
        }
        Ok(())
    }
}

/// Only past, or at, a step without a way back, or on a way back that fails; and always for a reason.
fn may_park(run: Option<&Seen>, reason: &str) -> Result<(), String> {
    let seen = run.ok_or("a run is parked that never began")?;
    let Seen { saga, state: SagaRun::Live(run), last_failure, .. } = seen else {
        return Err("a run is parked that does not go".into());
    };
    hold(!reason.is_empty(), || format!("a run of `{saga}` is parked without a reason"))?;
    let no_return = |way: Way| way != Way::Back;
    let passed = run
        .steps
        .iter()
        .any(|(step, mark)| no_return(step.way) && matches!(mark, Mark::Done | Mark::Unsure | Mark::Skipped));
    let at_one = seen.next_step().is_some_and(|step| match step.way {
        Way::Back => false,
        Way::Pivot => *last_failure != Some(FailureKind::Permanent),
        Way::Onward => true,
    });
    hold(run.direction == Direction::Back || passed || at_one, || {
        format!("a run of `{saga}` is parked where it could go back: {reason}")
    })
}
