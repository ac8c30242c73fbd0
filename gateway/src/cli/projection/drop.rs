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
        let reads = city.reads().await?;
        let mut code = ExitCode::SUCCESS;
        let there = tables(&reads).await?;
        let chosen = self.chosen(&there)?;
        if !self.json {
            if chosen.is_empty() {
                say("there is nothing to drop\n")?;
            }
            say(&self.others_that_stay(&there, &chosen))?;
        }
        for table in chosen {
            let name = table.name();
            match drop_table(&reads, REGISTRY, table).await {
                Ok(()) if self.json => say(&format!("{}\n", json!({ "dropped": name })))?,
                Ok(()) => say(&format!("{name} is dropped\n"))?,
                Err(error) => {
                    complain(&format!("{:#}", anyhow::Error::from(error)));
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }

    fn chosen(&self, tables: &[Table]) -> anyhow::Result<Vec<Table>> {
        if self.all {
            return Ok(tables.iter().filter(|table| self.may_go(table)).cloned().collect());
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
        if is_own(table) { table.state != TableState::Live } else { self.others }
    }

    /// How many tables of other versions of the program were asked about, too, and stay.
    fn others_that_stay(&self, tables: &[Table], chosen: &[Table]) -> String {
        let asked = |table: &&Table| self.all || self.names.contains(&table.model);
        let stay = tables.iter().filter(asked).filter(|table| !is_own(table) && !chosen.contains(table));
        match stay.count() {
            0 => String::new(),
            stay => format!(
                "tables of other versions of the program that stay: {stay}; `--others`, or their names, drop them\n"
            ),
        }
    }
}

fn is_own(table: &Table) -> bool {
    REGISTRY.iter().any(|model: &&dyn AnyModel| table.is_of(*model))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::log::Position;

    fn table(model: &str, fingerprint: &str, state: TableState) -> Table {
        let (model, fingerprint) = (model.into(), fingerprint.into());
        Table { model, fingerprint, build: 1, position: Position(7), state }
    }

    #[test]
    fn tables_of_other_versions_that_stay_are_counted_where_they_were_asked_about() {
        let own = REGISTRY[0];
        let tables = [
            table(own.name(), &own.fingerprint(), TableState::Live),
            table(own.name(), "0123456789ab", TableState::Live),
            table(own.name(), "0123456789ab", TableState::Old),
            table("gone", "0123456789ab", TableState::Old),
        ];
        let told = |names: &[&str], all, others| {
            let names = names.iter().map(|name| (*name).into()).collect();
            let drop = Drop { names, all, others, json: false };
            let chosen = drop.chosen(&tables).unwrap();
            (chosen.len(), drop.others_that_stay(&tables, &chosen))
        };
        let stay = |count| {
            format!(
                "tables of other versions of the program that stay: {count}; `--others`, or their names, drop them\n"
            )
        };
        assert_eq!(told(&[own.name()], false, false), (0, stay(2)));
        assert_eq!(told(&[], true, false), (0, stay(3)));
        assert_eq!(told(&[], true, true), (3, String::new()));
        assert_eq!(told(&[&tables[1].name()], false, false), (1, String::new()));
    }
}
