//! `cityos audit prove`: a file that proves what the log has of an order.

use super::{evidence, key_of, read, stores, write};
use crate::cli::log::Log;
use crate::cli::{city, say};
use crate::order_proof::OrderProof;
use crate::settings::Settings;
use anyhow::Context;
use cityos_domain::event::Kind;
use cityos_domain::ids::OrderId;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes a proof that everything the log has of an order, its parts and its payment is in the log as it was signed; signs
/// what is not signed yet. Of other events the file tells nothing but hashes.
#[derive(Args)]
pub struct Prove {
    /// The order: its id as the API gives it, or as it is stored.
    order: String,
    /// Its tenant, slug or id: spares looking through the log.
    #[arg(long)]
    tenant: Option<String>,
    /// An older checkpoint that the auditor kept: proves that the log goes on from it, too.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Where the proof goes; must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Prove {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let order = city::id_of::<OrderId>(&self.order)
            .with_context(|| format!("ORDER: `{}` is no id of an order", self.order))?;
        let since = self.since.as_deref().map(read).transpose()?;
        let since = since.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let stores = stores(&settings).await?;
        let log = Log::open(&settings).await?;
        let partition = match &self.tenant {
            Some(name) => log.partition(name).await?,
            None => log.find(Kind::Order, order.0).await?,
        };
        let tenant = partition.tenant().context("the platform has no orders")?;
        let key = key_of(&stores).await?;
        let evidence = evidence(&stores).await?;
        let proof = OrderProof::make(&*stores.log, &evidence, &key, (tenant, order), since).await?;
        let text = proof.text();
        // What an auditor would refuse does not leave the house.
        let proven = OrderProof::check(text.as_bytes(), &key).context("checking the proof")?;
        write(&self.out, &text)?;
        let (events, size, out) = (proven.events.len(), proven.checkpoint.size, self.out.display());
        say(&match self.json {
            true => {
                let root = proven.checkpoint.root;
                let told =
                    json!({ "tenant": tenant, "order": order, "events": events, "size": size, "root": root });
                format!("{told}\n")
            }
            false => {
                format!("{out} proves {events} events of order {order} in a log of {size} events.\n")
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
