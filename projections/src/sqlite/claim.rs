//! A claim on a file: the lock of another file beside it, with its holder written in it.

use crate::claim::Holder;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// That a model is one's own, for as long as it is kept.
pub(crate) struct Claim(fs::File);

impl Drop for Claim {
    fn drop(&mut self) {
        // Whoever comes next and finds this has come between the lock and the name of its holder.
        drop(self.0.set_len(0));
    }
}

/// Takes the lock, or says who has it, where they have said so already.
pub(super) fn claim(path: &Path, holder: &Holder) -> io::Result<Result<Claim, Option<Holder>>> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            return Ok(Err(serde_json::from_str(&text).ok()));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let text = serde_json::to_vec(holder).expect("a holder is plain values");
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text))?;
    Ok(Ok(Claim(file)))
}
