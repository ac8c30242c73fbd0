//! `cityos projection drop`: away with tables that are not live.

use super::super::{complain, say};
use super::{City, named};
use anyhow::bail;
use cityos_projections::models::REGISTRY;
use cityos_projections::{AnyModel, Table, TableState, drop_table, tables};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Drops older and unfinished tables of read models, or those that are named. What is live for this program stays. Tables
/// of other versions of the program go only if they are named, or with `--others`: one that still runs would lose them.
#[derive(Args)]
pub struct Drop {
    /// Read models, or tables as `cityos projection list` names them.
    #[arg(value_name = "MODEL|TABLE", required_unless_present = "all")]
    names: Vec<String>,
    /// Those of all read models.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Also those of other versions of the program, and of read models it does not have.
    #[arg(long)]
    others: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Drop {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let reads = city.reads()?;
        let mut code = ExitCode::SUCCESS;
        let chosen = self.chosen(tables(&reads).await?)?;
        if chosen.is_empty() && !self.json {
            say("there is nothing to drop\n")?;
        }
        for table in chosen {
            let name = table.name();
            match drop_table(&reads, REGISTRY, table).await {
                Ok(()) if self.json => say(&format!("{}\n", json!({ "dropped": name })))?,
                Ok(()) => say(&format!("{name} is dropped\n"))?,
                Err(error) => {
                    complain(&error.into());
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }

    fn chosen(&self, tables: Vec<Table>) -> anyhow::Result<Vec<Table>> {
        if self.all {
            return Ok(tables.into_iter().filter(|table| self.may_go(table)).collect());
        }
        let mut chosen: Vec<Table> = Vec::new();
        for name in &self.names {
            let named: Vec<_> = match tables.iter().find(|table| table.name() == *name) {
                Some(table) => vec![table.clone()],
                None if named(std::slice::from_ref(name)).is_ok()
                    || tables.iter().any(|table| table.model == *name) =>
                {
                    tables
                        .iter()
                        .filter(|table| table.model == *name && self.may_go(table))
                        .cloned()
                        .collect()
                }
                None => bail!("there is no read model and no table `{name}`"),
            };
            chosen.extend(named.into_iter().filter(|table| !chosen.contains(table)).collect::<Vec<_>>());
        }
        Ok(chosen)
    }

    fn may_go(&self, table: &Table) -> bool {
        match REGISTRY.iter().any(|model: &&dyn AnyModel| table.is_of(*model)) {
            true => table.state != TableState::Live,
            false => self.others,
        }
    }
}
