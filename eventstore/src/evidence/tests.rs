//! What the tests of evidence share: a log with keys and evidence in a folder, and ways to tamper with each.

use super::*;
use crate::clock::SystemClock;
use crate::contract::{append, stream, tenant};
use crate::keys::{KeyFile, KeyStore, Secret};
use crate::sqlite::SqliteStore;
use crate::store::{EventStore, name_of};
use rusqlite::Connection;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// A log, its keys and its evidence.
pub struct City {
    folder: TempDir,
    pub log: Arc<SqliteStore>,
    pub keys: Arc<KeyFile>,
}

impl City {
    /// With nothing in it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = SqliteStore::open(&folder.path().join("log.db"), Arc::new(SystemClock)).unwrap();
        let keys = KeyFile::open(&folder.path().join("keys.db")).unwrap();
        City { folder, log: Arc::new(log), keys: Arc::new(keys) }
    }

    /// With a log that was signed whenever it came to one of these sizes, in tens of events.
    pub async fn signed_at(sizes: &[u64]) -> Self {
        let city = City::new();
        for size in sizes {
            city.grow_to(*size).await;
            city.sign().await;
        }
        city
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
        Evidence::open(&self.path("evidence.db"), self.log.clone(), self.keys.clone()).await
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
            evidence: &self.path("evidence.db"),
            key,
            remembered: self.keys.signed().await.unwrap(),
            kept: kept.cloned(),
        };
        verifying.verify().await.unwrap()
    }

    /// Does this to the log, as someone who can write its file.
    pub fn tamper(&self, sql: &str) {
        Connection::open(self.path("log.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// Does this to the evidence.
    pub fn tamper_with_evidence(&self, sql: &str) {
        Connection::open(self.path("evidence.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// Gives the leaf of the event at this position the hash that it would have as it is in the log now.
    pub async fn falsify_leaf(&self, position: u64) {
        let event =
            self.log.read_stored(cityos_domain::log::Position(position - 1), 1).await.unwrap().remove(0);
        let (tile, place) = ((position - 1) / file::TILE_LEAVES, (position - 1) % file::TILE_LEAVES);
        let evidence = Connection::open(self.path("evidence.db")).unwrap();
        let mut kept = file::tile(&evidence, tile).unwrap().unwrap();
        kept.leaves[place as usize] = Leaf::of(&event);
        let leaves: Vec<_> = kept.leaves.iter().flat_map(|leaf| leaf.to_bytes()).collect();
        let root = kept.root.map(|_| kept.tree().root().0);
        let update = "UPDATE tiles SET leaves = ?2, root = ?3 WHERE number = ?1";
        evidence.execute(update, rusqlite::params![tile as i64, leaves, root]).unwrap();
    }
}
