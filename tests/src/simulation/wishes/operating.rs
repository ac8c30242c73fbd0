//! Operators who step in where a run stands still, and at times where it does not.

use super::{Wish, tell};
use crate::simulation::city::Process;
use crate::simulation::dice::Dice;
use crate::simulation::market::{Market, reason};
use cityos_domain::drill::{self, Drill, Failing, Step};
use cityos_domain::ids::RunId;
use cityos_domain::log::Partition;
use cityos_domain::saga_run::{Command, Direction, FailureKind, Intervention, Measure, SagaRun};
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::Query;
use cityos_projections::models::saga_runs::{self, RunState, SagaRuns};
use std::sync::Arc;

/// Steps in at a run that is parked, or else at one that waits, with a measure for the step it is at.
pub async fn intervene(
    measure: impl FnOnce(String) -> Measure,
    dice: &mut Dice,
    process: &Process,
) -> Option<Vec<Wish>> {
    let parked = standing(process, RunState::Parked).await?;
    let among = if parked.is_empty() { standing(process, RunState::Waiting).await? } else { parked };
    let (partition, run) = dice.pick(&among)?;
    Some(vec![step_in(*partition, run.id, measure(run.step.clone()?))])
}

/// An operator steps in at a run.
pub fn step_in(partition: Partition, id: RunId, measure: Measure) -> Wish {
    let command = Command::Intervene(Intervention { measure, reason: reason() });
    Wish::of(partition, Arc::new(Tell::<SagaRun> { id, command }))
}

/// The runs that stand so, as the read models show them.
pub async fn standing(process: &Process, state: RunState) -> Option<Vec<(Partition, saga_runs::SagaRun)>> {
    let runs = Query::<SagaRuns>::everywhere().filter(saga_runs::SagaRun::state().is(state));
    runs.fetch_with_partition(&process.reads).await.ok()
}

/// A drill, in which a step fails at first or nothing does.
pub fn drill(market: &mut Market, dice: &mut Dice) -> Arc<dyn Intention> {
    let steps = [Step::Prepare, Step::Reserve, Step::Commit, Step::Record];
    let kinds = [FailureKind::Transient, FailureKind::Permanent, FailureKind::Unknown];
    let failing = match (dice.pick(&steps), dice.pick(&kinds)) {
        (Some(step), Some(kind)) if dice.falls(800) => {
            let back = matches!(step, Step::Prepare | Step::Reserve) && dice.falls(300);
            let direction = if back { Direction::Back } else { Direction::Forward };
            let attempts = u32::try_from(1 + dice.below(4)).expect("it is below five");
            vec![Failing { step: *step, direction, kind: *kind, attempts }]
        }
        _ => vec![],
    };
    tell::<Drill>(market.new_id("drill"), drill::Command::Start { failing })
}
