//! `cityos projection list`: every table of the read models.

use super::super::{say, table::table};
use super::City;
use cityos_domain::log::Position;
use cityos_projections::models::REGISTRY;
use cityos_projections::{SizedTable, Table, sized_tables};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Lists the tables of the read models: live ones, older ones, and those of other versions of the program.
#[derive(Args)]
pub struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// A line: a table, or that a model has none yet.
struct Line {
    model: String,
    fingerprint: String,
    state: &'static str,
    table: Option<SizedTable>,
}

impl List {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let tables = match city.reads_if_any().await? {
            Some(reads) => sized_tables(&reads).await?,
            None => Vec::new(),
        };
        let mut text = String::new();
        let lines = lines(tables);
        if !self.json {
            let shown = lines.into_iter().map(|Line { model, fingerprint, state, table }| {
                let of = |what: fn(&SizedTable) -> String| table.as_ref().map_or("-".into(), what);
                let name = of(|sized| sized.table.name());
                let (rows, bytes) = (of(|sized| sized.rows.to_string()), of(|sized| sized.bytes.to_string()));
                let position = of(|sized| sized.table.position.0.to_string());
                [model, fingerprint, state.into(), name, rows, bytes, position]
            });
            let heads = ["model", "fingerprint", "state", "table", "rows", "bytes", "position"];
            say(&self::table(heads, shown))?;
            return Ok(ExitCode::SUCCESS);
        }
        for Line { model, fingerprint, state, table } in lines {
            let (rows, bytes) = table.as_ref().map_or((0, 0), |sized| (sized.rows, sized.bytes));
            let (name, build) = table.as_ref().map(|sized| (sized.table.name(), sized.table.build)).unzip();
            let position = table.as_ref().map_or(Position::START, |sized| sized.table.position);
            let line = json!({ "model": model, "fingerprint": fingerprint, "state": state, "table": name,
                "build": build, "rows": rows, "bytes": bytes, "position": position.0 });
            text += &format!("{line}\n");
        }
        say(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The tables of the models of this program in its order, then all others.
fn lines(mut tables: Vec<SizedTable>) -> Vec<Line> {
    let mut lines = Vec::new();
    for model in REGISTRY {
        let own: Vec<_> = tables.extract_if(.., |sized| sized.table.is_of(*model)).collect();
        if own.is_empty() {
            let (model, fingerprint) = (model.name().into(), model.fingerprint());
            lines.push(Line { model, fingerprint, state: "missing", table: None });
        }
        lines.extend(own.into_iter().map(|sized| line(sized.table.state.name(), sized)));
    }
    // What is live there is so for another version of the program.
    lines.extend(tables.into_iter().map(|sized| line("other", sized)));
    lines
}

fn line(state: &'static str, sized: SizedTable) -> Line {
    let Table { model, fingerprint, .. } = &sized.table;
    Line { model: model.clone(), fingerprint: fingerprint.clone(), state, table: Some(sized) }
}
