//! What the log tells of some streams up to a place: of these events answers of mutations are folded, so that a
//! repeated mutation answers as the first time.

use crate::graphql::connection::{Node, RowOf};
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Services;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::log::{Envelope, Position, StreamId, Version};
use cityos_domain::workspace::fold_events;
use cityos_eventstore::store::{EventStore, StoreError};
use cityos_projections::model::KeyOf;
use cityos_projections::{ReadModel, replay};
use std::collections::VecDeque;
use std::time::Instant;

/// Events read at a time.
const READ_LIMIT: u32 = 1_000;

/// The events of some streams up to a place, in log order. A page of each stream is in memory, however long it is.
struct History<'a> {
    store: &'a dyn EventStore,
    until: Position,
    streams: Vec<Reading>,
}

/// How far a stream is read.
struct Reading {
    stream: StreamId,
    after: Version,
    page: VecDeque<Envelope>,
    more: bool,
}

impl<'a> History<'a> {
    fn of(store: &'a dyn EventStore, streams: &[StreamId], until: Position) -> Self {
        let unread = |stream: &StreamId| Reading {
            stream: *stream,
            after: Version(0),
            page: VecDeque::new(),
            more: true,
        };
        History { store, until, streams: streams.iter().map(unread).collect() }
    }

    async fn next(&mut self) -> Result<Option<Envelope>, StoreError> {
        for reading in self.streams.iter_mut().filter(|reading| reading.more && reading.page.is_empty()) {
            let page = self.store.read(reading.stream, reading.after, READ_LIMIT).await?;
            reading.more = page.len() == READ_LIMIT as usize;
            reading.after = page.last().map_or(reading.after, |event| event.version);
            reading.page = page.into();
        }
        let pages = self.streams.iter_mut().map(|reading| &mut reading.page);
        let next = pages.min_by_key(|page| page.front().map_or(Position(u64::MAX), |event| event.position));
        Ok(next.and_then(|page| page.pop_front_if(|event| event.position <= self.until)))
    }
}

/// The events of these streams up to a place, in log order. For streams that do not grow for ever.
pub async fn history(
    store: &dyn EventStore,
    streams: &[StreamId],
    until: Position,
) -> Result<Vec<Envelope>, StoreError> {
    let mut history = History::of(store, streams, until);
    let mut events = Vec::new();
    while let Some(event) = history.next().await? {
        events.push(event);
    }
    Ok(events)
}

/// The row of `key` that these streams make up to a place, and the version of the first of them there.
pub async fn row_at<N: Node>(
    store: &dyn EventStore,
    streams: &[StreamId],
    until: Position,
    key: &KeyOf<N::Model>,
) -> Result<(Option<RowOf<N>>, Version), Refusal> {
    let mut history = History::of(store, streams, until);
    let (mut row, mut version) = (None, Version(0));
    while let Some(event) = history.next().await.map_err(Refusal::failed)? {
        if event.stream == streams[0] {
            version = event.version;
        }
        if N::Model::keys(&event).into_iter().any(|touched| touched == *key) {
            row = N::Model::evolve(row, key, &event).map_err(Refusal::failed)?;
        }
    }
    Ok((row, version))
}

/// The aggregate of a stream as it was at a place, and its version there.
pub async fn state_at<A: Aggregate>(
    store: &dyn EventStore,
    stream: StreamId,
    until: Position,
) -> Result<(A, Version), StoreError> {
    let mut history = History::of(store, &[stream], until);
    let (mut state, mut version) = (A::default(), Version(0));
    while let Some(event) = history.next().await? {
        version = event.version;
        state = fold_events(state, [&event.event].into_iter());
    }
    Ok((state, version))
}

/// The last events of a stream up to a version, as many as are read at a time: more than one posting writes.
pub async fn last_events(
    store: &dyn EventStore,
    stream: StreamId,
    Version(until): Version,
) -> Result<Vec<Envelope>, StoreError> {
    let before = until.saturating_sub(u64::from(READ_LIMIT));
    let mut events = store.read(stream, Version(before), READ_LIMIT).await?;
    events.retain(|event| event.version <= Version(until));
    Ok(events)
}

/// The row of `key` that these events make.
pub fn row_of<N: Node>(events: &[Envelope], key: KeyOf<N::Model>) -> Result<Option<RowOf<N>>, Refusal> {
    let rows = replay::<N::Model>(events).map_err(Refusal::failed)?;
    Ok(rows.into_iter().find(|((_, found), _)| *found == key).map(|(_, row)| row))
}

/// All rows that these events make, by key.
pub fn rows_of<N: Node>(events: &[Envelope]) -> Result<Vec<RowOf<N>>, Refusal> {
    Ok(replay::<N::Model>(events).map_err(Refusal::failed)?.into_values().collect())
}

/// Waits for an event that a saga run writes to this stream, but no longer than the settings say.
pub async fn wait_for(
    services: &Services,
    stream: StreamId,
    is_it: impl Fn(&Envelope) -> bool,
) -> Result<Option<Envelope>, Refusal> {
    let store = services.executor.store().as_ref();
    let deadline = Instant::now() + services.settings.run_wait();
    let mut seen = Version(0);
    loop {
        let head = store.head().await.map_err(Refusal::failed)?;
        loop {
            let page = store.read(stream, seen, READ_LIMIT).await.map_err(Refusal::failed)?;
            seen = page.last().map_or(seen, |event| event.version);
            let more = page.len() == READ_LIMIT as usize;
            if let Some(event) = page.into_iter().find(&is_it) {
                return Ok(Some(event));
            }
            if !more {
                break;
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        store.changed(head, left).await;
    }
}
