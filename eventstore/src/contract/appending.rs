//! Appending: all or nothing, in order, guarded, and once.

use super::{Backend, append, conflict, noon, stream, tenant, text, whole_log};
use crate::store::{AppendError, BODY_BYTES_MAX, EVENTS_PER_APPEND_MAX, InputHash};
use chrono::TimeDelta;
use cityos_domain::event::Kind;
use cityos_domain::log::{Position, StreamId, Version};

/// Every field of an event survives, whatever is in its text.
pub async fn what_is_appended_is_read_back_as_it_was(backend: &dyn Backend) {
    let store = backend.open().await;
    let shelf = stream(tenant("a"), "shelf");
    let odd = "quotes \" ' \\ and \u{0} and \u{1F980} and\nlines; -- DROP TABLE events";
    let append = append("odd", &[(shelf, 0)], &[(shelf, odd)]);
    let appended = store.append(append.clone()).await.expect("nothing stands in the way");
    assert!(!appended.replayed);
    assert_eq!(appended.versions, [(shelf, Version(1))]);

    let events = store.read(shelf, Version(0), 10).await.expect("the stream can be read");
    let [event] = &events[..] else { panic!("one event was written, not {events:?}") };
    assert_eq!(event.id, append.events[0].id);
    assert_eq!((event.stream, event.version, event.position), (shelf, Version(1), appended.position));
    assert_eq!((event.at, &event.meta), (noon(), &append.meta));
    assert_eq!(text(event), odd);
    assert_eq!(whole_log(&*store, 10).await, events);
    assert_eq!(store.head().await.expect("the head can be read"), appended.position);
}

/// The order of an append is the order of the log, also where streams take turns.
pub async fn events_keep_their_order_across_the_streams_of_one_append(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (stream(tenant("a"), "a"), stream(tenant("a"), "b"));
    let writes = [(b, "1"), (a, "2"), (b, "3"), (a, "4"), (a, "5")];
    let appended = store.append(append("turns", &[(a, 0), (b, 0)], &writes)).await.expect("both are new");
    assert_eq!(appended.versions, [(b, Version(2)), (a, Version(3))]);

    let log = whole_log(&*store, 2).await;
    let order: Vec<_> = log.iter().map(|event| (event.stream, text(event), event.version.0)).collect();
    assert_eq!(order, [(b, "1", 1), (a, "2", 1), (b, "3", 2), (a, "4", 2), (a, "5", 3)]);
    assert_eq!(log.last().map(|event| event.position), Some(appended.position));
}

/// The second writer at one version learns where the stream is.
pub async fn a_stream_that_has_moved_is_named_and_nothing_is_written(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (stream(tenant("a"), "a"), stream(tenant("a"), "b"));
    store.append(append("first", &[(a, 0)], &[(a, "1"), (a, "2")])).await.expect("the stream is new");

    let late = append("late", &[(b, 0), (a, 1)], &[(b, "x"), (a, "x")]);
    assert_eq!(conflict(store.append(late.clone()).await), (a, Version(1), Version(2)));
    let early = append("early", &[(a, 3)], &[(a, "x")]);
    assert_eq!(conflict(store.append(early).await), (a, Version(3), Version(2)));

    assert_eq!(whole_log(&*store, 10).await.len(), 2);
    let receipt = store.receipt(tenant("a"), late.meta.command).await.expect("receipts can be read");
    assert_eq!(receipt, None, "what was not done leaves no receipt");
    store
        .append(append("late", &[(b, 0), (a, 2)], &[(b, "3"), (a, "4")]))
        .await
        .expect("tried anew, it holds");
}

/// A decision must not outlive what it relied on, even where it does not write there.
pub async fn a_guard_that_has_moved_is_named_and_nothing_is_written(backend: &dyn Backend) {
    let store = backend.open().await;
    let (guard, order) = (stream(tenant("a"), "guard"), stream(tenant("a"), "order"));
    store.append(append("opened", &[(guard, 0)], &[(guard, "open")])).await.expect("the stream is new");
    store.append(append("1", &[(order, 0), (guard, 1)], &[(order, "1")])).await.expect("the guard holds");
    store.append(append("closed", &[(guard, 1)], &[(guard, "closed")])).await.expect("nobody else writes it");

    let late = append("2", &[(order, 1), (guard, 1)], &[(order, "2")]);
    assert_eq!(conflict(store.append(late).await), (guard, Version(1), Version(2)));
    assert_eq!(store.read(order, Version(0), 10).await.expect("the stream can be read").len(), 1);
}

/// A lost reply costs nothing: the same command again is answered from its receipt, whatever moved since.
pub async fn a_repeated_append_gives_the_first_answer_and_writes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let shelf = stream(tenant("a"), "shelf");
    let first = append("first", &[(shelf, 0)], &[(shelf, "1"), (shelf, "2")]);
    let answer = store.append(first.clone()).await.expect("the stream is new");
    store.append(append("second", &[(shelf, 2)], &[(shelf, "3")])).await.expect("it follows the first");

    let again = store.append(first.clone()).await.expect("a repeat succeeds");
    assert!(again.replayed);
    assert_eq!((again.position, &again.versions), (answer.position, &answer.versions));
    let decided_anew = append("first", &[(shelf, 3)], &[(shelf, "1"), (shelf, "2")]);
    assert!(store.append(decided_anew).await.expect("a repeat succeeds").replayed);
    assert_eq!(whole_log(&*store, 10).await.len(), 3);

    let receipt = store.receipt(tenant("a"), first.meta.command).await.expect("receipts can be read");
    let receipt = receipt.expect("the command left one");
    assert_eq!((receipt.position, receipt.versions), (answer.position, answer.versions));
    assert_eq!(receipt.input, first.input);
}

