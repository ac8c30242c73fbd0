//! `cityos saga`: the operator's desk for runs of sagas. One file per command; here only what they share.

mod drill;
mod list;
mod measures;
mod selection;
mod show;

use crate::settings::Settings;
use chrono::TimeDelta;
use cityos_domain::ids::TenantId;
use cityos_domain::log::Partition;
use cityos_domain::rejection::Rejected;
use cityos_projections::models::tenants;
use cityos_projections::{ReadStore, by_keys};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;

/// The exit code where some runs refused what was asked, and everything else was done.
const SOME_REFUSED: u8 = 3;

/// Runs of sagas: which there are, what happened to them, and what an operator can do about them. Works beside a
/// running server, whose sagas go on by themselves, and without one.
#[derive(Args)]
pub struct Saga {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists runs, the oldest first.
    List(list::List),
    /// Tells what happened to a run, what it knows, and what can be done about it.
    Show(show::Show),
    /// Has the step at which a run failed, or waits, tried again now.
    Retry(measures::Retry),
    /// Has a run go back and undo what it did.
    Compensate(measures::Compensate),
    /// Takes the step at which a run is parked for done, or on the way back for undone, without the run doing it.
    Skip(measures::Skip),
    /// Gives a run up as it stands: what it did stays done.
    Abandon(measures::Abandon),
    /// Starts a run that goes wrong as it is told to, to practise on. It touches nothing.
    Drill(drill::Drill),
}

impl Saga {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(it) => it.run(settings).await,
            Command::Show(it) => it.run(settings).await,
            Command::Retry(it) => it.run(settings).await,
            Command::Compensate(it) => it.run(settings).await,
            Command::Skip(it) => it.run(settings).await,
            Command::Abandon(it) => it.run(settings).await,
            Command::Drill(it) => it.run(settings).await,
        }
    }
}

/// The slugs of the tenants in whose partitions runs lie.
struct Tenants(HashMap<Partition, String>);

impl Tenants {
    async fn of(reads: &ReadStore, partitions: impl Iterator<Item = Partition>) -> anyhow::Result<Self> {
        let ids: BTreeSet<_> = partitions.filter_map(Partition::tenant).collect();
        let rows = by_keys::<tenants::Tenants>(reads, Partition::Platform, ids).await?;
        let slug = |(id, row): (TenantId, tenants::Tenant)| (Partition::Tenant(id), row.slug.to_string());
        Ok(Tenants(rows.into_iter().map(slug).collect()))
    }

    /// The slug; none of what lies in the city's own partition.
    fn slug(&self, partition: Partition) -> Option<&str> {
        self.0.get(&partition).map(String::as_str)
    }

    /// The same as people read it.
    fn shown(&self, partition: Partition) -> String {
        self.slug(partition).unwrap_or("(city)").into()
    }
}

/// A word of the domain as it stands in the log.
fn word(of: impl Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// A span of time in its two greatest units.
fn span(time: TimeDelta) -> String {
    let (days, hours, minutes) = (time.num_days(), time.num_hours() % 24, time.num_minutes() % 60);
    match (days, hours, minutes) {
        (1.., _, _) => format!("{days}d {hours}h"),
        (_, 1.., _) => format!("{hours}h {minutes}m"),
        (_, _, 1..) => format!("{minutes}m {}s", time.num_seconds() % 60),
        (_, _, _) if time < TimeDelta::seconds(1) => format!("{}ms", time.num_milliseconds()),
        (_, _, _) => format!("{}s", time.num_seconds()),
    }
}

/// Why something may not be done, and which option would help.
fn refusal(rejected: &Rejected) -> String {
    match rejected.field.as_deref() {
        Some("learned") => format!("{rejected} (--learned)"),
        Some(_) | None => rejected.to_string(),
    }
}

/// What is there, or a dash.
fn or_dash(text: Option<impl Into<String>>) -> String {
    text.map_or_else(|| "-".into(), Into::into)
}
