//! One log and several processes: those that write beside each other, and those that are killed while they write.

#![allow(clippy::unwrap_used, reason = "all of this is tests, what they share too")]

use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::contract::{
    append, append_among_others, assert_streams_count_up, noon, text, whole_log,
};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::database::postgres::{Limits, Server};
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::{AppendError, EventStore, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How often the writer is killed.
const KILLS: usize = 12;

/// More commands than are written before it is killed.
const COMMANDS_BEFORE_KILL: usize = 1_000_000;

/// How many commands all processes together give in a race.
const COMMANDS: usize = 240;

/// Tasks that append at once in each process, where nothing else is said: so that batches hold several commands.
const TASKS: usize = 8;

/// Another process that appends to a log.
struct Appender {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Appender {
    fn start(place: &str, name: &str, tasks: usize, commands: usize) -> Self {
        // Cargo builds the examples of a package along with its tests, in the folder beside theirs.
        let test = std::env::current_exe().expect("a running program has a path");
        let program = test
            .parent()
            .and_then(Path::parent)
            .expect("tests lie in target/debug/deps")
            .join("examples/appender");
        let mut process = Command::new(&program)
            .args([place, name, &tasks.to_string(), &commands.to_string()])
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

/// A log that other processes can open.
trait Shared {
    /// As the appender is told it.
    fn place(&self) -> String;

    async fn open(&self) -> Arc<dyn EventStore>;
}

/// In a file.
struct InFolder(TempDir);

impl InFolder {
    fn new() -> Self {
        InFolder(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log.db")
    }
}

impl Shared for InFolder {
    fn place(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    async fn open(&self) -> Arc<dyn EventStore> {
        Arc::new(SqliteStore::open(&self.path(), Arc::new(SystemClock)).expect("the log opens"))
    }
}

/// Every append is there whole: its events follow each other, and its receipt names the last.
async fn assert_whole(store: &dyn EventStore, log: &[Envelope]) {
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

/// Kills a writer again and again, in the end after longer and longer work.
async fn kill_writers(log: &impl Shared) {
    let mut acknowledged = BTreeSet::new();
    for round in 0..KILLS {
        let mut appender = Appender::start(&log.place(), &round.to_string(), TASKS, COMMANDS_BEFORE_KILL);
        for _ in 0..1 + round * round {
            acknowledged.extend(appender.next());
        }
        appender.process.kill().unwrap();
        appender.process.wait().unwrap();
        acknowledged.extend(std::iter::from_fn(|| appender.next()));

        let store = log.open().await;
        let log = whole_log(&*store, 100).await;
        assert_whole(&*store, &log).await;
        let there: BTreeSet<_> = log.iter().map(|event| text(event).to_owned()).collect();
        assert!(acknowledged.is_subset(&there), "{:?}", acknowledged.difference(&there));
    }
    assert!(acknowledged.len() > KILLS * KILLS, "the writers were killed while they wrote");
}

/// Has so many tasks write in each of so many processes beside this one, while a reader reads without pause.
async fn race(shared: &impl Shared, processes: usize, tasks: usize) {
    let store = shared.open().await;
    let reader = tokio::spawn(follow_to_the_end(shared.open().await));
    let mut writing = JoinSet::new();
    for process in 0..processes {
        let mut appender =
            Appender::start(&shared.place(), &format!("there {process}"), tasks, COMMANDS / processes);
        writing.spawn_blocking(move || {
            let lines: Vec<_> = std::iter::from_fn(|| appender.next()).collect();
            assert!(appender.process.wait().unwrap().success());
            lines
        });
    }
    let mut acknowledged = BTreeSet::new();
    for command in 0..COMMANDS / 4 {
        acknowledged.extend(append_among_others(&*store, "here", command).await);
    }
    acknowledged.extend(writing.join_all().await.into_iter().flatten());
    acknowledged.extend(append_among_others(&*store, "end", 0).await);

    let log = whole_log(&*store, 100).await;
    assert_whole(&*store, &log).await;
    assert_eq!(log.len(), acknowledged.len());
    assert_eq!(log.iter().map(|event| text(event).to_owned()).collect::<BTreeSet<_>>(), acknowledged);
    assert!(log.is_sorted_by_key(|event| event.recorded_at));
    let seen = reader.await.unwrap();
    assert_eq!(seen[..], log[..seen.len()], "the reader missed nothing and saw nothing twice");
}

/// Reads until somebody says that this is the end.
async fn follow_to_the_end(store: Arc<dyn EventStore>) -> Vec<Envelope> {
    let mut seen: Vec<Envelope> = Vec::new();
    while !seen.iter().rev().take(10).any(|event| text(event).starts_with("end")) {
        let after = seen.last().map_or(Position::START, |event| event.position);
        seen.extend(store.read_all(after, 10).await.unwrap().events);
        tokio::task::yield_now().await;
    }
    seen
}

#[tokio::test]
async fn a_writer_killed_at_any_moment_leaves_every_acknowledged_append_and_no_half_one() {
    kill_writers(&InFolder::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_process_writes_beside_the_first_and_nothing_is_lost_or_out_of_order() {
    race(&InFolder::new(), 1, TASKS).await;
}

#[tokio::test]
async fn a_log_that_is_only_read_shows_what_others_write_and_takes_nothing() {
    let folder = InFolder::new();
    let path = folder.path();
    assert!(SqliteStore::open_read_only(&path).is_err());
    assert!(!path.exists());
    let writer = folder.open().await;
    let reader = SqliteStore::open_read_only(&path).unwrap();
    append_among_others(&*writer, "here", 1).await;
    let log = whole_log(&*writer, 100).await;
    assert!(!log.is_empty());
    assert_eq!(whole_log(&reader, 100).await, log);
    let refused = reader.append(append("more", &[], &[])).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::ReadOnly))), "{refused:?}");
    let kept = reader.forget_receipts(noon(), 1).await;
    assert!(matches!(kept, Err(StoreError::ReadOnly)), "{kept:?}");
}

mod postgres {
    use super::*;

    /// On a server.
    struct OnServer(String);

    impl OnServer {
        fn new() -> Self {
            OnServer(PrivateServer::shared().new_database())
        }

        fn server(&self) -> Server {
            Server::new(&self.0, None, Limits::default()).unwrap()
        }
    }

    impl Shared for OnServer {
        fn place(&self) -> String {
            self.0.clone()
        }

        async fn open(&self) -> Arc<dyn EventStore> {
            Arc::new(PostgresStore::open(&self.server(), Arc::new(SystemClock)).await.expect("the log opens"))
        }
    }

    #[tokio::test]
    async fn a_writer_killed_at_any_moment_leaves_every_acknowledged_append_and_no_half_one() {
        kill_writers(&OnServer::new()).await;
    }

    macro_rules! races {
        ($($name:ident: $processes:literal of $tasks:literal;)*) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                race(&OnServer::new(), $processes, $tasks).await;
            }
        )*};
    }

    races! {
        one_process_of_two_writers_loses_and_disorders_nothing: 1 of 2;
        one_process_of_eight_writers_loses_and_disorders_nothing: 1 of 8;
        one_process_of_thirty_two_writers_loses_and_disorders_nothing: 1 of 32;
        three_processes_of_two_writers_lose_and_disorder_nothing: 3 of 2;
        three_processes_of_eight_writers_lose_and_disorder_nothing: 3 of 8;
        three_processes_of_thirty_two_writers_lose_and_disorder_nothing: 3 of 32;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn three_processes_beside_a_transaction_that_stays_open_lose_and_disorder_nothing() {
        let shared = OnServer::new();
        shared.open().await;
        let mut stranger = shared.server().connect(None).await.unwrap();
        let transaction = stranger.transaction().await.unwrap();
        // It writes, and it has looked at the log.
        let begin = "CREATE TABLE public.cats (name text); SELECT count(*) FROM log.events";
        transaction.batch_execute(begin).await.unwrap();
        race(&shared, 3, TASKS).await;
        transaction.rollback().await.unwrap();
    }
}
