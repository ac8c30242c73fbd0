//! Where the evidence of a log lies: in a file, or in the database of a log that several processes share.

use super::EvidenceError;
use super::postgres::ServerRecords;
use super::records::{Records, Transaction};
use super::sqlite::{FileRecords, SCHEMA};
use crate::backup::{self, BackupError};
use crate::database::postgres::Server;
use crate::database::sqlite::blocking;
use crate::store::StoreError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where evidence lies.
#[derive(Clone)]
pub enum Place {
    /// In a SQLite file.
    File(PathBuf),
    /// In a database of a server.
    Server(Box<Server>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Server(server) => write!(f, "schema evidence of database {}", server.database()),
        }
    }
}

impl Place {
    /// Whether there is any, or something in its place.
    pub(super) async fn is_there(&self) -> Result<bool, EvidenceError> {
        match self {
            Place::File(path) => Ok(path.exists()),
            Place::Server(server) => {
                ServerRecords::are_there(server).await.map_err(|source| self.unusable(source))
            }
        }
    }

    /// Fails where what is there is a newer program's. Whatever else may be wrong with evidence keeps nobody from working.
    pub async fn refuse_newer(&self) -> Result<(), EvidenceError> {
        let known = match self {
            Place::File(path) if !path.exists() => Ok(()),
            Place::File(path) => FileRecords::open_to_look(path).await.map(drop),
            Place::Server(server) => ServerRecords::are_there(server).await.map(drop),
        };
        match known {
            Err(newer @ StoreError::Newer { .. }) => Err(self.unusable(newer)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Opens it for writing, and makes it where there is none.
    pub(super) async fn open(&self) -> Result<Arc<dyn Records>, EvidenceError> {
        let opened: Result<Arc<dyn Records>, StoreError> = match self {
            Place::File(path) => FileRecords::open(path).await.map(|file| Arc::new(file) as _),
            Place::Server(server) => ServerRecords::open(server).await.map(|server| Arc::new(server) as _),
        };
        opened.map_err(|source| self.unusable(source))
    }

    /// The evidence as it is at one moment, whoever goes on writing. `None` where there is none.
    pub(super) async fn look(&self) -> Result<Option<Box<dyn Transaction>>, StoreError> {
        match self {
            Place::File(path) if !path.exists() => Ok(None),
            Place::File(path) => FileRecords::open_to_look(path).await?.read().await.map(Some),
            Place::Server(server) if !ServerRecords::are_there(server).await? => Ok(None),
            Place::Server(server) => ServerRecords::open_to_look(server)?.read().await.map(Some),
        }
    }

    /// Fails where something could not be put aside under this name, because another is there.
    pub(super) async fn refuse_taken(&self, aside: &Path) -> Result<(), EvidenceError> {
        let taken = match self {
            Place::File(path) => path.exists() && aside.exists(),
            Place::Server(server) => ServerRecords::open(server).await?.has_aside(&name(aside)).await?,
        };
        if taken { Err(is_taken(aside)) } else { Ok(()) }
    }

    /// Begins to write, with nothing there: what there was has been put aside.
    pub(super) async fn write_anew(&self, aside: &Path) -> Result<Box<dyn Transaction>, EvidenceError> {
        match self {
            Place::File(path) => {
                let (from, to) = (path.clone(), aside.to_owned());
                let put_aside = blocking(move || Ok(put_aside(&from, &to)));
                put_aside.await?.map_err(EvidenceError::Aside)?;
                Ok(FileRecords::open(path).await?.write_anew().await?)
            }
            Place::Server(server) => {
                let records = ServerRecords::open(server).await?;
                records.write_anew(&name(aside)).await?.ok_or_else(|| is_taken(aside))
            }
        }
    }

    fn unusable(&self, source: StoreError) -> EvidenceError {
        EvidenceError::Unusable { place: self.to_string(), source }
    }
}

fn name(aside: &Path) -> String {
    aside.to_string_lossy().into_owned()
}

fn is_taken(aside: &Path) -> EvidenceError {
    EvidenceError::Aside(BackupError::Exists(aside.to_owned()))
}

/// Copies a file, beside whoever uses it. What is no evidence is moved: nobody can use it.
fn put_aside(path: &Path, aside: &Path) -> Result<(), BackupError> {
    if !path.exists() {
        return Ok(());
    }
    let copied = backup::copy_aside(path, aside, &SCHEMA);
    if matches!(&copied, Err(BackupError::Damaged { .. }))
        || matches!(&copied, Err(BackupError::Database { source, .. }) if why_none(source).is_some())
    {
        return backup::move_aside(path, aside);
    }
    copied
}

/// Why something is no evidence; `None` where it may well be, and could not be used just now.
pub(super) fn why_none(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Database(cause) => Some(cause.to_string()),
        StoreError::Foreign | StoreError::Newer { .. } | StoreError::Older { .. } => Some(error.to_string()),
        StoreError::Busy
        | StoreError::Unreachable(_)
        | StoreError::NoDatabase(_)
        | StoreError::Full
        | StoreError::ReadOnly
        | StoreError::Closed
        | StoreError::Undecodable { .. } => None,
    }
}
