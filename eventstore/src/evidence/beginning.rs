//! Evidence begun anew of the log as it is, knowingly. It is made whole beside what there is and takes its place at once;
//! the key store forgets last what was signed before. So it may be killed anywhere and run again, to the same answer.

use super::keeping::{Evidence, Signature};
use super::kept::Kept;
use super::{EvidenceError, Place, records, tree};
use crate::keys::{KeyStore, Signed};
use crate::store::EventStore;
use std::path::Path;
use std::sync::Arc;

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

/// Makes evidence of the log as it is now, and puts what there was aside, to where nothing may be yet: a file at `old`, or a
/// generation of that name where evidence lies on a server. What was altered before is then no longer seen, except by
/// whoever kept an older checkpoint.
pub async fn begin_anew(
    place: &Place,
    log: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    old: &Path,
) -> Result<Begun, EvidenceError> {
    // Known before anything is made of a long log.
    place.refuse_taken(old).await?;
    let before = keys.signed().await?;
    let made = Evidence::nameless(log, keys.clone()).await?;
    made.extend().await?;
    let signature = made.sign_behind(None).await?;
    let mut reading = made.records.read().await?;
    let goes_on = match before {
        None => None,
        Some(before) if before.size > signature.checkpoint.size => Some(false),
        Some(before) => {
            let mut tree = Kept::read(&mut *reading).await?;
            let root = tree.ask(|tree| tree::root(tree, 0..before.size)).await?;
            Some(root.0 == before.root)
        }
    };
    let mut writing = place.write_anew(old).await?;
    records::copy(&mut *reading, &mut *writing).await?;
    writing.commit().await?;
    keys.replace_signed(signature.signed()).await?;
    Ok(Begun { signature, before, goes_on })
}

#[cfg(test)]
mod tests;
