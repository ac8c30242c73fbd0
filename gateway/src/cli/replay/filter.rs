//! Which events are printed.

use super::moment::time;
use super::target::{Target, kind};
use crate::cli::log::Log;
use anyhow::ensure;
use chrono::{DateTime, Utc};
use cityos_domain::log::Position;
use cityos_eventstore::stored::StoredEvent;
use clap::Args;
use serde::Deserialize;
use std::borrow::Cow;
use std::str::FromStr;
use uuid::Uuid;

/// Which events are printed: those that fit all that is said.
#[derive(Args)]
pub struct Filter {
    /// Of this tenant: slug or id; `platform` for the city's own.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Of one aggregate, such as order/b3Jk…, the id as the API gives it or as it is stored.
    #[arg(long, value_name = "KIND/ID", conflicts_with_all = ["as_of", "as_of_business"])]
    pub stream: Option<Target>,
    /// Of this type, such as order.placed, or order.* for all of the kind.
    #[arg(long = "type", value_name = "TYPE", conflicts_with_all = OTHERS)]
    types: Option<Types>,
    /// Of whoever acted, such as user:ada, or saga:* for all sagas.
    #[arg(long, value_name = "ACTOR", conflicts_with_all = OTHERS)]
    actor: Option<Names>,
    /// Of everything one request led to.
    #[arg(long, value_name = "ID", conflicts_with_all = OTHERS)]
    correlation: Option<Uuid>,
    /// Recorded at this time or later.
    #[arg(long, value_name = "TIME", conflicts_with_all = OTHERS, value_parser = time)]
    since: Option<DateTime<Utc>>,
    /// Recorded at this time or before.
    #[arg(long, value_name = "TIME", conflicts_with_all = OTHERS, value_parser = time)]
    until: Option<DateTime<Utc>>,
    /// After this position.
    #[arg(long, value_name = "POSITION", conflicts_with_all = OTHERS)]
    after: Option<u64>,
    /// At most so many, from the first that fits.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = OTHERS)]
    pub limit: Option<usize>,
}

/// What is asked of something else than the log.
const OTHERS: [&str; 4] = ["state", "diff", "as_of", "as_of_business"];

/// One name, or all that begin so.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Names {
    One(String),
    BeginningWith(String),
}

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.strip_suffix('*') {
            Some(beginning) => Names::BeginningWith(beginning.into()),
            None => Names::One(text.into()),
        })
    }
}

impl Names {
    fn fit(&self, name: &str) -> bool {
        match self {
            Names::One(one) => name == one,
            Names::BeginningWith(beginning) => name.starts_with(beginning),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Types(Names);

impl FromStr for Types {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (of, _) = text.split_once('.').ok_or("write it as order.placed, or order.*")?;
        kind(of)?;
        text.parse().map(Types)
    }
}

/// A filter with its names looked up.
#[derive(Clone)]
pub struct Wanted {
    partition: Option<Uuid>,
    stream: Option<Target>,
    types: Option<Types>,
    actor: Option<Names>,
    correlation: Option<Uuid>,
    until: Option<i64>,
    /// What fits comes after this position.
    pub after: Position,
}

/// What a filter asks of what is known about the command.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    actor: Cow<'a, str>,
    correlation: Uuid,
}

impl Filter {
    /// Looks the names up.
    pub async fn wanted(self, log: &Log) -> anyhow::Result<Wanted> {
        let [since, until] = [self.since, self.until].map(|time| time.map(|time| time.timestamp_micros()));
        if let (Some(since), Some(until)) = (since, until) {
            ensure!(since <= until, "--until: it is before --since");
        }
        let partition = match &self.tenant {
            Some(name) => Some(log.partition(name).await?.id()),
            None => None,
        };
        let begins = match since {
            Some(since) => log.before(since).await?,
            None => Position::START,
        };
        let after = begins.max(Position(self.after.unwrap_or(0)));
        let Filter { stream, types, actor, correlation, .. } = self;
        Ok(Wanted { partition, stream, types, actor, correlation, until, after })
    }
}

impl Wanted {
    /// Whether neither this event nor any after it fits.
    pub fn is_over(&self, event: &StoredEvent) -> bool {
        self.until.is_some_and(|until| event.recorded_at > until)
    }

    /// Whether it fits.
    pub fn admits(&self, event: &StoredEvent) -> bool {
        self.partition.is_none_or(|partition| event.partition == partition)
            && self.stream.is_none_or(|stream| event.id == stream.id && event.kind == stream.kind.name())
            && self.types.as_ref().is_none_or(|Types(names)| names.fit(&event.type_name))
            && !self.is_over(event)
            && self.admits_command(&event.meta)
    }

    fn admits_command(&self, meta: &str) -> bool {
        if self.actor.is_none() && self.correlation.is_none() {
            return true;
        }
        let Ok(about) = serde_json::from_str::<About<'_>>(meta) else { return false };
        self.actor.as_ref().is_none_or(|names| names.fit(&about.actor))
            && self.correlation.is_none_or(|correlation| about.correlation == correlation)
    }
}
