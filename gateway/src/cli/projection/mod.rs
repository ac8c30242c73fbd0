//! `cityos projection`: the operator's tools over the read models, beside a running server or without one. Here only what
//! they share.

mod drop;
mod list;
mod rebuild;
mod retry;
mod rollback;
mod status;
mod telling;
mod verify;

use super::{SOMETHING_WRONG, city, complain};
use crate::app::Stores;
use crate::settings::Settings;
use crate::storage::Storage;
use anyhow::{Context, bail};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::store::EventStore;
use cityos_projections::models::REGISTRY;
use cityos_projections::{AnyModel, ReadStore};
use clap::{Args, Subcommand};
use std::process::ExitCode;
use std::sync::Arc;

/// Looks at the read models, and mends them.
#[derive(Args)]
pub struct Projection {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the tables of the read models: live ones, older ones, and those of other versions of the program.
    List(list::List),
    /// Tells how far the read models are behind the log, and which rows are frozen.
    Status(status::Status),
    /// Builds read models anew beside their live tables, compares, and switches.
    Rebuild(rebuild::Rebuild),
    /// Compares read models with the log. Exits with 3 where they differ.
    Verify(verify::Verify),
    /// Makes what was live before the live table the live one again.
    Rollback(rollback::Rollback),
    /// Drops tables that are not live.
    Drop(drop::Drop),
    /// Folds frozen rows anew. Exits with 3 where some stay frozen.
    Retry(retry::Retry),
}

impl Projection {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let city = City::open(settings).await?;
        match self.command {
            Command::List(it) => it.run(city).await,
            Command::Status(it) => it.run(city).await,
            Command::Rebuild(it) => it.run(city).await,
            Command::Verify(it) => it.run(city).await,
            Command::Rollback(it) => it.run(city).await,
            Command::Drop(it) => it.run(city).await,
            Command::Retry(it) => it.run(city).await,
        }
    }
}

/// Which read models, and how it is told.
#[derive(Args)]
struct Which {
    /// The read models; `cityos projection list` names them.
    #[arg(value_name = "MODEL", required_unless_present = "all")]
    models: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Which {
    fn models(&self) -> anyhow::Result<Vec<&'static dyn AnyModel>> {
        if self.all { Ok(REGISTRY.to_vec()) } else { named(&self.models) }
    }
}

/// Which read models, all where none is named, and how it is told.
#[derive(Args)]
struct Any {
    /// The read models; all, where none is named.
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Any {
    fn models(&self) -> anyhow::Result<Vec<&'static dyn AnyModel>> {
        if self.models.is_empty() { Ok(REGISTRY.to_vec()) } else { named(&self.models) }
    }
}

/// The read models of these names.
fn named(names: &[String]) -> anyhow::Result<Vec<&'static dyn AnyModel>> {
    names.iter().map(|name| model(name).with_context(|| format!("there is no read model `{name}`"))).collect()
}

fn model(name: &str) -> Option<&'static dyn AnyModel> {
    REGISTRY.iter().copied().find(|model| model.name() == name)
}

/// What the tools work on. Opening it moves no read model on.
struct City {
    log: Arc<dyn EventStore>,
    storage: Storage,
}

impl City {
    async fn open(settings: Settings) -> anyhow::Result<Self> {
        city::exists(&settings).await?;
        let Stores { log, storage, .. } = Stores::open(&settings, Arc::new(SystemClock)).await?;
        Ok(City { log, storage })
    }

    /// The read models' database, if there is one.
    async fn reads_if_any(&self) -> anyhow::Result<Option<ReadStore>> {
        Ok(self.storage.reads_if_any().await?)
    }

    /// The read models' database, which must be there.
    async fn reads(&self) -> anyhow::Result<ReadStore> {
        let Some(reads) = self.reads_if_any().await? else {
            bail!("there are no read models yet: a server that starts, or a rebuild, makes them")
        };
        Ok(reads)
    }

    /// The read models' database, made if there is none.
    async fn reads_or_new(&self) -> anyhow::Result<ReadStore> {
        Ok(self.storage.reads().await?)
    }
}

/// Does `work` for one model after another, whatever becomes of each. It says whether it found its model in order.
async fn each(
    models: Vec<&'static dyn AnyModel>,
    mut work: impl AsyncFnMut(&'static dyn AnyModel) -> anyhow::Result<bool>,
) -> ExitCode {
    let (mut failed, mut wrong) = (false, false);
    for model in models {
        match work(model).await {
            Ok(in_order) => wrong |= !in_order,
            Err(error) => {
                complain(&format!("{error:#}"));
                failed = true;
            }
        }
    }
    match (failed, wrong) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(SOMETHING_WRONG),
        (false, false) => ExitCode::SUCCESS,
    }
}
