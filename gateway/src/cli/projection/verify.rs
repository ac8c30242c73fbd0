//! `cityos projection verify`: read models beside what the log makes of them.

use super::super::say;
use super::rebuild::keys_differ;
use super::telling::{Teller, counted, differences, differences_json};
use super::{City, Which, each};
use cityos_projections::{AnyModel, Verified, verify};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Compares read models with what the log makes of them, row by row, and changes nothing. Exits with 3 where they differ,
/// or where rows are frozen.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    which: Which,
}

impl Verify {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let (models, reads, json) = (self.which.models()?, city.reads()?, self.which.json);
        Ok(each(models, async |model| {
            let mut teller = Teller::of(model, json)?;
            let verified = verify(&*city.log, &reads, model, |progress| teller.tell(progress)).await;
            teller.end();
            let verified = verified?;
            say(&if json { line(model, &verified) } else { for_people(model, &verified) })?;
            Ok(verified.is_sound())
        })
        .await)
    }
}

fn for_people(model: &dyn AnyModel, Verified { compared, frozen }: &Verified) -> String {
    let (name, differing) = (model.name(), compared.differing());
    let (rows, at) = (counted(compared.log.rows, "row"), compared.table.position.0);
    let mut text = match compared.is_identical() {
        true => format!("{name}: identical, {rows} at {at}\n"),
        false => format!("{name}: {} from the log, of {rows} at {at}\n", keys_differ(differing)),
    };
    text += &differences(model, &compared.differences, differing);
    if !frozen.is_empty() {
        let frozen = counted(frozen.len() as u64, "row");
        text += &format!("  {frozen} frozen: see `cityos projection status {name}`\n");
    }
    text
}

fn line(model: &dyn AnyModel, verified: &Verified) -> String {
    let Verified { compared, frozen } = verified;
    let line = json!({ "model": model.name(), "doing": "done", "identical": compared.is_identical(),
        "position": compared.table.position.0, "rows": compared.log.rows, "missing": compared.missing,
        "extra": compared.extra, "changed": compared.changed, "frozen_count": frozen.len(),
        "differences": differences_json(model, &compared.differences) });
    format!("{line}\n")
}
