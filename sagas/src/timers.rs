//! What a timer does when it fires. The command's id derives from the timer and its due time, so that two
//! processes, a rebuilt read model or one that lags fire it once.

use crate::context::NO_INPUT;
use crate::driving::drive;
use crate::engine::{Due, Engine, EngineError, Work};
use cityos_domain::foundation::tenant::{self, Tenant};
use cityos_domain::ids::{CommandId, derive};
use cityos_domain::ledger::payout::Trigger;
use cityos_domain::log::{Actor, Meta, Origin, Position};
use cityos_domain::marketplace::stock::{self, Stock};
use cityos_domain::orders::canceling::ExpireAuthorisation;
use cityos_domain::orders::earning::ReleaseEarnings;
use cityos_domain::workspace::{Intention, Tell};
use cityos_eventstore::executor::{Command, ExecuteError};
use cityos_eventstore::members::View;
use cityos_projections::models::due_timers::Timer;

/// Fires a timer. `None`: it changed nothing.
pub(crate) async fn fire(engine: &Engine, view: &View, work: &Work) -> Result<Option<Position>, EngineError> {
    match work.what {
        Timer::DriveRun { run } => drive(engine, view, work.due.partition, run).await,
        Timer::ExpireReservation { offer, reservation } => {
            let expire = Tell::<Stock> { id: offer, command: stock::Command::Expire { reservation } };
            tell(engine, work, &expire).await
        }
        Timer::ExpireAuthorisation { payment } => tell(engine, work, &ExpireAuthorisation { payment }).await,
        Timer::ReleaseEarnings { part } => tell(engine, work, &ReleaseEarnings { part }).await,
        Timer::PayoutsDue {} => {
            let Some(tenant) = work.due.partition.tenant() else { return Ok(None) };
            let (now, _) = engine.executor().load::<Tenant>(work.due.partition, tenant).await?;
            if now.payouts_next_at() != Some(work.due.at) {
                return Ok(None);
            }
            // The payouts first: if the process dies between, the timer is still due and asks for no payout twice.
            engine.sweep_payouts(work.due.partition, &meta(work), Trigger::Schedule).await?;
            let command = tenant::Command::SchedulePayouts { due: work.due.at };
            tell(engine, work, &Tell::<Tenant> { id: tenant, command }).await
        }
    }
}

fn meta(work: &Work) -> Meta {
    let Due { at, partition, timer } = work.due;
    // Timers of two tenants may have one id, and their events must not.
    let due = [partition.id(), timer].map(|id| id.to_string());
    let command = CommandId(derive(&["timer", &due[0], &due[1], &at.timestamp_micros().to_string()]));
    Meta::of(command, Actor::schedule(), Origin::Schedule)
}

async fn tell(
    engine: &Engine,
    work: &Work,
    intention: &dyn Intention,
) -> Result<Option<Position>, EngineError> {
    let (partition, at) = (work.due.partition, engine.now());
    let command = Command { partition, at, meta: meta(work), input: NO_INPUT, expected: None };
    match engine.executor().execute(&command, intention).await {
        Ok(executed) if executed.replayed => Ok(None),
        Ok(executed) => Ok(Some(executed.position)),
        // What it was to end has ended otherwise, or is not due yet by this clock.
        Err(ExecuteError::Rejected(rejected)) => {
            tracing::debug!(%rejected, timer = %work.due.timer, "the timer was not needed");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
