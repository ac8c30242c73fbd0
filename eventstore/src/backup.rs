//! Backups of the log and the key store, each to a file of its own, while others use them; and back. Read
//! models are in no backup: they are made from the log.

use crate::database::{self, Schema, failure};
use crate::keys;
use crate::sqlite;
use crate::store::StoreError;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The log's file in the data directory.
pub const LOG_FILE: &str = "log.db";

/// The key store's file in the data directory.
pub const KEYS_FILE: &str = "keys.db";

/// Where the copies lie. They belong in different hands: with both, forgotten persons are remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copies {
    /// The copy of the log.
    pub log: PathBuf,
    /// The copy of the key store.
    pub keys: PathBuf,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Both copies would go to one place.
    #[error("log and keys cannot both be copied to {0}")]
    SamePlace(PathBuf),
    /// A file is in the way; nothing is ever overwritten.
    #[error("{0} is already there")]
    Exists(PathBuf),
    /// The data directory holds something.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// The copy does not hold together.
    #[error("{path} is damaged: {report}")]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What the database says about it.
        report: String,
    },
    /// A file could not be made, moved or flushed.
    #[error("the file {path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A database could not be read or copied.
    #[error("the database {path} cannot be copied")]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// Copies log and keys of a data directory. Blocks; does not keep others from writing. Every key that the
/// copied log needs is in the copied key store.
pub fn backup(data: &Path, copies: &Copies) -> Result<(), BackupError> {
    let (log, keys) = (place(&copies.log)?, place(&copies.keys)?);
    if log == keys || partial(&log) == keys || log == partial(&keys) {
        return Err(BackupError::SamePlace(keys));
    }
    for copy in [&copies.log, &copies.keys] {
        if copy.exists() {
            return Err(BackupError::Exists(copy.clone()));
        }
    }
    // A key is there before anything is sealed under it: so the log goes first.
    copy_all(&[
        (&data.join(LOG_FILE), &copies.log, &sqlite::SCHEMA),
        (&data.join(KEYS_FILE), &copies.keys, &keys::SCHEMA),
    ])
}

/// Makes a data directory from copies. It must be empty or not exist.
pub fn restore(copies: &Copies, data: &Path) -> Result<(), BackupError> {
    let unusable = |source| BackupError::File { path: data.to_owned(), source };
    fs::create_dir_all(data).map_err(unusable)?;
    if fs::read_dir(data).map_err(unusable)?.next().is_some() {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    copy_all(&[
        (&copies.log, &data.join(LOG_FILE), &sqlite::SCHEMA),
        (&copies.keys, &data.join(KEYS_FILE), &keys::SCHEMA),
    ])
}

/// Copies each file from, to; none appears under its name before all are whole.
fn copy_all(files: &[(&Path, &Path, &Schema)]) -> Result<(), BackupError> {
    let copied = files.iter().try_for_each(|(from, to, schema)| copy(from, &partial(to), schema));
    if let Err(error) = copied {
        for (_, to, _) in files {
            // What was not begun is not there to be removed.
            drop(fs::remove_file(partial(to)));
        }
        return Err(error);
    }
    files.iter().try_for_each(|(_, to, _)| {
        let moved = fs::rename(partial(to), to).and_then(|()| File::open(folder_of(to))?.sync_all());
        moved.map_err(|source| BackupError::File { path: to.to_path_buf(), source })
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a file will be, however its folder is spelled.
fn place(path: &Path) -> Result<PathBuf, BackupError> {
    let unusable = |source| BackupError::File { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| unusable(io::ErrorKind::InvalidFilename.into()))?;
    Ok(fs::canonicalize(folder_of(path)).map_err(unusable)?.join(name))
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn copy(from: &Path, to: &Path, schema: &Schema) -> Result<(), BackupError> {
    let file = |source| BackupError::File { path: to.to_owned(), source };
    drop(fs::remove_file(to));
    database::create_private(to).map_err(file)?;
    let report =
        pages(from, to, schema).map_err(|source| BackupError::Database { path: from.to_owned(), source })?;
    if report != "ok" {
        return Err(BackupError::Damaged { path: from.to_owned(), report });
    }
    File::open(to).and_then(|copy| copy.sync_all()).map_err(file)
}

/// Copies all pages and gives what the integrity check says about the copy.
fn pages(from: &Path, to: &Path, schema: &Schema) -> Result<String, StoreError> {
    let source = database::open_reader(from)?;
    let mut target = Connection::open(to).map_err(failure)?;
    {
        let backup = Backup::new(&source, &mut target).map_err(failure)?;
        // All pages in one step: it reads one state of the file, and writers go on beside it.
        if !matches!(backup.step(-1).map_err(failure)?, StepResult::Done) {
            return Err(StoreError::Busy);
        }
    }
    // One file, without a write-ahead log beside it.
    target.pragma_update(None, "journal_mode", "delete").map_err(failure)?;
    database::check(&target, schema)?;
    target.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failure)
}

#[cfg(test)]
mod tests;
