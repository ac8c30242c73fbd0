//! `cityos restore`: a backup becomes a data directory. Read models are made anew at the next start.

use super::backup::files;
use super::say;
use crate::settings::Settings;
use anyhow::Context;
use cityos_eventstore::backup::{Copies, restore};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Puts a backup into an empty data directory. Nothing is ever overwritten.
#[derive(Args)]
pub struct Restore {
    /// The copy of the log. That of its evidence, FILE.evidence, is taken where it is there; the keys know whether it
    /// should be.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// The copy of the keys.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
}

impl Restore {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let copies = Copies { log: self.log, keys: self.keys };
        let directory = files(&settings)?;
        let data = directory.clone();
        let evidence = copies.evidence();
        let with_evidence =
            tokio::task::spawn_blocking(move || restore(&copies, &data)).await.context("restoring")??;
        let data = directory.display();
        say(&format!("{data} is as it was. `cityos serve` makes its read models anew.\n"))?;
        if !with_evidence {
            let evidence = evidence.display();
            say(&format!(
                "No evidence of the log was restored: there is no {evidence}. See `cityos audit verify`.\n"
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
