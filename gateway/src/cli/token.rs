//! `cityos token`: a development token, made with the secret in the key store.

use super::say;
use crate::app::{Stores, development_tokens};
use crate::context::{Caller, Role};
use crate::graphql::ids::{Id, Named};
use crate::graphql::session::default_subject;
use crate::identity::coherent;
use crate::settings::Settings;
use anyhow::{Context, bail};
use cityos_domain::foundation::reservation::{self, Reservation, Scope};
use cityos_domain::ids::{CustomerId, TenantId, VendorId};
use cityos_domain::log::Partition;
use cityos_domain::text::{NAME_CHARS_MAX, line};
use cityos_eventstore::backup::{KEYS_FILE, LOG_FILE};
use cityos_eventstore::clock::{Clock, SystemClock};
use cityos_eventstore::executor::Executor;
use clap::Args;
use std::process::ExitCode;
use std::sync::Arc;
use uuid::Uuid;

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
        let directory = &settings.data_dir;
        if ![LOG_FILE, KEYS_FILE].iter().any(|file| directory.join(file).exists()) {
            bail!("there is no city in {}: name its data directory", directory.display());
        }
        let subject = self.subject.map(|name| line("--subject", &name, NAME_CHARS_MAX)).transpose()?;
        let clock = Arc::new(SystemClock);
        let stores = Stores::open(&settings, clock.clone()).await?;
        let executor = Executor::new(stores.log, clock.clone(), Arc::new(()));
        let tenant = match &self.tenant {
            Some(name) => {
                Some(named::<TenantId>(&executor, Partition::Platform, Scope::TenantSlug, name).await?)
            }
            None => None,
        };
        let vendor = match (&self.vendor, tenant) {
            (Some(name), Some(tenant)) => {
                let partition = Partition::Tenant(tenant);
                Some(
                    named::<VendorId>(&executor, partition, Scope::VendorHandle, &name.to_lowercase())
                        .await?,
                )
            }
            (Some(_), None) => bail!("name the vendor's tenant"),
            (None, _) => None,
        };
        let customer = match &self.customer {
            Some(id) => Some(id_of::<CustomerId>(id).context("this is no id of a customer")?),
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

/// Whoever has this name, or is named by this id.
async fn named<Id: Named>(
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

fn id_of<T: Named>(text: &str) -> Option<T> {
    Id::decode(text).map(|Id(id)| id).or_else(|| Uuid::parse_str(text).ok().map(T::from))
}
