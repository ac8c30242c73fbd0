//! Durable appends by 64 writers beside one connection that turns whatever waits into one statement, with the same tables,
//! indexes and bytes: it looks at no version, and splits no batch for one command that cannot be done.

use super::{Bench, Times};
use crate::Measured;
use crate::events::append;
use anyhow::Context;
use cityos_domain::log::Version;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::database::postgres::Server;
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::store::{Append, EventStore};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const WRITERS: u64 = 64;
const STREAMS: u64 = 10_000;
const ROUNDS: usize = 3;

/// How many processes write together where they do, and how many commands.
const PROCESSES: u64 = 3;
const PROCESSES_COMMANDS: u64 = 100_000;

/// What the program is called with to be one of them.
pub const CHILD: &str = "append-as-one-of";

/// As the limit writes a batch: the same rows, in the same tables.
const WRITE: &str = "WITH receipts AS (
         INSERT INTO log.receipts (partition, command, input, position, versions, recorded_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bigint[], $5::text[], $6::bigint[])
     )
     INSERT INTO log.events (position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, meta)
     SELECT * FROM unnest($7::bigint[], $8::uuid[], $9::text[], $10::uuid[], $11::bigint[], $12::uuid[], $13::text[],
         $14::integer[], $15::bigint[], $16::bigint[], $17::text[], $18::text[])";

struct Round {
    per_second: f64,
    times: Times,
}

/// Our store and the limit in turn, the median round of each: single events, or ten a command.
pub async fn measure(bench: &Bench, events: u64) -> anyhow::Result<Measured> {
    let commands = if events == 1 { 200_000 } else { 40_000 };
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let city = bench.database();
        ours.push(store(&city, commands, events).await?);
        limits.push(limit(&city, &bench.database(), commands, events).await?);
    }
    let (mut ours, mut limit) = (median(ours), median(limits));
    let told = |round: &mut Round| {
        let (p50, p99) = (round.times.median_ms(), round.times.p99_ms());
        format!("{:.0}/s, p50 {p50:.1} ms, p99 {p99:.1} ms", round.per_second)
    };
    Ok(Measured {
        what: match events {
            1 => "PostgreSQL: append, 64 writers, 1 event a command, durable",
            _ => "PostgreSQL: append, 64 writers, 10 events a command, durable",
        },
        ours: told(&mut ours),
        limit: told(&mut limit),
        ratio: ours.per_second / limit.per_second,
        target: 0.8,
        note: format!(
            "group commit on one connection, {commands} commands over {STREAMS} streams, median of {ROUNDS} rounds"
        ),
    })
}

/// Three processes together beside one, with as many writers in all.
pub async fn measure_processes(bench: &Bench) -> anyhow::Result<Measured> {
    let (mut together, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (processes, rates) in [(1, &mut alone), (PROCESSES, &mut together)] {
            let url = bench.new_url();
            drop(PostgresStore::open(&Bench::server(&url), Arc::new(SystemClock)).await?);
            rates.push(processes_on(&url, processes).await?);
        }
    }
    let (together, alone) = (crate::replay::median(together), crate::replay::median(alone));
    Ok(Measured {
        what: "PostgreSQL: append, three processes together beside one",
        ours: format!("{together:.0}/s"),
        limit: format!("{alone:.0}/s"),
        ratio: together / alone,
        target: 0.8,
        note: format!("64 writers in all, {PROCESSES_COMMANDS} commands, median of {ROUNDS} rounds"),
    })
}

/// Starts processes that make their commands, wait for a line, and then append them all: events a second from the first line to
/// the last end.
async fn processes_on(url: &str, processes: u64) -> anyhow::Result<f64> {
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for process in 0..processes {
        let arguments = [CHILD, url, &process.to_string(), &processes.to_string()];
        let mut child =
            Command::new(&program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().context("it is piped")?).read_line(&mut ready)?;
        children.push(child);
    }
    let begun = Instant::now();
    for child in &mut children {
        child.stdin.take().context("it is piped")?.write_all(b"go\n")?;
    }
    for mut child in children {
        anyhow::ensure!(child.wait()?.success(), "a process failed");
    }
    Ok(PROCESSES_COMMANDS as f64 / begun.elapsed().as_secs_f64())
}

