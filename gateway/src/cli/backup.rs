//! `cityos backup`: log with its evidence and keys, each copied to its own file, also while the server runs.

use super::say;
use crate::settings::Settings;
use anyhow::Context;
use cityos_eventstore::backup::{Copies, backup};
use clap::Args;
use std::path::PathBuf;
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
        let copies = Copies { log: self.log, keys: self.keys };
        let done = copies.clone();
        tokio::task::spawn_blocking(move || backup(&settings.data_dir, &copies))
            .await
            .context("copying")??;
        say(&format!("The log is in {}, its keys in {}.\n", done.log.display(), done.keys.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
