//! Backups are whole, are taken beside writers, and overwrite nothing.

use super::*;
use crate::clock::SystemClock;
use crate::contract::{append, assert_streams_count_up, stream, tenant, whole_log};
use crate::evidence::{Doubt, Evidence, Place, Verified, Verifying, public_key};
use crate::keys::{KeyFile, KeyStore, Secret};
use crate::sqlite::SqliteStore;
use crate::store::{EventStore, name_of};
use cityos_domain::log::Position;
use std::sync::Arc;
use tempfile::TempDir;

fn log_in(data: &Path) -> SqliteStore {
    SqliteStore::open(&data.join(LOG_FILE), Arc::new(SystemClock)).unwrap()
}

fn keys_in(data: &Path) -> KeyFile {
    KeyFile::open(&data.join(KEYS_FILE)).unwrap()
}

fn copies_in(folder: &TempDir) -> Copies {
    Copies { log: folder.path().join("log.copy"), keys: folder.path().join("keys.copy") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_the_log_grows_restores_to_a_whole_beginning_of_it() {
    let (data, shelf) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copies = copies_in(&shelf);
    let store = log_in(data.path());
    let secret = keys_in(data.path()).secret(Secret::InputHash).await.unwrap();
    let growing = tokio::spawn({
        let store = store.clone();
        async move {
            let name = stream(tenant("a"), "shelf");
            for index in 0..200 {
                let writes = [(name, "one"), (name, "two")];
                store.append(append(&index.to_string(), &[(name, index * 2)], &writes)).await.unwrap();
            }
        }
    });
    store.changed(Position(20), std::time::Duration::from_secs(60)).await;
    let (from, to) = (data.path().to_owned(), copies.clone());
    tokio::task::spawn_blocking(move || backup(&from, &to)).await.unwrap().unwrap();
    growing.await.unwrap();

    let home = shelf.path().join("restored");
    restore(&copies, &home).unwrap();
    let all = whole_log(&store, 100).await;
    let restored = whole_log(&log_in(&home), 100).await;
    assert!(restored.len() >= 20 && restored.len().is_multiple_of(2), "{} events", restored.len());
    assert_eq!(restored, all[..restored.len()]);
    assert_streams_count_up(&restored);
    assert_eq!(keys_in(&home).secret(Secret::InputHash).await.unwrap(), secret);
}

#[test]
fn nothing_is_overwritten_and_a_failed_copy_leaves_nothing() {
    let (data, shelf) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copies = copies_in(&shelf);
    drop(log_in(data.path()));
    let without_keys = backup(data.path(), &copies);
    assert!(matches!(without_keys, Err(BackupError::Database { .. })), "{without_keys:?}");
    assert_eq!(fs::read_dir(shelf.path()).unwrap().count(), 0);

    drop(keys_in(data.path()));
    backup(data.path(), &copies).unwrap();
    assert!(matches!(backup(data.path(), &copies), Err(BackupError::Exists(_))));
    assert!(matches!(restore(&copies, data.path()), Err(BackupError::NotEmpty(_))));
}

#[test]
fn log_and_keys_are_not_copied_to_one_place() {
    let (data, shelf) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop((log_in(data.path()), keys_in(data.path())));
    fs::create_dir(shelf.path().join("side")).unwrap();
    let at = |name: &str| shelf.path().join(name);
    for (log, keys) in [("copy", "copy"), ("copy", "side/../copy"), ("copy", "copy.partial")] {
        for (log, keys) in [(log, keys), (keys, log)] {
            let refused = backup(data.path(), &Copies { log: at(log), keys: at(keys) });
            assert!(matches!(refused, Err(BackupError::SamePlace(_))), "{log} and {keys}: {refused:?}");
        }
    }
    // The evidence of the log goes beside it.
    let refused = backup(data.path(), &Copies { log: at("copy"), keys: at("copy.evidence") });
    assert!(matches!(refused, Err(BackupError::SamePlace(_))), "{refused:?}");
    assert_eq!(fs::read_dir(shelf.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn a_damaged_or_mistaken_copy_is_not_restored() {
    let (data, shelf) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copies = copies_in(&shelf);
    drop((log_in(data.path()), keys_in(data.path())));
    backup(data.path(), &copies).unwrap();
    let home = shelf.path().join("restored");

    let swapped = Copies { log: copies.keys.clone(), keys: copies.log.clone() };
    let refused = restore(&swapped, &home);
    assert!(matches!(refused, Err(BackupError::Database { source: StoreError::Foreign, .. })), "{refused:?}");

    fs::rename(&copies.log, shelf.path().join("aside")).unwrap();
    fs::write(&copies.log, "not a database at all, but long enough to be taken for one".repeat(100)).unwrap();
    assert!(matches!(restore(&copies, &home), Err(BackupError::Database { .. })));

    let mut bytes = fs::read(shelf.path().join("aside")).unwrap();
    let end = bytes.len() - 4096;
    bytes[end..].fill(0xff);
    fs::write(&copies.log, bytes).unwrap();
    assert!(restore(&copies, &home).is_err());
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}

async fn verified(data: &Path) -> Verified {
    let (log, keys) = (log_in(data), keys_in(data));
    let name = keys.log().await.unwrap().unwrap();
    let verifying = Verifying {
        log: &log,
        evidence: &Place::File(data.join(EVIDENCE_FILE)),
        key: &public_key(&keys.secret(Secret::Evidence).await.unwrap(), name),
        remembered: keys.signed().await.unwrap(),
        kept: None,
    };
    verifying.verify().await.unwrap()
}

type Tampering = fn(&Copies);

fn damage(copy: &Path, sql: &str) {
    Connection::open(copy).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn copies_that_were_altered_before_they_were_restored_are_not_what_the_keys_have_signed() {
    let data = tempfile::tempdir().unwrap();
    let (log, keys) = (Arc::new(log_in(data.path())), Arc::new(keys_in(data.path())));
    for size in [10, 20] {
        let shelf = stream(tenant("a"), &size.to_string());
        log.append(append(&size.to_string(), &[(shelf, 0)], &[(shelf, "one"); 10])).await.unwrap();
        let place = Place::File(data.path().join(EVIDENCE_FILE));
        let evidence = Evidence::open(&place, log.clone(), keys.clone()).await.unwrap();
        evidence.cover().await.unwrap();
        assert_eq!(evidence.sign().await.unwrap().checkpoint.size, size);
    }
    assert!(keys.belong_to(name_of(&*log).await.unwrap().unwrap()).await.unwrap());
    let cases: [(Tampering, Option<Doubt>); 3] = [
        (|_| {}, None),
        (
            |copies| {
                damage(&copies.log, "UPDATE events SET at = at + 1 WHERE position = 3");
                fs::remove_file(copies.evidence()).unwrap();
            },
            Some(Doubt::Missing { size: 20 }),
        ),
        (
            |copies| {
                damage(&copies.log, "DELETE FROM events WHERE position > 10");
                damage(&copies.evidence(), "DELETE FROM checkpoints WHERE number = 2");
                damage(&copies.evidence(), "UPDATE tiles SET leaves = substr(leaves, 1, 72 * 10)");
            },
            Some(Doubt::LastMissing { size: 20 }),
        ),
    ];
    for (tamper, doubt) in cases {
        let shelf = tempfile::tempdir().unwrap();
        let (copies, home) = (copies_in(&shelf), shelf.path().join("restored"));
        backup(data.path(), &copies).unwrap();
        tamper(&copies);
        restore(&copies, &home).unwrap();
        let verified = verified(&home).await;
        assert_eq!(verified.doubts.first(), doubt.as_ref(), "{verified:?}");
        assert_eq!(verified.is_intact(), doubt.is_none(), "{verified:?}");
    }
}
