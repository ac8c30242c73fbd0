//! Whether a log is what its checkpoints were signed over; and if not, where it first differs, and how. Reads all of it
//! once, in pages; changes nothing.

mod comparing;
mod promises;

use super::EvidenceError;
use super::checkpoint::Checkpoint;
use super::note::PublicKey;
use super::place::{self, Place};
use super::records::Transaction;
use crate::keys::Signed;
use crate::store::{EventStore, StoreError};
use comparing::Comparison;
use promises::{Promises, Tree};
use serde::Serialize;
use uuid::Uuid;

/// The most doubts that are told: evidence where everything is altered has enough of them.
const DOUBTS_MAX: usize = 20;

/// What is verified, and against what.
pub struct Verifying<'a> {
    /// The log.
    pub log: &'a dyn EventStore,
    /// Where its evidence lies.
    pub evidence: &'a Place,
    /// What the checkpoints must be signed with.
    pub key: &'a PublicKey,
    /// What the key store remembers of what was signed, where it is known; read before the evidence.
    pub remembered: Option<Signed>,
    /// A checkpoint that somebody kept elsewhere.
    pub kept: Option<Checkpoint>,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verified {
    /// How many events were found to be as the evidence has them.
    pub events: u64,
    /// How many checkpoints bear a good signature.
    pub checkpoints: u64,
    /// The last of them: over how many events it is.
    pub size: u64,
    /// Its root.
    pub root: Option<super::Hash>,
    /// The events behind it.
    pub uncovered: Option<Uncovered>,
    /// The first event that is not as it was signed.
    pub difference: Option<Difference>,
    /// What is wrong with the evidence itself.
    pub doubts: Vec<Doubt>,
}

impl Verified {
    /// Whether all that was signed is as it was.
    pub fn is_intact(&self) -> bool {
        self.difference.is_none() && self.doubts.is_empty()
    }
}

/// Events that no checkpoint covers yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Uncovered {
    /// How many.
    pub events: u64,
    /// Position of the first.
    pub from: u64,
    /// Position of the last.
    pub to: u64,
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is another than it was, or cannot be read any more.
    Altered,
    /// It was not there.
    Inserted,
    /// It is not there any more.
    Removed,
    /// Another that is in the log, too, has taken its place.
    Reordered,
    /// It cannot be read, and the evidence does not know what it was.
    Unreadable,
}

/// The first event that is not as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// What became of it.
    pub how: How,
    /// In whose partition it is, or was; unknown where the evidence that knew it is gone, too, or where the row does not
    /// tell.
    pub partition: Option<Uuid>,
    /// Its position: now where it was inserted or cannot be read, and otherwise as it was. Below 1 only where it was
    /// inserted: nothing of the log is there, and nothing but an audit reads it.
    pub position: i64,
    /// Whether a checkpoint covers it; otherwise only leaves that nobody has signed yet say so.
    pub signed: bool,
}

