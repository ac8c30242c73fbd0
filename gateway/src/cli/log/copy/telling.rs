//! How a copy is told: now and then how far it is, and at its end what it came to, to people or as JSON.

use super::keys::Found;
use crate::cli::counted;
use cityos_domain::log::Position;
use cityos_eventstore::copy::Copied;
use cityos_eventstore::evidence::{Doubt, Verified};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often a log line says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Tells how far a copy is, where it takes long.
pub struct Progress {
    head: Position,
    told: Instant,
}

impl Progress {
    /// Of one that goes on to there.
    pub fn to(head: Position) -> Self {
        Progress { head, told: Instant::now() }
    }

    /// It is as far as this.
    pub fn tell(&mut self, copied: Copied) {
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            tracing::info!(
                events = copied.events,
                position = copied.position.0,
                head = self.head.0,
                "copying"
            );
        }
    }
}

/// What a copy came to.
pub struct Done {
    /// What was copied.
    pub copied: Copied,
    /// How many of the events were written while it was.
    pub meanwhile: u64,
    /// Whether the source has moved on since.
    pub moves: bool,
    /// What was found of the evidence, where a key store has its key.
    pub verified: Option<Verified>,
    /// What was found of the keys.
    pub keys: Found,
}

impl Done {
    /// Whether nothing is left to be done.
    pub fn is_whole(&self) -> bool {
        !self.moves && self.verified.as_ref().is_none_or(is_good) && self.keys.is_complete()
    }

    /// To people.
    pub fn as_text(&self) -> String {
        let mut text = figures(&self.copied, "copied now");
        if self.meanwhile > 0 {
            text += &format!("  {} of the events came in meanwhile\n", self.meanwhile);
        }
        if self.moves {
            text += "The source still moves on: stop its servers, and run this again.\n";
        }
        text += &match &self.verified {
            Some(verified) => evidence(verified),
            None => "The evidence was not verified: no key store has its key.\n".into(),
        };
        text + &self.keys.to_string()
    }

    /// The same as JSON.
    pub fn as_json(&self) -> Value {
        let mut told = figures_json(&self.copied);
        told["meanwhile"] = self.meanwhile.into();
        told["source_moves_on"] = self.moves.into();
        told["evidence"] = self.verified.as_ref().map_or(Value::Null, |verified| {
            let doubts: Vec<_> = doubts(verified).map(Doubt::to_string).collect();
            json!({ "checkpoints": verified.checkpoints, "events": verified.size, "good": is_good(verified),
                "doubts": doubts })
        });
        told["keys"] = self.keys.as_json();
        told["whole"] = self.is_whole().into();
        told
    }
}

/// What was copied, or is to be, to people.
pub fn figures(copied: &Copied, new: &str) -> String {
    let Copied { events, new_events, receipts, new_receipts, position } = *copied;
    let (events, receipts) = (counted(events, "event"), counted(receipts, "receipt"));
    format!(
        "  {events}, {new_events} of them {new}, up to position {}\n  {receipts}, {new_receipts} of them {new}\n",
        position.0
    )
}

/// The same as JSON.
pub fn figures_json(copied: &Copied) -> Value {
    let Copied { events, new_events, receipts, new_receipts, position } = *copied;
    json!({ "events": events, "new_events": new_events, "receipts": receipts, "new_receipts": new_receipts,
        "position": position.0 })
}

fn evidence(verified: &Verified) -> String {
    let checkpoints = counted(verified.checkpoints, "checkpoint");
    let mut text = match is_good(verified) {
        true => format!("  {checkpoints}, verified over the first {} events there\n", verified.size),
        false => {
            format!("  {checkpoints}, NOT good over the events there: see `cityos audit verify`\n")
        }
    };
    for doubt in doubts(verified) {
        text += &format!("  {doubt}\n");
    }
    text
}

/// Whether all that was signed is as it was.
fn is_good(verified: &Verified) -> bool {
    verified.difference.is_none() && doubts(verified).next().is_none()
}

/// What is wrong with the evidence. That there is none yet is not.
fn doubts(verified: &Verified) -> impl Iterator<Item = &Doubt> {
    verified.doubts.iter().filter(|doubt| **doubt != Doubt::NothingSigned)
}
