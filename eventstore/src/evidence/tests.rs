//! What the tests of evidence share: a log with keys and evidence in a folder or on a server, and ways to tamper with each.

use super::records::{KeptNote, NOTES_AT_ONCE, TILE_LEAVES};
use super::*;
use crate::clock::SystemClock;
use crate::contract::{append, stream, tenant};
use crate::database::postgres::Server;
use crate::database::postgres::private_server::PrivateServer;
use crate::database::tests::On;
use crate::keys::{KeyDatabase, KeyFile, KeyStore, Secret};
use crate::sqlite::SqliteStore;
use crate::store::{EventStore, name_of};
use cityos_domain::log::Position;
use rusqlite::Connection;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tempfile::TempDir;

/// How many events one command of the tests writes; the next is another tenant's.
pub const EVENTS_A_COMMAND: u64 = 10;

/// Drives `work` as far as this many polls bring it: `None` where that is not to its end. Dropped then, it is as if it
/// had been killed.
pub async fn polled<T>(times: u32, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut left = times;
    let some = poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            work.as_mut().poll(context).map(Some)
        }
    });
    some.await
}

static COMMANDS: AtomicU64 = AtomicU64::new(0);

/// What lets statements of SQLite's be said to a server.
const AS_IN_SQLITE: &str = "
    CREATE SCHEMA as_in_sqlite;
    CREATE DOMAIN as_in_sqlite.blob AS bytea;
    CREATE FUNCTION as_in_sqlite.unhex(text) RETURNS bytea LANGUAGE sql AS 'SELECT decode($1, ''hex'')';
    CREATE FUNCTION as_in_sqlite.zeroblob(integer) RETURNS bytea LANGUAGE sql
        AS 'SELECT decode(repeat(''00'', $1), ''hex'')'";

/// Takes away what another city has left, which may not have ended yet.
const CLEAR: &str = "
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    DROP SCHEMA IF EXISTS keys, evidence CASCADE";

/// A database that no other city has now.
pub struct Ground(Server);

static FREE: Mutex<Vec<Server>> = Mutex::new(Vec::new());

impl Ground {
    async fn clear() -> Self {
        let free = FREE.lock().unwrap().pop();
        let (server, clear) = match free {
            Some(server) => (server, CLEAR),
            None => (PrivateServer::shared().new_city(), AS_IN_SQLITE),
        };
        server.connect(None).await.unwrap().batch_execute(clear).await.unwrap();
        Ground(server)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        FREE.lock().unwrap().push(self.0.clone());
    }
}

/// A log, its keys and its evidence.
pub struct City {
    pub folder: TempDir,
    pub _ground: Option<Ground>,
    pub log: Arc<SqliteStore>,
    pub keys: Arc<dyn KeyStore>,
    pub place: Place,
}