/// Why the evidence itself cannot be relied on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "doubt")]
pub enum Doubt {
    /// There is none.
    #[error("no checkpoint was ever signed: nothing is proven")]
    NothingSigned,
    /// There was some.
    #[error("the evidence is missing, though its key has signed a log of {size} events")]
    Missing {
        /// Over how many events the last known checkpoint was.
        size: u64,
    },
    /// It is there, and no evidence.
    #[error("the evidence in {path} cannot be read: {reason}")]
    Unreadable {
        /// Where it lies.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The numbers of checkpoints have a gap.
    #[error("checkpoint {number} is missing")]
    CheckpointMissing {
        /// The first that is missing.
        number: u64,
    },
    /// What was signed last is not there any more.
    #[error("the last checkpoints are missing: the key has signed {size} events")]
    LastMissing {
        /// Over how many events the last known checkpoint was.
        size: u64,
    },
    /// A checkpoint is not what was signed with this key.
    #[error("checkpoint {number} was altered, or another key signed it: {reason}")]
    CheckpointAltered {
        /// Which.
        number: u64,
        /// Why it is no good.
        reason: String,
    },
    /// A checkpoint covers no more than the one before it.
    #[error("checkpoint {number} is out of order")]
    CheckpointOutOfOrder {
        /// Which.
        number: u64,
    },
    /// The tree is shorter than what was signed.
    #[error("the evidence holds {held} leaves, and {size} were signed")]
    Short {
        /// How many it has.
        held: u64,
        /// How many were signed.
        size: u64,
    },
    /// The tree's leaves give another root than the one that was signed.
    #[error("leaves {from} to {to} of the evidence were altered: they do not give the root that was signed")]
    LeavesAltered {
        /// The first leaf that no good checkpoint covers, from 0.
        from: u64,
        /// The last leaf below the wrong root.
        to: u64,
    },
    /// A hash that is only kept to be fast is not that of the leaves below.
    #[error("an inner hash over leaves {from} to {to} was altered")]
    NodeAltered {
        /// The first leaf below it.
        from: u64,
        /// The last.
        to: u64,
    },
    /// By what an event is known is not what its leaf says.
    #[error("what the evidence says of the event at position {position} was altered, though not its hash")]
    LabelAltered {
        /// Where the event is.
        position: u64,
    },
    /// The log is not what was signed, and the evidence cannot tell more of it.
    #[error(
        "the events at positions {from} to {to} are not as they were signed: which, the evidence no longer tells"
    )]
    EventsAltered {
        /// The first position that no good checkpoint covers.
        from: u64,
        /// The last below the wrong root.
        to: u64,
    },
    /// What was given for a checkpoint from elsewhere is none that this key has signed.
    #[error("{reason}")]
    KeptAltered {
        /// Why it is no good.
        reason: String,
    },
    /// A checkpoint from elsewhere is not of this log.
    #[error("the log is not the one that the checkpoint of {size} events, kept elsewhere, was signed over")]
    OtherThanKept {
        /// Over how many events it is.
        size: u64,
    },
}

impl Verifying<'_> {
    /// Reads all of it. Fails only where the log cannot be read at all, or the evidence not just now.
    pub async fn verify(self) -> Result<Verified, EvidenceError> {
        // What is in the evidence is in the log: so the log's end is looked at later.
        let (Basis { promises, tree, mut doubts }, held) = match self.look().await {
            Ok(found) => found,
            Err(error) => {
                let reason = place::why_none(&error).ok_or(error)?;
                let path = self.evidence.to_string();
                let doubts = vec![Doubt::Unreadable { path, reason }];
                (Basis { doubts, ..self.without_evidence() }, None)
            }
        };
        let head = self.log.head().await?;
        let mut comparison = Comparison::new(&promises, held, tree);
        comparison.read(self.log, head).await?;
        let difference = comparison.difference(self.log).await?;
        doubts.extend(comparison.doubts);
        let last = promises.last_checkpoint();
        if head.0 > 0 && doubts.is_empty() && last.is_none() {
            doubts.push(Doubt::NothingSigned);
        }
        doubts.truncate(DOUBTS_MAX);
        Ok(Verified {
            events: comparison.events,
            checkpoints: promises.checkpoints,
            size: last.map_or(0, |last| last.size),
            root: last.map(|last| last.root),
            uncovered: comparison.uncovered,
            difference,
            doubts,
        })
    }
}

/// What the log is held to.
struct Basis {
    promises: Promises,
    tree: Tree,
    doubts: Vec<Doubt>,
}

/// The evidence, as it stands in one transaction.
type Held = Option<Box<dyn Transaction>>;

impl Verifying<'_> {
    /// All of the evidence is read here: what can be read once can be read again.
    async fn look(&self) -> Result<(Basis, Held), StoreError> {
        let Some(mut held) = self.evidence.look().await? else { return Ok((self.without_evidence(), None)) };
        let (promises, mut doubts) = Promises::read(&mut *held, self).await?;
        let tree = promises.check_tree(&mut *held, &mut doubts).await?;
        Ok((Basis { promises, tree, doubts }, Some(held)))
    }

    fn without_evidence(&self) -> Basis {
        let (promises, doubts) = Promises::without_evidence(self);
        Basis { promises, tree: Tree { size: 0, sound_to: 0 }, doubts }
    }
}

#[cfg(test)]
pub(super) mod tests;
