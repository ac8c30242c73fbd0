//! A log moved from one storage to another, as it is stored: nothing is understood on the way, everything is read back. What the
//! target has is always a beginning of the source, so that a copy that was stopped anywhere goes on.

mod rows;
mod sealed;
#[cfg(test)]
mod tests;

pub use rows::{Batch, End, LogRows, StoredReceipt};
pub use sealed::sealed_for;

use crate::store::StoreError;
use cityos_domain::log::Position;

/// Events in one transaction.
const EVENTS_AT_ONCE: u32 = 4_096;

/// Receipts in one transaction.
const RECEIPTS_AT_ONCE: u32 = 16_384;

/// Why a log was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source could not be read.
    #[error("reading the source")]
    Source(#[source] StoreError),
    /// The target could not be used.
    #[error("using the target")]
    Target(#[source] StoreError),
    /// Something lies before the first position.
    #[error("the source has a row at position {position}, in front of its log: see `cityos audit verify`")]
    InFront {
        /// Where.
        position: i64,
    },
    /// What the target has is no beginning of the source.
    #[error("the target holds another log: its event at position {} is not the source's", position.0)]
    OtherLog {
        /// The first event that differs.
        position: Position,
    },
    /// The same of receipts.
    #[error("the target's receipts up to position {} are not the source's", position.0)]
    OtherReceipts {
        /// The first page of the log whose receipts differ ends there.
        position: Position,
    },
    /// The target has more.
    #[error("the target goes on behind the source, which ends at position {}", position.0)]
    Ahead {
        /// The source's end.
        position: Position,
    },
    /// The target was written meanwhile.
    #[error("somebody else writes the target: stop what runs on it, and begin again with an empty one")]
    SomebodyWrites,
    /// The target does not give back what it was given.
    #[error("the target does not give back what was written up to position {}", position.0)]
    ReadBack {
        /// The end of the batch.
        position: Position,
    },
}

/// What a copy came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Events that are in both.
    pub events: u64,
    /// Those of them that were written now, or would be.
    pub new_events: u64,
    /// Receipts that are in both.
    pub receipts: u64,
    /// Those of them that were written now, or would be.
    pub new_receipts: u64,
    /// The last event's position.
    pub position: Position,
}

/// A log that is copied.
pub struct Copying<'a> {
    source: &'a dyn LogRows,
    /// None where there is nothing yet, and nothing is to be made.
    target: Option<&'a dyn LogRows>,
    writes: bool,
    copied: Copied,
    /// How far the source's receipts have been read, and the target's.
    sequences: (i64, i64),
}

impl<'a> Copying<'a> {
    /// Into this target.
    pub fn new(source: &'a dyn LogRows, target: &'a dyn LogRows) -> Self {
        Copying { source, target: Some(target), writes: true, copied: Copied::default(), sequences: (0, 0) }
    }

    /// Only looks at what would be done: the target has what it has, or is not there.
    pub fn only_looking(source: &'a dyn LogRows, target: Option<&'a dyn LogRows>) -> Self {
        Copying { source, target, writes: false, copied: Copied::default(), sequences: (0, 0) }
    }

    /// Copies what the source has by now behind what was copied before; `told` hears of every batch. Each event and receipt is
    /// compared with what the target then has, those it had before, too.
    pub async fn go_on(&mut self, mut told: impl FnMut(Copied)) -> Result<Copied, CopyError> {
        if self.copied == Copied::default() {
            self.begin().await?;
        }
        while self.next_batch().await? {
            told(self.copied);
        }
        if let Some(target) = self.target {
            let (events, receipts) = (
                target.read_stored(self.copied.position, 1).await.map_err(CopyError::Target)?,
                self.target_receipts(Position(u64::MAX), 1).await?,
            );
            if !events.is_empty() || !receipts.is_empty() {
                return Err(CopyError::Ahead { position: self.copied.position });
            }
        }
        Ok(self.copied)
    }

    async fn begin(&self) -> Result<(), CopyError> {
        let first = self.source.first_row(None).await.map_err(CopyError::Source)?;
        if let Some(first) = first.filter(|first| first.position < 1) {
            return Err(CopyError::InFront { position: first.position });
        }
        // Nothing of another log is touched.
        let events = self.source.read_stored(Position::START, 1).await.map_err(CopyError::Source)?;
        self.there(&Batch { events, receipts: Vec::new() }, Position::START).await?;
        self.forget_what_the_source_forgot().await
    }

