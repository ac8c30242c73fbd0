//! Lost connections, lost answers, servers that go away: what was acknowledged is there, once, and what was not is known.

use super::proxy::Proxy;
use super::*;
use crate::clock::Clock;
use crate::contract::{assert_streams_count_up, noon, text, whole_log};
use crate::database::postgres::{Limits, failure};
use crate::store::AppendError;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use tokio::task::{JoinHandle, JoinSet};

/// Writers of each test, each with a stream of its own.
const WRITERS: usize = 8;

/// How many commands each of them gives.
const COMMANDS: u64 = 40;

/// Longer than any test waits for what does come.
const LONG: Duration = Duration::from_secs(60);

/// Limits that lose patience soon.
fn impatient() -> Limits {
    Limits { statement_at_most: Duration::from_millis(300), ..Limits::default() }
}

/// A clock that is asked the time when a batch is about to be written, and does something then, once.
struct Moment {
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Moment {
    fn to(act: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Moment { act: Mutex::new(Some(Box::new(act))) })
    }
}

#[async_trait]
impl Clock for Moment {
    fn now(&self) -> DateTime<Utc> {
        let act = self.act.lock().unwrap().take();
        act.into_iter().for_each(|act| act());
        noon()
    }

    async fn wait_until(&self, _: DateTime<Utc>) {}
}

/// Waits until the server says so.
async fn until(server: &Server, question: &str) {
    let client = server.connect(None).await.unwrap();
    let begun = Instant::now();
    while !client.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(begun.elapsed() < LONG, "{question}: it never comes to that");
        tokio::task::yield_now().await;
    }
}

