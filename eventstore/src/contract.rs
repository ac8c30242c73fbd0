//! What every backend must hold, as tests that know only the port. `contract_tests!` makes one test of each.
//! What only a second process can show stands in this crate's `tests` folder, what only a disk can in `sqlite`.

mod appending;
mod racing;
mod reading;

pub use appending::*;
pub use racing::*;
pub use reading::*;

use crate::store::{Append, AppendError, Appended, EventStore, InputHash, NewEvent};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::event::{Event, Kind};
use cityos_domain::ids::{CommandId, TenantId, derive};
use cityos_domain::log::{Actor, Envelope, Meta, Origin, Partition, Position, StreamId, Version};
use cityos_domain::marketplace::stock;
use std::sync::Arc;

/// A log to test, empty to begin with.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens this log once more, beside whoever else has it open: as another process would, or after a
    /// restart.
    async fn open(&self) -> Arc<dyn EventStore>;
}

/// One test for each part of the contract; `$backend` is an expression that makes a [`Backend`] and is
/// evaluated for each of them.
#[macro_export]
macro_rules! contract_tests {
    ($backend:expr) => {
        $crate::contract_tests! { $backend;
            an_empty_log_has_no_head_and_no_pages
            what_is_appended_is_read_back_as_it_was
            events_keep_their_order_across_the_streams_of_one_append
            a_stream_that_has_moved_is_named_and_nothing_is_written
            a_guard_that_has_moved_is_named_and_nothing_is_written
            a_repeated_append_gives_the_first_answer_and_writes_nothing
            a_command_id_with_another_input_is_refused
            an_append_without_events_leaves_a_receipt_and_checks_its_guards
            an_append_that_cannot_be_is_refused_whole
            the_same_ids_in_two_tenants_are_two_streams
            recorded_times_never_decrease_and_business_times_are_kept
            reading_goes_on_where_it_stopped
            a_page_of_large_events_ends_early_and_the_next_goes_on
            what_was_acknowledged_is_there_after_opening_again
            old_receipts_are_forgotten_in_pieces
            who_waits_for_a_change_is_woken_by_it
            waiting_ends_when_the_time_is_up
            two_writers_lose_and_disorder_nothing
            eight_writers_lose_and_disorder_nothing
            thirty_two_writers_lose_and_disorder_nothing
            writers_beside_each_other_lose_and_disorder_nothing
            of_twenty_appends_at_one_version_exactly_one_wins
            of_eight_racers_over_shared_guards_the_log_shows_a_serial_order
            a_command_given_by_many_at_once_is_written_once
        }
    };
    ($backend:expr; $($part:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $part() {
            $crate::contract::$part(&$backend).await;
        }
    )*};
}

/// A tenant's partition, the same for the same name.
pub fn tenant(name: &str) -> Partition {
    Partition::Tenant(TenantId(derive(&["tenant", name])))
}

/// A stream of a partition, the same for the same name.
pub fn stream(partition: Partition, name: &str) -> StreamId {
    StreamId { partition, kind: Kind::Stock, id: derive(&["stream", name]) }
}

/// An append to the partition of the stream it relies on, with one event for each of `writes`, which names a
/// stream and what the event says. Its command id derives from `name`.
pub fn append(name: &str, relies_on: &[(StreamId, u64)], writes: &[(StreamId, &str)]) -> Append {
    let partition = relies_on.first().map_or(Partition::Platform, |(stream, _)| stream.partition);
    let command = CommandId(derive(&["command", name]));
    let event = |(index, (stream, text)): (usize, &(StreamId, &str))| NewEvent {
        id: command.event(index),
        stream: *stream,
        at: noon(),
        event: said(text),
    };
    Append {
        partition,
        relies_on: relies_on.iter().map(|(stream, version)| (*stream, Version(*version))).collect(),
        events: writes.iter().enumerate().map(event).collect(),
        meta: meta(command),
        input: InputHash([7; 32]),
    }
}

/// An event that says `text`.
pub fn said(text: &str) -> Event {
    stock::Event::Adjusted { by: 1, reason: text.into() }.into()
}

/// What an event says.
pub fn text(envelope: &Envelope) -> &str {
    let Event::Stock(stock::Event::Adjusted { reason, .. }) = &envelope.event else {
        panic!("nobody here appends {envelope:?}")
    };
    reason
}

fn meta(command: CommandId) -> Meta {
    Meta::of(command, Actor::user("4711"), Origin::Live)
}

/// A moment of the past with no fraction below microseconds.
pub fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(19_000) + TimeDelta::hours(12) + TimeDelta::microseconds(1)
}

/// The whole log, read in pages of `limit`, checked for its order on the way.
pub async fn whole_log(store: &dyn EventStore, limit: u32) -> Vec<Envelope> {
    let mut log = Vec::new();
    let mut after = Position::START;
    loop {
        let page = store.read_all(after, limit).await.expect("the log can be read");
        for event in &page.events {
            assert!(event.position > after, "{:?} after {after:?}", event.position);
            after = event.position;
        }
        assert!(page.scanned_to >= after, "a page scans at least what it holds");
        if page.events.is_empty() {
            return log;
        }
        log.extend(page.events);
    }
}

/// Asserts that the versions of every stream count up from 1 in the order of the log.
pub fn assert_streams_count_up(log: &[Envelope]) {
    let mut versions = std::collections::HashMap::new();
    for event in log {
        let version: &mut u64 = versions.entry(event.stream).or_default();
        *version += 1;
        assert_eq!(event.version, Version(*version), "{}", event.stream);
    }
}

fn conflict(result: Result<Appended, AppendError>) -> (StreamId, Version, Version) {
    match result {
        Err(AppendError::Conflict { stream, expected, current }) => (stream, expected, current),
        other => panic!("expected a conflict, got {other:?}"),
    }
}