    /// Copies one batch, unless there is none.
    async fn next_batch(&mut self) -> Result<bool, CopyError> {
        let after = self.copied.position;
        let events = self.source.read_stored(after, EVENTS_AT_ONCE).await.map_err(CopyError::Source)?;
        let end = events.last().map_or(after, |last| last.position);
        let receipts = self.source.receipts(self.sequences.0, end, RECEIPTS_AT_ONCE).await;
        let receipts = receipts.map_err(CopyError::Source)?;
        if events.is_empty() && receipts.is_empty() {
            return Ok(false);
        }
        if let Some(last) = receipts.last() {
            self.sequences.0 = last.sequence;
        }
        let batch = Batch { events, receipts };
        let had = self.there(&batch, end).await?;
        let new_events = (batch.events.len() - had.events.len()) as u64;
        let new_receipts = (batch.receipts.len() - had.receipts.len()) as u64;
        let mut there = had;
        if self.writes
            && new_events + new_receipts > 0
            && let Some(target) = self.target
        {
            let had = End {
                position: there.events.last().map_or(after, |last| last.position),
                sequence: there.receipts.last().map_or(self.sequences.1, |last| last.sequence),
            };
            let more = Batch {
                events: batch.events[there.events.len()..].to_vec(),
                receipts: batch.receipts[there.receipts.len()..].to_vec(),
            };
            if !target.put(had, more).await.map_err(CopyError::Target)? {
                return Err(CopyError::SomebodyWrites);
            }
            there = self.there(&batch, end).await?;
            if there.events.len() < batch.events.len() || there.receipts.len() < batch.receipts.len() {
                return Err(CopyError::ReadBack { position: end });
            }
        }
        if let Some(last) = there.receipts.last() {
            self.sequences.1 = last.sequence;
        }
        self.copied.events += batch.events.len() as u64;
        self.copied.receipts += batch.receipts.len() as u64;
        self.copied.new_events += new_events;
        self.copied.new_receipts += new_receipts;
        self.copied.position = end;
        Ok(true)
    }

    /// What the target has of a batch: all of it, or a beginning.
    async fn there(&self, batch: &Batch, end: Position) -> Result<Batch, CopyError> {
        let Some(target) = self.target else { return Ok(Batch::default()) };
        let mut events = match batch.events.len() {
            0 => Vec::new(),
            some => target.read_stored(self.copied.position, some as u32).await.map_err(CopyError::Target)?,
        };
        let differing = events.iter().zip(&batch.events).find(|(theirs, ours)| theirs != ours);
        if let Some((theirs, ours)) = differing {
            return Err(CopyError::OtherLog { position: theirs.position.min(ours.position) });
        }
        events.truncate(batch.events.len());
        let receipts = match batch.receipts.len() {
            0 => Vec::new(),
            some => self.target_receipts(end, some as u32).await?,
        };
        let differ = receipts.iter().zip(&batch.receipts).any(|(theirs, ours)| !theirs.is_same(ours));
        if differ {
            return Err(CopyError::OtherReceipts { position: end });
        }
        Ok(Batch { events, receipts })
    }

    async fn target_receipts(&self, end: Position, limit: u32) -> Result<Vec<StoredReceipt>, CopyError> {
        let Some(target) = self.target else { return Ok(Vec::new()) };
        target.receipts(self.sequences.1, end, limit).await.map_err(CopyError::Target)
    }

    /// Receipts are forgotten oldest first: what the source has forgotten since the copy was begun, the target forgets.
    async fn forget_what_the_source_forgot(&self) -> Result<(), CopyError> {
        let (Some(target), true) = (self.target, self.writes) else { return Ok(()) };
        let all = Position(u64::MAX);
        let first = self.source.receipts(0, all, 1).await.map_err(CopyError::Source)?.pop();
        let Some(first) = first else { return Ok(()) };
        let (mut after, mut older) = (0, 0);
        loop {
            let some = target.receipts(after, all, RECEIPTS_AT_ONCE).await.map_err(CopyError::Target)?;
            let Some(last) = some.last() else { break };
            let found = some.iter().position(|receipt| receipt.is_same(&first));
            older += found.unwrap_or(some.len()) as u32;
            // What was written later than the source's oldest it cannot have forgotten.
            if some.iter().take(found.unwrap_or(some.len())).any(|one| one.recorded_at > first.recorded_at) {
                return Err(CopyError::OtherReceipts { position: first.position });
            }
            after = last.sequence;
            if found.is_some() {
                break;
            }
        }
        if older > 0 {
            let any = chrono::DateTime::<chrono::Utc>::MAX_UTC;
            target.forget_receipts(any, older).await.map_err(CopyError::Target)?;
        }
        Ok(())
    }
}
