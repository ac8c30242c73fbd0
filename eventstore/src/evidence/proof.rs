//! That events are in the log: each with its path to the root of a signed checkpoint. Tells nothing of other events but
//! hashes.

use super::EvidenceError;
use super::checkpoint::Checkpoint;
use super::keeping::{Evidence, Signature};
use super::kept::Kept;
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
        let checkpoint = &signature.checkpoint;
        let mut reading = self.records.read().await?;
        let mut tree = Kept::read(&mut *reading).await?;
        let mut inclusions = Vec::with_capacity(events.len());
        for event in events {
            let position = event.position.0;
            let differs = EvidenceError::LogDiffers { position };
            let Some(leaf) = tree.ask(|tree| tree.find(position)).await? else { return Err(differs) };
            let path = tree.ask(|tree| tree::inclusion(tree, leaf, checkpoint.size)).await?;
            let inclusion = Inclusion { event, leaf, path };
            if !inclusion.holds_in(checkpoint) {
                return Err(differs);
            }
            inclusions.push(inclusion);
        }
        let consistency = match since {
            Some(since) => consistency(&mut tree, &since, checkpoint).await?,
            None => Vec::new(),
        };
        reading.commit().await?;
        Ok(Proofs { inclusions, consistency, signature })
    }
}

async fn consistency(
    tree: &mut Kept<'_>,
    since: &Checkpoint,
    checkpoint: &Checkpoint,
) -> Result<Vec<Hash>, EvidenceError> {
    let other = || {
        EvidenceError::Altered(format!("the log does not go on from the checkpoint of {} events", since.size))
    };
    if since.size > checkpoint.size {
        return Err(other());
    }
    let path = tree.ask(|tree| tree::consistency(tree, since.size, checkpoint.size)).await?;
    match tree::is_consistent(since.size, since.root, checkpoint.size, checkpoint.root, &path) {
        true => Ok(path),
        false => Err(other()),
    }
}
