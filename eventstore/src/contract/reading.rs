//! Reading: in order, in pages, after a restart, and waiting for more.

use super::{Backend, append, stream, tenant, text, whole_log};
use crate::store::PAGE_BYTES_MAX;
use crate::stored::StoredEvent;
use chrono::TimeDelta;
use cityos_domain::log::{Position, Version};
use std::time::{Duration, Instant};

/// Longer than any test waits for what does come.
const LONG: Duration = Duration::from_secs(60);

/// Nothing is there, and looking for it moves nothing.
pub async fn an_empty_log_has_no_head_and_no_pages(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.head().await.expect("the head can be read"), Position::START);
    for after in [Position::START, Position(1_000), Position(u64::MAX)] {
        let page = store.read_all(after, 10).await.expect("the log can be read");
        assert_eq!((page.events.len(), page.scanned_to), (0, after));
    }
    let nobody = stream(tenant("a"), "nobody");
    for after in [Version(0), Version(u64::MAX)] {
        assert_eq!(store.read(nobody, after, 10).await.expect("it can be read").len(), 0);
    }
}

/// Pages and parts of streams join without gap or overlap, whatever their size.
pub async fn reading_goes_on_where_it_stopped(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (stream(tenant("a"), "a"), stream(tenant("a"), "b"));
    for index in 0..5 {
        let texts = [format!("a{index}"), format!("b{index}")];
        let writes = [(a, texts[0].as_str()), (b, texts[1].as_str())];
        store.append(append(&texts[0], &[(a, index), (b, index)], &writes)).await.expect("they follow");
    }
    let all = whole_log(&*store, 100).await;
    assert_eq!(all.len(), 10);
    for limit in [1, 3, 9, 10, 11] {
        assert_eq!(whole_log(&*store, limit).await, all, "in pages of {limit}");
    }
    let middle = store.read_all(all[3].position, 2).await.expect("the log can be read");
    assert_eq!(middle.events, all[4..6]);
    assert_eq!(middle.scanned_to, all[5].position);
    let stored = store.read_stored(all[3].position, 2).await.expect("the log can be read");
    let understood: Result<Vec<_>, _> = stored.iter().map(|stored| stored.decode()).collect();
    assert_eq!(understood.expect("they are of today"), middle.events);
    let of_b = store.read(b, Version(2), 2).await.expect("the stream can be read");
    assert_eq!(of_b.iter().map(text).collect::<Vec<_>>(), ["b2", "b3"]);
    for (after, limit) in [(0, 10), (0, 2), (2, 2), (3, 10), (5, 10), (9, 10)] {
        let read = store.read(b, Version(after), limit).await.expect("the stream can be read");
        let happened = store.read_to_fold(b, Version(after), limit).await.expect("the stream can be read");
        assert_eq!(happened.version, read.last().map_or(Version(after), |event| event.version));
        assert_eq!(happened.events, read.into_iter().map(|read| read.event).collect::<Vec<_>>());
    }
}

/// What a page holds is bounded also where its events are large, and then nothing of the log is left out.
pub async fn a_page_of_large_events_ends_early_and_the_next_goes_on(backend: &dyn Backend) {
    let store = backend.open().await;
    let (shelf, large) = (stream(tenant("a"), "shelf"), "x".repeat(1_000_000));
    for index in 0..20 {
        let write = append(&index.to_string(), &[(shelf, index)], &[(shelf, &large)]);
        store.append(write).await.expect("it follows");
    }
    let page = store.read_all(Position::START, 100).await.expect("the log can be read");
    let stored = store.read_stored(Position::START, 100).await.expect("the log can be read");
    let places = |events: &[StoredEvent]| events.iter().map(|event| event.position).collect::<Vec<_>>();
    assert_eq!(page.events.iter().map(|event| event.position).collect::<Vec<_>>(), places(&stored));
    assert_eq!(stored.last().map(|last| last.position), Some(page.scanned_to));
    let bytes = |events: &[StoredEvent]| -> usize {
        events.iter().map(|event| event.body.len() + event.meta.len()).sum()
    };
    assert!(bytes(&stored) >= PAGE_BYTES_MAX && bytes(&stored[1..]) < PAGE_BYTES_MAX, "{}", stored.len());
    assert_eq!(whole_log(&*store, 100).await.len(), 20);
}

