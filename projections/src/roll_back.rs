//! Back to the table before, once that has come to where the live one is: nobody who has seen an event is ever answered
//! from before it.

use crate::apply::apply;
use crate::bulk::cut;
use crate::claim::claimed;
use crate::model::AnyModel;
use crate::projector::{PAGE_EVENTS_MAX, ProjectError};
use crate::reads::{ReadError, ReadStore};
use crate::repair::{RepairError, belong_together};
use crate::session::Session;
use crate::sql::{self, Build};
use cityos_domain::log::Position;
use cityos_eventstore::store::{EventStore, Page, StoreError};

/// How often a way back goes after a live table that moves on before it gives up.
const CHASES_MAX: u32 = 1_000;

/// Where a model was put back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RolledBack {
    /// The build that was live.
    pub from: i64,
    /// The build that is live now.
    pub to: i64,
    /// How far that one had come when it became so: no less far than the other.
    pub position: Position,
    /// How many of its rows an event did not fit on the way there: they are frozen.
    pub frozen: usize,
}

/// Makes what was live before the live table the live one again. What it has missed is folded into it first; an event
/// that does not fit freezes its row, as in a live table. Broken off, it may be called again.
pub async fn roll_back(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
) -> Result<RolledBack, RepairError> {
    claimed(reads, model.name(), "rolled back", go_back(store, reads, model)).await
}

async fn go_back(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
) -> Result<RolledBack, RepairError> {
    belong_together(store, reads).await?;
    let (live, before) = reads.write(&[model.name()], move |session| live_and_before(session, model)).await?;
    let (goal, mut at, mut frozen, mut chases) = (live.position, before.position, 0, 0);
    while chases < CHASES_MAX {
        let page = store.read_all(at, PAGE_EVENTS_MAX).await?;
        let stepped = reads.write(&[model.name()], move |session| step(session, model, page)).await;
        let step = match stepped {
            // Somebody looks at the live table at length.
            Err(RepairError::Reads(ReadError::Database(StoreError::Busy))) => {
                chases += 1;
                continue;
            }
            stepped => stepped?,
        };
        frozen += step.frozen;
        if let Some((from, to)) = step.switched {
            return Ok(RolledBack { from, to, position: step.position, frozen });
        }
        if step.position >= goal {
            chases += 1;
        } else if step.position == at {
            return Err(ProjectError::AheadOfLog.into());
        }
        at = step.position;
    }
    Err(RepairError::Outrun(model.name()))
}

fn live_and_before(session: &dyn Session, model: &dyn AnyModel) -> Result<(Build, Build), RepairError> {
    let live = sql::live_build_if_any(session, model)?.ok_or(RepairError::NoTable(model.name()))?;
    let before = sql::build_before(session, model)?.ok_or(RepairError::NothingBefore(model.name()))?;
    Ok((live, before))
}

/// What one page did to the table before.
struct Step {
    position: Position,
    frozen: usize,
    /// From which build to which, where it has come to where the live one is.
    switched: Option<(i64, i64)>,
}

/// Folds a page into the table before, no farther than the live one is, and switches if it is not behind then.
fn step(session: &dyn Session, model: &dyn AnyModel, page: Page) -> Result<Step, RepairError> {
    let (live, before) = live_and_before(session, model)?;
    let mut poisoned = Vec::new();
    apply(session, model, &before, &cut(page, live.position), &mut poisoned)?;
    for row in &poisoned {
        sql::freeze(session, &before, row)?;
    }
    let before = sql::build(session, model, before.number)?;
    let there = before.position >= live.position;
    if there {
        sql::switch(session, model, &before)?;
        sql::reject(session, &live)?;
    }
    let switched = there.then_some((live.number, before.number));
    Ok(Step { position: before.position, frozen: poisoned.len(), switched })
}

#[cfg(test)]
mod tests;
