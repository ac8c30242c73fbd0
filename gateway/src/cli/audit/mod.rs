//! `cityos audit`: proofs over what is in the log.

mod begin_anew;
mod check;
mod checkpoint;
mod key;
mod money;
mod prove;
mod verify;

use crate::app::Stores;
use crate::cli::{SOMETHING_WRONG, city};
use crate::settings::Settings;
use anyhow::Context;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::evidence::{Checkpoint, Evidence, PublicKey, public_key};
use cityos_eventstore::keys::Secret;
use cityos_eventstore::store::name_of;
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Proves that what is in the log holds.
#[derive(Args)]
pub struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Checks the whole log against its signed checkpoints, or names the first event that was tampered with.
    Verify(verify::Verify),
    /// Writes a proof that an order is in the log as it is.
    Prove(prove::Prove),
    /// Checks such a proof, with the public key and nothing else.
    Check(check::Check),
    /// Signs the log as far as it goes, and prints the checkpoint.
    Checkpoint(checkpoint::Sign),
    /// Adds up all the money in the log, and names what does not fit.
    Money(money::Money),
    /// Prints the public key that checkpoints are verified with.
    Key(key::Show),
    /// Makes evidence anew of the log as it is, where it is lost or was put back to what it was.
    BeginAnew(begin_anew::BeginAnew),
}

impl Audit {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Verify(verify) => verify.run(settings).await,
            What::Prove(prove) => prove.run(settings).await,
            What::Check(check) => check.run(),
            What::Checkpoint(sign) => sign.run(settings).await,
            What::Money(money) => money.run(settings).await,
            What::Key(show) => show.run(settings).await,
            What::BeginAnew(begin) => begin.run(settings).await,
        }
    }
}

/// Log and keys of a city that is there.
async fn stores(settings: &Settings) -> anyhow::Result<Stores> {
    city::exists(settings).await?;
    Ok(Stores::open(settings, Arc::new(SystemClock)).await?)
}

/// The evidence, to go on with.
async fn evidence(stores: &Stores) -> anyhow::Result<Evidence> {
    Ok(Evidence::open(&stores.storage.evidence(), stores.log.clone(), stores.keys.clone()).await?)
}

/// What the city's checkpoints are verified with.
async fn key_of(stores: &Stores) -> anyhow::Result<PublicKey> {
    let name = name_of(&*stores.log).await?.context("the log has no events yet: nothing is signed")?;
    Ok(public_key(&stores.keys.secret(Secret::Evidence).await?, name))
}

/// What is in a file.
fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// The checkpoint that is kept in a file, or why it is none that this key has signed.
fn kept_checkpoint(file: &Path, key: &PublicKey) -> anyhow::Result<Result<Checkpoint, String>> {
    let bytes = read(file)?;
    // What is no text is no checkpoint either.
    let opened = Checkpoint::open(&String::from_utf8_lossy(&bytes), key);
    Ok(opened.map_err(|error| format!("the checkpoint in {}: {error}", file.display())))
}

/// Writes a file that is not there yet.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let written = File::create_new(file).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.sync_all()
    });
    written.with_context(|| format!("writing {}", file.display()))
}
