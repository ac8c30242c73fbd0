//! `cityos settings`: the table of settings, and what they are now.

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
    pub fn run(self, settings: &Settings) -> ExitCode {
        println!("{}", markdown());
        if !self.table {
            println!("Now in effect:\n");
            let values = serde_json::to_value(settings).expect("settings are plain values");
            for (key, value) in values.as_object().expect("settings are named") {
                println!("{key} = {value}");
            }
        }
        ExitCode::SUCCESS
    }
}
