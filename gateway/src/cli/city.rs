//! What the commands of an operator begin with: the city that must be there, who asks, and what a name stands for.

use crate::app::App;
use crate::graphql::ids::{Id, Named};
use crate::settings::Settings;
use crate::storage::Storage;
use anyhow::{Context, bail};
use cityos_domain::foundation::reservation::{self, Reservation, Scope};
use cityos_domain::ids::TenantId;
use cityos_domain::log::{Actor, Partition};
use cityos_domain::text::{NAME_CHARS_MAX, line};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::executor::Executor;
use clap::Args;
use std::sync::Arc;
use uuid::Uuid;

/// Refuses a data directory without a city: a command that looks at one does not make one.
pub async fn exists(settings: &Settings) -> anyhow::Result<Storage> {
    let storage = Storage::of(settings)?;
    if !storage.has_log().await? && !storage.has_keys().await? {
        let named = match &storage {
            Storage::Files(directory) => format!("{}: name its data directory", directory.display()),
            Storage::Server { .. } => format!("{storage}: name its database"),
        };
        bail!("there is no city in {named}");
    }
    Ok(storage)
}

/// The city of the data directory, beside a server or without one, its read models moved to the end of the log.
pub async fn open(settings: Settings) -> anyhow::Result<App> {
    exists(&settings).await?;
    let app = App::open(settings, Arc::new(SystemClock)).await?;
    app.services().projector.catch_up().await?;
    Ok(app)
}

/// Who gives an order on the command line.
#[derive(Args)]
pub struct Operator {
    /// Who does it, as it stands in the log.
    #[arg(long, value_name = "NAME", env = "USER")]
    operator: String,
}

impl Operator {
    /// As the actor of commands.
    pub fn actor(&self) -> anyhow::Result<Actor> {
        Ok(Actor(format!("operator:{}", line("--operator", &self.operator, NAME_CHARS_MAX)?)))
    }
}

/// The tenant of this slug or id.
pub async fn tenant(executor: &Executor, name: &str) -> anyhow::Result<TenantId> {
    named::<TenantId>(executor, Partition::Platform, Scope::TenantSlug, name).await
}

/// Whoever has this name, or is named by this id.
pub async fn named<Id: Named>(
    executor: &Executor,
    partition: Partition,
    scope: Scope,
    name: &str,
) -> anyhow::Result<Id> {
    let (reservation, _) = executor.load::<Reservation>(partition, reservation::id(scope, name)).await?;
    match &*reservation {
        Reservation::Taken { owner } => Ok(Id::from(*owner)),
        Reservation::Free => id_of::<Id>(name).with_context(|| format!("there is no {} `{name}`", Id::WHAT)),
    }
}

/// What an id names, opaque as the API gives it or as it is stored.
pub fn id_of<T: Named>(text: &str) -> Option<T> {
    Id::decode(text).map(|Id(id)| id).or_else(|| Uuid::parse_str(text).ok().map(T::from))
}
