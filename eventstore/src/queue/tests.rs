//! What waits for the writer is written, whoever goes away meanwhile; and what happens when the writer does.

use crate::clock::{Clock, SystemClock};
use crate::contract::{append, noon, stream, tenant, text, whole_log};
use crate::sqlite::SqliteStore;
use crate::store::{AppendError, EventStore, StoreError};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::log::Position;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any test waits for what does come.
const LONG: Duration = Duration::from_secs(60);

/// A clock that tells nobody the time before the other end is dropped: the writer waits for it in its batch.
struct Held(Mutex<Receiver<()>>);

#[async_trait]
impl Clock for Held {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().recv().unwrap_err();
        noon()
    }

    async fn wait_until(&self, _: DateTime<Utc>) {}
}

/// A log whose writer is held until the sender is dropped.
fn held() -> (TempDir, PathBuf, SqliteStore, Sender<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let (release, hold) = channel();
    let store = SqliteStore::open(&path, Arc::new(Held(Mutex::new(hold)))).unwrap();
    (folder, path, store, release)
}

/// Hands in an append and goes away before it is answered.
async fn hand_in(store: &SqliteStore, name: &str, version: u64) {
    let shelf = stream(tenant("a"), "shelf");
    let appending = store.append(append(name, &[(shelf, version)], &[(shelf, name)]));
    assert!(tokio::time::timeout(Duration::ZERO, appending).await.is_err(), "the writer is held");
}

#[tokio::test]
async fn an_append_whose_caller_goes_away_still_happens() {
    let (_folder, _, store, release) = held();
    hand_in(&store, "1", 0).await;
    drop(release);
    store.changed(Position::START, LONG).await;
    assert_eq!(whole_log(&store, 10).await.iter().map(text).collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn closing_the_log_writes_what_waits() {
    let (_folder, path, store, release) = held();
    for (version, name) in ["1", "2", "3"].iter().enumerate() {
        hand_in(&store, name, version as u64).await;
    }
    let (begin, begun) = channel();
    let closing = std::thread::spawn(move || {
        begin.send(()).unwrap();
        drop(store);
    });
    begun.recv().unwrap();
    drop(release);
    closing.join().unwrap();
    let store = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
    assert_eq!(whole_log(&store, 10).await.iter().map(text).collect::<Vec<_>>(), ["1", "2", "3"]);
}

/// A clock that takes the writer with it.
struct Broken;

#[async_trait]
impl Clock for Broken {
    fn now(&self) -> DateTime<Utc> {
        panic!("the clock is broken")
    }

    async fn wait_until(&self, _: DateTime<Utc>) {}
}

#[tokio::test]
async fn without_a_writer_appends_fail_and_waiting_still_takes_its_time_or_ends_with_news() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let store = SqliteStore::open(&path, Arc::new(Broken)).unwrap();
    let shelf = stream(tenant("a"), "shelf");
    let one = append("1", &[(shelf, 0)], &[(shelf, "1")]);
    let lost = store.append(one.clone()).await;
    assert!(matches!(lost, Err(AppendError::Unknown(StoreError::Closed))), "{lost:?}");
    // The thread is on its way out: once it is gone nothing is taken any more.
    while !matches!(store.append(one.clone()).await, Err(AppendError::Store(StoreError::Closed))) {}

    let (began, at_most) = (Instant::now(), Duration::from_millis(30));
    store.changed(Position::START, at_most).await;
    assert!(began.elapsed() >= at_most);

    let there = SqliteStore::open(&path, Arc::new(SystemClock)).unwrap();
    let (_, appended) = tokio::join!(store.changed(Position::START, LONG), there.append(one));
    appended.unwrap();
    assert!(began.elapsed() < LONG);
}
