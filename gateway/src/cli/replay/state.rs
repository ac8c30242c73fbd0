//! One aggregate as it was, and what changed in it between two moments.

use super::fields::{changes, fields, plain};
use super::moment::{Moment, shown};
use super::target::Target;
use crate::cli::log::Log;
use crate::cli::say;
use crate::cli::table::table;
use anyhow::ensure;
use cityos_domain::event::State;
use cityos_domain::log::{Envelope, StreamId};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Everything that happened to one aggregate.
struct Life {
    stream: StreamId,
    events: Vec<Envelope>,
}

impl Life {
    async fn of(log: &Log, target: Target, tenant: Option<&str>) -> anyhow::Result<Self> {
        let Target { kind, id } = target;
        let partition = match tenant {
            Some(name) => log.partition(name).await?,
            None => log.find(kind, id).await?,
        };
        let stream = StreamId { partition, kind, id };
        let events = log.stream(stream).await?;
        ensure!(!events.is_empty(), "there is no {}/{id} of this tenant", kind.name());
        Ok(Life { stream, events })
    }

    fn state(&self, events: usize) -> Value {
        let state =
            State::before(self.stream.kind).after(self.events[..events].iter().map(|event| &event.event));
        serde_json::to_value(state).expect("states hold only what JSON can")
    }
}

/// Prints the state as it was at a moment, which comes with the option that named it; as it is, where there is none.
pub async fn print(
    log: &Log,
    target: Target,
    tenant: Option<&str>,
    moment: Option<(&str, Moment)>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let life = Life::of(log, target, tenant).await?;
    let events = match moment {
        None => life.events.len(),
        Some((flag, moment)) => moment.events_of(&life.events, flag)?,
    };
    ensure!(events > 0, "--at-version: the first version is 1");
    let (state, last) = (life.state(events), &life.events[events - 1]);
    let StreamId { partition, kind, id } = life.stream;
    if as_json {
        let line = json!({
            "tenant": partition.tenant(), "kind": kind.name(), "id": id, "version": events,
            "position": last.position, "recorded_at": shown(last.recorded_at), "state": state,
        });
        say(&format!("{line}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = log.names().of(partition.id()).await;
    let (recorded, all) = (shown(last.recorded_at), life.events.len());
    say(&format!("{}/{id} of {name} at version {events} of {all}, recorded at {recorded}\n\n", kind.name()))?;
    let rows = fields(&state).into_iter().map(|(path, value)| [path, plain(Some(value))]);
    say(&table(["field", "value"], rows))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what changed from one moment to another.
pub async fn diff(
    log: &Log,
    target: Target,
    tenant: Option<&str>,
    [from, to]: [Moment; 2],
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let life = Life::of(log, target, tenant).await?;
    let [from, to] = [from.events_of(&life.events, "--diff")?, to.events_of(&life.events, "--diff")?];
    let changes = changes(&life.state(from), &life.state(to));
    if as_json {
        for change in changes {
            let line = json!({ "field": change.path, "before": change.before, "after": change.after });
            say(&format!("{line}\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let StreamId { partition, kind, id } = life.stream;
    let name = log.names().of(partition.id()).await;
    say(&format!("{}/{id} of {name} from version {from} to {to}\n\n", kind.name()))?;
    let rows = changes
        .into_iter()
        .map(|change| [change.path, plain(change.before.as_ref()), plain(change.after.as_ref())]);
    say(&table(["field", "before", "after"], rows))?;
    Ok(ExitCode::SUCCESS)
}
