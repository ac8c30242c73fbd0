//! Durable appends by 64 writers, one event a command, beside raw SQLite: the same tables, indexes and bytes,
//! `synchronous=FULL`, in batches as large as our writer's turned out to be.

use super::Measured;
use super::events::{append, stream};
use cityos_domain::log::Version;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::EventStore;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const WRITERS: u64 = 64;
const STREAMS: u64 = 10_000;
const COMMANDS: u64 = 200_000;
const ROUNDS: u32 = 3;

struct Round {
    per_second: f64,
    flushes: u64,
}

/// Our store and the raw one in turn, the median round of each.
pub async fn measure(folder: &Path) -> anyhow::Result<Measured> {
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let path = folder.join(format!("append-{round}.db"));
        let (mine, mean) = store(&path).await?;
        ours.push(mine);
        raw.push(limit(&path, &folder.join(format!("raw-{round}.db")), mean)?);
        std::fs::remove_file(path)?;
    }
    let (ours, raw) = (median(ours), median(raw));
    Ok(Measured {
        what: "append, 64 writers, 1 event a command, durable",
        ours: format!("{:.0}/s, {} flushes", ours.per_second, ours.flushes),
        limit: format!("{:.0}/s, {} flushes", raw.per_second, raw.flushes),
        ratio: ours.per_second / raw.per_second,
        target: 0.6,
        note: format!("raw SQLite, {COMMANDS} commands over {STREAMS} streams, median of {ROUNDS} rounds"),
    })
}

fn median(mut rounds: Vec<Round>) -> Round {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.swap_remove(rounds.len() / 2)
}

async fn store(path: &Path) -> anyhow::Result<(Round, u64)> {
    let store = SqliteStore::open(path, Arc::new(SystemClock))?;
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            // Each writer has streams of its own, so that none waits for another's version.
            let mut versions = vec![Version(0); (STREAMS / WRITERS) as usize + 1];
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= COMMANDS {
                    return anyhow::Ok(());
                }
                let slot = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % (STREAMS / WRITERS);
                let version = &mut versions[slot as usize];
                store.append(append(n, &[(slot * WRITERS + writer, *version)])).await?;
                version.0 += 1;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let figures = store.figures();
    anyhow::ensure!(
        figures.commands == COMMANDS && store.head().await?.0 == COMMANDS,
        "every command is there"
    );
    let mean = (figures.commands / figures.flushes).max(1);
    Ok((Round { per_second: COMMANDS as f64 / seconds, flushes: figures.flushes }, mean))
}

/// Copies the rows of a log that our store wrote into an empty one, `batch` commands a transaction.
fn limit(written: &Path, path: &Path, batch: u64) -> anyhow::Result<Round> {
    type EventRow = (i64, Vec<u8>, String, Vec<u8>, i64, Vec<u8>, String, i64, i64, i64, String, String);
    type ReceiptRow = (Vec<u8>, Vec<u8>, Vec<u8>, i64, String, i64);
    let from = Connection::open(written)?;
    let events: Vec<EventRow> = from
        .prepare("SELECT position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, meta FROM events ORDER BY position")?
        .query_map([], |row| row.try_into())?
        .collect::<Result<_, _>>()?;
    let receipts: Vec<ReceiptRow> = from
        .prepare("SELECT partition, command, input, position, versions, recorded_at FROM receipts ORDER BY position")?
        .query_map([], |row| row.try_into())?
        .collect::<Result<_, _>>()?;
    let mut to = Connection::open(path)?;
    to.pragma_update(None, "journal_mode", "wal")?;
    to.pragma_update(None, "synchronous", "full")?;
    to.execute_batch(include_str!("../../../../schemas/log.sqlite.sql"))?;
    let mut flushes = 0;
    let begun = Instant::now();
    for (events, receipts) in events.chunks(batch as usize).zip(receipts.chunks(batch as usize)) {
        let transaction = to.transaction()?;
        {
            let mut event = transaction.prepare_cached("INSERT INTO events (position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, meta) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
            let mut receipt = transaction.prepare_cached("INSERT INTO receipts (partition, command, input, position, versions, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for (e, r) in events.iter().zip(receipts) {
                receipt.execute(params![r.0, r.1, r.2, r.3, r.4, r.5])?;
                event.execute(params![e.0, e.1, e.2, e.3, e.4, e.5, e.6, e.7, e.8, e.9, e.10, e.11])?;
            }
        }
        transaction.commit()?;
        flushes += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(stream(0).kind.name() == events[0].2, "the rows are those of the log");
    std::fs::remove_file(path)?;
    Ok(Round { per_second: COMMANDS as f64 / seconds, flushes })
}
