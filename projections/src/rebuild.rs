//! Builds a model anew beside its live table, and switches to it in one transaction. An unfinished build is
//! gone on with, by whoever comes; a rebuild stops at an event that does not fit. It publishes nothing and
//! commands nobody.

use crate::apply::{apply, by_key};
use crate::model::{AnyModel, Folded};
use crate::poison::Frozen;
use crate::projector::PAGE_EVENTS_MAX;
use crate::reads::{ReadError, ReadStore};
use crate::row::Value;
use crate::sqlite::{self, Build};
use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::store::{EventStore, StoreError};
use std::collections::BTreeMap;

/// How often a rebuild goes after a live table that moves on before it gives up.
const CHASES_MAX: u32 = 1_000;

/// What a table holds, in one number: equal tables have equal digests, on every database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// How far the table has come.
    pub position: Position,
    /// How many rows it has.
    pub rows: u64,
    /// Over all values, in key order.
    pub hash: blake3::Hash,
}

impl Digest {
    /// Whether both tables hold the same rows, wherever they have come to.
    pub fn same_rows(&self, other: &Digest) -> bool {
        self.hash == other.hash && self.rows == other.rows
    }
}

/// How a rebuild ended. Tables that have come to the same position should hold the same rows; what was live may
/// have been behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rebuilt {
    /// What was live before.
    pub before: Digest,
    /// What is live now.
    pub now: Digest,
}

/// Why a rebuild did not end. What was built so far stays for the next attempt, and the live table as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    /// The read models could not be written.
    #[error("the read models could not be written")]
    Reads(#[from] ReadError),
    /// An event does not fit.
    #[error("the event at {} does not fit the row {key:?}: {error}", position.0)]
    Poisoned {
        /// The row's key: the partition's id, then the key columns.
        key: Vec<Value>,
        /// Where the event is.
        position: Position,
        /// Why it does not fit.
        error: String,
    },
    /// The live table moves on faster than the new one.
    #[error("the live table could not be caught up with")]
    Outrun,
}

impl From<Frozen> for RebuildError {
    fn from(Frozen { key, position, error, .. }: Frozen) -> Self {
        RebuildError::Poisoned { key, position, error }
    }
}

/// The digest of the live table.
pub async fn digest(reads: &ReadStore, model: &'static dyn AnyModel) -> Result<Digest, ReadError> {
    reads
        .read(move |conn| {
            // One transaction: the table and its position are seen at the same moment.
            let snapshot = conn.unchecked_transaction()?;
            digest_of(&snapshot, model, &sqlite::live_build(&snapshot, model)?)
        })
        .await
}

/// The digest of the table that the pure fold makes of `events`, the log up to `position`: no database is asked.
pub fn replay_digest(
    model: &dyn AnyModel,
    events: &[Envelope],
    position: Position,
) -> Result<Digest, RebuildError> {
    let mut table = BTreeMap::new();
    for (key, events) in by_key(model, events)? {
        let Folded { row, poison } = model.fold(None, &key, &events);
        if let Some((at, unfit)) = poison {
            return Err(Frozen::at(key, events[at], unfit.to_string()).into());
        }
        table.extend(row.map(|row| (key, row)));
    }
    let (mut hasher, mut rows) = (blake3::Hasher::new(), 0);
    for (key, row) in table {
        rows += 1;
        key[..1].iter().chain(&row).for_each(|value| hash_value(&mut hasher, value));
    }
    Ok(Digest { position, rows, hash: hasher.finalize() })
}

fn digest_of(conn: &rusqlite::Connection, model: &dyn AnyModel, build: &Build) -> Result<Digest, ReadError> {
    let (mut hasher, mut rows) = (blake3::Hasher::new(), 0);
    sqlite::scan(conn, build, model, |row| {
        rows += 1;
        row.iter().for_each(|value| hash_value(&mut hasher, value));
    })?;
    Ok(Digest { position: build.position, rows, hash: hasher.finalize() })
}

fn hash_value(hasher: &mut blake3::Hasher, value: &Value) {
    let (tag, bytes) = canonical(value);
    hasher.update(&[tag]).update(&(bytes.len() as u64).to_be_bytes()).update(&bytes);
}

fn canonical(value: &Value) -> (u8, Vec<u8>) {
    match value {
        Value::Null => (0, Vec::new()),
        Value::Bool(yes) => (1, vec![u8::from(*yes)]),
        Value::Integer(number) => (2, number.to_be_bytes().into()),
        Value::Text(text) => (3, text.as_bytes().into()),
        Value::Uuid(id) => (4, id.as_bytes().into()),
        Value::Instant(at) => (5, at.timestamp_micros().to_be_bytes().into()),
        Value::Date(date) => (6, date.to_string().into_bytes()),
    }
}

/// Rebuilds a model from the whole log and switches to the result; the table before it is kept until the next
/// rebuild. `progress` is told after each page how far it has come. Where it was broken off, the next call
/// goes on.
pub async fn rebuild(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
    progress: impl FnMut(Position),
) -> Result<Rebuilt, RebuildError> {
    rebuild_in_pages(store, reads, model, PAGE_EVENTS_MAX, progress).await
}

async fn rebuild_in_pages(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
    page_events: u32,
    mut progress: impl FnMut(Position),
) -> Result<Rebuilt, RebuildError> {
    let begun: Result<_, ReadError> = reads
        .write(move |conn| {
            sqlite::prepare(conn, model)?;
            sqlite::discard_stale_builds(conn, model)?;
            sqlite::next_build(conn, model)
        })
        .await;
    let mut build = begun?;
    for _ in 0..CHASES_MAX {
        loop {
            let page = store.read_all(build.position, page_events).await?;
            if page.scanned_to == build.position {
                break;
            }
            let number = build.number;
            build = reads
                .write(move |conn| {
                    let mut poisoned = Vec::new();
                    let next = sqlite::build(conn, model, number)?;
                    apply(conn, model, &next, &page, &mut poisoned)?;
                    match poisoned.pop() {
                        Some(row) => Err(RebuildError::from(row)),
                        None => Ok(sqlite::build(conn, model, number)?),
                    }
                })
                .await?;
            progress(build.position);
        }
        let number = build.number;
        let switched: Result<_, ReadError> = reads
            .write(move |conn| {
                let (live, next) = (sqlite::live_build(conn, model)?, sqlite::build(conn, model, number)?);
                // Someone who rebuilt with us may have switched already.
                if live.number < number && !sqlite::switch(conn, model, &next)? {
                    return Ok(None);
                }
                let (before, now) = (digest_of(conn, model, &live)?, digest_of(conn, model, &next)?);
                Ok(Some(Rebuilt { before, now }))
            })
            .await;
        if let Some(rebuilt) = switched? {
            return Ok(rebuilt);
        }
    }
    Err(RebuildError::Outrun)
}

#[cfg(test)]
mod tests;
