//! `cityos audit checkpoint`: signs the log as far as it goes, and gives what was signed away.

use super::{evidence, stores, write};
use crate::cli::say;
use crate::settings::Settings;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Signs the log as far as it goes, also while the server runs, and prints the checkpoint. Whoever keeps it elsewhere can
/// later prove that the log still begins with what it covers, even against whoever has the keys.
#[derive(Args)]
pub struct Sign {
    /// Writes the checkpoint to this file instead; must not exist.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Sign {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let stores = stores(&settings).await?;
        let evidence = evidence(&stores).await?;
        evidence.cover().await?;
        let signed = evidence.sign().await?;
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        if let Some(out) = &self.out {
            write(out, &signed.note)?;
        }
        say(&match (self.json, &self.out) {
            (true, _) => {
                let origin = signed.checkpoint.origin;
                format!("{}\n", json!({ "origin": origin, "size": size, "root": root, "note": signed.note }))
            }
            (false, Some(out)) => {
                format!("{size} events are signed: the checkpoint is in {}.\n", out.display())
            }
            (false, None) => signed.note,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
