//! `cityos replay`: what is in the log, one aggregate as it was, what changed between two moments, and read models as
//! they stood. It changes nothing, and needs neither keys nor read models: what is sealed stays sealed.

mod as_of;
mod fields;
mod filter;
mod lines;
mod moment;
mod state;
mod target;

use super::log::Log;
use crate::settings::Settings;
use chrono::{DateTime, Utc};
use clap::Args;
use filter::Filter;
use moment::{Moment, time};
use std::process::ExitCode;
use target::Target;

/// Prints the log, also beside a running server, and changes nothing.
///
/// Without --state, --diff and --as-of it prints the events that fit the filters, in the log's order. Times are RFC 3339.
/// Every event has two: when it was recorded, by the store's clock, which never goes back along the log; and its
/// business time, which the command gave. They differ where something is told of later: an imported order was placed
/// years before it was recorded.
#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    filter: Filter,
    /// Prints the events' bodies, too.
    #[arg(long, conflicts_with_all = ["state", "diff", "as_of", "as_of_business"])]
    bodies: bool,
    /// Prints one JSON object a line, with everything that is stored.
    #[arg(long)]
    json: bool,
    /// Prints the state of one aggregate, field by field. With --tenant it is found at once, without the whole log is
    /// looked through for whose it is.
    #[arg(long, value_name = "KIND/ID", conflicts_with = "stream")]
    state: Option<Target>,
    /// For --state: as it was at this version of its stream.
    #[arg(long, value_name = "VERSION", requires = "state", conflicts_with_all = ["at", "diff"])]
    at_version: Option<u64>,
    /// For --state: as it was at this recorded time.
    #[arg(long, value_name = "TIME", requires = "state", conflicts_with = "diff", value_parser = time)]
    at: Option<DateTime<Utc>>,
    /// Prints what changed in the aggregate of --state or --stream between two moments, field by field: each a version of
    /// its stream (0: before anything happened) or a recorded time.
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    diff: Option<Vec<Moment>>,
    #[command(flatten)]
    rows: as_of::AsOf,
}

impl Replay {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let log = Log::open(&settings).await?;
        if let Some(time) = self.rows.time() {
            return self.rows.print(&log, time, self.filter.tenant.as_deref(), self.json).await;
        }
        if let Some(diff) = &self.diff {
            let target = self
                .state
                .or(self.filter.stream)
                .ok_or_else(|| anyhow::anyhow!("--diff: name the aggregate with --state KIND/ID"))?;
            return state::diff(&log, target, self.filter.tenant.as_deref(), [diff[0], diff[1]], self.json)
                .await;
        }
        if let Some(target) = self.state {
            let moment = match (self.at_version, self.at) {
                (Some(version), _) => Some(("--at-version", Moment::Version(version))),
                (None, Some(at)) => Some(("--at", Moment::Recorded(at))),
                (None, None) => None,
            };
            return state::print(&log, target, self.filter.tenant.as_deref(), moment, self.json).await;
        }
        lines::print(&log, self.filter, self.bodies, self.json).await
    }
}
