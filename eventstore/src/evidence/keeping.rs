//! Keeping evidence: appending to the tree what the log has more, and signing it. Nothing is signed that does not go on
//! from what was signed before.

use super::checkpoint::{Checkpoint, origin_of};
use super::kept::Kept;
use super::leaf::Leaf;
use super::note::Signer;
use super::place::Place;
use super::records::{self, KeptNote, Records, Transaction};
use super::sqlite::FileRecords;
use super::{EvidenceError, tree};
use crate::keys::{KeyStore, Secret, Signed};
use crate::store::{EventStore, name_of};
use cityos_domain::log::Position;
use std::path::Path;
use std::sync::Arc;

/// How many events are covered in one transaction.
const EVENTS_AT_ONCE: u32 = 8_192;

/// The evidence of a log, open for writing. Others may have it open too.
#[derive(Clone)]
pub struct Evidence {
    pub(super) records: Arc<dyn Records>,
    log: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
}

/// A checkpoint and the note that proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// As it is kept and given away.
    pub note: String,
}

impl Signature {
    /// As it is remembered.
    pub(super) fn signed(&self) -> Signed {
        Signed { size: self.checkpoint.size, root: self.checkpoint.root.0 }
    }
}

impl Evidence {
    /// Opens the evidence at its place, and makes it where there never was any.
    pub async fn open(
        place: &Place,
        log: Arc<dyn EventStore>,
        keys: Arc<dyn KeyStore>,
    ) -> Result<Self, EvidenceError> {
        // What is new would stand in the place of what is missing.
        if let Some(signed) = keys.signed().await?
            && !place.is_there().await?
        {
            return Err(EvidenceError::Missing(signed.size));
        }
        Ok(Evidence { records: place.open().await?, log, keys })
    }

    /// Evidence in a file without a name: it is gone when it is closed.
    pub(super) async fn nameless(
        log: Arc<dyn EventStore>,
        keys: Arc<dyn KeyStore>,
    ) -> Result<Self, EvidenceError> {
        Ok(Evidence { records: Arc::new(FileRecords::open(Path::new("")).await?), log, keys })
    }

    /// Appends to the tree what the log has more by now, and says how far it then goes. Others may do the same at once.
    pub async fn cover(&self) -> Result<Position, EvidenceError> {
        // Asked before the tree is looked at: what was signed by now is in it.
        match self.keys.signed().await? {
            Some(signed) if self.last_leaf().await?.is_none() => Err(EvidenceError::Missing(signed.size)),
            Some(_) | None => self.extend().await,
        }
    }

    /// The same, whatever was signed.
    pub(super) async fn extend(&self) -> Result<Position, EvidenceError> {
        let head = self.log.head().await?;
        loop {
            let last = self.last_leaf().await?;
            // The last event that is covered is read once more: behind another one nothing goes on.
            let after = last.map_or(0, |leaf| leaf.position.saturating_sub(1));
            let events = self.log.read_stored(Position(after), EVENTS_AT_ONCE).await?;
            let leaves: Vec<_> = events.iter().map(Leaf::of).collect();
            let more = match (&last, leaves.split_first()) {
                (None, _) => &leaves[..],
                (Some(last), Some((first, more))) if first == last => more,
                (Some(last), _) => return Err(EvidenceError::LogDiffers { position: last.position }),
            };
            let Some(end) = more.last() else { return Ok(Position(last.map_or(0, |leaf| leaf.position))) };
            let extended = records::extend(&*self.records, last.as_ref(), more).await?;
            if extended && end.position >= head.0 {
                return Ok(Position(end.position));
            }
        }
    }

    async fn last_leaf(&self) -> Result<Option<Leaf>, EvidenceError> {
        let mut reading = self.records.read().await?;
        let last = reading.last_tile().await?;
        reading.commit().await?;
        Ok(last.and_then(|tile| tile.leaves.last().copied()))
    }

    /// Signs the tree as far as it goes. Where that was done already, gives what was signed.
    pub async fn sign(&self) -> Result<Signature, EvidenceError> {
        let signature = self.sign_behind(self.keys.signed().await?).await?;
        self.keys.remember_signed(signature.signed()).await?;
        Ok(signature)
    }

    /// The same, if `remembered` is signed already. Nobody remembers it yet.
    pub(super) async fn sign_behind(&self, remembered: Option<Signed>) -> Result<Signature, EvidenceError> {
        let name = name_of(&*self.log).await?.ok_or(EvidenceError::Empty)?;
        let signer = Signer::new(origin_of(name), &self.keys.secret(Secret::Evidence).await?);
        let mut writing = self.records.write().await?;
        let signature = sign(&mut *writing, &signer, remembered).await?;
        writing.commit().await?;
        Ok(signature)
    }
}

async fn sign(
    writing: &mut dyn Transaction,
    signer: &Signer,
    remembered: Option<Signed>,
) -> Result<Signature, EvidenceError> {
    let last = writing.last_note().await?;
    let mut tree = Kept::read(writing).await?;
    let (mut number, mut signed, mut done) = (1, 0, None);
    if let Some(last) = last {
        let checkpoint = Checkpoint::open(&last.note, &signer.public())
            .map_err(|error| EvidenceError::Altered(format!("checkpoint {}: {error}", last.number)))?;
        // Whoever altered what is kept may have given it any number.
        let next = last.number.checked_add(1).filter(|next| i64::try_from(*next).is_ok());
        number =
            next.ok_or_else(|| EvidenceError::Altered(format!("there is no checkpoint {}", last.number)))?;
        signed = checkpoint.size;
        if signed > tree.size() || tree.ask(|tree| tree::root(tree, 0..signed)).await? != checkpoint.root {
            let what = format!("the tree over its first {signed} events has another root");
            return Err(EvidenceError::Altered(what));
        }
        done = (signed == tree.size()).then_some(Signature { checkpoint, note: last.note });
    }
    if let Some(remembered) = remembered.filter(|remembered| remembered.size > signed) {
        let what = format!("the checkpoint of {} events is missing", remembered.size);
        return Err(EvidenceError::Altered(what));
    }
    if let Some(done) = done {
        return Ok(done);
    }
    let size = tree.size();
    if size == 0 {
        return Err(EvidenceError::Empty);
    }
    let root = tree.ask(|tree| tree::root(tree, 0..size)).await?;
    let checkpoint = Checkpoint { origin: signer.public().name().to_owned(), size, root };
    let note = checkpoint.sign(signer);
    writing.keep_note(KeptNote { number, note: note.clone() }).await?;
    Ok(Signature { checkpoint, note })
}

#[cfg(test)]
mod tests;
