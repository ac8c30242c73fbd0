//! `cityos saga retry`, `compensate`, `skip` and `abandon`: on one run, or on all that are selected and counted.

use super::selection::{Selection, run_of};
use super::{SOME_REFUSED, Tenants, refusal};
use crate::cli::city::{self, Operator};
use crate::cli::say;
use crate::cli::table::table;
use crate::settings::Settings;
use anyhow::{Context, bail};
use cityos_domain::ids::RunId;
use cityos_domain::log::Partition;
use cityos_domain::rejection::Rejected;
use cityos_domain::saga_run::{Intervention, Measure};
use cityos_domain::text::Reason;
use cityos_eventstore::executor::ExecuteError;
use cityos_sagas::Engine;
use cityos_sagas::repair::{NotTaken, Planned, RUNS_MAX, Taken};
use clap::Args;
use serde_json::{Map, json};
use std::process::ExitCode;

/// Has the step at which a run failed, or waits, tried again now. A step that calls the outside world asks there first
/// whether it was done before.
#[derive(Args)]
pub struct Retry {
    #[command(flatten)]
    aim: Aim,
}

/// Has a run go back and undo what it did, the newest first. Refused where a step that cannot be undone is, or may have
/// been, done, or is the next and was to be done in any case.
#[derive(Args)]
pub struct Compensate {
    #[command(flatten)]
    aim: Aim,
}

/// Takes the step at which a run is parked for done, or on the way back for undone, without the run doing it. Refused
/// where the run is parked at another step, and of a step that only writes down what is settled.
#[derive(Args)]
pub struct Skip {
    /// The step.
    step: String,
    #[command(flatten)]
    aim: Aim,
    /// What the step would have learned, as a JSON object: it is put into the memo, for the steps that follow. Only with
    /// a run that is named.
    #[arg(long, value_name = "JSON")]
    learned: Option<String>,
}

/// Gives a run up as it stands: what it did stays done, and the rest is not done. The log says which steps these are.
#[derive(Args)]
pub struct Abandon {
    #[command(flatten)]
    aim: Aim,
}

/// At which runs, why, and by whom.
#[derive(Args)]
struct Aim {
    /// The run: its id. Without one, all runs that are selected.
    run: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// How many runs are selected: nothing is done if it is another number by now.
    #[arg(long, value_name = "COUNT")]
    confirm: Option<u64>,
    /// Why, for the log.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Prints what would come of it, and does nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    operator: Operator,
    /// Prints a JSON object for each run.
    #[arg(long)]
    json: bool,
}

impl Retry {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        self.aim.take(Measure::Retry, settings).await
    }
}

impl Compensate {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        self.aim.take(Measure::Compensate, settings).await
    }
}

impl Skip {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let learned = match &self.learned {
            Some(_) if self.aim.run.is_none() => bail!("--learned is about one run: name it"),
            Some(text) => serde_json::from_str(text).context("--learned must be a JSON object")?,
            None => Map::new(),
        };
        self.aim.take(Measure::Skip { step: self.step, learned }, settings).await
    }
}

impl Abandon {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        self.aim.take(Measure::Abandon, settings).await
    }
}

