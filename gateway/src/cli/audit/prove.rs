//! `cityos audit prove`: a file that proves what the log has of an order.

use super::{evidence, key_of, read, stores, write};
use crate::cli::{city, say};
use crate::order_proof::OrderProof;
use crate::settings::Settings;
use anyhow::Context;
use cityos_domain::event::Kind;
use cityos_domain::ids::{OrderId, TenantId};
use cityos_domain::log::{Partition, Position};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::executor::Executor;
use cityos_eventstore::store::EventStore;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Events read at a time.
const READ_LIMIT: u32 = 5_000;

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
        let order = city::id_of::<OrderId>(&self.order).context("this is no id of an order")?;
        let since = self.since.as_deref().map(read).transpose()?;
        let since = since.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let stores = stores(&settings).await?;
        let tenant = match &self.tenant {
            Some(name) => {
                let executor = Executor::new(stores.log.clone(), Arc::new(SystemClock), Arc::new(()));
                city::tenant(&executor, name).await?
            }
            None => tenant_of(&*stores.log, order).await?.context("there is no such order")?,
        };
        let key = key_of(&stores).await?;
        let evidence = evidence(&settings, &stores).await?;
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

/// Whose order it is: the first event of its stream says so.
async fn tenant_of(log: &dyn EventStore, order: OrderId) -> anyhow::Result<Option<TenantId>> {
    let mut after = Position::START;
    loop {
        let page = log.read_stored(after, READ_LIMIT).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = last.position;
        let found = page.iter().find(|event| event.kind == Kind::Order.name() && event.id == order.0);
        if let Some(found) = found {
            return Ok(Partition::from_id(found.partition).tenant());
        }
    }
}
