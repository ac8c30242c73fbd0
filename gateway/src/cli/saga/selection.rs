//! Which runs are meant: one by its id, or all that stand somewhere.

use crate::cli::city;
use crate::graphql::saga_runs::RunState;
use crate::graphql::services::Services;
use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::ids::RunId;
use cityos_domain::log::Partition;
use cityos_projections::models::saga_runs::{SagaRun, SagaRuns};
use cityos_projections::{Query, ReadStore};
use cityos_sagas::registry::sagas;
use clap::Args;

/// The longest age that can be asked for, in seconds: a hundred years.
const AGE_S_MAX: i64 = 100 * 366 * 24 * 3_600;

/// Which runs.
#[derive(Args)]
pub struct Selection {
    /// Only runs that stand there.
    #[arg(long, value_enum)]
    state: Option<RunState>,
    /// Only runs of this saga.
    #[arg(long, value_name = "SAGA")]
    saga: Option<String>,
    /// Only runs of which this went wrong last: an error code such as INSUFFICIENT_FUNDS.
    #[arg(long, value_name = "CODE")]
    cause: Option<String>,
    /// Only runs that were started so long ago: a number of s, m, h or d, such as 90m.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<TimeDelta>,
    /// Only runs of this tenant: slug or id.
    #[arg(long)]
    tenant: Option<String>,
}

impl Selection {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        let Selection { state, saga, cause, older_than, tenant } = self;
        state.is_none() && saga.is_none() && cause.is_none() && older_than.is_none() && tenant.is_none()
    }

    /// The question for them.
    pub async fn query(
        self,
        services: &Services,
        now: DateTime<Utc>,
    ) -> anyhow::Result<impl Fn() -> Query<SagaRuns>> {
        let partition = match &self.tenant {
            Some(name) => Some(Partition::Tenant(city::tenant(&services.executor, name).await?)),
            None => None,
        };
        if let Some(saga) = &self.saga {
            check_saga(&services.reads, saga).await?;
        }
        Ok(move || {
            let mut query = partition.map_or_else(Query::everywhere, Query::new);
            if let Some(state) = self.state {
                query = query.filter(SagaRun::state().is(state.into()));
            }
            if let Some(saga) = &self.saga {
                query = query.filter(SagaRun::saga().is(saga.clone()));
            }
            if let Some(code) = &self.cause {
                query = query.filter(SagaRun::error_code().is(Some(code.clone())));
            }
            if let Some(age) = self.older_than {
                query = query.filter(SagaRun::started_at().below(now - age));
            }
            query
        })
    }
}

/// Refuses a name that no saga has: neither one of this program nor of any run.
async fn check_saga(reads: &ReadStore, name: &str) -> anyhow::Result<()> {
    let sagas: Vec<_> = sagas().iter().map(|saga| saga.name()).collect();
    let runs = Query::<SagaRuns>::everywhere().filter(SagaRun::saga().is(name.to_owned())).first(1);
    if !sagas.contains(&name) && runs.fetch(reads).await?.is_empty() {
        bail!("there is no saga `{name}`, but: {}", sagas.join(", "));
    }
    Ok(())
}

/// The run of this id, and where it lies.
pub async fn run_of(reads: &ReadStore, id: &str) -> anyhow::Result<(Partition, RunId)> {
    let run = city::id_of::<RunId>(id).with_context(|| format!("`{id}` is no id of a run"))?;
    let found = Query::<SagaRuns>::everywhere().filter(SagaRun::id().is(run)).first(1);
    match found.fetch_with_partition(reads).await?.pop() {
        Some((partition, _)) => Ok((partition, run)),
        None => bail!("there is no run `{id}`"),
    }
}

fn age(text: &str) -> Result<TimeDelta, String> {
    let rule = || "write it as a number of s, m, h or d, such as 90m".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 24 * 3_600,
        _ => return Err(rule()),
    };
    let number: u32 = number.parse().map_err(|_| rule())?;
    let seconds = i64::from(number) * seconds;
    if seconds <= AGE_S_MAX { Ok(TimeDelta::seconds(seconds)) } else { Err(rule()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        assert_eq!(age("90m"), Ok(TimeDelta::minutes(90)));
        assert_eq!(age("2d"), Ok(TimeDelta::hours(48)));
        for text in ["", "h", "90", "-1h", "1.5h", "1w", "4294967295d", "5 m", "3é"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
