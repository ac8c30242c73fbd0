//! `make bench`: what CityOS does beside what the machine allows, measured in one run. Read the ratios.

mod append;
mod events;
mod importing;
mod memory;
mod orders;
mod printing;
mod rebuild;
mod replay;
mod verifying;

use std::path::PathBuf;

/// One row of the table.
struct Measured {
    what: &'static str,
    ours: String,
    limit: String,
    ratio: f64,
    target: f64,
    note: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // On the disk the log would be on: a file system in memory flushes for nothing.
    let folder = tempfile::tempdir_in(
        std::env::var_os("CITYOS_BENCH_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from),
    )?;
    let rows = [
        append::measure(folder.path()).await?,
        replay::measure(folder.path()).await?,
        rebuild::measure(folder.path()).await?,
        printing::measure(folder.path())?,
        verifying::measure(folder.path()).await?,
    ];
    println!("| what | CityOS | limit | ratio | target | |\n|---|---:|---:|---:|---:|---|");
    for row in &rows {
        let Measured { what, ours, limit, ratio, target, note } = row;
        println!("| {what} | {ours} | {limit} | {ratio:.2} | {target:.2} | {note} |");
    }
    importing::measure(folder.path())?;
    Ok(())
}
