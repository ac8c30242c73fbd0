//! The log in a file, used by a second process, and by one that is killed while it writes.

use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::contract::{
    append, append_among_others, assert_streams_count_up, noon, text, whole_log,
};
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::{AppendError, EventStore, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// How often the writer is killed.
const KILLS: usize = 12;

/// More commands than are written before it is killed.
const COMMANDS_BEFORE_KILL: usize = 1_000_000;

/// Commands of each of two processes.
const COMMANDS_EACH: usize = 120;

/// Another process that appends to a log.
struct Appender {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Appender {
    fn start(log: &Path, name: &str, commands: usize) -> Self {
        // Cargo builds the examples of a package along with its tests, in the folder beside theirs.
        let test = std::env::current_exe().expect("a running program has a path");
        let program = test
            .parent()
            .and_then(Path::parent)
            .expect("tests lie in target/debug/deps")
            .join("examples/appender");
        let mut process = Command::new(&program)
            .args([log.as_os_str(), name.as_ref(), commands.to_string().as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} (built by `cargo test` without a selection): {error}", program.display())
            });
        let lines = BufReader::new(process.stdout.take().expect("it is piped"));
        Appender { process, lines }
    }

    /// What it says next was acknowledged; `None` when it is over. A line cut off by its end does not count.
    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it prints text");
        line.strip_suffix('\n').map(str::to_owned)
    }
}

fn log_in(folder: &TempDir) -> PathBuf {
    folder.path().join("log.db")
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Arc::new(SystemClock)).expect("the log opens")
}

/// Every append is there whole: its events follow each other, and its receipt names the last.
async fn assert_whole(store: &SqliteStore, log: &[Envelope]) {
    assert_streams_count_up(log);
    assert!(log.iter().map(|event| event.position).eq((1..).map(Position).take(log.len())));
    let mut appends: HashMap<_, Vec<&Envelope>> = HashMap::new();
    for event in log {
        appends.entry((event.stream.partition, event.meta.command)).or_default().push(event);
    }
    for ((partition, command), events) in appends {
        let (_, number) = text(events[0]).rsplit_once('/').expect("appenders write so");
        assert_eq!(events.len().to_string(), number, "{}", text(events[0]));
        let (first, last) = (events[0].position, events[events.len() - 1].position);
        assert_eq!(last.0 - first.0 + 1, events.len() as u64);
        let receipt = store.receipt(partition, command).await.expect("receipts can be read");
        assert_eq!(receipt.expect("what is there has one").position, last);
    }
}

#[tokio::test]
async fn a_writer_killed_at_any_moment_leaves_every_acknowledged_append_and_no_half_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = log_in(&folder);
    let mut acknowledged = BTreeSet::new();
    for round in 0..KILLS {
        let mut appender = Appender::start(&path, &round.to_string(), COMMANDS_BEFORE_KILL);
        for _ in 0..1 + round * round {
            acknowledged.extend(appender.next());
        }
        appender.process.kill().unwrap();
        appender.process.wait().unwrap();
        acknowledged.extend(std::iter::from_fn(|| appender.next()));

        let store = open(&path);
        let log = whole_log(&store, 100).await;
        assert_whole(&store, &log).await;
        let there: BTreeSet<_> = log.iter().map(|event| text(event).to_owned()).collect();
        assert!(acknowledged.is_subset(&there), "{:?}", acknowledged.difference(&there));
    }
    assert!(acknowledged.len() > KILLS * KILLS, "the writers were killed while they wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_process_writes_beside_the_first_and_nothing_is_lost_or_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = log_in(&folder);
    let store = open(&path);
    let mut appender = Appender::start(&path, "there", COMMANDS_EACH);
    let there = tokio::task::spawn_blocking(move || {
        let lines: Vec<_> = std::iter::from_fn(|| appender.next()).collect();
        assert!(appender.process.wait().unwrap().success());
        lines
    });
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut seen: Vec<Envelope> = Vec::new();
            while seen.iter().filter(|event| text(event).starts_with("end")).count() == 0 {
                let after = seen.last().map_or(Position::START, |event| event.position);
                store.changed(after, std::time::Duration::from_secs(60)).await;
                let page = store.read_all(after, 10).await.unwrap();
                seen.extend(page.events);
            }
            seen
        }
    });
    let mut acknowledged = BTreeSet::new();
    for command in 0..COMMANDS_EACH {
        acknowledged.extend(append_among_others(&store, "here", command).await);
    }
    acknowledged.extend(there.await.unwrap());
    let end = append_among_others(&store, "end", 0).await;
    acknowledged.extend(end);

    let log = whole_log(&store, 100).await;
    assert_whole(&store, &log).await;
    assert_eq!(log.len(), acknowledged.len());
    assert_eq!(log.iter().map(|event| text(event).to_owned()).collect::<BTreeSet<_>>(), acknowledged);
    let seen = reader.await.unwrap();
    assert_eq!(seen[..], log[..seen.len()]);
    assert!(log.is_sorted_by_key(|event| event.recorded_at));
}

#[tokio::test]
async fn a_log_that_is_only_read_shows_what_others_write_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = log_in(&folder);
    assert!(SqliteStore::open_read_only(&path).is_err());
    assert!(!path.exists());
    let writer = open(&path);
    let reader = SqliteStore::open_read_only(&path).unwrap();
    append_among_others(&writer, "here", 1).await;
    let log = whole_log(&writer, 100).await;
    assert!(!log.is_empty());
    assert_eq!(whole_log(&reader, 100).await, log);
    let refused = reader.append(append("more", &[], &[])).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::ReadOnly))), "{refused:?}");
    let kept = reader.forget_receipts(noon(), 1).await;
    assert!(matches!(kept, Err(StoreError::ReadOnly)), "{kept:?}");
}