/// An acknowledged append is durable: events, heads and receipts.
pub async fn what_was_acknowledged_is_there_after_opening_again(backend: &dyn Backend) {
    let shelf = stream(tenant("a"), "shelf");
    let first = append("first", &[(shelf, 0)], &[(shelf, "1")]);
    let store = backend.open().await;
    let answer = store.append(first.clone()).await.expect("the stream is new");
    let before = whole_log(&*store, 10).await;
    drop(store);

    let store = backend.open().await;
    assert_eq!(whole_log(&*store, 10).await, before);
    assert_eq!(store.head().await.expect("the head can be read"), answer.position);
    assert!(store.append(first).await.expect("a repeat succeeds").replayed);
    let next = store.append(append("second", &[(shelf, 1)], &[(shelf, "2")])).await;
    assert!(next.expect("it follows the first").position > answer.position);
}

/// Receipts are kept for a while and then deleted a bounded number at a time, oldest first.
pub async fn old_receipts_are_forgotten_in_pieces(backend: &dyn Backend) {
    let store = backend.open().await;
    let shelf = stream(tenant("a"), "shelf");
    let mut commands = Vec::new();
    for index in 0..5 {
        let append = append(&index.to_string(), &[(shelf, 0)], &[]);
        commands.push(append.meta.command);
        store.append(append).await.expect("it writes nothing");
    }
    let last = store.receipt(tenant("a"), commands[4]).await.expect("receipts can be read");
    let recorded_at = last.expect("it was just left").recorded_at;
    let forget = async |before, at_most| {
        store.forget_receipts(before, at_most).await.expect("receipts can be forgotten")
    };
    assert_eq!(forget(recorded_at - TimeDelta::days(1), 10).await, 0, "none is that old");
    let later = recorded_at + TimeDelta::microseconds(1);
    assert_eq!(forget(later, 3).await, 3);
    for (index, command) in commands.iter().enumerate() {
        let left = store.receipt(tenant("a"), *command).await.expect("receipts can be read");
        assert_eq!(left.is_some(), index >= 3, "the oldest go first, not number {index}");
    }
    assert_eq!(forget(later, 3).await, 2);
    assert_eq!(forget(later, 3).await, 0);
    for command in commands {
        assert_eq!(store.receipt(tenant("a"), command).await.expect("receipts can be read"), None);
    }
}

/// The wait for news ends with the news, also when someone else brings it, and at once when it is old.
pub async fn who_waits_for_a_change_is_woken_by_it(backend: &dyn Backend) {
    let (here, there) = (backend.open().await, backend.open().await);
    let shelf = stream(tenant("a"), "shelf");
    let began = Instant::now();
    for (index, writer) in [&here, &there].into_iter().enumerate() {
        let after = here.head().await.expect("the head can be read");
        let append = append(&index.to_string(), &[(shelf, index as u64)], &[(shelf, "x")]);
        let (_, appended) = tokio::join!(here.changed(after, LONG), writer.append(append));
        let position = appended.expect("they follow each other").position;
        assert_eq!(here.head().await.expect("the head can be read"), position);
        here.changed(after, LONG).await;
    }
    assert!(began.elapsed() < LONG);
}

/// Nobody waits for ever.
pub async fn waiting_ends_when_the_time_is_up(backend: &dyn Backend) {
    let store = backend.open().await;
    let at_most = Duration::from_millis(30);
    let began = Instant::now();
    store.changed(Position::START, at_most).await;
    assert!(began.elapsed() >= at_most);
}
