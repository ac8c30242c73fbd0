//! `cityos token`: a development token, made with the secret in the key store.

use super::{city, say};
use crate::app::{Stores, development_tokens};
use crate::context::{Caller, Role};
use crate::graphql::session::default_subject;
use crate::identity::coherent;
use crate::settings::Settings;
use anyhow::{Context, bail};
use cityos_domain::foundation::reservation::Scope;
use cityos_domain::ids::{CustomerId, VendorId};
use cityos_domain::log::Partition;
use cityos_domain::text::{NAME_CHARS_MAX, line};
use cityos_eventstore::clock::{Clock, SystemClock};
use cityos_eventstore::executor::Executor;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;

/// Makes a development token.
#[derive(Args)]
pub struct Token {
    /// What it may act as; several may be given.
    #[arg(long = "role", value_enum, required = true)]
    roles: Vec<Role>,
    /// The tenant it is for: slug or id.
    #[arg(long)]
    tenant: Option<String>,
    /// The vendor it sells as: handle or id.
    #[arg(long)]
    vendor: Option<String>,
    /// The customer it buys as: id.
    #[arg(long)]
    customer: Option<String>,
    /// Under which name its commands stand in the log.
    #[arg(long)]
    subject: Option<String>,
}

impl Token {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        if !settings.development_tokens {
            bail!("development tokens are switched off: see the setting `development_tokens`");
        }
        city::exists(&settings).await?;
        let subject = self.subject.map(|name| line("--subject", &name, NAME_CHARS_MAX)).transpose()?;
        let clock = Arc::new(SystemClock);
        let stores = Stores::open(&settings, clock.clone()).await?;
        let executor = Executor::new(stores.log, clock.clone(), Arc::new(()));
        let tenant = match &self.tenant {
            Some(name) => Some(city::tenant(&executor, name).await?),
            None => None,
        };
        let vendor = match (&self.vendor, tenant) {
            (Some(name), Some(tenant)) => {
                let partition = Partition::Tenant(tenant);
                Some(
                    city::named::<VendorId>(&executor, partition, Scope::VendorHandle, &name.to_lowercase())
                        .await?,
                )
            }
            (Some(_), None) => bail!("name the vendor's tenant"),
            (None, _) => None,
        };
        let customer = match &self.customer {
            Some(id) => Some(city::id_of::<CustomerId>(id).context("this is no id of a customer")?),
            None => None,
        };
        let roles = self.roles.into_iter().collect();
        let caller = coherent(Caller { subject: String::new(), roles, tenant, vendor, customer })?;
        let subject = subject.unwrap_or_else(|| default_subject(&caller));
        let caller = Caller { subject, ..caller };
        let (token, _) =
            development_tokens(stores.keys.as_ref(), &settings).await?.issue(&caller, clock.now());
        say(&format!("{token}\n"))?;
        Ok(ExitCode::SUCCESS)
    }
}
