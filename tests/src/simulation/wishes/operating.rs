//! Operators who step in where a run stands still, and at times where it does not.

use super::{Wish, tell};
use crate::simulation::city::Process;
use crate::simulation::dice::Dice;
use crate::simulation::market::{Market, reason};
use cityos_domain::drill::{self, Drill, Failing, Step};
use cityos_domain::ids::RunId;
use cityos_domain::log::Partition;
use cityos_domain::saga_run::{Direction, FailureKind, InterveneAll, Intervention, Measure};
use cityos_domain::workspace::Intention;
use cityos_projections::Query;
use cityos_projections::models::saga_runs::{self, RunState, SagaRuns};
use std::sync::Arc;

/// How many of a thousand times operators step in at a run that goes on by itself, though others are parked.
const IMPATIENT: u16 = 200;

/// Steps in at a run that is parked, or at one that waits or goes on by itself, with a measure for the step it is at.
pub async fn intervene(
    measure: impl FnOnce(String) -> Measure,
    dice: &mut Dice,
    process: &Process,
) -> Option<Vec<Wish>> {
    let parked = standing(process, RunState::Parked).await?;
    let among = if parked.is_empty() || dice.falls(IMPATIENT) {
        let mut going = standing(process, RunState::Waiting).await?;
        going.extend(standing(process, RunState::Running).await?);
        going
    } else {
        parked
    };
    let (partition, run) = dice.pick(&among)?;
    let wish = step_in(process, *partition, run.id, measure(run.step.clone()?)).await?;
    Some(vec![wish])
}

/// An operator steps in at a run as the tools do: what would come of it is looked at first, and it is done only if the run
/// is still as it was seen.
pub async fn step_in(process: &Process, partition: Partition, id: RunId, measure: Measure) -> Option<Wish> {
    let planned = process.engine.plan(partition, id, &measure).await.ok()?;
    planned.outlook.ok()?;
    let intervention = Intervention { measure, reason: reason() };
    Some(Wish::of(partition, Arc::new(InterveneAll { runs: vec![(id, planned.seen)], intervention })))
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
