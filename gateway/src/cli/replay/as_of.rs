//! The rows of a read model as they stood: the model's own fold, over the events of that time, in memory.

use super::moment::{shown, time};
use crate::cli::log::Log;
use crate::cli::table::table_of;
use crate::cli::{SOMETHING_WRONG, complain, say};
use crate::graphql::ids::opaque;
use anyhow::{Context, anyhow, bail, ensure};
use chrono::{DateTime, Utc};
use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::store::StoreError;
use cityos_eventstore::stored::StoredEvent;
use cityos_projections::model::{AnyModel, StoredKey, StoredRow};
use cityos_projections::models::REGISTRY;
use cityos_projections::row::{ColumnSpec, Role, Type};
use cityos_projections::{Unfit, Value};
use clap::Args;
use futures_util::StreamExt;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::pin;
use std::process::ExitCode;
use uuid::Uuid;

/// Which rows, as of when.
#[derive(Args)]
pub struct AsOf {
    /// Prints the rows of --model as they stood at this recorded time: what the city knew then.
    #[arg(long, value_name = "TIME", requires = "model", conflicts_with_all = ["as_of_business", "state", "diff"])]
    #[arg(value_parser = time)]
    as_of: Option<DateTime<Utc>>,
    /// Prints the rows of --model made of what had happened by this business time, whenever it was recorded: what was so
    /// then, by all that is known now.
    #[arg(long, value_name = "TIME", requires = "model", conflicts_with_all = ["state", "diff"])]
    #[arg(value_parser = time)]
    as_of_business: Option<DateTime<Utc>>,
    /// Which read model, such as orders.
    #[arg(long, value_name = "NAME", value_parser = model)]
    model: Option<&'static dyn AnyModel>,
    /// Only the row of this key; the columns of a key of several are divided by `/`.
    #[arg(long, value_name = "KEY", requires = "model")]
    key: Option<String>,
    /// Only rows with this value in this column; nothing behind the `=`: where there is none. May be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE", requires = "model", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// The columns that are shown, divided by commas; all of them where nothing is said.
    #[arg(long, value_name = "COLUMNS", requires = "model", value_delimiter = ',')]
    columns: Vec<String>,
}

/// Which of an event's two times counts.
#[derive(Clone, Copy)]
pub enum Time {
    Recorded(DateTime<Utc>),
    Business(DateTime<Utc>),
}

impl Time {
    fn is_over(self, event: &StoredEvent) -> bool {
        match self {
            Time::Recorded(time) => event.recorded_at > time.timestamp_micros(),
            Time::Business(_) => false,
        }
    }

    fn admits(self, event: &StoredEvent) -> bool {
        match self {
            Time::Recorded(_) => !self.is_over(event),
            Time::Business(time) => event.at <= time.timestamp_micros(),
        }
    }
}

/// What was asked, in the model's own terms.
struct Question {
    model: &'static dyn AnyModel,
    partition: Option<Uuid>,
    key: Option<Vec<Value>>,
    conditions: Vec<(usize, Value)>,
    columns: Vec<usize>,
}

/// The rows so far.
#[derive(Default)]
struct Rows {
    rows: BTreeMap<StoredKey, StoredRow>,
    /// Rows that stay as they were before an event that does not fit.
    frozen: HashSet<StoredKey>,
}

/// An event that does not fit its row.
struct Misfit {
    position: Position,
    key: StoredKey,
    why: Unfit,
}

impl AsOf {
    /// As of when, if rows are asked for.
    pub fn time(&self) -> Option<Time> {
        self.as_of.map(Time::Recorded).or(self.as_of_business.map(Time::Business))
    }

