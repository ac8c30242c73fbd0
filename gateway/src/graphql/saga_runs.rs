//! What the platform is at: runs of sagas, and what is due when. For operators.

use crate::access::{Action, Own};
use crate::graphql::connection::{Node, filter, for_admins, lists, lookups, ordering};
use crate::graphql::ids::Id;
use crate::graphql::refusal::Refusal;
use crate::graphql::saga_timeline::{Entry, SagaCompensationPreview};
use crate::graphql::services::{Scope, services, take_rows};
use crate::graphql::staleness::stale;
use async_graphql::{Context, Enum, Json, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::ids::{OfferId, PaymentId, RunId, VendorOrderId};
use cityos_domain::log::Version;
use cityos_domain::saga_run;
use cityos_projections::Filter;
use cityos_projections::models::due_timers::{self, DueTimers, Timer};
use cityos_projections::models::saga_runs::{self, SagaRuns};
use cityos_sagas::repair::timeline::Told;
use serde_json::Value;
use tokio::sync::OnceCell;

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Enum, clap::ValueEnum)]
#[graphql(name = "SagaRunState", remote = "saga_runs::RunState")]
pub enum RunState {
    /// At work, or about to be.
    Running,
    /// Waits for something to happen, or for a moment.
    Waiting,
    /// Waits for an operator.
    Parked,
    /// Every step was done.
    Completed,
    /// Everything that was done is undone.
    Compensated,
    /// An operator gave it up.
    Abandoned,
}

/// Which way a run goes.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "SagaDirection", remote = "saga_run::Direction")]
pub enum Direction {
    /// Doing its steps.
    Forward,
    /// Undoing them.
    Back,
}

/// Whether there is a way back from a step.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "SagaStepWay", remote = "saga_run::Way")]
pub enum Way {
    /// What it did can be undone.
    Back,
    /// Once it may have been done there is no way back.
    Pivot,
    /// There is no way back, not even where it is refused.
    Onward,
}

/// A step of a run.
#[derive(SimpleObject)]
pub struct SagaStep {
    /// Its name in the saga.
    name: String,
    /// Whether there is a way back from it.
    way: Way,
}

/// A run of a saga.
pub struct SagaRun {
    scope: Scope,
    row: saga_runs::SagaRun,
    told: OnceCell<Told>,
}

impl Node for SagaRun {
    type Model = SagaRuns;

    fn visible(own: Own) -> Option<Filter<saga_runs::SagaRun>> {
        for_admins(own, saga_runs::SagaRun::id())
    }

    fn show(scope: Scope, row: saga_runs::SagaRun) -> Self {
        SagaRun { scope, row, told: OnceCell::new() }
    }
}

impl SagaRun {
    /// What the log tells of it, as far as the row has come: read once, however much of it is shown. Every event is a row
    /// of the answer.
    async fn told(&self, ctx: &Context<'_>) -> Result<&Told, Refusal> {
        let read = async || {
            take_rows(ctx, usize::try_from(self.row.version).map_err(Refusal::failed)?)?;
            let (engine, seen) = (&services(ctx).engine, Some(Version(self.row.version)));
            let told = engine.tell_run(self.scope.partition, self.row.id, seen).await;
            let told = told.map_err(Refusal::failed)?;
            told.ok_or_else(|| Refusal::failed("a run that is shown is not in the log"))
        };
        self.told.get_or_try_init(read).await
    }
}

#[Object]
impl SagaRun {
    /// Its id.
    async fn id(&self) -> Id<RunId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// The saga's name.
    async fn saga(&self) -> &str {
        &self.row.saga
    }

    /// Where it stands.
    async fn state(&self) -> RunState {
        self.row.state.into()
    }

    /// The steps in running order.
    async fn steps(&self) -> Vec<SagaStep> {
        let shown = |step: &saga_run::PlannedStep| SagaStep { name: step.name.clone(), way: step.way.into() };
        self.row.steps.iter().map(shown).collect()
    }

    /// The step it is, or was last, at.
    async fn step(&self) -> Option<&str> {
        self.row.step.as_deref()
    }

    /// Whether it goes forward or back.
    async fn direction(&self) -> Direction {
        self.row.direction.into()
    }

    /// How often that step was attempted.
    async fn attempts(&self) -> u32 {
        self.row.attempts
    }

    /// When it goes on by itself, where it is not at work.
    async fn next_at(&self) -> Option<DateTime<Utc>> {
        self.row.next_at
    }

    /// The stable code of what went wrong last.
    async fn error_code(&self) -> Option<&str> {
        self.row.error_code.as_deref()
    }

    /// What went wrong last.
    async fn error(&self) -> Option<&str> {
        self.row.error.as_deref()
    }

    /// Why it went back or was parked.
    async fn reason(&self) -> Option<&str> {
        self.row.reason.as_deref()
    }

    /// When it was started.
    async fn started_at(&self) -> DateTime<Utc> {
        self.row.started_at
    }

    /// When something last happened to it.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }

    /// What it was started with.
    async fn input(&self, ctx: &Context<'_>) -> Result<Json<Value>, Refusal> {
        Ok(Json(self.told(ctx).await?.run.input.clone()))
    }

    /// What its steps learned.
    async fn memo(&self, ctx: &Context<'_>) -> Result<Json<Value>, Refusal> {
        Ok(Json(self.told(ctx).await?.run.memo.clone()))
    }

    /// What happened to it, in order.
    async fn timeline(&self, ctx: &Context<'_>) -> Result<Vec<Entry>, Refusal> {
        Ok(self.told(ctx).await?.timeline.iter().cloned().map(Entry::from).collect())
    }

