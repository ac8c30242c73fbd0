//! `cityos projection status`: how far behind the log the read models are, and which rows are frozen.

use super::super::{counted, say, table::table};
use super::{Any, City, model, telling};
use chrono::TimeDelta;
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
    #[command(flatten)]
    which: Any,
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
        self.rate.and_then(|rate| telling::eta_s(self.standing.lag(), rate))
    }
}

impl Status {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let models = self.which.models()?;
        let watched = watched(&city, &models).await?;
        let text: String = match self.which.json {
            true => watched.iter().map(|watched| format!("{}\n", line(watched))).collect(),
            false => for_people(&watched),
        };
        say(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn watched(city: &City, models: &[&'static dyn AnyModel]) -> anyhow::Result<Vec<Watched>> {
    let look = async || {
        let reads = city.reads_if_any().await?;
        anyhow::Ok(status(&*city.log, reads.as_ref(), models).await?)
    };
    let (mut now, begun) = (look().await?, Instant::now());
    let mut rates = vec![None; now.len()];
    if now.iter().any(|standing| standing.lag() > 0) {
        tokio::time::sleep(WATCHED_FOR).await;
        let later = look().await?;
        let passed = begun.elapsed();
        for ((rate, before), after) in rates.iter_mut().zip(&now).zip(&later) {
            *rate = moving(before, after, passed);
        }
        now = later;
    }
    let watched = |(standing, rate): (Standing, _)| {
        let model = model(standing.model)?;
        Some(Watched { model, standing, rate })
    };
    Ok(now.into_iter().zip(rates).filter_map(watched).collect())
}

/// How many events a second a model that is behind has moved on in so long, unless it stands still.
fn moving(before: &Standing, after: &Standing, passed: Duration) -> Option<u64> {
    let moved = after.position.0.saturating_sub(before.position.0);
    Some(telling::rate(moved, passed)).filter(|rate| *rate > 0 && after.lag() > 0)
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
        let count = counted(standing.frozen_count, "row");
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

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::log::Position;

    fn standing(position: u64) -> Standing {
        Standing {
            model: "orders",
            fingerprint: "0123456789ab".into(),
            position: Position(position),
            head: Position(1_000),
            behind: TimeDelta::seconds(3_700),
            frozen_count: 0,
            frozen: Vec::new(),
        }
    }

    fn told(from: u64, to: u64, seconds: u64) -> (Vec<String>, serde_json::Value) {
        let rate = moving(&standing(from), &standing(to), Duration::from_secs(seconds));
        let model = model("orders").unwrap();
        let watched = Watched { model, standing: standing(to), rate };
        let line = line(&watched);
        let text = for_people(&[watched]);
        let words = text.lines().last().unwrap().split("  ").map(str::trim);
        (words.filter(|word| !word.is_empty()).map(str::to_owned).collect(), line)
    }

    #[test]
    fn a_model_that_moves_has_a_rate_and_a_time_of_arrival() {
        let (words, line) = told(200, 400, 2);
        assert_eq!(words, ["orders", "600", "1 h 1 min", "100/s", "6 s", "0"]);
        let told =
            [&line["lag_events"], &line["lag_seconds"], &line["events_per_second"], &line["eta_seconds"]];
        assert_eq!(told, [&json!(600), &json!(3_700), &json!(100), &json!(6)]);
    }

    #[test]
    fn a_model_that_stands_still_or_all_but_does_or_is_there_has_neither() {
        for (from, to, seconds) in [(400, 400, 1), (400, 401, 3), (400, 200, 1), (900, 1_000, 1)] {
            let (words, line) = told(from, to, seconds);
            assert_eq!(words[3..5], ["-", "-"], "{from} to {to}");
            assert!(line["events_per_second"].is_null() && line["eta_seconds"].is_null(), "{line}");
        }
    }

    #[test]
    fn a_time_is_told_in_its_two_greatest_units() {
        let told = |seconds| time(TimeDelta::seconds(seconds));
        assert_eq!([told(0), told(59), told(60)], ["0 s", "59 s", "1 min 0 s"]);
        assert_eq!([told(3_599), told(3_600), told(86_399)], ["59 min 59 s", "1 h 0 min", "23 h 59 min"]);
        assert_eq!(told(90_000), "1 d 1 h");
    }
}