    /// Prints the rows.
    pub async fn print(
        self,
        log: &Log,
        time: Time,
        tenant: Option<&str>,
        as_json: bool,
    ) -> anyhow::Result<ExitCode> {
        let partition = match tenant {
            Some(name) => Some(log.partition(name).await?.id()),
            None => None,
        };
        let question = self.question(partition)?;
        let mut rows = Rows::default();
        let decode = move |page: Vec<StoredEvent>| {
            let is_last = page.last().is_some_and(|last| time.is_over(last));
            let admitted = page.iter().filter(|event| time.admits(event)).map(StoredEvent::decode);
            admitted.collect::<Result<Vec<Envelope>, StoreError>>().map(|events| (events, is_last))
        };
        let mut pages = pin!(log.pages(Position::START, decode));
        let mut misfits = Vec::new();
        while let Some(page) = pages.next().await {
            let (events, is_last) = page?.context("folding the read model")?;
            misfits.extend(rows.fold(&question, &events));
            if is_last {
                break;
            }
        }
        if question.print(log, rows.rows, as_json).await? == 0 {
            complain("no row fits");
        }
        for Misfit { position, key, why } in &misfits {
            let (tenant, key) = (log.names().of(partition_of(key)).await, key_text(&key[1..]));
            let at = position.0;
            complain(&format!(
                "the event at position {at} does not fit the row {key} of {tenant}: {why}; the row is as it was before"
            ));
        }
        Ok(if misfits.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOMETHING_WRONG) })
    }

    fn question(self, partition: Option<Uuid>) -> anyhow::Result<Question> {
        let model = self.model.context("--model: name the read model")?;
        let columns = model.columns();
        let place = |flag: &str, name: &str| {
            columns.iter().position(|column| column.name == name).ok_or_else(|| {
                let known: Vec<_> = columns.iter().map(|column| column.name).collect();
                anyhow!("{flag}: {} has no column `{name}`; it has {}", model.name(), known.join(", "))
            })
        };
        let key = match &self.key {
            None => None,
            Some(text) => {
                let parts = columns.iter().filter(|column| column.role == Role::Key);
                let (parts, given): (Vec<_>, Vec<_>) = (parts.collect(), text.split('/').collect());
                let names: Vec<_> = parts.iter().map(|column| column.name).collect();
                ensure!(
                    given.len() == parts.len(),
                    "--key: the key of {} is {}",
                    model.name(),
                    names.join("/")
                );
                let values = parts.iter().zip(given).map(|(column, text)| value("--key", column, text));
                Some(values.collect::<anyhow::Result<_>>()?)
            }
        };
        let conditions = self.conditions.iter().map(|(name, text)| {
            let place = place("--where", name)?;
            Ok((place, value("--where", &columns[place], text)?))
        });
        let conditions = conditions.collect::<anyhow::Result<_>>()?;
        let shown = match self.columns.is_empty() {
            true => (0..columns.len()).collect(),
            false => {
                self.columns.iter().map(|name| place("--columns", name)).collect::<anyhow::Result<_>>()?
            }
        };
        Ok(Question { model, partition, key, conditions, columns: shown })
    }
}

impl Rows {
    /// Folds events in log order. A row that one does not fit stays as it was before it, and its later events wait.
    fn fold(&mut self, question: &Question, events: &[Envelope]) -> Vec<Misfit> {
        let mut by_key: HashMap<StoredKey, Vec<&Envelope>> = HashMap::new();
        let mut misfits = Vec::new();
        for event in events {
            match question.model.keys(event) {
                Ok(keys) => {
                    for key in keys.into_iter().filter(|key| question.concerns(key)) {
                        by_key.entry(key).or_default().push(event);
                    }
                }
                Err(why) => {
                    let key = vec![Value::Uuid(event.stream.partition.id())];
                    misfits.push(Misfit { position: event.position, key, why });
                }
            }
        }
        by_key.retain(|key, _| !self.frozen.contains(key));
        for (key, events) in by_key {
            let folded = question.model.fold(self.rows.get(&key), &key, &events);
            match folded.row {
                Some(row) => self.rows.insert(key.clone(), row),
                None => self.rows.remove(&key),
            };
            if let Some((at, why)) = folded.poison {
                self.frozen.insert(key.clone());
                misfits.push(Misfit { position: events[at].position, key, why });
            }
        }
        misfits.sort_by_key(|misfit| misfit.position);
        misfits
    }
}

