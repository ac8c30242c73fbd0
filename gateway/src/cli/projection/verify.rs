//! `cityos projection verify`: read models beside what the log makes of them.

use super::super::{counted, say};
use super::rebuild::{keys_differ, more};
use super::telling::{Teller, differences, differences_json, frozen_json, frozen_rows};
use super::{City, Which, each};
use cityos_projections::{AnyModel, Verified, verify};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Compares read models with what the log makes of them, row by row, and changes nothing. Exits with 3 where they differ,
/// where rows are frozen, or where they should be.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    which: Which,
}

impl Verify {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let (models, reads, json) = (self.which.models()?, city.reads().await?, self.which.json);
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

fn for_people(model: &dyn AnyModel, verified: &Verified) -> String {
    let Verified { compared, frozen, fit_now, unlisted } = verified;
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
    if *fit_now > 0 {
        text += &format!(
            "  of these, rows that every event fits now: {fit_now}; `cityos projection retry {name}` mends them\n"
        );
    }
    if !unlisted.is_empty() {
        text += "  an event does not fit, but the row is not listed as frozen, and shown as if it were up to date:\n";
        text += &frozen_rows(model, unlisted);
    }
    text
}

fn line(model: &dyn AnyModel, verified: &Verified) -> String {
    let Verified { compared, frozen, fit_now, unlisted } = verified;
    let unlisted: Vec<_> = unlisted.iter().map(|row| frozen_json(model, row)).collect();
    let line = json!({ "model": model.name(), "doing": "done", "identical": compared.is_identical(),
        "position": compared.table.position.0, "rows": compared.log.rows, "missing": compared.missing,
        "extra": compared.extra, "changed": compared.changed, "frozen_count": frozen.len(), "fit_now": fit_now,
        "unlisted": unlisted, "differences": differences_json(model, &compared.differences),
        "differences_more": more(compared) });
    format!("{line}\n")
}