/// What such a process does.
pub async fn run_child(arguments: &[String]) -> anyhow::Result<()> {
    let [url, process, processes] = arguments else { anyhow::bail!("which log, and which of how many?") };
    let (process, processes): (u64, u64) = (process.parse()?, processes.parse()?);
    let store = PostgresStore::open(&Bench::server(url), Arc::new(SystemClock)).await?;
    let writers = (0..WRITERS).filter(|writer| writer % processes == process);
    let work = writers.map(|writer| commands_of(writer, PROCESSES_COMMANDS, 1)).collect();
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    append_all(&store, work, 1).await?;
    Ok(())
}

fn median(mut rounds: Vec<Round>) -> Round {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.swap_remove(rounds.len() / 2)
}

async fn store(city: &Server, commands: u64, events: u64) -> anyhow::Result<Round> {
    let store = PostgresStore::open(city, Arc::new(SystemClock)).await?;
    let work = (0..WRITERS).map(|writer| commands_of(writer, commands, events)).collect();
    let round = append_all(&store, work, events).await?;
    anyhow::ensure!(store.head().await?.0 == commands * events, "every command is there");
    Ok(round)
}

/// Has as many writers append as there are lists of commands.
async fn append_all(store: &PostgresStore, work: Vec<Vec<Append>>, events: u64) -> anyhow::Result<Round> {
    let commands: usize = work.iter().map(Vec::len).sum();
    let begun = Instant::now();
    let writers: Vec<_> = work
        .into_iter()
        .map(|commands| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(commands.len());
                for append in commands {
                    let begun = Instant::now();
                    store.append(append).await?;
                    times.push(begun.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut times = Times::default();
    for writer in writers {
        times.0.extend(writer.await??);
    }
    Ok(Round { per_second: (commands as u64 * events) as f64 / begun.elapsed().as_secs_f64(), times })
}

/// What one writer has written, as it is given: each has streams of its own, so that none waits for another's version.
fn commands_of(writer: u64, commands: u64, events: u64) -> Vec<Append> {
    let slots = STREAMS / WRITERS;
    let mut versions = vec![Version(0); slots as usize];
    let numbers = (0..commands).filter(|n| n % WRITERS == writer);
    let command = numbers.map(|n| {
        let first = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % slots;
        let own: Vec<_> = (0..events).map(|index| (first + index) % slots).collect();
        let streams: Vec<_> =
            own.iter().map(|slot| (slot * WRITERS + writer, versions[*slot as usize])).collect();
        own.iter().for_each(|slot| versions[*slot as usize].0 += 1);
        append(n, &streams)
    });
    command.collect()
}

struct Receipt {
    partition: Uuid,
    command: Uuid,
    input: Vec<u8>,
    position: i64,
    versions: String,
    recorded_at: i64,
}

struct Event {
    position: i64,
    partition: Uuid,
    kind: String,
    id: Uuid,
    version: i64,
    event_id: Uuid,
    type_name: String,
    schema_version: i32,
    at: i64,
    recorded_at: i64,
    body: String,
    meta: String,
}

/// One command of those our store wrote.
struct Written {
    receipt: Receipt,
    events: Vec<Event>,
}

/// Writes the rows of a log that our store wrote into an empty one.
async fn limit(from: &Server, to: &Server, commands: u64, events: u64) -> anyhow::Result<Round> {
    let written = Arc::new(read(&from.connect(None).await?, events).await?);
    drop(PostgresStore::open(to, Arc::new(SystemClock)).await?);
    let (send, waiting) = mpsc::unbounded_channel();
    let server = to.clone();
    let rows = written.clone();
    let committer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(commit(server, rows, waiting))
    });
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (send, next) = (send.clone(), next.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed) as usize;
                    if n as u64 >= commands {
                        return anyhow::Ok(times);
                    }
                    let (answer, answered) = oneshot::channel();
                    let begun = Instant::now();
                    send.send((n, answer))?;
                    answered.await?;
                    times.push(begun.elapsed());
                }
            })
        })
        .collect();
    drop(send);
    let mut times = Times::default();
    for writer in writers {
        times.0.extend(writer.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    committer.join().map_err(|_| anyhow::anyhow!("the committer has panicked"))??;
    Ok(Round { per_second: (commands * events) as f64 / seconds, times })
}

/// As our queue does: whoever was just answered is likely to be on the way with the next command.
const GATHER_AT_MOST: Duration = Duration::from_micros(500);

async fn commit(
    server: Server,
    written: Arc<Vec<Written>>,
    mut waiting: mpsc::UnboundedReceiver<(usize, oneshot::Sender<()>)>,
) -> anyhow::Result<()> {
    let client = server.connect(None).await?;
    let write = client.prepare(WRITE).await?;
    let mut before = 1;
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, 512).await > 0 {
        let until = tokio::time::Instant::now() + GATHER_AT_MOST;
        while batch.len() < before
            && let Ok(more) = tokio::time::timeout_at(until, waiting.recv_many(&mut batch, 512)).await
            && more > 0
        {}
        before = batch.len();
        let receipts: Vec<_> = batch.iter().map(|(n, _)| &written[*n].receipt).collect();
        let events: Vec<_> = batch.iter().flat_map(|(n, _)| &written[*n].events).collect();
        macro_rules! column {
            ($rows:ident, $row:ident, $value:expr) => {
                $rows.iter().map(|$row| $value).collect::<Vec<_>>()
            };
        }
        let values: [&(dyn ToSql + Sync); 18] = [
            &column!(receipts, row, row.partition),
            &column!(receipts, row, row.command),
            &column!(receipts, row, &row.input[..]),
            &column!(receipts, row, row.position),
            &column!(receipts, row, row.versions.as_str()),
            &column!(receipts, row, row.recorded_at),
            &column!(events, row, row.position),
            &column!(events, row, row.partition),
            &column!(events, row, row.kind.as_str()),
            &column!(events, row, row.id),
            &column!(events, row, row.version),
            &column!(events, row, row.event_id),
            &column!(events, row, row.type_name.as_str()),
            &column!(events, row, row.schema_version),
            &column!(events, row, row.at),
            &column!(events, row, row.recorded_at),
            &column!(events, row, row.body.as_str()),
            &column!(events, row, row.meta.as_str()),
        ];
        client.execute(&write, &values).await?;
        for (_, answer) in batch.drain(..) {
            // A writer that has gone away does not miss its answer.
            answer.send(()).ok();
        }
    }
    Ok(())
}

async fn read(client: &Client, events: u64) -> anyhow::Result<Vec<Written>> {
    let receipts = client
        .query(
            "SELECT partition, command, input, position, versions, recorded_at FROM log.receipts ORDER BY position",
            &[],
        )
        .await?;
    let rows = client.query("SELECT * FROM log.events ORDER BY position", &[]).await?;
    let mut rows = rows.iter().map(|row| Event {
        position: row.get("position"),
        partition: row.get("partition"),
        kind: row.get("kind"),
        id: row.get("id"),
        version: row.get("version"),
        event_id: row.get("event_id"),
        type_name: row.get("type"),
        schema_version: row.get("schema_version"),
        at: row.get("at"),
        recorded_at: row.get("recorded_at"),
        body: row.get("body"),
        meta: row.get("meta"),
    });
    let written = receipts.iter().map(|row| Written {
        receipt: Receipt {
            partition: row.get(0),
            command: row.get(1),
            input: row.get(2),
            position: row.get(3),
            versions: row.get(4),
            recorded_at: row.get(5),
        },
        events: rows.by_ref().take(events as usize).collect(),
    });
    Ok(written.collect())
}