    /// What it would undo if it turned back now, as far as it has not; nothing where it is over.
    async fn compensation_preview(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<SagaCompensationPreview>, Refusal> {
        Ok(SagaCompensationPreview::of(self.told(ctx).await?))
    }

    /// Why this program cannot drive it, where it would park it.
    async fn not_driven(&self, ctx: &Context<'_>) -> Result<Option<&str>, Refusal> {
        Ok(self.told(ctx).await?.stranger.as_deref())
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<SagaRuns>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which runs.
    SagaRunFilter for SagaRuns {
        /// Only this one.
        id: Id<RunId> => |id: Id<RunId>| saga_runs::SagaRun::id().is(id.0);
        /// Of this saga.
        saga: String => |saga| saga_runs::SagaRun::saga().is(saga);
        /// Standing there.
        state: RunState => |state: RunState| saga_runs::SagaRun::state().is(state.into());
        /// Of which this went wrong last: an error code.
        error_code: String => |code| saga_runs::SagaRun::error_code().is(Some(code));
        /// Started at this moment or later.
        started_from: DateTime<Utc> => |from| saga_runs::SagaRun::started_at().from(from);
        /// Started before this moment.
        started_before: DateTime<Utc> => |before| saga_runs::SagaRun::started_at().below(before);
    }
}

impl SagaRunFilter {
    /// Whether it is about one run.
    pub fn names_a_run(&self) -> bool {
        self.id.is_some()
    }
}

ordering! {
    /// In which order.
    SagaRunSort for SagaRuns {
        /// The latest first.
        Newest => saga_runs::SagaRun::started_at().descending();
        /// The earliest first.
        Oldest => saga_runs::SagaRun::started_at().ascending();
    }
}

/// What is done when a timer is due.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum TimerPurpose {
    /// A run of a saga is driven on.
    DriveRun,
    /// Units that a checkout holds are let go.
    ExpireReservation,
    /// What was authorised and not captured is given back.
    ExpireAuthorisation,
    /// A vendor's earnings of a part of an order become available.
    ReleaseEarnings,
    /// The tenant's scheduled payouts are run.
    PayoutsDue,
}

/// What is to be done when, if nothing else happens first.
pub struct DueTimer {
    scope: Scope,
    row: due_timers::DueTimer,
}

impl Node for DueTimer {
    type Model = DueTimers;

    fn visible(own: Own) -> Option<Filter<due_timers::DueTimer>> {
        // One that is not due ever, as things stand, is none.
        for_admins(own, due_timers::DueTimer::due_at()).or(Some(due_timers::DueTimer::due_at().is_set()))
    }

    fn show(scope: Scope, row: due_timers::DueTimer) -> Self {
        DueTimer { scope, row }
    }
}

#[Object]
impl DueTimer {
    /// When it is due.
    async fn due_at(&self) -> Result<DateTime<Utc>, Refusal> {
        self.row.due_at.ok_or_else(|| Refusal::failed("a timer that is never due was shown"))
    }

    /// What is done then.
    async fn purpose(&self) -> TimerPurpose {
        match self.row.purpose {
            Timer::DriveRun { .. } => TimerPurpose::DriveRun,
            Timer::ExpireReservation { .. } => TimerPurpose::ExpireReservation,
            Timer::ExpireAuthorisation { .. } => TimerPurpose::ExpireAuthorisation,
            Timer::ReleaseEarnings { .. } => TimerPurpose::ReleaseEarnings,
            Timer::PayoutsDue {} => TimerPurpose::PayoutsDue,
        }
    }

    /// The run that is driven on.
    async fn run_id(&self) -> Option<Id<RunId>> {
        if let Timer::DriveRun { run } = self.row.purpose { Some(Id(run)) } else { None }
    }

    /// The offer whose units are let go.
    async fn offer_id(&self) -> Option<Id<OfferId>> {
        if let Timer::ExpireReservation { offer, .. } = self.row.purpose { Some(Id(offer)) } else { None }
    }

    /// The payment of which the rest is given back.
    async fn payment_id(&self) -> Option<Id<PaymentId>> {
        if let Timer::ExpireAuthorisation { payment } = self.row.purpose { Some(Id(payment)) } else { None }
    }

    /// The part of an order whose earnings become available.
    async fn part_id(&self) -> Option<Id<VendorOrderId>> {
        if let Timer::ReleaseEarnings { part } = self.row.purpose { Some(Id(part)) } else { None }
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<DueTimers>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which timers.
    DueTimerFilter for DueTimers {
        /// Due at this moment or later.
        due_from: DateTime<Utc> => |from| due_timers::DueTimer::due_at().from(Some(from));
        /// Due before this moment.
        due_before: DateTime<Utc> => |before| due_timers::DueTimer::due_at().below(Some(before));
    }
}

ordering! {
    /// In which order.
    DueTimerSort for DueTimers {
        /// The next first.
        Next => due_timers::DueTimer::due_at().ascending();
        /// The last first.
        Last => due_timers::DueTimer::due_at().descending();
    }
}

lists! {
    /// Runs of sagas.
    SagaRunList { saga_runs: SagaRun, Action::SagaRuns, SagaRunFilter, SagaRunSort }

    /// What is due when.
    DueTimerList { due_timers: DueTimer, Action::DueTimers, DueTimerFilter, DueTimerSort }
}

lookups! {
    /// One run of a saga.
    SagaRunLookup { saga_run: SagaRun, Action::SagaRun, RunId => saga_runs::SagaRun::id() }
}
