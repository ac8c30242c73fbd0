//! Many at once: whatever the writers do, a reader in a tight loop sees every event once, in order.

use super::{Backend, append, assert_streams_count_up, stream, tenant, text, whole_log};
use crate::store::{AppendError, EventStore};
use cityos_domain::log::{Position, StreamId, Version};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// Commands that all writers of a test give together.
const COMMANDS: usize = 384;

/// Streams they share.
const STREAMS: usize = 12;

/// How often a writer tries one command.
const TRIES_MAX: usize = 10_000;

/// Order under 2 writers.
pub async fn two_writers_lose_and_disorder_nothing(backend: &dyn Backend) {
    race(backend, 2, 1).await;
}

/// Order under 8 writers.
pub async fn eight_writers_lose_and_disorder_nothing(backend: &dyn Backend) {
    race(backend, 8, 1).await;
}

/// Order under 32 writers.
pub async fn thirty_two_writers_lose_and_disorder_nothing(backend: &dyn Backend) {
    race(backend, 32, 1).await;
}

/// Order under writers of two stores on the same log.
pub async fn writers_beside_each_other_lose_and_disorder_nothing(backend: &dyn Backend) {
    race(backend, 8, 2).await;
}

async fn race(backend: &dyn Backend, writers: usize, instances: usize) {
    let mut stores = Vec::new();
    for _ in 0..instances {
        stores.push(backend.open().await);
    }
    let reading = backend.open().await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(follow(reading, done.clone()));

    let mut writing = JoinSet::new();
    for writer in 0..writers {
        writing.spawn(write(stores[writer % instances].clone(), writer, COMMANDS / writers));
    }
    let acknowledged: HashSet<String> = writing.join_all().await.into_iter().flatten().collect();
    done.store(true, Ordering::Release);

    let seen = reader.await.expect("the reader met no disorder");
    assert_eq!(seen.len(), acknowledged.len(), "what is read is what was acknowledged");
    assert_eq!(HashSet::from_iter(seen), acknowledged);
    let log = whole_log(&*stores[0], 7).await;
    assert_streams_count_up(&log);
    assert!(log.is_sorted_by_key(|event| event.recorded_at));
}

async fn write(store: Arc<dyn EventStore>, writer: usize, commands: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for command in 0..commands {
        acknowledged.extend(append_among_others(&*store, &writer.to_string(), command).await);
    }
    acknowledged
}

/// Appends to one or two of the streams that all writers share, again and again until it is done. Gives what
/// the events say: writer, command, and the event's place and number among those of the append.
pub async fn append_among_others(store: &dyn EventStore, writer: &str, command: usize) -> Vec<String> {
    let shared = |index: usize| stream(tenant("a"), &(index % STREAMS).to_string());
    let mut streams = vec![shared(writer.len() + command), shared(7 * command)];
    streams.dedup();
    let part = |part| format!("{writer}/{command}/{part}/{}", streams.len());
    let texts: Vec<_> = (1..=streams.len()).map(part).collect();
    append_somehow(store, &streams, &texts).await;
    texts
}

async fn append_somehow(store: &dyn EventStore, streams: &[StreamId], texts: &[String]) {
    for _ in 0..TRIES_MAX {
        let mut relies_on = Vec::new();
        for stream in streams {
            relies_on.push((*stream, version(store, *stream).await));
        }
        let writes: Vec<_> = streams.iter().copied().zip(texts.iter().map(String::as_str)).collect();
        match store.append(append(&texts[0], &relies_on, &writes)).await {
            Ok(_) => return,
            Err(AppendError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("{TRIES_MAX} tries were not enough");
}

async fn version(store: &dyn EventStore, stream: StreamId) -> u64 {
    let events = store.read(stream, Version(0), u32::MAX).await.expect("the stream can be read");
    events.last().map_or(0, |event| event.version.0)
}

/// Reads without pause until the writers are done and there is nothing more.
async fn follow(store: Arc<dyn EventStore>, done: Arc<AtomicBool>) -> Vec<String> {
    let mut seen = Vec::new();
    let mut after = Position::START;
    loop {
        let last_look = done.load(Ordering::Acquire);
        let page = store.read_all(after, 5).await.expect("the log can be read");
        for event in &page.events {
            assert!(event.position > after, "{:?} after {after:?}", event.position);
            after = event.position;
            seen.push(text(event).to_owned());
        }
        if page.events.is_empty() && last_look {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

/// Optimistic concurrency: one winner, and every loser knows.
pub async fn of_twenty_appends_at_one_version_exactly_one_wins(backend: &dyn Backend) {
    let stores = [backend.open().await, backend.open().await];
    let shelf = stream(tenant("a"), "shelf");
    let mut racing = JoinSet::new();
    for racer in 0..20 {
        let store = stores[racer % 2].clone();
        let name = racer.to_string();
        racing.spawn(async move { store.append(append(&name, &[(shelf, 0)], &[(shelf, &name)])).await });
    }
    let mut winners = 0;
    for result in racing.join_all().await {
        match result {
            Ok(_) => winners += 1,
            Err(AppendError::Conflict { stream, current, .. }) => {
                assert_eq!((stream, current), (shelf, Version(1)));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(whole_log(&*stores[0], 100).await.len(), 1);
}

/// Each racer writes a stream of its own and relies on all others' being empty: only one can be right.
pub async fn of_eight_racers_over_shared_guards_the_log_shows_a_serial_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let streams: Vec<_> = (0..8).map(|racer| stream(tenant("a"), &racer.to_string())).collect();
    let guards: Vec<_> = streams.iter().map(|stream| (*stream, 0)).collect();
    let mut racing = JoinSet::new();
    for (racer, own) in streams.into_iter().enumerate() {
        let append = append(&racer.to_string(), &guards, &[(own, "won")]);
        let store = store.clone();
        racing.spawn(async move { store.append(append).await.is_ok() });
    }
    let winners = racing.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!((winners, whole_log(&*store, 100).await.len()), (1, 1));
}

/// A client that repeats itself too early still has its command done once.
pub async fn a_command_given_by_many_at_once_is_written_once(backend: &dyn Backend) {
    let stores = [backend.open().await, backend.open().await];
    let shelf = stream(tenant("a"), "shelf");
    let append = append("one", &[(shelf, 0)], &[(shelf, "once")]);
    let mut racing = JoinSet::new();
    for racer in 0..16 {
        let (store, append) = (stores[racer % 2].clone(), append.clone());
        racing.spawn(async move { store.append(append).await.expect("every one of them is answered") });
    }
    let answers = racing.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.iter().all(|answer| answer.position == answers[0].position));
    assert_eq!(whole_log(&*stores[0], 10).await.len(), 1);
}
