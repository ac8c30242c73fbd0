//! That the log is as it was: a Merkle tree over its events as they are stored, kept beside it and outside the path of
//! writing, and signed checkpoints of that tree. Because personal data is sealed, all of it outlives the keys of persons.

mod beginning;
mod checkpoint;
mod copying;
mod following;
mod keeping;
mod kept;
mod leaf;
mod note;
mod place;
mod postgres;
mod proof;
mod records;
mod sqlite;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

pub use beginning::{Begun, begin_anew};
pub use checkpoint::{Checkpoint, origin_of};
pub use copying::copy;
pub use following::Follower;
pub use keeping::{Evidence, Signature};
pub use leaf::Leaf;
pub use note::{NoKey, NoteError, PublicKey};
pub use place::Place;
pub use proof::{Inclusion, Proofs};
pub(crate) use sqlite::SCHEMA;
pub use tree::{Hash, is_consistent};
pub use verify::{Difference, Doubt, How, Uncovered, Verified, Verifying};

use crate::backup::BackupError;
use crate::keys::{Key, KeyError};
use crate::store::StoreError;
use note::Signer;
use uuid::Uuid;

/// What verifies the checkpoints of a log that are signed with this seed.
pub fn public_key(seed: &Key, log: Uuid) -> PublicKey {
    Signer::new(origin_of(log), seed).public()
}

/// Why evidence does not go on. What exactly was altered [`Verifying`] finds out.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// An empty log has no evidence.
    #[error("the log has no events yet")]
    Empty,
    /// There is none any more.
    #[error("the evidence is missing, though its key has signed a log of {0} events")]
    Missing(u64),
    /// It is not what was signed.
    #[error("the evidence is not what was signed: {0}")]
    Altered(String),
    /// The log is no longer what its evidence says.
    #[error("the event at position {position} is not what the evidence has of it")]
    LogDiffers {
        /// Where.
        position: u64,
    },
    /// What is in its place is none, or cannot be used.
    #[error("the evidence in {place} cannot be used")]
    Unusable {
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The old evidence could not be put aside.
    #[error("putting the old evidence aside")]
    Aside(#[source] BackupError),
    /// Where it is copied to there is some that is no beginning of it.
    #[error("the evidence in {0} is not the beginning of what is to be copied there")]
    NoBeginning(String),
    /// The key store could not be used.
    #[error("using the key store")]
    Keys(#[from] KeyError),
    /// Log or evidence could not be used.
    #[error("using log and evidence")]
    Store(#[from] StoreError),
}
