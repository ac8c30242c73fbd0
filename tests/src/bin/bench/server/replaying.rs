//! Reading a log of a million events into typed events, beside reading the rows in pages and decoding the same JSON on one
//! connection and one thread.

use super::Bench;
use crate::Measured;
use crate::events::{Requested, append};
use crate::replay::{EVENTS, EVENTS_A_COMMAND, median};
use cityos_domain::log::{Meta, Position, Version};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::database::postgres::Server;
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::store::EventStore;
use std::sync::Arc;
use std::time::Instant;

const PAGE: u32 = 10_000;
const ROUNDS: u32 = 3;

/// A log of a million events.
pub async fn log_on(bench: &Bench) -> anyhow::Result<Server> {
    let city = bench.database();
    let store = PostgresStore::open(&city, Arc::new(SystemClock)).await?;
    for n in 0..EVENTS / EVENTS_A_COMMAND {
        let streams: Vec<_> =
            (0..EVENTS_A_COMMAND).map(|index| (n * EVENTS_A_COMMAND + index, Version(0))).collect();
        store.append(append(n, &streams)).await?;
    }
    city.connect(None).await?.batch_execute("VACUUM ANALYZE log.events").await?;
    Ok(city)
}

/// Our replay and the raw one in turn, the median round of each.
pub async fn measure(city: &Server) -> anyhow::Result<Measured> {
    let store = PostgresStore::open(city, Arc::new(SystemClock)).await?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(replay(&store).await?);
        raw.push(limit(city).await?);
    }
    let (ours, raw) = (median(ours), median(raw));
    Ok(Measured {
        what: "PostgreSQL: replay of 1,000,000 events into typed events",
        ours: format!("{ours:.0}/s"),
        limit: format!("{raw:.0}/s"),
        ratio: ours / raw,
        target: 1.0,
        note: format!("pages of {PAGE} rows + serde_json on one thread, median of {ROUNDS} rounds"),
    })
}

async fn replay(store: &PostgresStore) -> anyhow::Result<f64> {
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

async fn limit(city: &Server) -> anyhow::Result<f64> {
    let city = city.clone();
    let raw = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let client = city.connect(None).await?;
            let page = client
                .prepare(
                    "SELECT position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, \
                     meta FROM log.events WHERE position > $1 ORDER BY position LIMIT $2",
                )
                .await?;
            let begun = Instant::now();
            let (mut after, mut count, mut lines) = (0_i64, 0, 0);
            loop {
                let rows = client.query(&page, &[&after, &i64::from(PAGE)]).await?;
                let Some(last) = rows.last() else { break };
                after = last.get(0);
                for row in &rows {
                    let requested: Requested = serde_json::from_str(row.get(10))?;
                    let meta: Meta = serde_json::from_str(row.get(11))?;
                    std::hint::black_box(&meta);
                    lines += requested.cart.lines.len() as u64;
                    count += 1;
                }
            }
            anyhow::ensure!(count == EVENTS && lines == 3 * EVENTS, "{count} rows were read");
            Ok(EVENTS as f64 / begun.elapsed().as_secs_f64())
        })
    });
    raw.await?
}
