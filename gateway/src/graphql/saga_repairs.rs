//! What an operator does about runs of sagas, one by one or all that meet a filter, and what would come of it. What the
//! command line does is the same: see `sagas/src/repair.rs`. A tenant that is over leaves runs behind, too.

use crate::access::Action;
use crate::graphql::answer::{
    Denied, IdempotencyKeyReused, Mutation, Rejection, VersionConflict, answers, mutations, written,
};
use crate::graphql::connection::{Narrow, Node};
use crate::graphql::ids::Id;
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::saga_runs::{RunState, SagaRun, SagaRunFilter};
use crate::graphql::services::{Scope, reading, services, take_rows};
use crate::graphql::values::reason;
use async_graphql::{Context, Enum, InputObject, Json, Object, SimpleObject, Union};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Kind;
use cityos_domain::ids::RunId;
use cityos_domain::log::Version;
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::{self, Command, InterveneAll, Intervention, Measure, Outcome, Outlook};
use cityos_domain::workspace::Tell;
use cityos_projections::Query;
use cityos_projections::models::saga_runs;
use cityos_sagas::Engine;
use cityos_sagas::repair::{Found, Planned, RUNS_MAX, moved_on};
use serde_json::{Map, Value};

/// What a step would have learned.
type Learned = Json<Map<String, Value>>;

fn skip(step: String, learned: Option<Learned>) -> Measure {
    Measure::Skip { step, learned: learned.map(|Json(learned)| learned).unwrap_or_default() }
}

/// What an operator can do about a run.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum SagaMeasure {
    /// Try the step at which it failed, or waits, again now.
    Retry,
    /// Go back and undo what was done.
    Compensate,
    /// Take the step at which it is parked for done, or on the way back for undone.
    Skip,
    /// Give it up as it stands: what was done stays done.
    Abandon,
}

impl SagaMeasure {
    fn of(self, step: Option<String>, learned: Option<Learned>) -> Result<Measure, Rejected> {
        if learned.is_some() && self != SagaMeasure::Skip {
            return Err(Rejected::invalid(
                "learned",
                "only whoever skips a step says what it would have learned",
            ));
        }
        match (self, step) {
            (SagaMeasure::Retry, None) => Ok(Measure::Retry),
            (SagaMeasure::Compensate, None) => Ok(Measure::Compensate),
            (SagaMeasure::Abandon, None) => Ok(Measure::Abandon),
            (SagaMeasure::Skip, Some(step)) => Ok(skip(step, learned)),
            (SagaMeasure::Skip, None) => Err(Rejected::invalid("step", "whoever skips a step names it")),
            (SagaMeasure::Retry | SagaMeasure::Compensate | SagaMeasure::Abandon, Some(_)) => {
                Err(Rejected::invalid("step", "only whoever skips a step names it"))
            }
        }
    }
}

/// What would come of a measure at one run.
#[derive(SimpleObject)]
pub struct SagaRunRepair {
    /// The run, as it is.
    run: SagaRun,
    /// What would come of it, for people.
    then: Option<String>,
    /// The steps it would undo, in this order.
    undoes: Vec<String>,
    /// How it would end, where it would.
    ends: Option<RunState>,
    /// The steps that would stay done, where it would be given up.
    stays: Vec<String>,
    /// The steps that are perhaps done and would stay so, where it would be given up.
    may_stay: Vec<String>,
    /// The steps that would not be done any more, where it would be given up.
    not_done: Vec<String>,
    /// Why it may not be done.
    refused: Option<Rejection>,
    /// Why this program could not drive the run on: it would park it again.
    not_driven: Option<String>,
}

