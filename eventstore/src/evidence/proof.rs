//! That events are in the log: each with its path to the root of a signed checkpoint. Tells nothing of other events but
//! hashes.

use super::EvidenceError;
use super::checkpoint::Checkpoint;
use super::file::Kept;
use super::keeping::{Evidence, Signature};
use super::leaf::Leaf;
use super::tree::{self, Hash};
use crate::stored::StoredEvent;
use serde::{Deserialize, Serialize};

/// An event and its way to the root.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// As it is stored.
    pub event: StoredEvent,
    /// Its place in the tree, from 0.
    pub leaf: u64,
    /// The hashes beside its way to the root, from the lowest up.
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// Whether this event, and no other, is at this place of what the checkpoint covers.
    pub fn holds_in(&self, checkpoint: &Checkpoint) -> bool {
        let hash = Leaf::of(&self.event).hash;
        tree::root_of_path(hash, self.leaf, checkpoint.size, &self.path) == Some(checkpoint.root)
    }
}

/// What shows that some events are in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proofs {
    /// The checkpoint that all of it leads to.
    pub signature: Signature,
    /// The events, in the order they were given.
    pub inclusions: Vec<Inclusion>,
    /// That this checkpoint goes on from the older one that was given.
    pub consistency: Vec<Hash>,
}

impl Evidence {
    /// Proves that these events are in the log, and that it goes on from the `since` that was signed before. Covers and
    /// signs what is new first. Fails where log or evidence are not what was signed.
    pub async fn prove(
        &self,
        events: Vec<StoredEvent>,
        since: Option<Checkpoint>,
    ) -> Result<Proofs, EvidenceError> {
        self.cover().await?;
        let signature = self.sign().await?;
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let tree = Kept::read(&transaction)?;
            let checkpoint = &signature.checkpoint;
            let prove = |event: StoredEvent| {
                let position = event.position.0;
                let leaf = tree.find(position)?.ok_or(EvidenceError::LogDiffers { position })?;
                let inclusion =
                    Inclusion { path: tree::inclusion(&tree, leaf, checkpoint.size)?, leaf, event };
                match inclusion.holds_in(checkpoint) {
                    true => Ok(inclusion),
                    false => Err(EvidenceError::LogDiffers { position }),
                }
            };
            let inclusions = events.into_iter().map(prove).collect::<Result<_, _>>()?;
            let consistency = match since {
                Some(since) => consistency(&tree, &since, checkpoint)?,
                None => Vec::new(),
            };
            Ok(Proofs { inclusions, consistency, signature })
        })
        .await
    }
}

fn consistency(
    tree: &Kept<'_>,
    since: &Checkpoint,
    checkpoint: &Checkpoint,
) -> Result<Vec<Hash>, EvidenceError> {
    let other = || {
        EvidenceError::Altered(format!("the log does not go on from the checkpoint of {} events", since.size))
    };
    if since.size > checkpoint.size {
        return Err(other());
    }
    let path = tree::consistency(tree, since.size, checkpoint.size)?;
    match tree::is_consistent(since.size, since.root, checkpoint.size, checkpoint.root, &path) {
        true => Ok(path),
        false => Err(other()),
    }
}