/// Whether somebody has the log's lock.
const LOCKED: &str = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = \
     (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// A batch whose connection is poisoned as it is about to be written, and healed once the server says `then`.
async fn written_through(kind: &'static str, direction: &'static str, attributes: &'static str, then: &str) {
    let city = PrivateServer::shared().new_city();
    let direct = open(&city).await;
    direct.append(shelf("before", 0)).await.unwrap();
    let proxy = Arc::new(Proxy::before(PrivateServer::shared().port()));
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", proxy.port, city.database());
    let far = Server::new(&url, None, impatient()).unwrap();
    let (poisoned, is_poisoned) = tokio::sync::oneshot::channel();
    let moment = Moment::to({
        let proxy = proxy.clone();
        move || {
            proxy.poison(kind, direction, attributes);
            poisoned.send(()).unwrap();
        }
    });
    let store = PostgresStore::open(&far, moment).await.unwrap();
    let appending = tokio::spawn({
        let store = store.clone();
        async move {
            let others = stream(tenant("b"), "others");
            let other = append("other", &[(others, 0)], &[(others, "other"), (others, "too")]);
            tokio::join!(store.append(shelf("lost", 1)), store.append(other))
        }
    });
    is_poisoned.await.unwrap();
    until(&city, &format!("SELECT {then}")).await;
    proxy.heal();
    let (one, other) = appending.await.unwrap();
    assert!(!one.unwrap().replayed && !other.unwrap().replayed);

    store.append(shelf("after", 2)).await.unwrap();
    let log = whole_log(&direct, 100).await;
    let mut texts: Vec<_> = log.iter().map(text).collect();
    texts.sort();
    assert_eq!(texts, ["after", "before", "lost", "other", "too"]);
    assert!(log.iter().map(|event| event.position.0).eq(1..=5));
    assert_streams_count_up(&log);
}

const WRITTEN: &str = "EXISTS (SELECT FROM log.receipts WHERE position > 1)";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_answer_is_swallowed_is_found_to_have_been_done() {
    written_through("timeout", "downstream", r#""timeout":0"#, WRITTEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_connection_is_reset_before_its_answer_is_found_to_have_been_done() {
    written_through("reset_peer", "downstream", r#""timeout":0"#, WRITTEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_answer_is_cut_off_in_the_middle_is_found_to_have_been_done() {
    written_through("limit_data", "downstream", r#""bytes":7"#, WRITTEN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_is_cut_off_on_its_way_is_found_not_to_have_been_done_and_is_written() {
    written_through("limit_data", "upstream", r#""bytes":50"#, &format!("NOT {LOCKED}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_never_arrives_keeps_nobody_from_writing_and_is_written_in_the_end() {
    let other_lock = format!(
        "NOT {LOCKED} OR EXISTS (SELECT FROM pg_stat_activity WHERE state = 'idle in transaction' \
         AND datname = current_database() AND state_change < clock_timestamp() - interval '100 milliseconds')"
    );
    written_through("timeout", "upstream", r#""timeout":0"#, &other_lock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_the_server_does_not_come_back_in_time_the_outcome_is_unknown_and_a_repeat_finds_out() {
    let server = Arc::new(PrivateServer::durable());
    let city = server.new_city();
    let limits = Limits { reconnect_at_most: Duration::from_millis(100), ..Limits::default() };
    let moment = Moment::to({
        let server = server.clone();
        move || server.crash()
    });
    let store = PostgresStore::open(&city.with_limits(limits), moment).await.unwrap();
    let lost = store.append(shelf("1", 0)).await;
    assert!(matches!(lost, Err(AppendError::Unknown(StoreError::Unreachable(_)))), "{lost:?}");
    let refused = store.append(shelf("1", 0)).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Unreachable(_)))), "{refused:?}");
    server.go_on();
    store.append(shelf("1", 0)).await.unwrap();
    store.append(shelf("2", 1)).await.unwrap();
    assert_eq!(whole_log(&store, 10).await.iter().map(text).collect::<Vec<_>>(), ["1", "2"]);
}

/// Writers, each with a stream of its own, and a reader that reads without pause, while `trouble` has its way. It is told how
/// many commands are done, and returns when it has seen enough.
async fn through<F: Future<Output = ()>>(server: &Server, trouble: impl FnOnce(Arc<AtomicUsize>) -> F) {
    let store = open(server).await;
    let (done, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let reader = follow(open(server).await, over.clone());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, done) = (store.clone(), done.clone());
        writers.spawn(async move {
            let own = stream(tenant("a"), &writer.to_string());
            for command in 0..COMMANDS {
                let name = format!("{writer}/{command}");
                store.append(append(&name, &[(own, command)], &[(own, &name)])).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    trouble(done).await;
    writers.join_all().await;
    over.store(true, Ordering::Release);

    let expected: BTreeSet<_> = (0..WRITERS)
        .flat_map(|writer| (0..COMMANDS).map(move |command| format!("{writer}/{command}")))
        .collect();
    let log = whole_log(&store, 100).await;
    assert_eq!(log.len(), expected.len());
    assert_eq!(log.iter().map(|event| text(event).to_owned()).collect::<BTreeSet<_>>(), expected);
    assert!(log.iter().map(|event| event.position.0).eq(1..=log.len() as u64), "positions have no gaps");
    assert_streams_count_up(&log);
    assert_eq!(reader.await.unwrap(), log, "the reader missed nothing and saw nothing twice");
}

fn follow(store: PostgresStore, over: Arc<AtomicBool>) -> JoinHandle<Vec<Envelope>> {
    tokio::spawn(async move {
        let (mut seen, mut after) = (Vec::new(), Position::START);
        loop {
            let last_look = over.load(Ordering::Acquire);
            match store.read_all(after, 5).await {
                Ok(page) if page.events.is_empty() && last_look => return seen,
                Ok(page) => {
                    after = page.scanned_to;
                    seen.extend(page.events);
                }
                Err(StoreError::Unreachable(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    })
}

/// Returns when so many more commands are done.
async fn more(done: &AtomicUsize, commands: usize) {
    let enough = (done.load(Ordering::Relaxed) + commands).min(WRITERS * COMMANDS as usize);
    let begun = Instant::now();
    while done.load(Ordering::Relaxed) < enough {
        assert!(begun.elapsed() < LONG, "the writers stand still, or are gone");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_crashes_and_one_that_is_stopped_cost_nobody_an_event() {
    let server = PrivateServer::durable();
    let city = server.new_city();
    through(&city, async |done| {
        for round in 0..4 {
            more(&done, 60).await;
            tokio::task::block_in_place(|| if round % 2 == 0 { server.crash() } else { server.stop() });
            tokio::task::block_in_place(|| server.go_on());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_ended_again_and_again_cost_nobody_an_event() {
    let city = PrivateServer::shared().new_city();
    through(&city, async |done| {
        let administrator = city.connect(None).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        for _ in 0..10 {
            more(&done, 25).await;
            administrator.execute(end, &[]).await.map_err(failure).unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_of_somebody_else_that_stays_open_holds_up_nobody() {
    let city = PrivateServer::shared().new_city();
    open(&city).await;
    let mut stranger = city.connect(None).await.unwrap();
    let open_for_long = stranger.build_transaction();
    let transaction =
        open_for_long.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead).start().await.unwrap();
    transaction
        .batch_execute("CREATE TABLE public.cats (name text); SELECT count(*) FROM log.events")
        .await
        .unwrap();
    through(&city, async |_| {}).await;
    transaction.batch_execute("SELECT 1").await.unwrap();
    transaction.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_change_is_woken_also_where_nobody_hears_of_it() {
    let city = PrivateServer::shared().new_city();
    let (here, there) = (open(&city).await, open(&city).await);
    let administrator = city.connect(None).await.unwrap();
    there.append(shelf("1", 0)).await.unwrap();
    let listening = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    until(&city, &format!("SELECT count(*) = 2 {listening}")).await;
    // Whoever listens is sent away, and comes back too late.
    let end = format!("SELECT pg_terminate_backend(pid) {listening}");
    administrator.execute(&end, &[]).await.unwrap();
    let began = Instant::now();
    let after = here.head().await.unwrap();
    let (_, appended) = tokio::join!(here.changed(after, LONG), there.append(shelf("2", 1)));
    appended.unwrap();
    assert!(began.elapsed() < LONG);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_that_was_dumped_and_restored_elsewhere_is_read_on_from_where_readers_were() {
    let (here, there) = (PrivateServer::shared(), PrivateServer::durable());
    let city = here.new_city();
    let store = open(&city).await;
    for version in 0..20 {
        store.append(shelf(&version.to_string(), version)).await.unwrap();
    }
    let page = store.read_all(Position::START, 7).await.unwrap();
    let moved = there.new_city();
    moved.prepare(&Schema { name: "nothing", steps: &[] }).await.unwrap();
    let dump = here.program("pg_dump", &[&here.url("postgres", city.database()), "--format=custom"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), dump).unwrap();
    let target = there.url("postgres", moved.database());
    there.program("pg_restore", &["--exit-on-error", "-d", &target, file.path().to_str().unwrap()]);

    let restored = open(&moved).await;
    let rest = restored.read_all(page.scanned_to, 100).await.unwrap();
    let texts: Vec<_> = page.events.iter().chain(&rest.events).map(text).collect();
    assert_eq!(texts, (0..20).map(|version| version.to_string()).collect::<Vec<_>>());
    let next = restored.append(shelf("20", 20)).await.unwrap();
    assert_eq!(next.position, Position(21));
    assert!(restored.append(shelf("3", 3)).await.unwrap().replayed, "receipts came along");
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_that_hangs_with_the_lock_is_sent_away_and_writes_when_it_wakes() {
    let city = PrivateServer::shared().new_city();
    let (release, hold): (Sender<()>, _) = channel();
    let held = PostgresStore::open(&city, Arc::new(Held(Mutex::new(hold)))).await.unwrap();
    let hanging = tokio::spawn({
        let held = held.clone();
        async move { held.append(shelf("late", 1)).await }
    });
    until(&city, &format!("SELECT {LOCKED}")).await;
    let store = open(&city).await;
    store.append(shelf("1", 0)).await.unwrap();
    drop(release);
    hanging.await.unwrap().unwrap();
    assert_eq!(whole_log(&store, 10).await.iter().map(text).collect::<Vec<_>>(), ["1", "late"]);
}