impl SagaRunRepair {
    fn of(run: SagaRun, Planned { outlook, stranger, .. }: Planned) -> Self {
        let then = outlook.as_ref().ok().map(ToString::to_string);
        let bare = SagaRunRepair {
            run,
            then,
            undoes: Vec::new(),
            ends: None,
            stays: Vec::new(),
            may_stay: Vec::new(),
            not_done: Vec::new(),
            refused: None,
            not_driven: stranger,
        };
        match outlook {
            Err(rejected) => SagaRunRepair { refused: Some(rejected.into()), ..bare },
            Ok(Outlook::Goes { .. }) => bare,
            Ok(Outlook::Undoes { steps }) => SagaRunRepair { undoes: steps, ..bare },
            Ok(Outlook::Ends { outcome, stays, may_stay, not_done }) => {
                let ends = Some(match outcome {
                    Outcome::Completed => RunState::Completed,
                    Outcome::Compensated => RunState::Compensated,
                    Outcome::Abandoned => RunState::Abandoned,
                });
                SagaRunRepair { ends, stays, may_stay, not_done, ..bare }
            }
        }
    }
}

/// What would come of a measure.
#[derive(SimpleObject)]
pub struct SagaRunRepairs {
    /// How many runs meet the filter: what `repairSagaRuns` calls `expectedCount`.
    count: u64,
    /// What would come of it at each of them, the oldest first.
    runs: Vec<SagaRunRepair>,
}

/// Asking what would come of a measure.
#[derive(Default)]
pub struct SagaRunRepairsQuery;

#[Object]
impl SagaRunRepairsQuery {
    /// What would come of a measure at all runs that meet a filter. Nothing is done.
    async fn saga_run_repairs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what meets all of this.")] filter: SagaRunFilter,
        #[graphql(desc = "What would be done.")] measure: SagaMeasure,
        #[graphql(desc = "Which step would be skipped.")] step: Option<String>,
        #[graphql(desc = "What it would have learned. Only with a filter that names a run by its id.")]
        learned: Option<Learned>,
        #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
        at_least: Option<PositionToken>,
    ) -> Result<SagaRunRepairs, Refusal> {
        let scope = reading(ctx, Action::SagaRunRepairs, at_least.as_ref()).await?;
        if learned.is_some() && !filter.names_a_run() {
            return Err(unfit(Rejected::invalid(
                "learned",
                "it is about one run, which the filter names by its id",
            )));
        }
        let measure = measure.of(step, learned).map_err(unfit)?;
        let engine = &services(ctx).engine;
        let Found { runs, count } = found(engine, scope, &filter).await?;
        take_rows(ctx, runs.len())?;
        let mut repairs = Vec::with_capacity(runs.len());
        for (partition, row) in runs {
            let planned = engine.plan(partition, row.id, &measure).await.map_err(Refusal::failed)?;
            repairs.push(SagaRunRepair::of(SagaRun::show(scope, row), planned));
        }
        Ok(SagaRunRepairs { count, runs: repairs })
    }
}

/// Why the arguments do not fit, and which of them.
fn unfit(Rejected { message, field, .. }: Rejected) -> Refusal {
    Refusal::BadArgument(field.map_or_else(|| message.clone(), |field| format!("{field}: {message}")))
}

async fn found(engine: &Engine, scope: Scope, filter: &SagaRunFilter) -> Result<Found, Refusal> {
    let runs = || filter.clone().narrow(Query::<saga_runs::SagaRuns>::new(scope.partition));
    Ok(engine.find_runs(runs).await?)
}

/// Which run is tried again, and why.
#[derive(InputObject)]
pub struct RetrySagaRunInput {
    /// The run.
    id: Id<RunId>,
    /// Why.
    reason: String,
}

/// Which run goes back, and why.
#[derive(InputObject)]
pub struct CompensateSagaRunInput {
    /// The run.
    id: Id<RunId>,
    /// Why.
    reason: String,
}

/// Which step of a run is skipped, and why.
#[derive(InputObject)]
pub struct SkipSagaRunStepInput {
    /// The run.
    id: Id<RunId>,
    /// The step.
    step: String,
    /// What the step would have learned: it is put into the memo, for the steps that follow.
    learned: Option<Learned>,
    /// Why.
    reason: String,
}

/// Which run is given up, and why.
#[derive(InputObject)]
pub struct AbandonSagaRunInput {
    /// The run.
    id: Id<RunId>,
    /// Why.
    reason: String,
}

/// What is done about all runs that meet a filter.
#[derive(InputObject)]
pub struct RepairSagaRunsInput {
    /// Which runs.
    filter: SagaRunFilter,
    /// How many these are: nothing is done if it is another number by now.
    expected_count: u32,
    /// What is done.
    measure: SagaMeasure,
    /// Which step is skipped.
    step: Option<String>,
    /// Why.
    reason: String,
}

