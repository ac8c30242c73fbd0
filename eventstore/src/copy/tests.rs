//! Logs copied between every two storages that outlive a process.

use super::{Copied, CopyError, Copying, LogRows};
use crate::clock::SystemClock;
use crate::contract::{append, stream, tenant};
use crate::database::postgres::Server;
use crate::database::postgres::private_server::PrivateServer;
use crate::evidence::{self, Evidence, Place, Verifying, public_key};
use crate::keys::{KeyFile, KeyStore, Secret};
use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;
use crate::store::{EventStore, name_of};
use crate::stored::StoredEvent;
use chrono::{DateTime, Utc};
use cityos_domain::log::Position;
use rusqlite::Connection;
use std::sync::Arc;
use tempfile::TempDir;

/// A place for a log and its evidence.
enum Kept {
    InFiles(TempDir),
    OnServer(Box<Server>),
}

impl Kept {
    fn in_files() -> Self {
        Kept::InFiles(tempfile::tempdir().unwrap())
    }

    fn on_server() -> Self {
        Kept::OnServer(Box::new(PrivateServer::shared().new_city()))
    }

    async fn log(&self) -> Arc<dyn LogRows> {
        let clock = Arc::new(SystemClock);
        match self {
            Kept::InFiles(folder) => {
                Arc::new(SqliteStore::open(&folder.path().join("log.db"), clock).unwrap())
            }
            Kept::OnServer(server) => Arc::new(PostgresStore::open(server, clock).await.unwrap()),
        }
    }

    fn evidence(&self) -> Place {
        match self {
            Kept::InFiles(folder) => Place::File(folder.path().join("evidence.db")),
            Kept::OnServer(server) => Place::Server(server.clone()),
        }
    }

    /// Has its first event say what nobody can read.
    async fn make_unreadable(&self) {
        let alter = "SET kind = 'comet', type = 'comet.seen', schema_version = 9, body = '{ \"x\": no JSON'";
        match self {
            Kept::InFiles(folder) => {
                let file = Connection::open(folder.path().join("log.db")).unwrap();
                file.execute_batch(&format!("UPDATE events {alter} WHERE position = 1")).unwrap();
            }
            Kept::OnServer(server) => {
                let client = server.connect(None).await.unwrap();
                let alter = format!("UPDATE log.events {alter} WHERE position = 1");
                client.batch_execute(&alter).await.unwrap();
            }
        }
    }
}

/// Appends so many commands behind `from`: some write two streams, some nothing.
async fn grow(log: &dyn EventStore, from: u64, commands: u64) {
    for number in from..from + commands {
        let [one, other] =
            ["one", "other"].map(|name| stream(tenant("harbour"), &format!("{name} {number}")));
        let says = format!("{number}: é, \"quoted\"");
        let writes: &[_] = if number % 3 == 0 { &[] } else { &[(one, &*says), (other, "second")] };
        log.append(append(&number.to_string(), &[(one, 0), (other, 0)], writes)).await.unwrap();
    }
}

async fn events(log: &dyn EventStore) -> Vec<StoredEvent> {
    log.read_stored(Position::START, 100_000).await.unwrap()
}

async fn copy(from: &Kept, to: &Kept) -> Result<Copied, CopyError> {
    let (source, target) = (from.log().await, to.log().await);
    Copying::new(&*source, &*target).go_on(|_| ()).await
}

async fn what_is_copied_is_the_same_byte_for_byte(from: Kept, to: Kept) {
    let source = from.log().await;
    grow(&*source, 0, 2_500).await;
    from.make_unreadable().await;
    let copied = copy(&from, &to).await.unwrap();
    let target = to.log().await;
    assert_eq!(events(&*target).await, events(&*source).await);
    assert_eq!((copied.new_events, copied.new_receipts), (copied.events, copied.receipts));
    assert_eq!((copied.events, copied.receipts), (events(&*source).await.len() as u64, 2_500));
    // Copied once more there is nothing left to do.
    let again = copy(&from, &to).await.unwrap();
    assert_eq!(again, Copied { new_events: 0, new_receipts: 0, ..copied });
    // Repeated commands are answered as before, and the oldest are forgotten first.
    let first = append("1", &[(stream(tenant("harbour"), "one 1"), 0)], &[]);
    let (before, after) = (source.append(first.clone()).await.unwrap(), target.append(first).await.unwrap());
    assert!(after.replayed);
    assert_eq!(after, before);
    for log in [&source, &target] {
        assert_eq!(log.forget_receipts(DateTime::<Utc>::MAX_UTC, 10).await.unwrap(), 10);
    }
    let left = |log: Arc<dyn LogRows>| async move {
        let left = log.receipts(0, Position(u64::MAX), 3_000).await.unwrap();
        left.into_iter().map(|receipt| (receipt.command, receipt.recorded_at)).collect::<Vec<_>>()
    };
    assert_eq!(left(target).await, left(source).await);
}

