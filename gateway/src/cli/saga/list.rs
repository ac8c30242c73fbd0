//! `cityos saga list`: the runs that stand somewhere, a line each.

use super::selection::Selection;
use super::{Tenants, or_dash, span, word};
use crate::cli::table::table;
use crate::cli::{city, say};
use crate::settings::Settings;
use cityos_sagas::repair::RUNS_MAX;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Lists runs, the oldest first.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    selection: Selection,
    /// Prints a JSON object for each.
    #[arg(long)]
    json: bool,
}

impl List {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let app = city::open(settings).await?;
        let services = app.services();
        let now = services.executor.clock().now();
        let query = self.selection.query(services, now).await?;
        let found = services.engine.find_runs(query).await?;
        let partitions = found.runs.iter().map(|(partition, _)| *partition);
        let tenants = Tenants::of(&services.reads, partitions).await?;
        if self.json {
            for (partition, run) in &found.runs {
                let line = json!({
                    "run": run.id, "tenant": tenants.slug(*partition), "saga": run.saga,
                    "state": word(run.state), "step": run.step, "direction": word(run.direction),
                    "attempts": run.attempts, "age_s": (now - run.started_at).num_seconds(),
                    "started_at": run.started_at, "updated_at": run.updated_at, "next_at": run.next_at,
                    "error_code": run.error_code, "error": run.error, "reason": run.reason,
                    "version": run.version,
                });
                say(&format!("{line}\n"))?;
            }
            if found.count > RUNS_MAX as u64 {
                tracing::warn!(runs = found.count, "only the oldest {RUNS_MAX} are listed");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows = found.runs.iter().map(|(partition, run)| {
            [
                run.id.to_string(),
                tenants.shown(*partition),
                run.saga.clone(),
                word(run.state),
                or_dash(run.step.as_deref()),
                word(run.direction),
                run.attempts.to_string(),
                span(now - run.started_at),
                or_dash(run.error_code.as_deref()),
                or_dash(run.reason.as_deref()),
            ]
        });
        let heads =
            ["run", "tenant", "saga", "state", "step", "direction", "attempts", "age", "error", "reason"];
        say(&table(heads, rows))?;
        say(&match found.count {
            count if count > RUNS_MAX as u64 => format!("{count} runs, of which these are the oldest\n"),
            1 => "1 run\n".into(),
            count => format!("{count} runs\n"),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
