//! The rows of a log: what copying needs of a storage beyond reading events.

use crate::store::{EventStore, StoreError};
use crate::stored::StoredEvent;
use async_trait::async_trait;
use cityos_domain::log::Position;
use uuid::Uuid;

/// A receipt as it lies in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredReceipt {
    /// Its place among the receipts. Every storage counts for itself.
    pub sequence: i64,
    /// The partition's id.
    pub partition: Uuid,
    /// The command.
    pub command: Uuid,
    /// The hash of what it was given.
    pub input: Vec<u8>,
    /// The position it reached.
    pub position: Position,
    /// The exact text of the versions it reached.
    pub versions: String,
    /// The store's clock when it was written, in microseconds since 1970.
    pub recorded_at: i64,
}

impl StoredReceipt {
    /// Whether it is the same, wherever it is kept.
    pub fn is_same(&self, other: &StoredReceipt) -> bool {
        StoredReceipt { sequence: other.sequence, ..self.clone() } == *other
    }
}

/// Neighbouring rows of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// In their order.
    pub events: Vec<StoredEvent>,
    /// In their order.
    pub receipts: Vec<StoredReceipt>,
}

/// Where a log ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// The position of its last event.
    pub position: Position,
    /// The sequence of its last receipt.
    pub sequence: i64,
}

/// A log whose rows can be had, and put there, as they are.
#[async_trait]
pub trait LogRows: EventStore {
    /// The receipts after a sequence of commands that came to no further than `end`, in their order.
    async fn receipts(&self, after: i64, end: Position, limit: u32)
    -> Result<Vec<StoredReceipt>, StoreError>;

    /// Writes rows behind what is there, in one transaction that nobody else writes beside; nothing, if the log does not end
    /// there any more. Says whether it did.
    async fn put(&self, end: End, batch: Batch) -> Result<bool, StoreError>;
}
