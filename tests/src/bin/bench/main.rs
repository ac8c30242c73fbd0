//! `make bench`: what CityOS does beside what the machine allows, measured in one run. Read the ratios. Where rows are
//! named, only those are measured.

// What answers a GraphQL request is one future within another.
#![recursion_limit = "256"]

mod append;
mod events;
mod importing;
mod memory;
mod orders;
mod printing;
mod rebuild;
mod replay;
mod server;
mod verifying;

use std::path::PathBuf;

/// What can be named.
const ROWS: [&str; 12] = [
    "append",
    "replay",
    "rebuild",
    "printing",
    "verifying",
    "server-append",
    "server-replay",
    "server-load",
    "server-cached",
    "server-rebuild",
    "server-page",
    "import",
];

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
    let named: Vec<String> = std::env::args().skip(1).collect();
    if let Some((server::appending::CHILD, arguments)) =
        named.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return server::appending::run_child(arguments).await;
    }
    if let Some(unknown) = named.iter().find(|name| !ROWS.contains(&name.as_str())) {
        anyhow::bail!("there is no row `{unknown}`: {}", ROWS.join(", "));
    }
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    let mut rows = Vec::new();
    if wanted("append") {
        rows.push(append::measure(folder.path()).await?);
    }
    if wanted("replay") {
        rows.push(replay::measure(folder.path()).await?);
    }
    if wanted("rebuild") {
        rows.push(rebuild::measure(folder.path()).await?);
    }
    if wanted("printing") {
        rows.push(printing::measure(folder.path()).await?);
    }
    if wanted("verifying") {
        rows.push(verifying::measure(folder.path()).await?);
    }
    if ROWS.into_iter().any(|row| row.starts_with("server-") && wanted(row)) {
        let bench = server::Bench::start();
        if wanted("server-append") {
            rows.push(server::appending::measure(&bench, 1).await?);
            rows.push(server::appending::measure(&bench, 10).await?);
            rows.push(server::appending::measure_processes(&bench).await?);
        }
        if wanted("server-replay") {
            rows.push(server::replaying::measure(&server::replaying::log_on(&bench).await?).await?);
        }
        if wanted("server-load") || wanted("server-cached") {
            let (city, store) = server::loading::log_on(&bench).await?;
            if wanted("server-load") {
                rows.push(server::loading::measure(&city, &store).await?);
            }
            if wanted("server-cached") {
                rows.push(server::loading::measure_remembered(&store).await?);
            }
        }
        if wanted("server-rebuild") {
            rows.push(server::rebuilding::measure(&bench).await?);
        }
        if wanted("server-page") {
            rows.extend(server::paging::measure(&bench, folder.path()).await?);
        }
    }
    println!("| what | CityOS | limit | ratio | target | |\n|---|---:|---:|---:|---:|---|");
    for row in &rows {
        let Measured { what, ours, limit, ratio, target, note } = row;
        println!("| {what} | {ours} | {limit} | {ratio:.2} | {target:.2} | {note} |");
    }
    if wanted("import") {
        importing::measure(folder.path())?;
    }
    Ok(())
}
