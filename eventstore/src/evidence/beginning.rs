//! Evidence begun anew of the log as it is, knowingly. It is made whole beside what there is and takes its place at once;
//! the key store forgets last what was signed before. So it may be killed anywhere and run again, to the same answer.

use super::file::{self, Kept};
use super::keeping::{Evidence, Signature};
use super::{EvidenceError, tree};
use crate::backup::{self, BackupError};
use crate::keys::{KeyStore, Signed};
use crate::store::{EventStore, StoreError};
use rusqlite::Connection;
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

/// Makes evidence of the log as it is now, and puts what there was into a file at `old`, which must not exist. What was
/// altered before is then no longer seen, except by whoever kept an older checkpoint.
pub async fn begin_anew(
    path: &Path,
    log: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    old: &Path,
) -> Result<Begun, EvidenceError> {
    // Known before anything is made of a long log.
    if path.exists() && old.exists() {
        return Err(EvidenceError::Aside(BackupError::Exists(old.to_owned())));
    }
    let before = keys.signed().await?;
    let made = Evidence::nameless(log, keys.clone()).await?;
    made.extend().await?;
    let signature = made.sign_behind(None).await?;
    let goes_on = match before {
        None => None,
        Some(before) if before.size > signature.checkpoint.size => Some(false),
        Some(before) => {
            let root = move |made: &mut Connection| Ok(tree::root(&Kept::read(made)?, 0..before.size)?);
            Some(made.run(root).await?.0 == before.root)
        }
    };
    let (path, old) = (path.to_owned(), old.to_owned());
    made.run(move |made| {
        put_aside(&path, &old).map_err(EvidenceError::Aside)?;
        Ok(backup::copy_pages(made, &mut file::open(&path)?)?)
    })
    .await?;
    keys.replace_signed(signature.signed()).await?;
    Ok(Begun { signature, before, goes_on })
}

/// Copies the evidence, beside whoever uses it. What is none is moved: nobody can use it.
fn put_aside(path: &Path, old: &Path) -> Result<(), BackupError> {
    if !path.exists() {
        return Ok(());
    }
    let copied = backup::copy_aside(path, old, &file::SCHEMA);
    let is_none = |error: &StoreError| file::unusable(error).is_some();
    if matches!(&copied, Err(BackupError::Damaged { .. }))
        || matches!(&copied, Err(BackupError::Database { source, .. }) if is_none(source))
    {
        return backup::move_aside(path, old);
    }
    copied
}

#[cfg(test)]
mod tests;
