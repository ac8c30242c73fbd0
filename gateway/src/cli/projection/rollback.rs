//! `cityos projection rollback`: back to the table before.

use super::super::say;
use super::{City, Which, each};
use cityos_projections::roll_back;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Makes the table before the live one the live one again. A running server moves it on from where it stood.
#[derive(Args)]
pub struct Rollback {
    #[command(flatten)]
    which: Which,
}

impl Rollback {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let (models, reads) = (self.which.models()?, city.reads()?);
        Ok(each(models, async |model| {
            let back = roll_back(&reads, model).await?;
            let name = model.name();
            say(&match self.which.json {
                true => {
                    let line = json!({ "model": name, "from_build": back.from, "to_build": back.to,
                        "position": back.position.0 });
                    format!("{line}\n")
                }
                false => format!(
                    "{name}: build {} is live instead of build {}, and goes on from {}\n",
                    back.to, back.from, back.position.0
                ),
            })?;
            Ok(true)
        })
        .await)
    }
}
