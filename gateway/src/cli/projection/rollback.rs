//! `cityos projection rollback`: back to the table before.

use super::super::say;
use super::{City, Which, each};
use cityos_projections::{RolledBack, roll_back};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Makes what was live before the live table the live one again, once that has come to where the live one is. What is live
/// now is never gone back to.
#[derive(Args)]
pub struct Rollback {
    #[command(flatten)]
    which: Which,
}

impl Rollback {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let (models, reads) = (self.which.models()?, city.reads().await?);
        Ok(each(models, async |model| {
            let back = roll_back(&*city.log, &reads, model).await?;
            let name = model.name();
            say(&match self.which.json {
                true => {
                    let line = json!({ "model": name, "from_build": back.from, "to_build": back.to,
                        "position": back.position.0, "frozen": back.frozen });
                    format!("{line}\n")
                }
                false => {
                    let RolledBack { from, to, position, frozen } = back;
                    let froze = match frozen {
                        0 => String::new(),
                        _ => format!(
                            "; rows frozen on the way: {frozen}, see `cityos projection status {name}`"
                        ),
                    };
                    format!(
                        "{name}: build {to} is live instead of build {from}, and goes on from {}{froze}\n",
                        position.0
                    )
                }
            })?;
            Ok(true)
        })
        .await)
    }
}
