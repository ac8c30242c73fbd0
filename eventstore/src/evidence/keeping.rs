//! Keeping evidence: appending to the tree what the log has more, and signing it. Nothing is signed that does not go on
//! from what was signed before.

use super::checkpoint::{Checkpoint, origin_of};
use super::file::{self, Kept};
use super::leaf::Leaf;
use super::note::Signer;
use super::{EvidenceError, tree};
use crate::backup;
use crate::database::blocking;
use crate::keys::{KeyStore, Secret, Signed};
use crate::store::{EventStore, name_of};
use cityos_domain::log::Position;
use rusqlite::{Connection, Transaction};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// How many events are covered in one transaction.
const EVENTS_AT_ONCE: u32 = 8_192;

/// The evidence of a log, open for writing. Others may have it open too.
#[derive(Clone)]
pub struct Evidence {
    connection: Arc<Mutex<Connection>>,
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

impl Evidence {
    /// Opens the file at `path`, and makes it where there never was one.
    pub async fn open(
        path: &Path,
        log: Arc<dyn EventStore>,
        keys: Arc<dyn KeyStore>,
    ) -> Result<Self, EvidenceError> {
        // A new file would stand in the place of the one that is missing.
        if let Some(signed) = keys.signed().await?
            && !path.exists()
        {
            return Err(EvidenceError::Missing(signed.size));
        }
        let path = path.to_owned();
        let connection = blocking(move || file::open(&path)).await?;
        Ok(Evidence { connection: Arc::new(Mutex::new(connection)), log, keys })
    }

    /// Appends to the tree what the log has more by now, and says how far it then goes. Others may do the same at once.
    pub async fn cover(&self) -> Result<Position, EvidenceError> {
        let head = self.log.head().await?;
        loop {
            let last = self.run(|connection| Ok(file::last_tile(connection)?)).await?;
            let last = last.and_then(|tile| tile.leaves.last().copied());
            if last.is_none()
                && let Some(signed) = self.keys.signed().await?
            {
                return Err(EvidenceError::Missing(signed.size));
            }
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
            let (end, more) = (Position(end.position), more.to_vec());
            let extended =
                self.run(move |connection| Ok(file::extend(connection, last.as_ref(), &more)?)).await?;
            if extended && end >= head {
                return Ok(end);
            }
        }
    }

    /// Signs the tree as far as it goes. Where that was done already, gives what was signed.
    pub async fn sign(&self) -> Result<Signature, EvidenceError> {
        let name = name_of(&*self.log).await?.ok_or(EvidenceError::Empty)?;
        let signer = Signer::new(origin_of(name), &self.keys.secret(Secret::Evidence).await?);
        let remembered = self.keys.signed().await?;
        let signature = self
            .run(move |connection| {
                file::immediately(connection, |transaction| sign(transaction, &signer, remembered))
            })
            .await?;
        let Checkpoint { size, root, .. } = signature.checkpoint;
        self.keys.remember_signed(Some(Signed { size, root: root.0 })).await?;
        Ok(signature)
    }

    /// Does `work` with the file, on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, EvidenceError> + Send + 'static,
    ) -> Result<T, EvidenceError> {
        let shared = self.connection.clone();
        let work = move || work(&mut shared.lock().expect("nothing panics while it holds the connection"));
        blocking(move || Ok(work())).await?
    }
}

fn sign(
    transaction: &Transaction<'_>,
    signer: &Signer,
    remembered: Option<Signed>,
) -> Result<Signature, EvidenceError> {
    let tree = Kept::read(transaction)?;
    let (mut number, mut signed, mut done) = (1, 0, None);
    if let Some(last) = file::last_note(transaction)? {
        let checkpoint = Checkpoint::open(&last.note, &signer.public())
            .map_err(|error| EvidenceError::Altered(format!("checkpoint {}: {error}", last.number)))?;
        (number, signed) = (last.number + 1, checkpoint.size);
        if signed > tree.size() || tree::root(&tree, 0..signed)? != checkpoint.root {
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
    let root = tree::root(&tree, 0..size)?;
    let checkpoint = Checkpoint { origin: signer.public().name().to_owned(), size, root };
    let note = checkpoint.sign(signer);
    file::keep_note(transaction, number, &note)?;
    Ok(Signature { checkpoint, note })
}

/// What evidence was begun anew with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// The first checkpoint of the new evidence.
    pub signature: Signature,
    /// What the key had signed before.
    pub before: Option<Signed>,
    /// Whether the log still begins with that; `None` where nothing was signed.
    pub goes_on: Option<bool>,
}

/// Makes evidence of the log as it is now, and puts what there was into a file at `old`, which must not exist. What was
/// altered before is then no longer seen, except by whoever kept an older checkpoint.
pub async fn begin_anew(
    path: &Path,
    log: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    old: &Path,
) -> Result<Begun, EvidenceError> {
    let before = keys.signed().await?;
    let (from, to) = (path.to_owned(), old.to_owned());
    let put_aside = move || {
        if from.exists() {
            backup::copy_aside(&from, &to, &file::SCHEMA).map_err(EvidenceError::Aside)?;
            file::clear(&mut file::open(&from)?)?;
        }
        Ok::<_, EvidenceError>(())
    };
    blocking(move || Ok(put_aside())).await??;
    keys.remember_signed(None).await?;
    let evidence = Evidence::open(path, log, keys).await?;
    evidence.cover().await?;
    let signature = evidence.sign().await?;
    let goes_on = match before {
        None => None,
        Some(before) if before.size > signature.checkpoint.size => Some(false),
        Some(before) => {
            let root =
                move |connection: &mut Connection| Ok(tree::root(&Kept::read(connection)?, 0..before.size)?);
            Some(evidence.run(root).await?.0 == before.root)
        }
    };
    Ok(Begun { signature, before, goes_on })
}

#[cfg(test)]
mod tests;
