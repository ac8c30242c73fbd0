//! Where a city is kept: files in a data directory, or databases of a PostgreSQL server. Whoever needs a part of it opens it here.

use crate::settings::Settings;
use cityos_eventstore::backup::{EVIDENCE_FILE, KEYS_FILE, LOG_FILE};
use cityos_eventstore::clock::Clock;
use cityos_eventstore::copy::LogRows;
use cityos_eventstore::database::postgres::{Limits, Server};
use cityos_eventstore::evidence::Place;
use cityos_eventstore::keys::{KeyDatabase, KeyFile, KeyRows};
use cityos_eventstore::members::{Duty, Living, Membership, living};
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::{Cause, StoreError};
use cityos_projections::{ReadError, ReadStore};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The read models' file in the data directory. It may be deleted while nothing runs: it is made anew.
pub const READS_FILE: &str = "read.db";

/// What the name of the keys' database has behind the log's, where nothing else is said.
const KEYS_BEHIND: &str = "_keys";

/// Where a city is kept.
#[derive(Clone)]
pub enum Storage {
    /// In files of this directory.
    Files(PathBuf),
    /// In databases of a server.
    Server {
        /// That of log, evidence and read models.
        city: Box<Server>,
        /// That of the keys.
        keys: Box<Server>,
    },
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Storage::Files(directory) => write!(f, "data directory {}", directory.display()),
            Storage::Server { city, .. } => write!(f, "database {}", city.database()),
        }
    }
}

impl Storage {
    /// Where the settings say. Opens nothing.
    pub fn of(settings: &Settings) -> Result<Self, StoreError> {
        let Some(url) = settings.database.get() else { return Ok(Storage::Files(settings.data_dir.clone())) };
        let ca_file = Some(settings.database_ca_file.as_path()).filter(|file| !file.as_os_str().is_empty());
        let limits = Limits {
            connections_max: settings.database_connections,
            connect_at_most: Duration::from_secs(settings.database_connect_s),
            statement_at_most: Duration::from_secs(settings.database_statement_s),
            reconnect_at_most: Duration::from_secs(settings.database_reconnect_s),
        };
        let city = Server::new(url, ca_file, limits.clone())?;
        let keys = match settings.keys_database.get() {
            Some(url) => Server::new(url, ca_file, limits)?,
            None => city.in_database(&format!("{}{KEYS_BEHIND}", city.database())),
        };
        if settings.keys_database == settings.database {
            let why =
                "the keys must not lie in the log's database: whoever has a copy of it would have them, too";
            return Err(StoreError::Database(Cause::new(why)));
        }
        Ok(Storage::Server { city: Box::new(city), keys: Box::new(keys) })
    }

    /// The data directory, for whoever works on files. A city on a server has none: its databases are copied with the
    /// server's own tools.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Storage::Files(directory) => Some(directory),
            Storage::Server { .. } => None,
        }
    }

    /// Whether there is a log.
    pub async fn has_log(&self) -> Result<bool, StoreError> {
        match self {
            Storage::Files(directory) => Ok(directory.join(LOG_FILE).exists()),
            Storage::Server { city, .. } => PostgresStore::is_there(city).await,
        }
    }

    /// The log, made where there is none.
    pub async fn log(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn LogRows>, StoreError> {
        Ok(match self {
            Storage::Files(directory) => Arc::new(SqliteStore::open(&directory.join(LOG_FILE), clock)?),
            Storage::Server { city, .. } => Arc::new(PostgresStore::open(city, clock).await?),
        })
    }

    /// The log to look at, also where it cannot be written.
    pub async fn log_to_look_at(&self) -> Result<Arc<dyn LogRows>, StoreError> {
        Ok(match self {
            Storage::Files(directory) => Arc::new(SqliteStore::open_read_only(&directory.join(LOG_FILE))?),
            Storage::Server { city, .. } => Arc::new(PostgresStore::open_read_only(city).await?),
        })
    }

    /// Whether there is a key store.
    pub async fn has_keys(&self) -> Result<bool, StoreError> {
        match self {
            Storage::Files(directory) => Ok(directory.join(KEYS_FILE).exists()),
            Storage::Server { keys, .. } => KeyDatabase::is_there(keys).await,
        }
    }

    /// The key store, made where there is none.
    pub async fn keys(&self) -> Result<Arc<dyn KeyRows>, StoreError> {
        Ok(match self {
            Storage::Files(directory) => Arc::new(KeyFile::open(&directory.join(KEYS_FILE))?),
            Storage::Server { keys, .. } => Arc::new(KeyDatabase::open(keys).await?),
        })
    }

    /// The key store to look at, also where it cannot be written.
    pub async fn keys_to_look_at(&self) -> Result<Arc<dyn KeyRows>, StoreError> {
        Ok(match self {
            Storage::Files(directory) => {
                let file = directory.join(KEYS_FILE);
                Arc::new(KeyFile::open(&file).or_else(|_| KeyFile::open_to_look(&file))?)
            }
            Storage::Server { keys, .. } => Arc::new(match KeyDatabase::open(keys).await {
                Ok(store) => store,
                Err(_) => KeyDatabase::open_to_look(keys).await?,
            }),
        })
    }

    /// The read models, if there are any.
    pub async fn reads_if_any(&self) -> Result<Option<ReadStore>, ReadError> {
        match self {
            Storage::Files(directory) => ReadStore::open_existing(&directory.join(READS_FILE)),
            Storage::Server { city, .. } => ReadStore::on_existing(city).await,
        }
    }

    /// The read models, made where there are none.
    pub async fn reads(&self) -> Result<ReadStore, ReadError> {
        match self {
            Storage::Files(directory) => ReadStore::open(&directory.join(READS_FILE)),
            Storage::Server { city, .. } => ReadStore::on(city).await,
        }
    }

    /// Becomes one of the processes that serve the city. In files there is one; who serves them a second time does what the
    /// first does, too.
    pub async fn join(
        &self,
        duties: impl IntoIterator<Item = Duty>,
        edition: Uuid,
    ) -> Result<Membership, StoreError> {
        match self {
            Storage::Files(_) => Ok(Membership::alone(duties)),
            Storage::Server { city, .. } => Membership::join(city, duties, edition).await,
        }
    }

    /// The processes that serve the city now. `None`: in files nobody knows.
    pub async fn living(&self) -> Result<Option<Vec<Living>>, StoreError> {
        match self {
            Storage::Files(_) => Ok(None),
            Storage::Server { city, .. } => living(city).await.map(Some),
        }
    }

    /// Where the evidence lies.
    pub fn evidence(&self) -> Place {
        match self {
            Storage::Files(directory) => Place::File(directory.join(EVIDENCE_FILE)),
            Storage::Server { city, .. } => Place::Server(city.clone()),
        }
    }
}
