//! `cityos projection retry`: frozen rows folded anew.

use super::super::{counted, say};
use super::telling::{frozen_json, frozen_rows};
use super::{Any, City, each};
use cityos_projections::{AnyModel, Retried, retry_frozen};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Folds frozen rows anew, in the order of the log. Exits with 3 where some stay frozen.
#[derive(Args)]
pub struct Retry {
    #[command(flatten)]
    which: Any,
}

impl Retry {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let reads = city.reads().await?;
        let models = self.which.models()?;
        let mut any = false;
        let code = each(models, async |model| {
            let retried = retry_frozen(&*city.log, &reads, model).await?;
            any |= retried.healed > 0 || !retried.frozen.is_empty();
            say(&if self.which.json { line(model, &retried) } else { self.for_people(model, &retried) })?;
            Ok(retried.frozen.is_empty())
        })
        .await;
        if !any && code == ExitCode::SUCCESS && !self.which.json && self.which.models.is_empty() {
            say("no row is frozen\n")?;
        }
        Ok(code)
    }

    fn for_people(&self, model: &dyn AnyModel, retried: &Retried) -> String {
        let (name, healed) = (model.name(), counted(retried.healed as u64, "row"));
        let stay = retried.frozen.len() as u64;
        if retried.healed == 0 && stay == 0 {
            // Of those nobody asked about there is nothing to say, unless it is so of all.
            return if self.which.models.is_empty() {
                String::new()
            } else {
                format!("{name}: no row is frozen\n")
            };
        }
        let text = format!("{name}: {healed} live again, {stay} still frozen\n");
        text + &frozen_rows(model, &retried.frozen)
    }
}

fn line(model: &dyn AnyModel, retried: &Retried) -> String {
    let frozen: Vec<_> = retried.frozen.iter().map(|row| frozen_json(model, row)).collect();
    format!("{}\n", json!({ "model": model.name(), "healed": retried.healed, "frozen": frozen }))
}
