//! How the read models are doing, beside a server or without one, and without moving them.

use crate::model::AnyModel;
use crate::poison::Frozen;
use crate::reads::ReadStore;
use crate::repair::{RepairError, belong_together};
use crate::sql;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::store::{EventStore, StoreError};
use cityos_eventstore::stored::instant;

/// The most frozen rows of a model that are told one by one.
pub const FROZEN_TOLD_MAX: usize = 100;

/// How a model is doing.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// The model's name.
    pub model: &'static str,
    /// Its fingerprint as this program knows it.
    pub fingerprint: String,
    /// How far it has come; at the start where it has no table yet.
    pub position: Position,
    /// Where the log ends.
    pub head: Position,
    /// How much later the log's newest event was recorded than the last one the model has seen.
    pub behind: TimeDelta,
    /// How many of its rows are frozen.
    pub frozen_count: u64,
    /// The first of them, by key; at most [`FROZEN_TOLD_MAX`].
    pub frozen: Vec<FrozenSince>,
}

impl Standing {
    /// How many positions it is behind the log: of the embedded log each is an event.
    pub fn lag(&self) -> u64 {
        self.head.0.saturating_sub(self.position.0)
    }
}

/// A frozen row, and since when it is out of date.
#[derive(Clone, PartialEq, Debug)]
pub struct FrozenSince {
    /// It.
    pub row: Frozen,
    /// When the event that did not fit was recorded; `None`: it is not in the log any more.
    pub since: Option<DateTime<Utc>>,
}

/// How each of `models` is doing. Without a database of read models none of them has seen anything.
pub async fn status(
    store: &dyn EventStore,
    reads: Option<&ReadStore>,
    models: &[&'static dyn AnyModel],
) -> Result<Vec<Standing>, RepairError> {
    let mut found = vec![(Position::START, 0, Vec::new()); models.len()];
    if let Some(reads) = reads {
        belong_together(store, reads).await?;
        let models = models.to_vec();
        found = reads
            .read(move |session| {
                let of = |model: &&dyn AnyModel| {
                    let Some(live) = sql::live_build_if_any(session, *model)? else {
                        return Ok((Position::START, 0, Vec::new()));
                    };
                    let frozen = sql::frozen_first(session, &live, FROZEN_TOLD_MAX)?;
                    Ok((live.position, sql::frozen_count(session, &live)?, frozen))
                };
                models.iter().map(of).collect()
            })
            .await?;
    }
    // Read after the read models were: they are never ahead of it.
    let head = store.head().await?;
    let newest = recorded_at(store, head).await?;
    let mut standing = Vec::new();
    for (model, (position, frozen_count, frozen)) in models.iter().zip(found) {
        let seen = recorded_at(store, position.max(Position(1))).await?;
        let behind = newest.zip(seen).map_or(TimeDelta::zero(), |(newest, seen)| newest - seen);
        standing.push(Standing {
            model: model.name(),
            fingerprint: model.fingerprint(),
            position,
            head,
            behind,
            frozen_count,
            frozen: since(store, frozen).await?,
        });
    }
    Ok(standing)
}

/// The frozen rows of a partition by model, at most [`FROZEN_TOLD_MAX`] of each.
pub async fn frozen_rows_of(
    store: &dyn EventStore,
    reads: &ReadStore,
    models: &'static [&'static dyn AnyModel],
    partition: Partition,
) -> Result<Vec<(&'static dyn AnyModel, FrozenSince)>, RepairError> {
    let mut frozen = Vec::new();
    for model in models {
        let (question, read) = sql::frozen_of(*model, partition, FROZEN_TOLD_MAX);
        let rows = reads.ask(Some(partition), question, read).await?;
        frozen.extend(since(store, rows).await?.into_iter().map(|row| (*model, row)));
    }
    Ok(frozen)
}

async fn since(store: &dyn EventStore, rows: Vec<Frozen>) -> Result<Vec<FrozenSince>, StoreError> {
    let mut found = Vec::new();
    for row in rows {
        found.push(FrozenSince { since: recorded_at(store, row.position).await?, row });
    }
    Ok(found)
}

/// When the event at `position` was recorded, if there is one.
async fn recorded_at(
    store: &dyn EventStore,
    position: Position,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    // As stored: what nobody can read any more has its time, too.
    let event = store.read_stored(Position(position.0.saturating_sub(1)), 1).await?.pop();
    let event = event.filter(|event| event.position == position);
    event.map(|event| instant(event.recorded_at).map_err(StoreError::Database)).transpose()
}
