//! What the read models could not keep up with: rows that are out of date because something that happened later did not
//! fit them, marked wherever they are shown, and listed for admins.

use crate::access::Action;
use crate::graphql::loading::{Batches, ByKey};
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{load, reading, services};
use async_graphql::dataloader::Loader;
use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::log::Partition;
use cityos_projections::model::KeyOf;
use cityos_projections::models::REGISTRY;
use cityos_projections::{ReadModel, frozen_among, frozen_rows_of, key_parts};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// Whether the row of this key is out of date; found out together with others of its kind.
pub async fn stale<M: ReadModel>(
    ctx: &Context<'_>,
    partition: Partition,
    key: KeyOf<M>,
) -> Result<bool, Refusal> {
    Ok(load(ctx, Stale(ByKey::<M>::new(partition, key))).await?.is_some())
}

/// The row of a key, if it is out of date.
struct Stale<M: ReadModel>(ByKey<M>);

impl<M: ReadModel> Clone for Stale<M> {
    fn clone(&self) -> Self {
        Stale(self.0.clone())
    }
}

impl<M: ReadModel> PartialEq for Stale<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M: ReadModel> Eq for Stale<M> {}

impl<M: ReadModel> Hash for Stale<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<M: ReadModel> Loader<Stale<M>> for Batches {
    type Value = ();
    type Error = Refusal;

    async fn load(&self, wanted: &[Stale<M>]) -> Result<HashMap<Stale<M>, ()>, Refusal> {
        let places = wanted.iter().map(|Stale(wish)| (wish.partition, wish.key.clone()));
        let found = frozen_among::<M>(&self.0.reads, places).await?;
        Ok(found.into_iter().map(|(partition, key)| (Stale(ByKey::new(partition, key)), ())).collect())
    }
}

/// A row that is out of date.
#[derive(SimpleObject)]
pub struct FrozenRow {
    /// The read model it is a row of.
    model: &'static str,
    /// Its key: each column with its value.
    key: Vec<FrozenRowKey>,
    /// The event that did not fit it, and behind which all that happened to it waits.
    event_id: String,
    /// Where that event is.
    position: PositionToken,
    /// Why it did not fit.
    error: String,
    /// Since when it is out of date: when the event was recorded.
    since: Option<DateTime<Utc>>,
}

/// A column of a key.
#[derive(SimpleObject)]
pub struct FrozenRowKey {
    /// Its name.
    column: &'static str,
    /// Its value.
    value: String,
}

/// Asking for what is out of date.
#[derive(Default)]
pub struct FrozenRowsQuery;

#[Object]
impl FrozenRowsQuery {
    /// The rows that are out of date because an event did not fit them, and wait for an operator: the first hundred of
    /// each read model. Everything else goes on.
    async fn frozen_rows(&self, ctx: &Context<'_>) -> Result<Vec<FrozenRow>, Refusal> {
        let scope = reading(ctx, Action::FrozenRows, None).await?;
        let services = services(ctx);
        let store = services.executor.store().as_ref();
        let found = frozen_rows_of(store, &services.reads, REGISTRY, scope.partition).await;
        let shown = found.map_err(Refusal::failed)?.into_iter().map(|(model, frozen)| {
            let parts =
                key_parts(model, &frozen.row.key).into_iter().filter(|(column, _)| *column != "tenant");
            FrozenRow {
                model: model.name(),
                key: parts.map(|(column, value)| FrozenRowKey { column, value: value.to_string() }).collect(),
                event_id: frozen.row.event.to_string(),
                position: PositionToken::of(&services.positions, frozen.row.position),
                error: frozen.row.error,
                since: frozen.since,
            }
        });
        Ok(shown.collect())
    }
}
