//! Whether a live table is what the log makes of it, found out beside everything that goes on, and leaving nothing behind.

use crate::bulk::{Bulk, CHECKPOINT_EVENTS, Poison};
use crate::compare::{Comparing, Comparison};
use crate::model::AnyModel;
use crate::poison::Frozen;
use crate::projector::ProjectError;
use crate::reads::{ReadError, ReadStore};
use crate::rebuild::Progress;
use crate::repair::{RepairError, belong_together};
use crate::sql::Scratch;
use cityos_domain::log::Position;
use cityos_eventstore::store::EventStore;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What a comparison of a live table with the log came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Verified {
    /// Row by row.
    pub compared: Comparison,
    /// The rows of the table that are frozen: they are compared with what the log makes of them up to the first event
    /// that does not fit.
    pub frozen: Vec<Frozen>,
    /// How many of them every event fits now.
    pub fit_now: usize,
    /// The rows that an event does not fit and that are not among the frozen ones: they are shown as if they were up to
    /// date.
    pub unlisted: Vec<Frozen>,
}

impl Verified {
    /// Whether the table is what it should be.
    pub fn is_sound(&self) -> bool {
        self.compared.is_identical() && self.frozen.is_empty() && self.unlisted.is_empty()
    }
}

/// Folds the log into a table nobody else sees, and compares it with the live one as that was at one moment.
pub async fn verify(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Verified, RepairError> {
    belong_together(store, reads).await?;
    let scratch = {
        let reads = reads.clone();
        spawn_blocking(move || reads.scratch(model)).await.map_err(|_| ReadError::Stopped)?
    };
    let scratch = Arc::new(scratch?);
    // From here on the table stands still for us, however it moves on for others.
    let live = looking(&scratch, Scratch::live).await?;
    let (live, frozen) = live.ok_or(RepairError::NoTable(model.name()))?;
    let bulk = Bulk {
        store,
        model,
        target: scratch.clone(),
        poison: Poison::Freezes,
        checkpoint_events: CHECKPOINT_EVENTS,
    };
    let (from, to) = (Position::START, live.position);
    let (at, mut unlisted) =
        bulk.fold(from, to, &mut |at| progress(Progress::Folding { from, at, to })).await?;
    if at < to {
        return Err(ProjectError::AheadOfLog.into());
    }
    progress(Progress::Comparing);
    let compared = looking(&scratch, move |scratch| {
        let mut comparing = Comparing::at(to, model);
        scratch.beside(&live, |table, log| comparing.see(table, log))?;
        Ok(comparing.end())
    });
    let compared = compared.await?;
    let unfit: HashSet<_> = unlisted.iter().map(|row| &row.key).collect();
    let fit_now = frozen.iter().filter(|row| !unfit.contains(&row.key)).count();
    let listed: HashSet<_> = frozen.iter().map(|row| &row.key).collect();
    unlisted.retain(|row| !listed.contains(&row.key));
    Ok(Verified { compared, frozen, fit_now, unlisted })
}

/// Looks at the tables on a thread that may block.
async fn looking<T: Send + 'static>(
    scratch: &Arc<Scratch>,
    look: impl FnOnce(&Scratch) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let scratch = scratch.clone();
    spawn_blocking(move || look(&scratch)).await.map_err(|_| ReadError::Stopped)?
}

#[cfg(test)]
mod tests;
