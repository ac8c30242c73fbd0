//! `cityos audit begin-anew`: evidence made again of the log as it is, knowingly.

use super::stores;
use crate::cli::say;
use crate::settings::Settings;
use cityos_eventstore::evidence::{Begun, begin_anew};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes evidence anew of the log as it is, where it is lost, was altered, or was put back to what it was with an older
/// backup. What was altered in the log before is then no longer seen here: only older checkpoints that somebody kept show
/// it. Says whether the log is still the one that was signed last, also where it was interrupted and is run again.
#[derive(Args)]
pub struct BeginAnew {
    /// Where the evidence there is goes; must not exist.
    #[arg(long, value_name = "FILE")]
    old: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl BeginAnew {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let stores = stores(&settings).await?;
        let begun = begin_anew(&stores.storage.evidence(), stores.log, stores.keys, &self.old).await?;
        let Begun { signature, before, goes_on } = begun;
        let (size, before) = (signature.checkpoint.size, before.map(|before| before.size));
        if self.json {
            let root = signature.checkpoint.root;
            let told = json!({ "size": size, "root": root, "signed_before": before, "goes_on": goes_on });
            say(&format!("{told}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut text = format!("The evidence begins anew with a checkpoint over {size} events.\n");
        text += &match (before, goes_on) {
            (Some(before), Some(true)) => {
                format!(
                    "The log is still the one that was signed before: its first {before} events are the same.\n"
                )
            }
            (Some(before), _) => {
                format!("The log is NOT the one that was signed before, over {before} events.\n")
            }
            (None, _) => "Nothing was signed before.\n".into(),
        };
        say(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
