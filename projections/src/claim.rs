//! One at a time: whoever works on the tables of a model claims it, and the claim ends with the process, however
//! that ends. Here it is the lock of a file beside the database, with its holder written in it.

use crate::reads::ReadStore;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};

/// Who works on a model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What becomes of the model: it is being "rebuilt".
    pub doing: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.format("%FT%TZ");
        write!(f, "is being {} by process {} since {since}", self.doing, self.pid)
    }
}

/// Why a model could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Somebody else works on it.
    #[error("{model} {}", holder_text(.holder))]
    Taken {
        /// Which model.
        model: String,
        /// Who, where they have said so already.
        holder: Option<Holder>,
    },
    /// The claim could not be made.
    #[error("{model} could not be locked")]
    Io {
        /// Which model.
        model: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn holder_text(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(|| "is being worked on by another process".into(), Holder::to_string)
}

/// That a model is one's own, for as long as it is kept.
pub(crate) struct Claim(File);

impl Drop for Claim {
    fn drop(&mut self) {
        // Whoever comes next and finds this has come between the lock and the name of its holder.
        drop(self.0.set_len(0));
    }
}

/// Claims all tables of the model of this name, those of other versions of the program among them, or says who has it.
pub(crate) fn claim(reads: &ReadStore, model: &str, doing: &str) -> Result<Claim, ClaimError> {
    let io = |source| ClaimError::Io { model: model.into(), source };
    let path = reads.beside(&format!("{model}.lock"));
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(io)?;
            return Err(ClaimError::Taken { model: model.into(), holder: serde_json::from_str(&text).ok() });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    let since = Utc::now().trunc_subsecs(0);
    let holder = Holder { pid: std::process::id(), doing: doing.into(), since };
    let text = serde_json::to_vec(&holder).expect("a holder is plain values");
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(io)?;
    Ok(Claim(file))
}
