//! Backups of the log with its evidence and of the key store, each to a file of its own, while others use them; and
//! back. Read models are in no backup: they are made from the log.

use crate::database::sqlite::{self, Schema, failure};
use crate::evidence;
use crate::keys::{self, Signed};
use crate::sqlite::SCHEMA as LOG_SCHEMA;
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

/// The file of the log's evidence in the data directory.
pub const EVIDENCE_FILE: &str = "evidence.db";

/// Where the copies lie. They belong in different hands: with both, forgotten persons are remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copies {
    /// The copy of the log. That of its evidence lies beside it: see [`Copies::evidence`].
    pub log: PathBuf,
    /// The copy of the key store.
    pub keys: PathBuf,
}

impl Copies {
    /// Where the copy of the evidence lies: the log's, with `.evidence` behind its name.
    pub fn evidence(&self) -> PathBuf {
        with_ending(&self.log, ".evidence")
    }
}

/// A file to be copied.
struct Job<'a> {
    from: &'a Path,
    to: &'a Path,
    schema: &'a Schema,
    then: Then,
}

/// What is changed in a copy.
enum Then {
    Nothing,
    /// Of what was signed, the key store remembers this and no more.
    HasSigned(Option<Signed>),
}

impl<'a> Job<'a> {
    fn new(from: &'a Path, to: &'a Path, schema: &'a Schema) -> Self {
        Job { from, to, schema, then: Then::Nothing }
    }
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

/// Copies log, evidence and keys of a data directory. Blocks; does not keep others from writing. Every key that the
/// copied log needs is in the copied key store, every event that the copied evidence covers in the copied log, and what
/// the copied key store remembers to have signed in the copied evidence.
pub fn backup(data: &Path, copies: &Copies) -> Result<(), BackupError> {
    let evidence = copies.evidence();
    let [log, keys] = [place(&copies.log)?, place(&copies.keys)?];
    let taken = [&log, &partial(&log), &place(&evidence)?, &partial(&place(&evidence)?)].contains(&&keys);
    if taken || log == partial(&keys) {
        return Err(BackupError::SamePlace(keys));
    }
    for copy in [&copies.log, &evidence, &copies.keys] {
        if copy.exists() {
            return Err(BackupError::Exists(copy.clone()));
        }
    }
    let [evidence_file, log_file, keys_file] =
        [EVIDENCE_FILE, LOG_FILE, KEYS_FILE].map(|file| data.join(file));
    // An event is there before it is covered, a checkpoint before it is remembered, and a key before anything is sealed
    // under it: what is there later is copied later.
    let signed = sqlite::open_to_look(&keys_file, &keys::SCHEMA)
        .and_then(|keys| keys::signed(&keys).map_err(failure))
        .map_err(|source| BackupError::Database { path: keys_file.clone(), source })?;
    let mut jobs = vec![
        Job::new(&log_file, &copies.log, &LOG_SCHEMA),
        Job { then: Then::HasSigned(signed), ..Job::new(&keys_file, &copies.keys, &keys::SCHEMA) },
    ];
    if evidence_file.exists() {
        jobs.insert(0, Job::new(&evidence_file, &evidence, &evidence::SCHEMA));
    }
    copy_all(&jobs)
}

/// Makes a data directory from copies. It must be empty or not exist. Says whether the log's evidence was with them: the
/// restored keys know if it should have been.
pub fn restore(copies: &Copies, data: &Path) -> Result<bool, BackupError> {
    let unusable = |source| BackupError::File { path: data.to_owned(), source };
    fs::create_dir_all(data).map_err(unusable)?;
    if fs::read_dir(data).map_err(unusable)?.next().is_some() {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    let evidence = copies.evidence();
    let [evidence_file, log_file, keys_file] =
        [EVIDENCE_FILE, LOG_FILE, KEYS_FILE].map(|file| data.join(file));
    let mut jobs = vec![
        Job::new(&copies.log, &log_file, &LOG_SCHEMA),
        Job::new(&copies.keys, &keys_file, &keys::SCHEMA),
    ];
    let with_evidence = evidence.exists();
    if with_evidence {
        jobs.push(Job::new(&evidence, &evidence_file, &evidence::SCHEMA));
    }
    copy_all(&jobs)?;
    Ok(with_evidence)
}

/// Copies one file to where nothing is yet.
pub(crate) fn copy_aside(from: &Path, to: &Path, schema: &Schema) -> Result<(), BackupError> {
    match to.exists() {
        true => Err(BackupError::Exists(to.to_owned())),
        false => copy_all(&[Job::new(from, to, schema)]),
    }
}

/// Moves a file that is no database, or a damaged one, to where nothing is yet, with what SQLite has put beside it.
pub(crate) fn move_aside(from: &Path, to: &Path) -> Result<(), BackupError> {
    for beside in ["-wal", "-shm", ""] {
        let (from, to) = (with_ending(from, beside), with_ending(to, beside));
        if from.exists() {
            move_file(&from, &to)?;
        }
    }
    Ok(())
}

/// Copies each file, in this order; none appears under its name before all are whole.
fn copy_all(jobs: &[Job<'_>]) -> Result<(), BackupError> {
    if let Err(error) = jobs.iter().try_for_each(copy) {
        for job in jobs {
            // What was not begun is not there to be removed.
            drop(fs::remove_file(partial(job.to)));
        }
        return Err(error);
    }
    jobs.iter().try_for_each(|Job { to, .. }| move_file(&partial(to), to))
}

fn move_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let moved = fs::rename(from, to).and_then(|()| File::open(folder_of(to))?.sync_all());
    moved.map_err(|source| BackupError::File { path: to.to_owned(), source })
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
    with_ending(path, ".partial")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn copy(job: &Job<'_>) -> Result<(), BackupError> {
    let to = partial(job.to);
    let file = |source| BackupError::File { path: to.clone(), source };
    drop(fs::remove_file(&to));
    sqlite::create_private(&to).map_err(file)?;
    let from = job.from.to_owned();
    match pages(job, &to) {
        Err(source) => return Err(BackupError::Database { path: from, source }),
        Ok(report) if report != "ok" => return Err(BackupError::Damaged { path: from, report }),
        Ok(_) => {}
    }
    File::open(&to).and_then(|copy| copy.sync_all()).map_err(file)
}

/// Puts what is in one file in the place of all that is in another, at once.
fn copy_pages(from: &Connection, to: &mut Connection) -> Result<(), StoreError> {
    let backup = Backup::new(from, to).map_err(failure)?;
    // All pages in one step: it reads one state of the file, and writers go on beside it.
    let done = matches!(backup.step(-1).map_err(failure)?, StepResult::Done);
    if done { Ok(()) } else { Err(StoreError::Busy) }
}

/// Copies all pages and gives what the integrity check says about the copy.
fn pages(job: &Job<'_>, to: &Path) -> Result<String, StoreError> {
    let source = sqlite::open_reader(job.from)?;
    let mut target = Connection::open(to).map_err(failure)?;
    copy_pages(&source, &mut target)?;
    // One file, without a write-ahead log beside it.
    target.pragma_update(None, "journal_mode", "delete").map_err(failure)?;
    sqlite::check(&target, job.schema)?;
    match job.then {
        Then::Nothing => {}
        Then::HasSigned(signed) => {
            let transaction = target.transaction().map_err(failure)?;
            keys::replace_signed(&transaction, signed).map_err(failure)?;
            transaction.commit().map_err(failure)?;
        }
    }
    target.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failure)
}

#[cfg(test)]
mod tests;
