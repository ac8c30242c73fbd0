//! `cityos replay --json` of the log of [`replay`](super::replay) into a file, as a whole process, beside reading the rows
//! raw: the same columns, every byte touched, nothing decoded or written.

use super::replay::{EVENTS, log_in, median};
use super::{Measured, memory};
use anyhow::Context;
use rusqlite::Connection;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const ROUNDS: u32 = 3;

/// The program beside this one and the raw reader in turn, the median round of each.
pub async fn measure(folder: &Path) -> anyhow::Result<Measured> {
    let (data, printed) = (folder.join("printing"), folder.join("printed.json"));
    std::fs::create_dir(&data)?;
    let (log, store) = log_in(folder).await?;
    drop(store);
    std::fs::hard_link(log, data.join("log.db"))?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let status = print(&data, File::create(&printed)?.into())?.wait()?;
        anyhow::ensure!(status.success(), "the program ended with {status}");
        ours.push(EVENTS as f64 / begun.elapsed().as_secs_f64());
        raw.push(limit(&data.join("log.db"))?);
    }
    let lines = BufReader::new(File::open(&printed)?).lines().count() as u64;
    anyhow::ensure!(lines == EVENTS, "{lines} events were printed");
    let bytes = printed.metadata()?.len();
    std::fs::remove_file(printed)?;
    // Once more, for its memory alone: the pipe would slow down what is measured.
    let peak_mib = memory::peak_mib_of(print(&data, Stdio::piped())?)?;
    let (ours, raw) = (median(ours), median(raw));
    Ok(Measured {
        what: "`cityos replay --json` of 1,000,000 events to a file",
        ours: format!("{ours:.0}/s, at most {peak_mib} MiB"),
        limit: format!("{raw:.0}/s"),
        ratio: ours / raw,
        target: 0.25,
        note: format!(
            "raw rows, every byte touched; {} MB printed, median of {ROUNDS} rounds",
            bytes / 1_000_000
        ),
    })
}

fn print(data: &Path, to: Stdio) -> anyhow::Result<Child> {
    let program = std::env::current_exe()?.with_file_name("cityos");
    Command::new(&program)
        .args(["replay", "--json", "--data-dir"])
        .arg(data)
        .stdout(to)
        .spawn()
        .with_context(|| format!("running {}: build it first, `make bench` does", program.display()))
}

fn limit(path: &Path) -> anyhow::Result<f64> {
    let connection = Connection::open(path)?;
    let begun = Instant::now();
    let mut statement = connection.prepare("SELECT position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, meta FROM events ORDER BY position")?;
    let mut rows = statement.query([])?;
    let (mut count, mut sum) = (0, 0_u64);
    while let Some(row) = rows.next()? {
        for column in [0, 4, 7, 8, 9] {
            sum = sum.wrapping_add(row.get::<_, i64>(column)? as u64);
        }
        for column in [1, 2, 3, 5, 6, 10, 11] {
            let bytes = row.get_ref(column)?.as_bytes()?;
            sum = bytes.iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        }
        count += 1;
    }
    std::hint::black_box(sum);
    anyhow::ensure!(count == EVENTS, "{count} rows were read");
    Ok(EVENTS as f64 / begun.elapsed().as_secs_f64())
}