/// An id stands for one input.
pub async fn a_command_id_with_another_input_is_refused(backend: &dyn Backend) {
    let store = backend.open().await;
    let shelf = stream(tenant("a"), "shelf");
    let first = append("first", &[(shelf, 0)], &[(shelf, "1")]);
    store.append(first.clone()).await.expect("the stream is new");
    for relied_on in [0, 1] {
        let mut other = append("first", &[(shelf, relied_on)], &[(shelf, "2")]);
        other.input = InputHash([8; 32]);
        let refused = store.append(other).await;
        assert!(
            matches!(refused, Err(AppendError::KeyReused { command }) if command == first.meta.command),
            "{refused:?}"
        );
    }
    assert_eq!(whole_log(&*store, 10).await.len(), 1);
}

/// "Already so" is an answer too.
pub async fn an_append_without_events_leaves_a_receipt_and_checks_its_guards(backend: &dyn Backend) {
    let store = backend.open().await;
    let shelf = stream(tenant("a"), "shelf");
    let on_nothing = append("nothing", &[(shelf, 0)], &[]);
    let answer = store.append(on_nothing.clone()).await.expect("an empty log takes it");
    assert_eq!((answer.position, answer.versions.len()), (Position::START, 0));

    let head = store.append(append("1", &[(shelf, 0)], &[(shelf, "1")])).await.expect("it is new").position;
    let already_so = store.append(append("already", &[(shelf, 1)], &[])).await.expect("the guard holds");
    assert_eq!(already_so.position, head);
    let stale = append("stale", &[(shelf, 0)], &[]);
    assert_eq!(conflict(store.append(stale).await), (shelf, Version(0), Version(1)));

    let again = store.append(on_nothing).await.expect("a repeat succeeds");
    assert_eq!((again.position, again.replayed), (Position::START, true));
    assert_eq!(store.head().await.expect("the head can be read"), head);
    let page = store.read_all(head, 10).await.expect("the log can be read");
    assert_eq!((page.events.len(), page.scanned_to), (0, head));
}

/// A bug of the caller is told from a conflict, and writes nothing.
pub async fn an_append_that_cannot_be_is_refused_whole(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (stream(tenant("a"), "a"), stream(tenant("b"), "b"));
    let large = "x".repeat(BODY_BYTES_MAX);
    let of_another_kind = StreamId { kind: Kind::Order, ..a };
    let cases = [
        append("unguarded", &[(a, 0)], &[(a, "1"), (stream(tenant("a"), "b"), "2")]),
        append("two tenants", &[(a, 0), (b, 0)], &[(a, "1"), (b, "2")]),
        append("twice", &[(a, 0), (a, 0)], &[(a, "1")]),
        append("too large", &[(a, 0)], &[(a, "1"), (a, &large)]),
        append("too many", &[(a, 0)], &vec![(a, "1"); EVENTS_PER_APPEND_MAX + 1]),
        append("kind", &[(of_another_kind, 0)], &[(of_another_kind, "1")]),
    ];
    for case in cases {
        let refused = store.append(case).await;
        assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(store.head().await.expect("the head can be read"), Position::START);
}

/// Nothing of one tenant is ever another's.
pub async fn the_same_ids_in_two_tenants_are_two_streams(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (stream(tenant("a"), "same"), stream(tenant("b"), "same"));
    assert_eq!(a.id, b.id);
    let first = store.append(append("same", &[(a, 0)], &[(a, "a's")])).await.expect("it is new");
    let second = store.append(append("same", &[(b, 0)], &[(b, "b's")])).await.expect("it is another's");
    assert!(!second.replayed && second.position > first.position);
    for (stream, expected) in [(a, "a's"), (b, "b's")] {
        let events = store.read(stream, Version(0), 10).await.expect("the stream can be read");
        assert_eq!(events.iter().map(text).collect::<Vec<_>>(), [expected]);
    }
}

/// Business time is whatever the command says; recorded time only ever goes on.
pub async fn recorded_times_never_decrease_and_business_times_are_kept(backend: &dyn Backend) {
    let store = backend.open().await;
    let shelf = stream(tenant("a"), "shelf");
    let times = [noon(), noon() - TimeDelta::days(40_000), noon() + TimeDelta::days(40_000)];
    for (index, at) in times.iter().enumerate() {
        let mut append = append(&index.to_string(), &[(shelf, index as u64)], &[(shelf, "x")]);
        append.events[0].at = *at;
        // A store opened anew knows what was recorded last.
        backend.open().await.append(append).await.expect("they follow each other");
    }
    let log = whole_log(&*store, 10).await;
    assert_eq!(log.iter().map(|event| event.at).collect::<Vec<_>>(), times);
    assert!(log.is_sorted_by_key(|event| event.recorded_at));
}
