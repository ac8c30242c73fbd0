//! `cityos audit check`: a proof, verified anywhere with the public key alone.

use super::{SOMETHING_WRONG, kept_checkpoint, read};
use crate::cli::say;
use crate::cli::table::table;
use crate::order_proof::{OrderProof, Proven};
use anyhow::bail;
use chrono::SecondsFormat;
use cityos_domain::log::Envelope;
use cityos_eventstore::evidence::{Checkpoint, PublicKey};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks a proof that `cityos audit prove` wrote, with the public key and nothing else: no city is needed. Exits with 3
/// where it does not hold.
#[derive(Args)]
pub struct Check {
    /// The proof.
    file: PathBuf,
    /// The city's public key, as `cityos audit key` prints it there.
    #[arg(long, value_name = "KEY")]
    public_key: PublicKey,
    /// The older checkpoint that was kept: the proof must show that the log goes on from it.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let proof = read(&self.file)?;
        let since = match &self.since {
            Some(file) => Some(kept_checkpoint(file, &self.public_key)?),
            None => None,
        };
        match proven(&proof, &self.public_key, since) {
            Ok(proven) => {
                say(&if self.json { as_json(&proven) } else { as_text(&proven) })?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                let reason = format!("{error:#}");
                say(&match self.json {
                    true => format!("{}\n", json!({ "proven": false, "reason": reason })),
                    false => format!("NOT proven: {reason}.\n"),
                })?;
                Ok(ExitCode::from(SOMETHING_WRONG))
            }
        }
    }
}

fn proven(
    proof: &[u8],
    key: &PublicKey,
    since: Option<Result<Checkpoint, String>>,
) -> anyhow::Result<Proven> {
    let since = since.transpose().map_err(anyhow::Error::msg)?;
    let proven = OrderProof::check(proof, key)?;
    if since.is_some() && proven.since != since {
        bail!("it does not show that the log goes on from the older checkpoint");
    }
    Ok(proven)
}

fn as_json(proven: &Proven) -> String {
    let event = |event: &Envelope| -> Value {
        json!({
            "position": event.position, "type": event.event.encode().type_name, "id": event.stream.id,
            "at": event.at, "recorded_at": event.recorded_at,
        })
    };
    let told = json!({
        "proven": true,
        "tenant": proven.tenant,
        "order": proven.order,
        "log": proven.checkpoint.origin,
        "size": proven.checkpoint.size,
        "root": proven.checkpoint.root,
        "since": proven.since.as_ref().map(|since| since.size),
        "events": proven.events.iter().map(event).collect::<Vec<_>>(),
    });
    format!("{told}\n")
}

fn as_text(proven: &Proven) -> String {
    let Proven { tenant, order, checkpoint, since, events } = proven;
    let mut text = format!("Proven: what the log has of order {order} of tenant {tenant}.\n\n");
    text += &table(
        ["position", "type", "at", "recorded at"],
        events.iter().map(|event| {
            let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
            let kind = event.event.encode().type_name;
            [event.position.0.to_string(), kind, time(event.at), time(event.recorded_at)]
        }),
    );
    let (origin, size, root) = (&checkpoint.origin, checkpoint.size, checkpoint.root);
    text += &format!("\nThe checkpoint is over the first {size} events of {origin}, with root {root}.\n");
    if let Some(since) = since {
        text += &format!("The log goes on from the older checkpoint over its first {} events.\n", since.size);
    }
    text
}