/// What became of several runs.
#[derive(Union)]
pub enum SagaRunsResult {
    /// It was done, where the runs did not refuse.
    Changed(SagaRunsChanged),
    /// The rules say no.
    Rejection(Rejection),
    /// It has changed since the caller looked.
    VersionConflict(VersionConflict),
    /// The key was used for another input.
    IdempotencyKeyReused(IdempotencyKeyReused),
}

/// What became of several runs.
#[derive(SimpleObject)]
pub struct SagaRunsChanged {
    /// Those at which it was done.
    done: Vec<Id<RunId>>,
    /// How many others met the filter and refused.
    refused: u32,
    /// Which these are, and why. Not known any more where it was done before.
    refusals: Option<Vec<SagaRunRefusal>>,
    /// The place in the log this reached.
    position: PositionToken,
    /// Whether it was done before and this is the answer it had then.
    replayed: bool,
}

/// A run that refused.
#[derive(SimpleObject)]
pub struct SagaRunRefusal {
    /// The run.
    run: Id<RunId>,
    /// Why.
    rejection: Rejection,
}

answers! {
    /// What became of a run.
    SagaRunResult, SagaRunChanged { run: SagaRun }
}

mutations! {
    /// What operators do about runs of sagas. Each needs a reason, which stands in the log with who gave it.
    SagaRunMutations {
        /// Has the step at which a run failed, or waits, tried again now. A step that calls the outside world asks
        /// there first whether it was done before.
        retry_saga_run = RetrySagaRun(mutation, input: RetrySagaRunInput, expected) -> SagaRunResult {
            intervene(mutation, input.id, Measure::Retry, &input.reason, expected).await
        }

        /// Has a run go back and undo what it did. Refused where a step that cannot be undone is, or may have been,
        /// done, or is the next and was to be done in any case.
        compensate_saga_run = CompensateSagaRun(mutation, input: CompensateSagaRunInput, expected) -> SagaRunResult {
            intervene(mutation, input.id, Measure::Compensate, &input.reason, expected).await
        }

        /// Takes the step at which a run is parked for done, or on the way back for undone, without the run doing it.
        /// Refused where it is parked at another, and of a step that only writes down what is settled.
        skip_saga_run_step = SkipSagaRunStep(mutation, input: SkipSagaRunStepInput, expected) -> SagaRunResult {
            let skip = skip(input.step, input.learned);
            intervene(mutation, input.id, skip, &input.reason, expected).await
        }

        /// Gives a run up as it stands: what it did stays done, and the rest is not done. Its last entry says which steps
        /// these are.
        abandon_saga_run = AbandonSagaRun(mutation, input: AbandonSagaRunInput, expected) -> SagaRunResult {
            intervene(mutation, input.id, Measure::Abandon, &input.reason, expected).await
        }

        /// Does one thing about all runs that meet a filter, if they are as many as expected. Runs that refuse, or have
        /// moved meanwhile, are left as they are. `sagaRunRepairs` says before what would come of it. There is no one
        /// version of several runs: an `expectedVersion` other than 0 is a conflict.
        repair_saga_runs = RepairSagaRuns(mutation, input: RepairSagaRunsInput, expected) -> SagaRunsResult {
            if expected.unwrap_or_default() != 0 {
                return Ok(refused(Denied::moved(Version(0))));
            }
            let expected_count = input.expected_count;
            let (mutation, intervention) = match intervention(input.measure.of(input.step, None), &input.reason) {
                Ok(intervention) => (&mutation.after_closing().because(&intervention.reason), Ok(intervention)),
                Err(rejected) => (mutation, Err(rejected)),
            };
            let (all, mut refusals) = match intervention {
                Ok(intervention) => selected(mutation, &input.filter, expected_count, intervention).await?,
                Err(rejected) => (Err(rejected), Vec::new()),
            };
            let told: Vec<_> = all.iter().flat_map(|all| &all.runs).map(|(run, _)| *run).collect();
            Ok(match mutation.give(all, None).await? {
                Ok(reached) => {
                    let done: Vec<_> = written(&reached, Kind::SagaRun).map(|(run, _)| RunId(run.id)).collect();
                    let moved = told.into_iter().filter(|run| !done.contains(run));
                    refusals.extend(moved.map(|run| SagaRunRefusal { run: Id(run), rejection: moved_on().into() }));
                    SagaRunsResult::Changed(SagaRunsChanged {
                        refused: expected_count.saturating_sub(u32::try_from(done.len()).unwrap_or(u32::MAX)),
                        refusals: (!reached.replayed).then_some(refusals),
                        done: done.into_iter().map(Id).collect(),
                        position: PositionToken::of(&mutation.services.positions, reached.position),
                        replayed: reached.replayed,
                    })
                }
                Err(denied) => refused(denied),
            })
        }
    }
}

