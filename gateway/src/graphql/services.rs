//! What resolvers work with, and what a request to them begins with: being admitted, and waiting for what the
//! caller has written before.

use crate::access::{self, Action, Admitted, Own};
use crate::context::RequestContext;
use crate::graphql::loading::Batches;
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::identity::DevelopmentTokens;
use crate::settings::Settings;
use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::executor::Executor;
use cityos_eventstore::keys::Key;
use cityos_eventstore::sealing::Sealer;
use cityos_eventstore::tokens::PositionTokens;
use cityos_projections::{Projector, ReadStore};
use cityos_sagas::Engine;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What resolvers work with. One per server.
pub struct Services {
    /// Carries out commands.
    pub executor: Executor,
    /// The read models.
    pub reads: ReadStore,
    /// Moves them; asked how far they are.
    pub projector: Projector,
    /// Drives the sagas; asked to pay everyone who is owed something.
    pub engine: Engine,
    /// Seals and opens what is known about people.
    pub sealer: Sealer,
    /// Hides positions.
    pub positions: PositionTokens,
    /// The key under which inputs of mutations are hashed.
    pub input_key: Key,
    /// The development issuer, where it is switched on.
    pub tokens: Option<DevelopmentTokens>,
    /// What the operator set.
    pub settings: Settings,
}

/// Where in the log, and which part of it, something shown was found: what hangs below it is looked for there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Whose.
    pub partition: Partition,
    /// What of it the caller may see.
    pub own: Own,
}

impl From<&Admitted> for Scope {
    fn from(admitted: &Admitted) -> Self {
        Scope { partition: admitted.partition, own: admitted.own }
    }
}

/// The services of this server.
pub fn services<'a>(ctx: &Context<'a>) -> &'a Arc<Services> {
    ctx.data_unchecked::<Arc<Services>>()
}

/// What this request knows about itself.
pub fn request<'a>(ctx: &Context<'a>) -> &'a RequestContext {
    ctx.data_unchecked::<RequestContext>()
}

/// How new what is shown below a mutation's answer must be: as new as the answer.
#[derive(Default)]
pub struct Freshness(AtomicU64);

impl Freshness {
    /// The read models are to be asked only when they have come to `position`.
    pub fn need(&self, position: Position) {
        self.0.fetch_max(position.0, Ordering::Relaxed);
    }
}

/// The most rows of lists, and of what lies below them, in one answer.
pub const ROWS_MAX: usize = 50_000;

/// How many of them an answer has so far. Lists that lie below each other both ways would never end.
#[derive(Default)]
pub struct Rows(AtomicUsize);

impl Rows {
    /// Whether there is room for all that were counted.
    pub fn fit(&self) -> Result<(), Refusal> {
        if self.0.load(Ordering::Relaxed) <= ROWS_MAX {
            return Ok(());
        }
        Err(Refusal::BadArgument(format!("an answer has at most {ROWS_MAX} rows: ask for fewer at once")))
    }
}

/// Counts `rows` to the answer, while there is room for them.
pub fn take_rows(ctx: &Context<'_>, rows: usize) -> Result<(), Refusal> {
    let all = ctx.data_unchecked::<Arc<Rows>>();
    all.0.fetch_add(rows, Ordering::Relaxed);
    all.fit()
}

/// What lies behind `key`, fetched with others of its kind.
pub async fn load<K>(
    ctx: &Context<'_>,
    key: K,
) -> Result<Option<<Batches as Loader<K>>::Value>, <Batches as Loader<K>>::Error>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Batches: Loader<K, Error = Refusal>,
{
    let needed = ctx.data_unchecked::<Freshness>().0.load(Ordering::Relaxed);
    wait_for_reads(services(ctx), Position(needed)).await?;
    batches(ctx).load_one(key).await
}

/// What this request fetches together.
pub fn batches<'a>(ctx: &Context<'a>) -> &'a DataLoader<Batches> {
    ctx.data_unchecked()
}

/// Waits until the read models have come to `position`.
pub async fn wait_for_reads(services: &Services, position: Position) -> Result<(), Refusal> {
    if services.projector.reached(position, services.settings.at_least_wait()).await? {
        Ok(())
    } else {
        Err(Refusal::AtLeastTimeout)
    }
}

/// Begins a query: admits the caller and waits until the read models have reached `at_least`.
pub async fn reading(
    ctx: &Context<'_>,
    action: Action,
    at_least: Option<&PositionToken>,
) -> Result<Scope, Refusal> {
    let admitted = access::admit(request(ctx), action)?;
    if let Some(token) = at_least {
        let services = services(ctx);
        wait_for_reads(services, token.open(&services.positions)?).await?;
    }
    Ok(Scope::from(&admitted))
}