async fn a_copy_goes_on_behind_what_was_copied(from: Kept, to: Kept) {
    let source = from.log().await;
    grow(&*source, 0, 30).await;
    let first = copy(&from, &to).await.unwrap();
    grow(&*source, 30, 30).await;
    // What the source forgets meanwhile the target forgets, too.
    assert_eq!(source.forget_receipts(DateTime::<Utc>::MAX_UTC, 7).await.unwrap(), 7);
    let second = copy(&from, &to).await.unwrap();
    assert_eq!((second.events, second.new_events), (2 * first.events, first.events));
    assert_eq!((second.receipts, second.new_receipts), (53, 30));
    assert_eq!(events(&*to.log().await).await, events(&*source).await);
}

async fn a_target_with_another_log_or_a_longer_one_is_refused(from: Kept, to: Kept) {
    let (source, target) = (from.log().await, to.log().await);
    grow(&*source, 1, 5).await;
    grow(&*target, 1, 1).await;
    let before = events(&*target).await;
    let refused = copy(&from, &to).await.unwrap_err();
    assert!(matches!(refused, CopyError::OtherLog { position: Position(1) }), "{refused:?}");
    assert_eq!(events(&*target).await, before);

    let (longer, shorter) = (to, Kept::in_files());
    copy(&longer, &shorter).await.unwrap();
    grow(&*target, 10, 1).await;
    let refused = copy(&shorter, &longer).await.unwrap_err();
    assert!(matches!(refused, CopyError::Ahead { position: Position(2) }), "{refused:?}");
}

async fn who_writes_the_target_meanwhile_is_noticed(from: Kept, to: Kept) {
    let (source, target) = (from.log().await, to.log().await);
    grow(&*source, 1, 2).await;
    let mut copying = Copying::new(&*source, &*target);
    copying.go_on(|_| ()).await.unwrap();
    let whole = events(&*target).await;
    grow(&*source, 10, 1).await;
    let end = super::End { position: Position(4), sequence: 1 };
    let batch = super::Batch { events: events(&*source).await[4..].to_vec(), receipts: Vec::new() };
    assert!(!target.put(end, batch).await.unwrap(), "the end was another");
    assert_eq!(events(&*target).await, whole, "nothing was written");
    grow(&*target, 20, 1).await;
    let refused = copying.go_on(|_| ()).await.unwrap_err();
    assert!(matches!(refused, CopyError::OtherLog { position: Position(5) }), "{refused:?}");
}

async fn evidence_is_copied_and_holds_over_the_copy(from: Kept, to: Kept) {
    let source = from.log().await;
    let folder = tempfile::tempdir().unwrap();
    let keys: Arc<dyn KeyStore> = Arc::new(KeyFile::open(&folder.path().join("keys.db")).unwrap());
    let shared: Arc<dyn EventStore> = source.clone();
    for (round, checkpoints) in [(0, 1), (1, 2)] {
        grow(&*source, 1_000 * round, 300).await;
        let kept = Evidence::open(&from.evidence(), shared.clone(), keys.clone()).await.unwrap();
        kept.cover().await.unwrap();
        kept.sign().await.unwrap();
        copy(&from, &to).await.unwrap();
        let copied = evidence::copy(&from.evidence(), &to.evidence()).await.unwrap();
        assert_eq!(copied, (checkpoints, 1));
    }
    let target = to.log().await;
    let name = name_of(&*source).await.unwrap().unwrap();
    let key = public_key(&keys.secret(Secret::Evidence).await.unwrap(), name);
    let place = to.evidence();
    let verifying = Verifying {
        log: &*target,
        evidence: &place,
        key: &key,
        remembered: keys.signed().await.unwrap(),
        kept: None,
    };
    let verified = verifying.verify().await.unwrap();
    assert!(verified.is_intact(), "{verified:?}");
    assert_eq!((verified.checkpoints, verified.size), (2, 800));
    // What has more checkpoints is no beginning.
    let shared: Arc<dyn EventStore> = target.clone();
    grow(&*target, 5_000, 2).await;
    let kept = Evidence::open(&place, shared, keys.clone()).await.unwrap();
    kept.cover().await.unwrap();
    let refused = evidence::copy(&from.evidence(), &place).await.unwrap_err();
    assert!(matches!(refused, evidence::EvidenceError::NoBeginning(_)), "{refused:?}");
}

/// One test for each of these, from and to each kind of storage.
macro_rules! between {
    ($from:ident, $to:ident: $($part:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $part() {
            super::$part(super::Kept::$from(), super::Kept::$to()).await;
        }
    )*};
    ($($name:ident: $from:ident, $to:ident;)*) => {$(
        mod $name {
            between! { $from, $to:
                what_is_copied_is_the_same_byte_for_byte
                a_copy_goes_on_behind_what_was_copied
                a_target_with_another_log_or_a_longer_one_is_refused
                who_writes_the_target_meanwhile_is_noticed
                evidence_is_copied_and_holds_over_the_copy
            }
        }
    )*};
}

between! {
    from_files_to_files: in_files, in_files;
    from_files_to_postgres: in_files, on_server;
    from_postgres_to_files: on_server, in_files;
    from_postgres_to_postgres: on_server, on_server;
}
