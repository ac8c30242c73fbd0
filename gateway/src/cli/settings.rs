//! `cityos settings`: the table of settings, and what they are now.

use super::say;
use crate::settings::{Settings, markdown};
use clap::Args;
use std::process::ExitCode;

/// Prints the table of settings and what they are now.
#[derive(Args)]
pub struct Show {
    /// Only the table, as it stands in the README.
    #[arg(long)]
    table: bool,
}

impl Show {
    pub fn run(self, settings: &Settings) -> anyhow::Result<ExitCode> {
        let mut text = markdown();
        if !self.table {
            text += "\nNow in effect:\n\n";
            let values = serde_json::to_value(settings).expect("settings are plain values");
            for (key, value) in values.as_object().expect("settings are named") {
                text += &format!("{key} = {value}\n");
            }
        }
        say(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
