//! `cityos audit key`: the public key that an auditor verifies checkpoints and proofs with.

use super::{key_of, stores};
use crate::cli::say;
use crate::settings::Settings;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Prints the public key that checkpoints are verified with, in the form of C2SP's signed notes. Give it to auditors by a
/// way on which nobody can put another in its place.
#[derive(Args)]
pub struct Show {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let key = key_of(&stores(&settings).await?).await?.to_string();
        say(&match self.json {
            true => format!("{}\n", json!({ "public_key": key })),
            false => format!("{key}\n"),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
