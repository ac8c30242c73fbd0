//! `cityos audit verify`: the whole log against its signed checkpoints.

use super::{SOMETHING_WRONG, kept_checkpoint};
use crate::cli::log::Log;
use crate::cli::say;
use crate::settings::Settings;
use anyhow::{Context, bail};
use cityos_domain::log::Partition;
use cityos_eventstore::evidence::{Doubt, How, PublicKey, Verified, Verifying, public_key};
use cityos_eventstore::keys::{KeyStore, Secret, Signed};
use cityos_eventstore::store::{EventStore, name_of};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks the whole log against its signed checkpoints, also while the server runs; changes nothing in it. Names the first
/// event that was altered, inserted, removed or reordered, and what is wrong with the evidence itself. Exits with 3 where
/// anything is.
#[derive(Args)]
pub struct Verify {
    /// What the checkpoints must be signed with; otherwise the key store's own.
    #[arg(long, value_name = "KEY")]
    public_key: Option<PublicKey>,
    /// An older checkpoint that was kept elsewhere: the log must still begin with what it covers.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        // Opened by itself: keys and read models would have the log they know, not one that was tampered with.
        let log = Log::open(&settings).await?;
        let storage = log.storage();
        let keys = match storage.has_keys().await? {
            true => Some(storage.keys_to_look_at().await.context("opening the key store")?),
            false => None,
        };
        let (key, remembered) = match (self.public_key, keys) {
            (Some(key), None) => (key, None),
            (Some(key), Some(keys)) => (key, keys.signed().await?),
            (None, Some(keys)) => of_key_store(&*keys, log.store()).await?,
            (None, None) => bail!("there is no key store: name the public key"),
        };
        let (kept, altered) = match &self.checkpoint {
            None => (None, None),
            Some(file) => match kept_checkpoint(file, &key)? {
                Ok(kept) => (Some(kept), None),
                Err(reason) => (None, Some(Doubt::KeptAltered { reason })),
            },
        };
        let evidence = storage.evidence();
        let verifying = Verifying { log: log.store(), evidence: &evidence, key: &key, remembered, kept };
        let mut verified = verifying.verify().await?;
        verified.doubts.extend(altered);
        let slug = match verified.difference.and_then(|found| found.partition).map(Partition::from_id) {
            // As far as a log that was tampered with still tells it.
            Some(Partition::Tenant(tenant)) => log.names().slug(tenant).await,
            Some(Partition::Platform) | None => None,
        };
        say(&if self.json { as_json(&verified, slug) } else { as_text(&verified, slug) })?;
        Ok(if verified.is_intact() { ExitCode::SUCCESS } else { ExitCode::from(SOMETHING_WRONG) })
    }
}

/// The key of the key store, in the name of the log that it belongs to, whatever the log's first event is now.
async fn of_key_store(
    keys: &dyn KeyStore,
    log: &dyn EventStore,
) -> anyhow::Result<(PublicKey, Option<Signed>)> {
    let name = match keys.log().await? {
        Some(name) => name,
        None => name_of(log).await?.unwrap_or_default(),
    };
    Ok((public_key(&keys.secret(Secret::Evidence).await?, name), keys.signed().await?))
}

fn as_json(verified: &Verified, slug: Option<String>) -> String {
    let mut told = serde_json::to_value(verified).expect("what was found is JSON");
    told["intact"] = verified.is_intact().into();
    if let Some(slug) = slug {
        told["difference"]["tenant"] = slug.into();
    }
    for (number, doubt) in verified.doubts.iter().enumerate() {
        told["doubts"][number]["message"] = doubt.to_string().into();
    }
    format!("{told}\n")
}

fn as_text(verified: &Verified, slug: Option<String>) -> String {
    let Verified { events, checkpoints, size, .. } = verified;
    let mut text = String::new();
    match verified.is_intact() {
        false => text += "The log is NOT proven to be as it was signed.\n",
        true if *size == 0 => text += "The log is empty.\n",
        true => text += "The log is as it was signed.\n",
    }
    if let Some(found) = verified.difference {
        let whose = match (found.partition, slug) {
            (None, _) if found.how == How::Removed => "a tenant that only the lost evidence knew".into(),
            (None, _) => "a tenant that cannot be told".into(),
            (Some(id), _) if id.is_nil() => "the platform".into(),
            (Some(id), Some(slug)) => format!("tenant {slug} ({id})"),
            (Some(id), None) => format!("tenant {id}"),
        };
        let how = match found.how {
            How::Altered => "was altered",
            How::Inserted => "was inserted",
            How::Removed => "was removed",
            How::Reordered => "was moved to another place",
            How::Unreadable => "cannot be read",
        };
        let unsigned = if found.signed { "" } else { "; no checkpoint covers it yet" };
        text += &format!("  {whose}, position {}: the event {how}{unsigned}.\n", found.position);
        text += &format!("  The {events} events before it are as they were.\n");
    }
    for doubt in &verified.doubts {
        text += &format!("  {doubt}.\n");
    }
    if let Some(root) = verified.root {
        text += &format!("Checkpoints: {checkpoints}, the last over {size} events with root {root}.\n");
    }
    if let Some(uncovered) = verified.uncovered {
        let (count, from, to) = (uncovered.events, uncovered.from, uncovered.to);
        text += &format!("Not signed yet: {count} events, at positions {from} to {to}.\n");
    }
    text
}