fn refused(denied: Denied) -> SagaRunsResult {
    match denied {
        Denied::Rejection(rejection) => SagaRunsResult::Rejection(rejection),
        Denied::VersionConflict(conflict) => SagaRunsResult::VersionConflict(conflict),
        Denied::IdempotencyKeyReused(reused) => SagaRunsResult::IdempotencyKeyReused(reused),
    }
}

fn intervention(measure: Result<Measure, Rejected>, why: &str) -> Result<Intervention, Rejected> {
    Ok(Intervention { measure: measure?, reason: reason(why)? })
}

/// Steps in at one run.
async fn intervene(
    mutation: &Mutation<'_>,
    Id(run): Id<RunId>,
    measure: Measure,
    why: &str,
    expected: Option<u64>,
) -> Result<SagaRunResult, Refusal> {
    let (engine, partition) = (&mutation.services.engine, mutation.partition());
    let goes = engine.can_go_on_after(partition, run, &measure).await.map_err(Refusal::failed)?;
    let intervention = goes.and_then(|()| intervention(Ok(measure), why));
    let mutation = match &intervention {
        Ok(Intervention { reason, .. }) => &mutation.after_closing().because(reason),
        Err(_) => mutation,
    };
    let tell = intervention
        .map(|intervention| Tell::<saga_run::SagaRun> { id: run, command: Command::Intervene(intervention) });
    let streams = [saga_run::SagaRun::stream(partition, run)];
    let outcome = mutation.answer::<SagaRun, _>(tell, expected, run, &streams).await?;
    Ok(SagaRunResult::of(mutation.services, outcome))
}

/// The runs that meet the filter and may be told this, and those that refuse, if as many meet it as are expected. What
/// was done before is answered as then, whichever runs meet it now.
async fn selected(
    mutation: &Mutation<'_>,
    filter: &SagaRunFilter,
    expected_count: u32,
    intervention: Intervention,
) -> Result<(Result<InterveneAll, Rejected>, Vec<SagaRunRefusal>), Refusal> {
    let mut refusals = Vec::new();
    if mutation.is_done().await? {
        return Ok((Ok(InterveneAll { runs: Vec::new(), intervention }), refusals));
    }
    mutation.reads_now().await?;
    let engine = &mutation.services.engine;
    let Found { runs, count } = found(engine, mutation.scope(), filter).await?;
    if count != u64::from(expected_count) {
        return Ok((
            Err(counted(format!("{count} runs meet the filter now, not {expected_count}"))),
            refusals,
        ));
    }
    if count > RUNS_MAX as u64 {
        let many = format!("{count} runs meet the filter, and {RUNS_MAX} can be helped at once");
        return Ok((Err(counted(many)), refusals));
    }
    let mut may = Vec::new();
    for (partition, row) in runs {
        let planned = engine.plan(partition, row.id, &intervention.measure).await;
        let Planned { run, seen, outlook, .. } = planned.map_err(Refusal::failed)?;
        match outlook {
            Ok(_) => may.push((run, seen)),
            Err(rejected) => refusals.push(SagaRunRefusal { run: Id(run), rejection: rejected.into() }),
        }
    }
    Ok((Ok(InterveneAll { runs: may, intervention }), refusals))
}

fn counted(message: String) -> Rejected {
    Rejected { code: "SAGA_RUN_COUNT_DIFFERS".into(), message, field: Some("expectedCount".into()) }
}
