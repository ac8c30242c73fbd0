//! Commands under contention, repeated, refused, and with what starts on them.

use super::*;
use crate::clock::ManualClock;
use crate::contract::{assert_streams_count_up, noon, tenant, whole_log};
use crate::memory::MemoryStore;
use crate::store::{EVENTS_PER_APPEND_MAX, Page, Receipt};
use crate::stored::StoredEvent;
use async_trait::async_trait;
use cityos_domain::event::Event;
use cityos_domain::ids::{OfferId, derive};
use cityos_domain::log::{Actor, Envelope, Position};
use cityos_domain::marketplace::stock;
use cityos_domain::rejection::Reject;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Units in a box: they can be put in, and taken while there are any.
#[derive(Clone, PartialEq, Debug, Default, serde::Serialize)]
struct Units(i64);

#[derive(Clone, Debug)]
enum Wish {
    Put(i64),
    /// Nothing to do where it holds this many already.
    FillTo(i64),
    Take,
}

#[derive(Debug, thiserror::Error)]
#[error("there is nothing left")]
struct Empty;

impl Reject for Empty {
    fn code(&self) -> &'static str {
        "UNITS_EMPTY"
    }
}

impl Aggregate for Units {
    type Id = OfferId;
    type Command = Wish;
    type Event = stock::Event;
    type Rejection = Empty;

    fn decide(&self, wish: &Wish, _: DateTime<Utc>) -> Result<Vec<stock::Event>, Empty> {
        let change = match wish {
            Wish::Put(units) => *units,
            Wish::FillTo(units) => units - self.0,
            Wish::Take if self.0 == 0 => return Err(Empty),
            Wish::Take => -1,
        };
        let change = Some(change).filter(|change| *change != 0);
        Ok(change.into_iter().map(|by| stock::Event::Adjusted { by, reason: String::new() }).collect())
    }

    fn evolve(self, event: &stock::Event) -> Self {
        let stock::Event::Adjusted { by, .. } = event else { panic!("nobody here decides {event:?}") };
        Units(self.0 + by)
    }
}

/// Takes from one box and puts into another, if there is anything to take.
struct Move {
    from: OfferId,
    to: OfferId,
}

impl Intention for Move {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.send::<Units>(self.from, &Wish::Take)?;
        city.send::<Units>(self.to, &Wish::Put(1))
    }
}

/// Sends one wish to one box.
struct To(OfferId, Wish);

impl Intention for To {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.send::<Units>(self.0, &self.1)
    }
}

fn the_box(name: &str) -> OfferId {
    OfferId(derive(&["box", name]))
}

fn box_stream(name: &str) -> StreamId {
    Units::stream(tenant("a"), the_box(name))
}

fn command(name: &str) -> Command {
    Command {
        partition: tenant("a"),
        at: noon(),
        meta: Meta::of(CommandId(derive(&["command", name])), Actor::user("4711"), Origin::Live),
        input: InputHash([1; 32]),
        expected: None,
    }
}

fn over(store: Arc<dyn EventStore>) -> Executor {
    Executor::new(store, Arc::new(ManualClock::at(noon())), Arc::new(()))
}

fn memory() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::at(noon()))))
}

async fn units(executor: &Executor, name: &str) -> i64 {
    executor.load::<Units>(tenant("a"), the_box(name)).await.unwrap().0.0
}