impl Question {
    fn concerns(&self, key: &StoredKey) -> bool {
        self.partition.is_none_or(|partition| partition_of(key) == partition)
            && self.key.as_ref().is_none_or(|wanted| key[1..] == wanted[..])
    }

    /// Prints the rows that fit, and says how many they are.
    async fn print(
        &self,
        log: &Log,
        rows: BTreeMap<StoredKey, StoredRow>,
        as_json: bool,
    ) -> anyhow::Result<usize> {
        let fits = |row: &StoredRow| self.conditions.iter().all(|(place, value)| row[*place] == *value);
        let specs = self.model.columns();
        let heads = std::iter::once("tenant").chain(self.columns.iter().map(|place| specs[*place].name));
        let mut shown = Vec::new();
        let mut printed = 0;
        for (key, row) in rows.iter().filter(|(_, row)| fits(row)) {
            printed += 1;
            let cells = self.columns.iter().map(|place| (&specs[*place], &row[*place]));
            if as_json {
                let tenant = Some(partition_of(key)).filter(|partition| !partition.is_nil());
                let cells = cells.map(|(column, value)| (column.name.to_owned(), as_value(column, value)));
                let fields = std::iter::once(("tenant".to_owned(), json!(tenant))).chain(cells);
                say(&format!("{}\n", serde_json::Value::Object(fields.collect())))?;
            } else {
                let tenant = log.names().of(partition_of(key)).await.to_string();
                shown.push(
                    std::iter::once(tenant).chain(cells.map(|(_, value)| plain(value))).collect::<Vec<_>>(),
                );
            }
        }
        if !as_json {
            say(&table_of(heads, shown))?;
        }
        Ok(printed)
    }
}

fn partition_of(key: &StoredKey) -> Uuid {
    if let Some(Value::Uuid(partition)) = key.first() { *partition } else { Uuid::nil() }
}

fn key_text(key: &[Value]) -> String {
    key.iter().map(plain).collect::<Vec<_>>().join("/")
}

/// A value as people read it, and as it is written behind --where and --key.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => yes.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Uuid(id) => id.to_string(),
        Value::Instant(time) => shown(*time),
        Value::Date(date) => date.to_string(),
    }
}

fn as_value(column: &ColumnSpec, value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(yes) => json!(yes),
        Value::Integer(number) => json!(number),
        Value::Text(text) if column.kind == Type::Json => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        Value::Text(_) | Value::Uuid(_) | Value::Instant(_) | Value::Date(_) => json!(plain(value)),
    }
}

/// Reads what stands behind an option as a value of the column.
fn value(flag: &str, column: &ColumnSpec, text: &str) -> anyhow::Result<Value> {
    let ColumnSpec { name, kind, .. } = column;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let read = match kind {
        Type::Bool => text.parse().map(Value::Bool).ok(),
        Type::Integer => text.parse().map(Value::Integer).ok(),
        Type::Text | Type::Json => Some(Value::Text(text.into())),
        Type::Uuid => Uuid::parse_str(text).ok().or(opaque(text).map(|(_, id)| id)).map(Value::Uuid),
        Type::Instant => time(text).map(Value::Instant).ok(),
        Type::Date => text.parse().map(Value::Date).ok(),
    };
    match read {
        Some(value) => Ok(value),
        None => bail!("{flag}: `{text}` cannot stand in the column {name}, which holds {}", held(*kind)),
    }
}

fn held(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "true or false",
        Type::Integer => "whole numbers",
        Type::Text | Type::Json => "text",
        Type::Uuid => "ids",
        Type::Instant => "times such as 2026-03-02T08:00:00Z",
        Type::Date => "dates such as 2026-03-02",
    }
}

fn model(name: &str) -> Result<&'static dyn AnyModel, String> {
    REGISTRY.iter().copied().find(|model| model.name() == name).ok_or_else(|| {
        let known: Vec<_> = REGISTRY.iter().map(|model| model.name()).collect();
        format!("there is no read model `{name}`; there are {}", known.join(", "))
    })
}

fn condition(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("write it as COLUMN=VALUE")?;
    Ok((column.to_owned(), value.to_owned()))
}
