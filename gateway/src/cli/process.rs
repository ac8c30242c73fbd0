//! `cityos process`: the processes that serve a city together.

use super::{city, say, table::table};
use crate::settings::Settings;
use anyhow::bail;
use cityos_eventstore::members::{Duty, Living};
use cityos_projections::models::REGISTRY;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// The processes that serve a city together.
#[derive(Args)]
pub struct Process {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the processes that live, what they do, and which read models are theirs to move.
    List(List),
}

/// Lists the processes that live, what they do, and which read models are theirs to move.
#[derive(Args)]
struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Process {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let Command::List(list) = self.command;
        let storage = city::exists(&settings).await?;
        let Some(living) = storage.living().await? else {
            bail!(
                "a city in files is served by one process, which is not listed: this is for a city in a database"
            );
        };
        say(&if list.json { lines(&living) } else { for_people(&living) })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The read models that are this process's to move.
fn models(process: &Living, among: &[Living]) -> Vec<&'static str> {
    let names = REGISTRY.iter().map(|model| model.name());
    names.filter(|name| process.has(among, Duty::Projector, name)).collect()
}

fn for_people(living: &[Living]) -> String {
    let shown = living.iter().map(|process| {
        let duties: Vec<_> = process.duties().map(Duty::name).collect();
        let host = process.host.clone().unwrap_or_else(|| "-".into());
        let (pid, since) = (process.pid.to_string(), process.since.format("%FT%TZ").to_string());
        let edition = process.edition().simple().to_string()[..8].to_owned();
        let seen = format!("{:.1} s", process.seen_s_ago);
        [host, pid, since, seen, edition, duties.join(" "), models(process, living).join(" ")]
    });
    table(["host", "pid", "since", "seen", "edition", "does", "moves"], shown)
}

fn lines(living: &[Living]) -> String {
    let line = |process: &Living| {
        let duties: Vec<_> = process.duties().map(Duty::name).collect();
        let line = json!({ "host": process.host, "pid": process.pid, "since": process.since,
            "seenSecondsAgo": process.seen_s_ago, "edition": process.edition(), "does": duties, "moves": models(process, living) });
        format!("{line}\n")
    };
    living.iter().map(line).collect()
}
