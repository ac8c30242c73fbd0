//! `cityos audit`: proofs over what is in the log.

mod money;

use crate::settings::Settings;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Proves that what is in the log holds.
#[derive(Args)]
pub struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Adds up all the money in the log, and names what does not fit.
    Money(money::Money),
}

impl Audit {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Money(money) => money.run(settings).await,
        }
    }
}