fn is_empty(result: &Result<Executed, ExecuteError>) -> bool {
    matches!(result, Err(ExecuteError::Rejected(rejected)) if rejected.code == "UNITS_EMPTY")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_who_want_the_last_unit_one_gets_it_and_the_others_are_told() {
    let store = memory();
    // Two executors that know nothing of each other, as in two processes.
    let executors = [over(store.clone()), over(store.clone())];
    executors[0].execute(&command("stock"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    let mut buying = JoinSet::new();
    for buyer in 0..20 {
        let executor = executors[buyer % 2].clone();
        buying.spawn(async move {
            let wish = Move { from: the_box("shop"), to: the_box(&format!("buyer {buyer}")) };
            executor.execute(&command(&format!("buy {buyer}")), &wish).await
        });
    }
    let answers = buying.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| is_empty(answer)).count(), 19, "{answers:?}");
    assert_eq!(units(&executors[0], "shop").await, 0);
}

#[tokio::test]
async fn what_is_only_tried_out_is_answered_as_the_rules_stand_and_not_written() {
    let store = memory();
    let executor = over(store.clone());
    let take = To(the_box("shop"), Wish::Take);
    let empty = executor.try_out(&command("try"), &take).await;
    assert!(matches!(empty, Err(ExecuteError::Rejected(rejected)) if rejected.code == "UNITS_EMPTY"));
    over(store.clone()).execute(&command("stock"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    assert!(executor.try_out(&command("try"), &take).await.is_ok());
    assert_eq!((units(&executor, "shop").await, whole_log(&*store, 100).await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_writers_than_attempts_on_one_stream_all_come_through() {
    let writers = 3 * ATTEMPTS_MAX as i64;
    let store = memory();
    let executor = over(store.clone());
    let mut writing = JoinSet::new();
    for writer in 0..writers {
        let executor = executor.clone();
        writing.spawn(async move {
            executor.execute(&command(&writer.to_string()), &To(the_box("hot"), Wish::Put(1))).await
        });
    }
    for answer in writing.join_all().await {
        answer.unwrap();
    }
    assert_eq!(units(&executor, "hot").await, writers);
    assert_streams_count_up(&whole_log(&*store, 100).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_repeated_by_many_at_once_is_done_once_and_gives_one_answer() {
    let store = memory();
    let executor = over(store.clone());
    executor.execute(&command("stock"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    let mut repeating = JoinSet::new();
    for _ in 0..20 {
        let executor = executor.clone();
        let wish = Move { from: the_box("shop"), to: the_box("mine") };
        repeating.spawn(async move { executor.execute(&command("buy"), &wish).await.unwrap() });
    }
    let answers = repeating.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    for answer in &answers {
        assert_eq!((answer.position, &answer.versions), (answers[0].position, &answers[0].versions));
    }
    assert_eq!(units(&executor, "mine").await, 1);
}

#[tokio::test]
async fn a_repeat_is_answered_as_at_first_even_where_the_rules_would_now_say_no() {
    let store = memory();
    let executor = over(store.clone());
    executor.execute(&command("stock"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    let first = executor.execute(&command("take"), &To(the_box("shop"), Wish::Take)).await.unwrap();
    // One that remembers the empty box, and one that has to look.
    for executor in [executor, over(store.clone())] {
        let again = executor.execute(&command("take"), &To(the_box("shop"), Wish::Take)).await.unwrap();
        assert_eq!((again.position, again.replayed), (first.position, true));
        let mut other_input = command("take");
        other_input.input = InputHash([2; 32]);
        let reused = executor.execute(&other_input, &To(the_box("shop"), Wish::Take)).await;
        assert!(matches!(reused, Err(ExecuteError::KeyReused)), "{reused:?}");
    }
    assert_eq!(whole_log(&*store, 10).await.len(), 2);
}

#[tokio::test]
async fn what_is_already_so_leaves_a_receipt_and_what_is_rejected_leaves_none() {
    let store = memory();
    let executor = over(store.clone());
    let filled = executor.execute(&command("fill"), &To(the_box("shop"), Wish::FillTo(5))).await.unwrap();
    let already = To(the_box("shop"), Wish::FillTo(5));
    let so = executor.execute(&command("fill again"), &already).await.unwrap();
    assert_eq!((so.position, so.replayed, so.versions.len()), (filled.position, false, 0));
    executor.execute(&command("take"), &To(the_box("shop"), Wish::Take)).await.unwrap();
    let repeated = executor.execute(&command("fill again"), &already).await.unwrap();
    assert_eq!((repeated.position, repeated.replayed), (filled.position, true));
    assert_eq!(units(&executor, "shop").await, 4);

    assert!(is_empty(&executor.execute(&command("late"), &To(the_box("other"), Wish::Take)).await));
    assert_eq!(store.receipt(tenant("a"), command("late").id()).await.unwrap(), None);
    executor.execute(&command("stock other"), &To(the_box("other"), Wish::Put(1))).await.unwrap();
    executor.execute(&command("late"), &To(the_box("other"), Wish::Take)).await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_came_from_an_old_memory_is_looked_at_again() {
    let store = memory();
    let (here, there) = (over(store.clone()), over(store.clone()));
    here.execute(&command("1"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    here.execute(&command("2"), &To(the_box("shop"), Wish::Take)).await.unwrap();
    there.execute(&command("3"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    here.execute(&command("4"), &To(the_box("shop"), Wish::Take)).await.unwrap();

    there.execute(&command("5"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    let mut seen = command("6");
    seen.expected = Some((box_stream("shop"), Version(5)));
    here.execute(&seen, &To(the_box("shop"), Wish::Put(1))).await.unwrap();
}

#[tokio::test]
async fn what_is_remembered_stays_as_it_was_until_the_log_is_looked_at() {
    let store = memory();
    let (one, other) = (over(store.clone()), over(store));
    let recalled = async || {
        let (state, version) = one.recall::<Units>(tenant("a"), the_box("a")).await.unwrap();
        (state.0, version)
    };
    one.execute(&command("fill"), &To(the_box("a"), Wish::Put(2))).await.unwrap();
    other.execute(&command("take"), &To(the_box("a"), Wish::Take)).await.unwrap();
    assert_eq!(recalled().await, (2, Version(1)));
    assert_eq!(units(&one, "a").await, 1);
    assert_eq!(recalled().await, (1, Version(2)));
}

#[tokio::test]
async fn who_saw_another_version_is_told_the_current_one_even_where_the_decision_does_not_look() {
    let executor = over(memory());
    executor.execute(&command("1"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    executor.execute(&command("2"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    for looked_at in ["shop", "another"] {
        let mut stale = command(looked_at);
        stale.expected = Some((box_stream("shop"), Version(1)));
        let answer = executor.execute(&stale, &To(the_box(looked_at), Wish::Put(1))).await;
        let Err(ExecuteError::VersionConflict { stream, current }) = answer else { panic!("{answer:?}") };
        assert_eq!((stream, current), (box_stream("shop"), Version(2)));
    }
    let mut right = command("right");
    right.expected = Some((box_stream("shop"), Version(2)));
    executor.execute(&right, &To(the_box("another"), Wish::Put(1))).await.unwrap();
}

/// A run starts whenever a box is filled.
struct Filling;

impl Reactions for Filling {
    fn react(&self, id: EventId, event: &Decided) -> Vec<(RunId, saga_run::Event)> {
        let run = RunId(derive(&["filling", &id.to_string()]));
        let filled = matches!(event.event, Event::Stock(stock::Event::Adjusted { by, .. }) if by > 0);
        let started = saga_run::Event::Woken { step: "fill".into() };
        filled.then_some((run, started)).into_iter().collect()
    }
}

#[tokio::test]
async fn what_starts_on_an_event_is_in_the_same_append_and_imports_start_nothing() {
    let store = memory();
    let clock = Arc::new(ManualClock::at(noon()));
    let executor = Executor::new(store.clone(), clock, Arc::new(Filling));
    let live = command("live");
    let executed = executor.execute(&live, &To(the_box("shop"), Wish::Put(2))).await.unwrap();
    let log = whole_log(&*store, 10).await;
    let kinds: Vec<_> = log.iter().map(|event| event.stream.kind).collect();
    assert_eq!(kinds, [Kind::Stock, Kind::SagaRun]);
    assert_eq!((executed.versions.len(), executed.position), (2, log[1].position));
    let run = derive(&["filling", &live.id().event(0).to_string()]);
    assert_eq!((log[1].stream.id, log[1].id, log[1].at), (run, live.id().event(1), noon()));
    assert!(log.iter().all(|event| event.meta == live.meta));

    let mut import = command("import");
    import.meta.origin = Origin::Import;
    executor.execute(&import, &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    assert_eq!(whole_log(&*store, 10).await.len(), 3);
}

/// What becomes of an append.
enum Fate {
    Done,
    /// It is done, and its reply is lost.
    DoneUnheard,
    /// It is lost itself.
    Lost,
    /// There is no room for it.
    Refused,
}

/// A store on which appends meet these fates, and all after them are done.
struct Faulty {
    inner: Arc<MemoryStore>,
    fates: Mutex<VecDeque<Fate>>,
    reads: AtomicUsize,
}

impl Faulty {
    fn over(inner: &Arc<MemoryStore>, fates: impl IntoIterator<Item = Fate>) -> Arc<Self> {
        let fates = Mutex::new(fates.into_iter().collect());
        Arc::new(Faulty { inner: inner.clone(), fates, reads: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl EventStore for Faulty {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Done);
        match fate {
            Fate::Done => return self.inner.append(append).await,
            Fate::DoneUnheard => drop(self.inner.append(append).await?),
            Fate::Lost => {}
            Fate::Refused => return Err(AppendError::Store(StoreError::Full)),
        }
        Err(AppendError::Unknown(StoreError::Closed))
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(stream, after, limit).await
    }

    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.inner.read_stored(after, limit).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        self.inner.receipt(partition, command).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.inner.head().await
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        self.inner.changed(after, at_most).await;
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        self.inner.forget_receipts(before, at_most).await
    }
}

#[tokio::test]
async fn an_append_whose_reply_was_lost_is_found_or_done_but_never_done_twice() {
    let inner = memory();
    let executor = over(Faulty::over(&inner, [Fate::DoneUnheard, Fate::Done, Fate::Lost]));
    let was_done = executor.execute(&command("1"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    let was_not = executor.execute(&command("2"), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
    assert_eq!((was_done.replayed, was_not.replayed), (true, false));
    assert_eq!(units(&executor, "shop").await, 2);
    assert_eq!(whole_log(&*inner, 10).await.len(), 2);
}

#[tokio::test]
async fn who_is_told_of_a_failure_hears_where_it_is_not_known_what_came_of_the_attempt_before_it() {
    let fill = To(the_box("shop"), Wish::Put(1));
    for (fate, done) in [(Fate::DoneUnheard, true), (Fate::Lost, false)] {
        let inner = memory();
        let executor = over(Faulty::over(&inner, [fate, Fate::Refused]));
        let failed = executor.execute(&command("1"), &fill).await;
        assert!(matches!(failed, Err(ExecuteError::Store(StoreError::Closed))), "{failed:?}");
        assert_eq!(executor.execute(&command("1"), &fill).await.unwrap().replayed, done);
        assert_eq!(whole_log(&*inner, 10).await.len(), 1);
    }
    let refused = over(Faulty::over(&memory(), [Fate::Refused])).execute(&command("1"), &fill).await;
    assert!(matches!(refused, Err(ExecuteError::Store(StoreError::Full))), "{refused:?}");
}

/// Looks at ever more.
struct Curious;

impl Intention for Curious {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let boxes: Vec<_> = (0..STREAMS_SEEN_MAX + 1).map(|index| the_box(&index.to_string())).collect();
        city.see_all::<Units>(&boxes).map(|_| ())
    }
}

#[tokio::test]
async fn a_decision_that_looks_at_too_much_is_refused_before_anything_is_read() {
    let store = Faulty::over(&memory(), []);
    let answer = over(store.clone()).execute(&command("all"), &Curious).await;
    assert!(matches!(answer, Err(ExecuteError::TooWide)), "{answer:?}");
    assert_eq!(store.reads.load(Ordering::Relaxed), 0);
}

/// Puts more into a box, one by one, than an append takes.
struct Flood;

impl Intention for Flood {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        (0..=EVENTS_PER_APPEND_MAX).try_for_each(|_| city.send::<Units>(the_box("shop"), &Wish::Put(1)))
    }
}

#[tokio::test]
async fn a_repeat_that_has_become_too_large_to_be_done_is_answered_as_at_first() {
    let executor = over(memory());
    let fresh = executor.execute(&command("flood"), &Flood).await;
    assert!(matches!(fresh, Err(ExecuteError::Unwritable(_))), "{fresh:?}");
    for (name, grown) in [("wide", &Curious as &dyn Intention), ("long", &Flood)] {
        let first = executor.execute(&command(name), &To(the_box("shop"), Wish::Put(1))).await.unwrap();
        let again = executor.execute(&command(name), grown).await.unwrap();
        assert_eq!((again.position, again.replayed), (first.position, true));
    }
}

#[tokio::test]
async fn a_long_stream_is_folded_whole_and_from_where_memory_ends() {
    let store = memory();
    let (here, there) = (over(store.clone()), over(store.clone()));
    let many = READ_LIMIT as usize + 1;
    for index in 0..many {
        here.execute(&command(&index.to_string()), &To(the_box("long"), Wish::Put(1))).await.unwrap();
        if index == 3 {
            assert_eq!(units(&there, "long").await, 4);
        }
    }
    let (state, version) = there.load::<Units>(tenant("a"), the_box("long")).await.unwrap();
    assert_eq!((state.0, version), (many as i64, Version(many as u64)));
}
