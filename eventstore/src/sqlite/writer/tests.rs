//! What only the writer itself can show: batches, clocks that go back, and disks that take nothing.

use super::*;
use crate::clock::ManualClock;
use crate::contract::{append, noon, stream, tenant};
use crate::database::sqlite;
use crate::queue::Writer as _;
use crate::sqlite::{SCHEMA, SqliteStore};
use crate::store::{Append, EventStore};
use chrono::TimeDelta;
use cityos_domain::log::Envelope;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

struct Disk {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Disk {
    fn new() -> Self {
        Disk { folder: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::at(noon())) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    fn writer(&self) -> Writer {
        Writer::new(sqlite::open(&self.path(), &SCHEMA).unwrap(), self.clock.clone())
    }

    fn log(&self) -> Vec<Envelope> {
        let connection = sqlite::open_reader(&self.path()).unwrap();
        readers::log(&connection, Position::START, 1_000).unwrap()
    }
}

fn prepared(append: Append) -> Prepared {
    Prepared::new(append).unwrap()
}

fn shelf(name: &str, version: u64) -> Prepared {
    let shelf = stream(tenant("a"), "shelf");
    prepared(append(name, &[(shelf, version)], &[(shelf, name)]))
}

#[test]
fn in_one_batch_each_fails_alone_and_later_ones_see_what_earlier_ones_wrote() {
    let disk = Disk::new();
    let mut writer = disk.writer();
    let mut reused = shelf("1", 1);
    reused.input.0 = [9; 32];
    let batch = [shelf("1", 0), shelf("late", 0), shelf("2", 1), shelf("1", 0), reused, shelf("3", 2)];
    let answers = writer.commit(&batch);
    assert!(matches!(&answers[1], Err(AppendError::Conflict { current: Version(1), .. })), "{answers:?}");
    assert!(matches!(&answers[4], Err(AppendError::KeyReused { .. })), "{answers:?}");
    let done: Vec<_> = answers.iter().flatten().map(|done| (done.position.0, done.replayed)).collect();
    assert_eq!(done, [(1, false), (2, false), (1, true), (3, false)]);
    assert_eq!(disk.log().len(), 3);
    assert_eq!(writer.figures(), Figures { batches: 1, flushes: 1, commands: 3, events: 3 });

    assert!(writer.commit(&[shelf("late", 0)])[0].is_err());
    assert_eq!(writer.figures(), Figures { batches: 2, flushes: 1, commands: 3, events: 3 });
}

#[test]
fn a_receipt_that_cannot_be_read_fails_its_own_command_and_no_other() {
    let disk = Disk::new();
    let mut writer = disk.writer();
    assert!(writer.commit(&[shelf("1", 0)])[0].is_ok());
    let damage = "UPDATE receipts SET versions = '?'";
    Connection::open(disk.path()).unwrap().execute(damage, []).unwrap();
    // Once found where the guard fails, once where it holds.
    let answers = writer.commit(&[shelf("1", 0), shelf("2", 1), shelf("1", 2), shelf("3", 2)]);
    for answer in [&answers[0], &answers[2]] {
        assert!(matches!(answer, Err(AppendError::Store(StoreError::Database(_)))), "{answer:?}");
    }
    let done: Vec<_> = answers.iter().flatten().map(|done| done.position.0).collect();
    assert_eq!(done, [2, 3]);
    assert_eq!(disk.log().len(), 3);
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_log_with_it() {
    let disk = Disk::new();
    disk.writer().commit(&[shelf("1", 0)]);
    disk.clock.set(noon() - TimeDelta::days(1));
    // A new writer, as after a restart, and an old one beside it.
    let mut old = disk.writer();
    old.commit(&[shelf("2", 1)]);
    disk.clock.set(noon() + TimeDelta::hours(1));
    disk.writer().commit(&[shelf("3", 2)]);
    disk.clock.set(noon());
    old.commit(&[shelf("4", 3)]);
    let hours: Vec<_> = disk.log().iter().map(|event| (event.recorded_at - noon()).num_hours()).collect();
    assert_eq!(hours, [0, 0, 1, 1]);
}

#[test]
fn what_another_process_wrote_is_seen_before_the_next_batch() {
    let disk = Disk::new();
    let (mut one, mut other) = (disk.writer(), disk.writer());
    assert!(one.commit(&[shelf("1", 0)])[0].is_ok());
    assert!(other.commit(&[shelf("2", 1)])[0].is_ok());
    assert!(matches!(
        one.commit(&[shelf("x", 1)])[0],
        Err(AppendError::Conflict { current: Version(2), .. })
    ));
    assert_eq!(one.commit(&[shelf("3", 2)])[0].as_ref().unwrap().position, Position(3));
}

/// Appends once while the disk refuses and once when it takes writes again.
fn refuse_and_recover(
    refuse: impl Fn(&Writer),
    recover: impl Fn(&Writer),
    refusal: impl Fn(&StoreError) -> bool,
) {
    let disk = Disk::new();
    let mut writer = disk.writer();
    let large = "x".repeat(100_000);
    let wide = stream(tenant("a"), "wide");
    let batch = [shelf("2", 1), prepared(append("large", &[(wide, 0)], &[(wide, &large), (wide, &large)]))];
    assert!(writer.commit(&[shelf("1", 0)])[0].is_ok());
    refuse(&writer);
    for answer in writer.commit(&batch) {
        assert!(matches!(&answer, Err(AppendError::Store(error)) if refusal(error)), "{answer:?}");
    }
    assert_eq!(disk.log().len(), 1, "nothing half written");
    recover(&writer);
    assert!(writer.commit(&batch).iter().all(Result::is_ok));
    assert_eq!(disk.log().iter().map(|event| event.position.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_full_disk_fails_the_batch_whole_and_service_goes_on_when_there_is_room() {
    let pages = |writer: &Writer, count: u32| {
        writer.connection.query_row(&format!("PRAGMA max_page_count = {count}"), [], |_| Ok(())).unwrap();
    };
    refuse_and_recover(
        |writer| pages(writer, 12),
        |writer| pages(writer, 1_000_000),
        |error| matches!(error, StoreError::Full),
    );
}

#[test]
fn a_disk_that_takes_no_writes_is_named_and_service_goes_on_when_it_does() {
    let read_only =
        |writer: &Writer, on: bool| writer.connection.pragma_update(None, "query_only", on).unwrap();
    refuse_and_recover(
        |writer| read_only(writer, true),
        |writer| read_only(writer, false),
        |error| matches!(error, StoreError::ReadOnly),
    );
}

#[test]
fn a_process_that_holds_the_log_too_long_is_named_and_service_goes_on_when_it_lets_go() {
    let disk = Disk::new();
    let mut writer = disk.writer();
    writer.connection.busy_timeout(Duration::from_millis(20)).unwrap();
    let other = sqlite::open(&disk.path(), &SCHEMA).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(writer.commit(&[shelf("1", 0)])[0], Err(AppendError::Store(StoreError::Busy))));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(writer.commit(&[shelf("1", 0)])[0].is_ok());
}

#[tokio::test]
async fn a_log_of_a_newer_program_is_refused() {
    let disk = Disk::new();
    disk.writer().connection.execute("UPDATE about SET schema_version = 2", []).unwrap();
    let refused = SqliteStore::open(&disk.path(), disk.clock.clone()).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Newer { found: 2, known: 1 })), "{refused:?}");
}

#[tokio::test]
async fn an_event_of_a_newer_program_or_a_damaged_one_is_an_error_that_names_its_position() {
    let disk = Disk::new();
    let store = SqliteStore::open(&disk.path(), disk.clock.clone()).unwrap();
    let shelf = stream(tenant("a"), "shelf");
    for index in 0..3 {
        store.append(append(&index.to_string(), &[(shelf, index)], &[(shelf, "x")])).await.unwrap();
    }
    let sqlite = Connection::open(disk.path()).unwrap();
    let damages =
        ["schema_version = 2", "schema_version = 0", "type = 'stock.unheard_of'", "body = '{'", "kind = '?'"];
    for damage in damages {
        sqlite.execute_batch("SAVEPOINT whole").unwrap();
        sqlite.execute(&format!("UPDATE events SET {damage} WHERE position = 2"), []).unwrap();
        let events = readers::log(&sqlite, Position::START, 10);
        sqlite.execute_batch("ROLLBACK TO whole; RELEASE whole").unwrap();
        let named = matches!(events, Err(StoreError::Undecodable { position: Position(2), .. }));
        assert!(named, "{damage}: {events:?}");
    }
    assert_eq!(store.read(shelf, Version(0), 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_event_kept_in_an_old_shape_is_read_in_the_new_one_beside_new_ones() {
    let disk = Disk::new();
    let old = include_str!("../../../../schemas/events/samples/ledger.posted.v1.json");
    let store = SqliteStore::open(&disk.path(), disk.clock.clone()).unwrap();
    let shelf = stream(tenant("a"), "shelf");
    store.append(append("1", &[(shelf, 0)], &[(shelf, "1")])).await.unwrap();
    store.append(append("2", &[(shelf, 1)], &[(shelf, "2")])).await.unwrap();
    let change = "UPDATE events SET kind = 'ledger', type = 'ledger.posted', body = ?1 WHERE position = 1";
    Connection::open(disk.path()).unwrap().execute(change, [old]).unwrap();

    let page = store.read_all(Position::START, 10).await.unwrap();
    let lifted = page.events[0].event.encode();
    assert_eq!(lifted.type_name, "ledger.posted");
    assert!(lifted.body.contains(r#""date":{"date":"2024-02-29","zone":"UTC"}"#), "{}", lifted.body);
    assert_eq!(page.events[1].version, Version(2));
}
