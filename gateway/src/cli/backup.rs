//! `cityos backup`: log with its evidence and keys, each copied to its own file, also while the server runs.

use super::say;
use crate::settings::Settings;
use crate::storage::Storage;
use anyhow::Context;
use cityos_eventstore::backup::{Copies, backup};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Copies log and keys, each to its own file, also while the server runs. The files belong in different hands:
/// with both, people who were forgotten since are remembered.
#[derive(Args)]
pub struct Backup {
    /// Where the copy of the log goes; must not exist. That of its evidence goes beside it, to FILE.evidence.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// Where the copy of the keys goes; must not exist.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
}

impl Backup {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let data = files(&settings)?;
        let copies = Copies { log: self.log, keys: self.keys };
        let done = copies.clone();
        tokio::task::spawn_blocking(move || backup(&data, &copies)).await.context("copying")??;
        say(&format!("The log is in {}, its keys in {}.\n", done.log.display(), done.keys.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The data directory of a city that is kept in files.
pub fn files(settings: &Settings) -> anyhow::Result<PathBuf> {
    let storage = Storage::of(settings)?;
    let files = storage.directory().map(Path::to_owned);
    files.with_context(|| {
        format!("this city is kept in {storage}: copy its databases with pg_dump, as the runbook says")
    })
}