impl City {
    /// With nothing in it.
    pub async fn new(on: On) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteStore::open(&folder.path().join("log.db"), Arc::new(SystemClock)).unwrap();
        let (ground, keys, place): (_, Arc<dyn KeyStore>, _) = match on {
            On::Sqlite => {
                let keys = KeyFile::open(&folder.path().join("keys.db")).unwrap();
                (None, Arc::new(keys), Place::File(folder.path().join("evidence.db")))
            }
            On::Postgres => {
                // Where only evidence and its keys are looked at, they may lie side by side.
                let ground = Ground::clear().await;
                let place = Place::Server(Box::new(ground.0.clone()));
                let keys = KeyDatabase::open(&ground.0).await.unwrap();
                (Some(ground), Arc::new(keys), place)
            }
        };
        City { folder, _ground: ground, log: Arc::new(log), keys, place }
    }

    /// With a log that was signed whenever it came to one of these sizes, in tens of events.
    pub async fn signed_at(on: On, sizes: &[u64]) -> Self {
        let city = City::new(on).await;
        for size in sizes {
            city.grow_to(*size).await;
            city.sign().await;
        }
        city
    }

    /// The server that the evidence lies on.
    pub fn server(&self) -> &Server {
        let Place::Server(server) = &self.place else { panic!("it lies in {}", self.place) };
        server
    }

    /// Appends events, in commands of two tenants in turn, until there are so many.
    pub async fn grow_to(&self, events: u64) {
        loop {
            let head = self.log.head().await.unwrap().0;
            if head >= events {
                return;
            }
            let shelf = stream(tenant(["a", "b"][(head / EVENTS_A_COMMAND % 2) as usize]), &head.to_string());
            let texts: Vec<_> = (head + 1..=head + EVENTS_A_COMMAND).map(|n| format!("number {n}")).collect();
            let writes: Vec<_> = texts.iter().map(|text| (shelf, text.as_str())).collect();
            // Never one that left a receipt: events may have been removed since.
            let command = COMMANDS.fetch_add(1, Ordering::Relaxed).to_string();
            self.log.append(append(&command, &[(shelf, 0)], &writes)).await.unwrap();
        }
    }

    /// The tenant whose event was written at this position.
    pub fn tenant_at(&self, position: u64) -> Uuid {
        tenant(["a", "b"][((position - 1) / EVENTS_A_COMMAND % 2) as usize]).id()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn open(&self) -> Result<Evidence, EvidenceError> {
        Evidence::open(&self.place, self.log.clone(), self.keys.clone()).await
    }

    /// Covers and signs.
    pub async fn sign(&self) -> Signature {
        let evidence = self.open().await.unwrap();
        evidence.cover().await.unwrap();
        evidence.sign().await.unwrap()
    }

    pub async fn key(&self) -> PublicKey {
        let name = name_of(&*self.log).await.unwrap().unwrap();
        public_key(&self.keys.secret(Secret::Evidence).await.unwrap(), name)
    }

    /// What verifying finds, against `kept` too, by the key of before anything was tampered with.
    pub async fn verify(&self, key: &PublicKey, kept: Option<&Checkpoint>) -> Verified {
        let verifying = Verifying {
            log: &*self.log,
            evidence: &self.place,
            key,
            remembered: self.keys.signed().await.unwrap(),
            kept: kept.cloned(),
        };
        verifying.verify().await.unwrap()
    }

    /// Begins the evidence anew, and puts what there was aside under this name.
    pub async fn begin_anew(&self, old: &str) -> Result<Begun, EvidenceError> {
        begin_anew(&self.place, self.log.clone(), self.keys.clone(), &self.path(old)).await
    }

    /// Every checkpoint in the evidence.
    pub async fn notes(&self) -> Vec<KeptNote> {
        self.place.look().await.unwrap().unwrap().notes(i64::MIN, NOTES_AT_ONCE).await.unwrap()
    }

    /// Does this to the log, as someone who can write its file.
    pub fn tamper(&self, sql: &str) {
        Connection::open(self.path("log.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// Whether it is somebody's turn to write the evidence.
    pub async fn is_being_written(&self) -> bool {
        match &self.place {
            Place::File(path) => {
                let file = Connection::open(path).unwrap();
                file.busy_timeout(std::time::Duration::ZERO).unwrap();
                file.execute_batch("BEGIN IMMEDIATE").is_err()
            }
            Place::Server(server) => {
                let held = "SELECT NOT pg_try_advisory_xact_lock(hashtextextended('cityos evidence', 0))";
                server.connect(None).await.unwrap().query_one(held, &[]).await.unwrap().get(0)
            }
        }
    }

    /// Does this to the evidence, as someone who may do everything there.
    pub async fn tamper_with_evidence(&self, sql: &str) {
        match &self.place {
            Place::File(path) => Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Place::Server(server) => {
                let sql = format!("SET search_path = evidence, as_in_sqlite, pg_catalog; {sql}");
                server.connect(None).await.unwrap().batch_execute(&sql).await.unwrap();
            }
        }
    }

    /// Takes the evidence away.
    pub async fn lose_evidence(&self) {
        match &self.place {
            Place::File(path) => std::fs::remove_file(path).unwrap(),
            Place::Server(_) => self.tamper_with_evidence("DROP SCHEMA evidence CASCADE").await,
        }
    }

    /// Gives the leaf of the event at this position the hash that it would have as it is in the log now.
    pub async fn falsify_leaf(&self, position: u64) {
        let event = self.log.read_stored(Position(position - 1), 1).await.unwrap().remove(0);
        let (number, place) = ((position - 1) / TILE_LEAVES, (position - 1) % TILE_LEAVES);
        let mut writing = self.place.open().await.unwrap().write().await.unwrap();
        let mut tile = writing.tiles(number, 1).await.unwrap().remove(0);
        tile.leaves[place as usize] = Leaf::of(&event);
        tile.root = tile.root.map(|_| tile.tree().root());
        writing.keep_tiles(vec![tile]).await.unwrap();
        writing.commit().await.unwrap();
    }
}
