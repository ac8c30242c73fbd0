//! Reading a log of a million events into typed events, beside reading the rows and decoding the same JSON.

use super::Measured;
use super::events::{Requested, append};
use cityos_domain::log::{Meta, Position, Version};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::EventStore;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How many events the log has.
pub const EVENTS: u64 = 1_000_000;
/// How many of them one command wrote.
pub const EVENTS_A_COMMAND: u64 = 1_000;
const PAGE: u32 = 5_000;
const ROUNDS: u32 = 3;

/// The log of a million events, which is written where it is not there yet, and where it lies.
pub async fn log_in(folder: &Path) -> anyhow::Result<(PathBuf, Arc<SqliteStore>)> {
    let path = folder.join("replay.db");
    let there = path.exists();
    let store = SqliteStore::open(&path, Arc::new(SystemClock))?;
    if !there {
        for n in 0..EVENTS / EVENTS_A_COMMAND {
            let streams: Vec<_> =
                (0..EVENTS_A_COMMAND).map(|index| (n * EVENTS_A_COMMAND + index, Version(0))).collect();
            store.append(append(n, &streams)).await?;
        }
    }
    Ok((path, Arc::new(store)))
}

/// Our replay and the raw one in turn, the median round of each.
pub async fn measure(folder: &Path) -> anyhow::Result<Measured> {
    let (path, store) = log_in(folder).await?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(replay(&store).await?);
        raw.push(limit(&path)?);
    }
    let (ours, raw) = (median(ours), median(raw));
    let (body, meta): (f64, f64) = Connection::open(&path)?.query_row(
        "SELECT avg(length(body)), avg(length(meta)) FROM events",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(Measured {
        what: "replay of 1,000,000 events into typed events",
        ours: format!("{ours:.0}/s"),
        limit: format!("{raw:.0}/s"),
        ratio: ours / raw,
        target: 0.5,
        note: format!("raw rows + serde_json, body {body:.0} B, meta {meta:.0} B, median of {ROUNDS} rounds"),
    })
}

/// The rate in the middle.
pub fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Reads all of it once: events a second.
pub async fn replay(store: &SqliteStore) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let (mut after, mut count) = (Position::START, 0);
    loop {
        let page = store.read_all(after, PAGE).await?;
        if page.events.is_empty() {
            break;
        }
        count += page.events.len() as u64;
        after = page.scanned_to;
    }
    anyhow::ensure!(count == EVENTS, "{count} events were replayed");
    Ok(EVENTS as f64 / begun.elapsed().as_secs_f64())
}

fn limit(path: &Path) -> anyhow::Result<f64> {
    let connection = Connection::open(path)?;
    let begun = Instant::now();
    let mut statement = connection.prepare("SELECT position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, meta FROM events ORDER BY position")?;
    let mut rows = statement.query([])?;
    let (mut count, mut lines) = (0, 0);
    while let Some(row) = rows.next()? {
        let requested: Requested = serde_json::from_str(row.get_ref(10)?.as_str()?)?;
        let meta: Meta = serde_json::from_str(row.get_ref(11)?.as_str()?)?;
        std::hint::black_box(&meta);
        lines += requested.cart.lines.len() as u64;
        count += 1;
    }
    anyhow::ensure!(count == EVENTS && lines == 3 * EVENTS, "{count} rows were read");
    Ok(EVENTS as f64 / begun.elapsed().as_secs_f64())
}
