//! Loading and folding one aggregate of 100 events, 16 readers at once, beside the prepared statement with the same JSON
//! decoded; and the same where the executor remembers the aggregates, as it does for those that commands are given to.

use super::{Bench, Times};
use crate::Measured;
use crate::events::{Requested, append, stream};
use cityos_domain::ids::OrderId;
use cityos_domain::log::{Meta, StreamId, Version};
use cityos_domain::orders::order::Order;
use cityos_domain::workspace::fold_events;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::database::postgres::{Pool, Role, Server};
use cityos_eventstore::executor::Executor;
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::store::EventStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STREAMS: u64 = 1_000;
const EVENTS_EACH: u64 = 100;
const READERS: u64 = 16;
const LOADS: u64 = 40_000;
const REMEMBERED: u64 = 2_000_000;
/// What the table of targets asks for.
const REMEMBERED_AT_LEAST: f64 = 500_000.0;
const ROUNDS: usize = 3;

/// A log of streams of a hundred events.
pub async fn log_on(bench: &Bench) -> anyhow::Result<(Server, PostgresStore)> {
    let city = bench.database();
    let store = PostgresStore::open(&city, Arc::new(SystemClock)).await?;
    for n in 0..STREAMS * EVENTS_EACH / 1_000 {
        // Ten streams a command, a hundred events each.
        let streams = (0..1_000).map(|index| (n * 10 + index % 10, Version(0)));
        let mut append = append(n, &streams.collect::<Vec<_>>());
        append.relies_on.truncate(10);
        store.append(append).await?;
    }
    city.connect(None).await?.batch_execute("VACUUM ANALYZE log.events").await?;
    Ok((city, store))
}

struct Round {
    per_second: f64,
    times: Times,
}

/// Our loads and the raw ones in turn, the median round of each.
pub async fn measure(city: &Server, store: &PostgresStore) -> anyhow::Result<Measured> {
    let pool = city.pool(Role::App)?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(
            loads(LOADS, {
                let store = store.clone();
                move |n| our_load(store.clone(), n)
            })
            .await?,
        );
        raw.push(
            loads(LOADS, {
                let pool = pool.clone();
                move |n| raw_load(pool.clone(), n)
            })
            .await?,
        );
    }
    let (mut ours, mut raw) = (median(ours), median(raw));
    let told = |round: &mut Round| format!("{:.0}/s, p99 {:.1} ms", round.per_second, round.times.p99_ms());
    Ok(Measured {
        what: "PostgreSQL: load and fold one aggregate of 100 events, 16 readers",
        ours: told(&mut ours),
        limit: told(&mut raw),
        ratio: ours.per_second / raw.per_second,
        target: 0.8,
        note: format!(
            "prepared statement + serde_json, of the metadata too, which folding does without; pool of 32, {LOADS} loads, median of {ROUNDS} rounds"
        ),
    })
}

/// What the executor remembers, loaded as for a command.
pub async fn measure_remembered(store: &PostgresStore) -> anyhow::Result<Measured> {
    let executor = Executor::new(Arc::new(store.clone()), Arc::new(SystemClock), Arc::new(()));
    let load = move |n| {
        let executor = executor.clone();
        async move {
            let StreamId { partition, id, .. } = stream(n);
            let (order, version) = executor.recall::<Order>(partition, OrderId(id)).await?;
            std::hint::black_box(&order);
            Ok(version.0 as usize)
        }
    };
    // Everything is remembered after that.
    loads(LOADS, load.clone()).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(loads(REMEMBERED, load.clone()).await?);
    }
    let mut ours = median(rounds);
    Ok(Measured {
        what: "PostgreSQL: the same aggregates, remembered by the executor",
        ours: format!("{:.0}/s, p99 {:.1} µs", ours.per_second, ours.times.p99_ms() * 1_000.0),
        limit: format!("asked for {REMEMBERED_AT_LEAST:.0}/s"),
        ratio: ours.per_second / REMEMBERED_AT_LEAST,
        target: 1.0,
        note: format!(
            "{REMEMBERED} loads, median of {ROUNDS} rounds; the server is not asked: what is decided on an old state the append finds out"
        ),
    })
}

async fn our_load(store: PostgresStore, n: u64) -> anyhow::Result<usize> {
    let happened = store.read_to_fold(stream(n), Version(0), 1_000).await?;
    std::hint::black_box(fold_events(Order::default(), happened.events.iter()));
    Ok(happened.events.len())
}

async fn raw_load(pool: Pool, n: u64) -> anyhow::Result<usize> {
    let client = pool.get().await?;
    let load = "SELECT version, body, meta FROM log.events WHERE partition = $1 AND kind = $2 AND id = $3 ORDER BY version";
    let load = client.prepare_cached(load).await?;
    let StreamId { partition, kind, id } = stream(n);
    let rows = client.query(&load, &[&partition.id(), &kind.name(), &id]).await?;
    for row in &rows {
        let requested: Requested = serde_json::from_str(row.get(1))?;
        let meta: Meta = serde_json::from_str(row.get(2))?;
        std::hint::black_box((&requested.cart, &meta));
    }
    Ok(rows.len())
}

fn median(mut rounds: Vec<Round>) -> Round {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.swap_remove(rounds.len() / 2)
}

async fn loads<F>(
    count: u64,
    load: impl Fn(u64) -> F + Clone + Send + Sync + 'static,
) -> anyhow::Result<Round>
where
    F: Future<Output = anyhow::Result<usize>> + Send + 'static,
{
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (load, next) = (load.clone(), next.clone());
            tokio::spawn(async move {
                let mut times: Vec<Duration> = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return anyhow::Ok(times);
                    }
                    let stream = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % STREAMS;
                    let begun = Instant::now();
                    let events = load(stream).await?;
                    times.push(begun.elapsed());
                    anyhow::ensure!(events as u64 == EVENTS_EACH, "{events} events were loaded");
                }
            })
        })
        .collect();
    let mut times = Times::default();
    for reader in readers {
        times.0.extend(reader.await??);
    }
    Ok(Round { per_second: count as f64 / begun.elapsed().as_secs_f64(), times })
}
