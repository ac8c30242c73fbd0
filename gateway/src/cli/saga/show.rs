//! `cityos saga show`: everything an operator needs to decide about a run.

use super::selection::run_of;
use super::{Tenants, or_dash, refusal, span, word};
use crate::cli::table::table;
use crate::cli::{city, say};
use crate::settings::Settings;
use anyhow::Context;
use chrono::{DateTime, Utc};
use cityos_domain::ids::RunId;
use cityos_domain::log::Partition;
use cityos_domain::saga_run::outlook::list;
use cityos_domain::saga_run::{Mark, Measure, PlannedStep, SagaRun, Stand};
use cityos_sagas::Engine;
use cityos_sagas::repair::timeline::{Entry, Told, What};
use clap::Args;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Tells what happened to a run, what it knows, and what can be done about it.
#[derive(Args)]
pub struct Show {
    /// The run: its id.
    run: String,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let app = city::open(settings).await?;
        let services = app.services();
        let (partition, run) = run_of(&services.reads, &self.run).await?;
        let told = services.engine.tell_run(partition, run, None).await?;
        let told = told.context("the run is not in the log")?;
        let tenants = Tenants::of(&services.reads, [partition].into_iter()).await?;
        let measures = measures(&services.engine, partition, run, &told.state).await?;
        say(&match self.json {
            true => format!("{}\n", as_json(run, tenants.slug(partition), &told, measures)),
            false => as_text(run, &tenants.shown(partition), &told, measures),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What would come of each measure; a skip names the step the run is at.
async fn measures(
    engine: &Engine,
    partition: Partition,
    id: RunId,
    state: &SagaRun,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let SagaRun::Live(run) = state else { return Ok(Vec::new()) };
    let skip = Measure::Skip { step: run.step().into(), learned: Map::new() };
    let mut measures = Vec::new();
    for measure in [Measure::Retry, Measure::Compensate, skip, Measure::Abandon] {
        let would = match engine.plan(partition, id, &measure).await?.outlook {
            Ok(outlook) => outlook.to_string(),
            Err(rejected) => format!("refused: {}", refusal(&rejected)),
        };
        measures.push((measure.name(), would));
    }
    Ok(measures)
}

/// Where the run stands, and for how long.
fn state(state: &SagaRun) -> (String, Option<String>) {
    let until = |at: &DateTime<Utc>| format!("until {}", at.format("%F %T UTC"));
    let SagaRun::Live(run) = state else {
        let SagaRun::Ended(outcome) = state else { return ("absent".into(), None) };
        return (word(outcome), None);
    };
    let (state, more) = match &run.stand {
        Stand::Ready => ("running", None),
        Stand::Attempting { lease_until } => {
            ("running", Some(format!("an attempt is under way, {}", until(lease_until))))
        }
        Stand::Retrying { at } => ("running", Some(format!("the step failed and waits, {}", until(at)))),
        Stand::Waiting(wait) => {
            ("waiting", Some(format!("for {} {}, {}", wait.on_kind, wait.on_id, until(&wait.until))))
        }
        Stand::Parked => ("parked", None),
    };
    (state.into(), more)
}

/// What turning back now would do, or that it cannot.
fn way_back(told: &Told) -> Option<String> {
    let SagaRun::Live(run) = &told.state else { return None };
    Some(match run.way_back() {
        Ok(steps) if steps.is_empty() => "nothing is to be undone".into(),
        Ok(steps) => format!("would undo {}", list(&steps)),
        Err(rejection) => format!("none: {rejection}"),
    })
}

fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Ahead => "not_done",
        Mark::Unsure => "perhaps_done",
        Mark::Done => "done",
        Mark::Undone => "undone",
        Mark::Skipped => "skipped",
    }
}

fn happened(what: What) -> String {
    match what {
        What::Started => "started".into(),
        What::Attempting => "attempting".into(),
        What::Done => "done".into(),
        What::Undone => "undone".into(),
        What::Failed(_) => "failed".into(),
        What::Waiting => "waiting".into(),
        What::Woken => "woken".into(),
        What::Turned => "turned_back".into(),
        What::Parked => "parked".into(),
        What::Retried => "retried".into(),
        What::Skipped => "skipped".into(),
        What::Ended(outcome) => word(outcome),
    }
}

/// How an attempt failed.
fn failure(what: What) -> Option<String> {
    if let What::Failed(kind) = what { Some(word(kind)) } else { None }
}

/// Words of JSON as people read them.
fn spoken(word: &str) -> String {
    word.replace('_', " ")
}

fn as_text(id: RunId, tenant: &str, told: &Told, measures: Vec<(&str, String)>) -> String {
    let run = &told.run;
    let (state, more) = state(&told.state);
    let mut text = String::new();
    let mut line = |name: &str, value: String| text += &format!("{name:<10}  {value}\n");
    line("run", id.to_string());
    line("tenant", tenant.into());
    line("saga", run.saga.clone());
    line("state", [Some(state), more].into_iter().flatten().collect::<Vec<_>>().join(": "));
    line("version", told.version.0.to_string());
    line("input", run.input.to_string());
    line("memo", run.memo.to_string());
    if let Some((code, why)) = &run.turned {
        line("goes back", format!("{code}: {why}"));
    }
    if let Some(way) = way_back(told) {
        line("way back", way);
    }
    if let Some(why) = &told.stranger {
        line("not driven", format!("{why}: this program would park it"));
    }
    for key in keys(told) {
        line("key", key);
    }
    let steps = run.steps.iter().map(|(step, is)| [step.name.clone(), word(step.way), spoken(mark(*is))]);
    text += &format!("\n{}\n", table(["step", "way", "is"], steps));
    let heads = ["time", "what", "step", "direction", "attempt", "took", "detail"];
    text += &table(heads, told.timeline.iter().map(row));
    if !measures.is_empty() {
        let rows = measures.into_iter().map(|(measure, would)| [measure.to_owned(), would]);
        text += &format!("\n{}", table(["measure", "would come of it"], rows));
    }
    text
}

/// The idempotency keys under which the outside world was called, in order: what to search for there.
fn keys(told: &Told) -> Vec<String> {
    let mut keys: Vec<String> = told.timeline.iter().filter_map(|entry| entry.key.clone()).collect();
    keys.dedup();
    keys
}

fn row(entry: &Entry) -> [String; 7] {
    let mut detail = Vec::new();
    if let Some(code) = &entry.code {
        detail.push(code.clone());
    }
    detail.extend(entry.message.clone());
    if let Some(until) = entry.until {
        detail.push(format!("until {}", until.format("%F %T UTC")));
    }
    if let Some(memo) = &entry.memo {
        detail.push(format!("memo {memo}"));
    }
    if let Some(reason) = &entry.reason {
        detail.push(format!("by {}: {reason}", entry.actor.0));
    }
    [
        entry.at.format("%F %T").to_string(),
        [Some(spoken(&happened(entry.what))), failure(entry.what)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", "),
        or_dash(entry.step.as_deref()),
        or_dash(entry.direction.map(word)),
        or_dash(entry.attempt.map(|number| number.to_string())),
        or_dash(entry.took.map(span)),
        detail.join("; "),
    ]
}

fn as_json(id: RunId, tenant: Option<&str>, told: &Told, measures: Vec<(&str, String)>) -> Value {
    let run = &told.run;
    let step = |(step, is): &(PlannedStep, Mark)| json!({ "step": step.name, "way": word(step.way), "is": mark(*is) });
    let entry = |entry: &Entry| {
        json!({
            "at": entry.at, "what": happened(entry.what), "failure": failure(entry.what), "step": entry.step,
            "direction": entry.direction.map(word),
            "attempt": entry.attempt, "key": entry.key,
            "took_ms": entry.took.map(|took| took.num_milliseconds()), "code": entry.code,
            "message": entry.message, "until": entry.until, "memo": entry.memo, "actor": entry.actor,
            "reason": entry.reason,
        })
    };
    let measures = measures.into_iter().map(|(measure, would)| (measure.to_owned(), would.into()));
    json!({
        "run": id, "tenant": tenant, "saga": run.saga, "state": state(&told.state).0, "version": told.version,
        "input": run.input, "memo": run.memo, "way_back": way_back(told), "not_driven": told.stranger,
        "steps": run.steps.iter().map(step).collect::<Vec<_>>(),
        "timeline": told.timeline.iter().map(entry).collect::<Vec<_>>(),
        "measures": measures.collect::<Map<_, _>>(),
    })
}
