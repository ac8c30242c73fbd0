//! The log, an event a line: for people in columns, or as JSON with everything that is stored. An event that this program
//! cannot read is printed like any other, and marked.

use super::filter::{Filter, Wanted};
use crate::cli::log::{Log, Names, reason};
use crate::cli::{complain, heard};
use chrono::{DateTime, SecondsFormat};
use cityos_eventstore::stored::StoredEvent;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What a page of the log prints.
struct Printed {
    text: Vec<u8>,
    /// Where each event's line ends.
    ends: Vec<usize>,
    /// Whether nothing that comes after it fits.
    is_last: bool,
}

/// How events are printed.
#[derive(Clone)]
struct Form {
    names: Names,
    runtime: Handle,
    bodies: bool,
    json: bool,
}

/// Prints what fits, until whoever reads has gone.
pub async fn print(log: &Log, filter: Filter, bodies: bool, json: bool) -> anyhow::Result<ExitCode> {
    let mut left = filter.limit.unwrap_or(usize::MAX);
    let wanted = filter.wanted(log).await?;
    let form = Form { names: log.names().clone(), runtime: Handle::current(), bodies, json };
    if !json && !heard(&heads(bodies))? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut found = false;
    let mut pages = pin!(log.pages(wanted.after, move |page| form.page(&wanted, &page)));
    while left > 0
        && let Some(page) = pages.next().await
    {
        let Printed { text, ends, is_last } = page?;
        let events = ends.len().min(left);
        let end = events.checked_sub(1).map_or(0, |last| ends[last]);
        found |= events > 0;
        left -= events;
        if !heard(&text[..end])? || is_last {
            break;
        }
    }
    if !found {
        complain("no event fits");
    }
    Ok(ExitCode::SUCCESS)
}

impl Form {
    /// On a thread that may block.
    fn page(&self, wanted: &Wanted, page: &[StoredEvent]) -> Printed {
        let mut names = HashMap::new();
        let mut printed = Printed { text: Vec::new(), ends: Vec::new(), is_last: false };
        for event in page {
            printed.is_last |= wanted.is_over(event);
            if !wanted.admits(event) {
                continue;
            }
            let unreadable = event.decode().err().map(|error| reason(&error));
            let line = if self.json {
                json_line(&mut printed.text, event, unreadable.as_deref())
            } else {
                let name = names.entry(event.partition);
                let name = name.or_insert_with(|| self.runtime.block_on(self.names.of(event.partition)));
                human_line(&mut printed.text, event, name, self.bodies, unreadable.as_deref())
            };
            line.expect("memory takes what is written");
            printed.ends.push(printed.text.len());
        }
        printed
    }
}

/// As wide as what stands below each: a time to the microsecond, most slugs, the longest kind with an id, the longest type.
const HEADS: [(&str, usize); 6] =
    [("POSITION", 10), ("RECORDED_AT", 29), ("TENANT", 16), ("STREAM", 55), ("VERSION", 9), ("TYPE", 33)];

fn heads(bodies: bool) -> Vec<u8> {
    let heads: String = HEADS.iter().map(|(head, width)| format!("{head:<width$}")).collect();
    format!("{heads}{}\n", if bodies { "ACTOR                 BODY" } else { "ACTOR" }).into_bytes()
}

/// What the columns show of what is known about the command.
#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    actor: Cow<'a, str>,
}

fn human_line(
    to: &mut Vec<u8>,
    event: &StoredEvent,
    tenant: &Arc<str>,
    bodies: bool,
    unreadable: Option<&str>,
) -> std::io::Result<()> {
    let about = serde_json::from_str::<About<'_>>(&event.meta);
    let actor = about.as_ref().map_or("?", |about| &about.actor);
    let stream = format!("{}/{}", event.kind, event.id);
    let cells = [
        &event.position.0.to_string(),
        &time(event.recorded_at),
        &**tenant,
        &stream,
        &event.version.0.to_string(),
        &event.type_name,
    ];
    for (cell, (_, width)) in cells.iter().zip(HEADS) {
        write!(to, "{cell:<column$} ", column = width - 1)?;
    }
    match bodies {
        true => write!(to, "{actor:<21} {}", event.body.replace('\n', " "))?,
        false => to.write_all(actor.as_bytes())?,
    }
    if let Some(why) = unreadable {
        write!(to, "  CANNOT BE READ: {why}")?;
    }
    to.write_all(b"\n")
}

fn json_line(to: &mut Vec<u8>, event: &StoredEvent, unreadable: Option<&str>) -> std::io::Result<()> {
    write!(
        to,
        "{{\"position\":{},\"recorded_at\":\"{}\",\"at\":\"{}\",\"tenant\":",
        event.position.0,
        time(event.recorded_at),
        time(event.at)
    )?;
    if event.partition.is_nil() {
        to.write_all(b"null")?;
    } else {
        write!(to, "\"{}\"", event.partition)?;
    }
    to.write_all(b",\"kind\":")?;
    serde_json::to_writer(&mut *to, &event.kind)?;
    write!(
        to,
        ",\"id\":\"{}\",\"version\":{},\"event_id\":\"{}\",\"type\":",
        event.id, event.version.0, event.event_id
    )?;
    serde_json::to_writer(&mut *to, &event.type_name)?;
    write!(to, ",\"schema_version\":{}", event.schema_version)?;
    for (name, text) in [("body", &event.body), ("meta", &event.meta)] {
        write!(to, ",\"{name}\":")?;
        // What was read is JSON; what was not may be anything.
        let is_line = !text.contains('\n');
        let is_json = unreadable.is_none() || serde_json::from_str::<IgnoredAny>(text).is_ok();
        if is_line && is_json {
            to.write_all(text.as_bytes())?
        } else {
            serde_json::to_writer(&mut *to, text)?
        }
    }
    if let Some(why) = unreadable {
        to.write_all(b",\"unreadable\":")?;
        serde_json::to_writer(&mut *to, why)?;
    }
    to.write_all(b"}\n")
}

fn time(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros);
    time.map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
}