impl Aim {
    async fn take(self, measure: Measure, settings: Settings) -> anyhow::Result<ExitCode> {
        let reason = self.reason.as_deref().map(|text| Reason::parse("--reason", text));
        let reason = reason.transpose().context("--reason")?;
        let actor = self.operator.actor()?;
        let app = city::open(settings).await?;
        let services = app.services();
        let engine = &services.engine;
        let in_bulk = self.run.is_none();
        let runs: Vec<(Partition, RunId)> = match &self.run {
            Some(_) if !self.selection.is_empty() => bail!("name a run, or say which are meant, not both"),
            Some(id) => vec![run_of(&services.reads, id).await?],
            None if self.selection.is_empty() => {
                bail!("name a run, or say which are meant: --state, --saga, --cause, --older-than, --tenant")
            }
            None => {
                let now = services.executor.clock().now();
                let query = self.selection.query(services, now).await?;
                let found = engine.find_runs(query).await?;
                if found.count > RUNS_MAX as u64 {
                    bail!(
                        "{} runs are found, and {RUNS_MAX} can be helped at once: select fewer",
                        found.count
                    );
                }
                found.runs.into_iter().map(|(partition, run)| (partition, run.id)).collect()
            }
        };
        let tenants = Tenants::of(&services.reads, runs.iter().map(|(partition, _)| *partition)).await?;
        let plans = planned(engine, &runs, &measure).await?;
        let report = Report { tenants, json: self.json };
        let foreseen = || plans.iter().map(|it| (it, Became::foreseen(it)));
        let found = count(plans.len());
        let Some(reason) = reason.filter(|_| !self.dry_run) else {
            let refused = plans.iter().filter(|planned| planned.outlook.is_err()).count();
            report.print(foreseen())?;
            report.sum_up(&format!("Nothing was done: of {found} {refused} would be refused.\n"))?;
            return Ok(ended(refused));
        };
        if plans.is_empty() && self.confirm.is_none() {
            report.sum_up("No run is found: nothing was done.\n")?;
            return Ok(ExitCode::SUCCESS);
        }
        if in_bulk && self.confirm != Some(plans.len() as u64) {
            report.print(foreseen())?;
            match self.confirm {
                Some(confirmed) => bail!("{found} found, not the {confirmed} confirmed: nothing was done"),
                None => bail!("{found} found: nothing was done; --confirm {} does it", plans.len()),
            }
        }
        let taken = engine.carry_out(plans, &Intervention { measure, reason }, &actor).await;
        report.print(taken.iter().map(|taken| (&taken.planned, Became::of(taken))))?;
        let (mut done, mut refused, mut failed) = (0, 0, Vec::new());
        for Taken { done: is, .. } in &taken {
            match is {
                Ok(_) => done += 1,
                Err(NotTaken::Refused(_)) => refused += 1,
                Err(NotTaken::Failed(error)) => failed.push(error.clone()),
            }
        }
        let Some(error) = failed.first().cloned() else {
            report.sum_up(&format!("{done} done, {refused} refused.\n"))?;
            return Ok(ended(refused));
        };
        report.sum_up(&format!("{done} done, {refused} refused, {} failed.\n", failed.len()))?;
        Err(error).context(format!("{} failed", count(failed.len())))
    }
}

fn ended(refused: usize) -> ExitCode {
    if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) }
}

fn count(runs: usize) -> String {
    if runs == 1 { "1 run".into() } else { format!("{runs} runs") }
}

async fn planned(
    engine: &Engine,
    runs: &[(Partition, RunId)],
    measure: &Measure,
) -> anyhow::Result<Vec<Planned>> {
    let mut plans = Vec::with_capacity(runs.len());
    for (partition, run) in runs {
        plans.push(engine.plan(*partition, *run, measure).await?);
    }
    Ok(plans)
}

/// What becomes, or would become, of a run.
enum Became<'a> {
    Done(&'static str),
    Refused(&'a Rejected),
    Failed(&'a ExecuteError),
}

impl<'a> Became<'a> {
    fn foreseen(planned: &'a Planned) -> Self {
        planned.outlook.as_ref().map_or_else(Became::Refused, |_| Became::Done("would be done"))
    }

    fn of(taken: &'a Taken) -> Self {
        match &taken.done {
            Ok(false) => Became::Done("done"),
            Ok(true) => Became::Done("done before"),
            Err(NotTaken::Refused(rejected)) => Became::Refused(rejected),
            Err(NotTaken::Failed(error)) => Became::Failed(error),
        }
    }
}

/// How it is told what becomes of runs.
struct Report {
    tenants: Tenants,
    json: bool,
}

impl Report {
    fn print<'a>(&self, runs: impl Iterator<Item = (&'a Planned, Became<'a>)>) -> anyhow::Result<()> {
        if self.json {
            for (planned, became) in runs {
                let (outcome, then, code, message, field) = match became {
                    Became::Done(outcome) => (outcome, Some(then(planned)), None, None, None),
                    Became::Refused(Rejected { code, message, field }) => {
                        ("refused", None, Some(code), Some(message.clone()), field.as_ref())
                    }
                    Became::Failed(error) => ("failed", None, None, Some(error.to_string()), None),
                };
                let line = json!({
                    "run": planned.run, "tenant": self.tenants.slug(planned.partition), "outcome": outcome,
                    "then": then, "code": code, "message": message, "field": field,
                });
                say(&format!("{line}\n"))?;
            }
            return Ok(());
        }
        let rows = runs.map(|(planned, became)| {
            let (outcome, then) = match became {
                Became::Done(outcome) => (outcome, then(planned)),
                Became::Refused(rejected) => ("refused", refusal(rejected)),
                Became::Failed(error) => ("failed", error.to_string()),
            };
            [planned.run.to_string(), self.tenants.shown(planned.partition), outcome.into(), then]
        });
        say(&table(["run", "tenant", "outcome", "then"], rows))
    }

    fn sum_up(&self, text: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { say(text) }
    }
}

/// What comes of a measure that is taken.
fn then(planned: &Planned) -> String {
    let outlook = planned.outlook.as_ref().map_or_else(refusal, ToString::to_string);
    match &planned.stranger {
        Some(why) => format!("{outlook}; {why}: this program would park it"),
        None => outlook,
    }
}
