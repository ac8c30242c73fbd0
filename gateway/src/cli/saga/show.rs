//! `cityos saga show`: everything an operator needs to decide about a run.

use super::selection::run_of;
use super::{Tenants, or_dash, span, word};
use crate::cli::table::table;
use crate::cli::{city, say};
use crate::settings::Settings;
use anyhow::Context;
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::outlook::list;
use cityos_domain::saga_run::{Mark, Measure, PlannedStep, SagaRun, Stand};
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
        say(&match self.json {
            true => format!("{}\n", as_json(&run.to_string(), tenants.slug(partition), &told)),
            false => as_text(&run.to_string(), &tenants.shown(partition), &told),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The measures there are; a skip names the step the run is at.
fn measures(told: &Told) -> Vec<(Measure, String)> {
    let SagaRun::Live(run) = &told.state else { return Vec::new() };
    let skip = Measure::Skip { step: run.step().into(), learned: Map::new() };
    let of = |measure: Measure| {
        let would = match told.state.outlook(&measure) {
            Ok(outlook) => outlook.to_string(),
            Err(rejection) => format!("refused: {}", Rejected::from(rejection)),
        };
        (measure, would)
    };
    [Measure::Retry, Measure::Compensate, skip, Measure::Abandon].map(of).into()
}

fn state(state: &SagaRun) -> String {
    match state {
        SagaRun::Absent => "absent".into(),
        SagaRun::Ended(outcome) => word(outcome),
        SagaRun::Live(run) => match &run.stand {
            Stand::Ready => "running".into(),
            Stand::Attempting { lease_until } => {
                format!("running: an attempt is under way, until {}", lease_until.format("%F %T UTC"))
            }
            Stand::Retrying { at } => format!("running: tries again at {}", at.format("%F %T UTC")),
            Stand::Waiting(wait) => {
                format!(
                    "waiting for {} {}, until {}",
                    wait.on_kind,
                    wait.on_id,
                    wait.until.format("%F %T UTC")
                )
            }
            Stand::Parked => "parked".into(),
        },
    }
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
        Mark::Ahead => "not done",
        Mark::Unsure => "perhaps done",
        Mark::Done => "done",
        Mark::Undone => "undone",
        Mark::Skipped => "skipped by an operator",
    }
}

fn happened(what: What) -> String {
    match what {
        What::Started => "started".into(),
        What::Attempting => "under way".into(),
        What::Done => "done".into(),
        What::Undone => "undone".into(),
        What::Failed(kind) => format!("failed, {}", word(kind)),
        What::Waiting => "waits".into(),
        What::Woken => "woken".into(),
        What::Turned => "turned back".into(),
        What::Parked => "parked".into(),
        What::Retried => "retried".into(),
        What::Skipped => "skipped".into(),
        What::Ended(outcome) => word(outcome),
    }
}

fn as_text(id: &str, tenant: &str, told: &Told) -> String {
    let run = &told.run;
    let mut text = String::new();
    let mut line = |name: &str, value: String| text += &format!("{name:<10}  {value}\n");
    line("run", id.into());
    line("tenant", tenant.into());
    line("saga", run.saga.clone());
    line("state", state(&told.state));
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
    let steps = run.steps.iter().map(|(step, is)| [step.name.clone(), word(step.way), mark(*is).into()]);
    text += &format!("\n{}\n", table(["step", "way", "is"], steps));
    let heads = ["time", "what", "step", "direction", "attempt", "took", "detail"];
    text += &table(heads, told.timeline.iter().map(row));
    let measures = measures(told);
    if !measures.is_empty() {
        let rows = measures.into_iter().map(|(measure, would)| [measure.name().to_owned(), would]);
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
        happened(entry.what),
        or_dash(entry.step.as_deref()),
        or_dash(entry.direction.map(word)),
        or_dash(entry.attempt.map(|number| number.to_string())),
        or_dash(entry.took.map(span)),
        detail.join("; "),
    ]
}

fn as_json(id: &str, tenant: Option<&str>, told: &Told) -> Value {
    let run = &told.run;
    let step = |(step, is): &(PlannedStep, Mark)| json!({ "step": step.name, "way": word(step.way), "is": mark(*is) });
    let entry = |entry: &Entry| {
        json!({
            "at": entry.at, "what": happened(entry.what), "step": entry.step,
            "direction": entry.direction.map(word),
            "attempt": entry.attempt, "key": entry.key,
            "took_ms": entry.took.map(|took| took.num_milliseconds()), "code": entry.code,
            "message": entry.message, "until": entry.until, "memo": entry.memo, "actor": entry.actor,
            "reason": entry.reason,
        })
    };
    let measures =
        measures(told).into_iter().map(|(measure, would)| (measure.name().to_owned(), would.into()));
    json!({
        "run": id, "tenant": tenant, "saga": run.saga, "state": state(&told.state), "version": told.version,
        "input": run.input, "memo": run.memo, "way_back": way_back(told), "not_driven": told.stranger,
        "steps": run.steps.iter().map(step).collect::<Vec<_>>(),
        "timeline": told.timeline.iter().map(entry).collect::<Vec<_>>(),
        "measures": measures.collect::<Map<_, _>>(),
    })
}
