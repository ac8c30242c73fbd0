//! `cityos projection status`: how far behind the log the read models are, and which rows are frozen.

use super::super::{say, table::table};
use super::{City, model, named, telling};
use chrono::TimeDelta;
use cityos_projections::models::REGISTRY;
use cityos_projections::{AnyModel, FrozenSince, Standing, status};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a model that is behind is watched to see how fast it moves.
const WATCHED_FOR: Duration = Duration::from_secs(1);

/// Tells how far the read models are behind the log, and which rows are frozen. Looks only: it moves none on.
#[derive(Args)]
pub struct Status {
    /// The read models; all, where none is named.
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// How a model is doing, and how fast it moves where it is behind.
struct Watched {
    model: &'static dyn AnyModel,
    standing: Standing,
    /// Events a second; `None`: it is not behind, or stands still.
    rate: Option<u64>,
}

impl Watched {
    fn eta_s(&self) -> Option<u64> {
        self.rate.map(|rate| self.standing.lag().div_ceil(rate))
    }
}

impl Status {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let models = match self.models.is_empty() {
            true => REGISTRY.to_vec(),
            false => named(&self.models)?,
        };
        let watched = watched(&city, &models).await?;
        let text: String = match self.json {
            true => watched.iter().map(|watched| format!("{}\n", line(watched))).collect(),
            false => for_people(&watched),
        };
        say(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn watched(city: &City, models: &[&'static dyn AnyModel]) -> anyhow::Result<Vec<Watched>> {
    let look = async || {
        let reads = city.reads_if_any()?;
        anyhow::Ok(status(&*city.log, reads.as_ref(), models).await?)
    };
    let (mut now, begun) = (look().await?, Instant::now());
    let mut rates = vec![None; now.len()];
    if now.iter().any(|standing| standing.lag() > 0) {
        tokio::time::sleep(WATCHED_FOR).await;
        let later = look().await?;
        for ((rate, before), after) in rates.iter_mut().zip(&now).zip(&later) {
            let moved = after.position.0.saturating_sub(before.position.0);
            *rate = Some(telling::rate(moved, begun.elapsed())).filter(|rate| *rate > 0 && after.lag() > 0);
        }
        now = later;
    }
    let watched = |(standing, rate): (Standing, _)| {
        let model = model(standing.model)?;
        Some(Watched { model, standing, rate })
    };
    Ok(now.into_iter().zip(rates).filter_map(watched).collect())
}

fn for_people(watched: &[Watched]) -> String {
    let rows = watched.iter().map(|it| {
        let Watched { standing, rate, .. } = it;
        let none = || "-".to_owned();
        [
            standing.model.to_owned(),
            standing.lag().to_string(),
            time(standing.behind),
            rate.map_or_else(none, |rate| format!("{rate}/s")),
            it.eta_s().map_or_else(none, |seconds| time(TimeDelta::seconds(seconds as i64))),
            standing.frozen_count.to_string(),
        ]
    });
    let mut text = table(["model", "events behind", "time behind", "moves", "there in", "frozen"], rows);
    for Watched { model, standing, .. } in watched.iter().filter(|it| it.standing.frozen_count > 0) {
        let count = telling::counted(standing.frozen_count, "row");
        text += &format!("\n{}: {count} frozen\n", standing.model);
        text.extend(standing.frozen.iter().map(|frozen| telling::frozen(*model, &frozen.row)));
        let more = standing.frozen_count - standing.frozen.len() as u64;
        if more > 0 {
            text += &format!("  and {more} more\n");
        }
    }
    text
}

fn line(watched: &Watched) -> serde_json::Value {
    let Watched { model, standing, rate } = watched;
    let frozen = standing.frozen.iter().map(|FrozenSince { row, since }| {
        let mut line = telling::frozen_json(*model, row);
        line["since"] = json!(since);
        line
    });
    let frozen: Vec<_> = frozen.collect();
    json!({ "model": standing.model, "fingerprint": standing.fingerprint, "position": standing.position.0,
        "head": standing.head.0, "lag_events": standing.lag(), "lag_seconds": standing.behind.num_seconds(),
        "events_per_second": rate, "eta_seconds": watched.eta_s(), "frozen_count": standing.frozen_count,
        "frozen": frozen })
}

/// The two greatest units of a time.
fn time(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}
