//! How progress, differences and frozen rows are told: to people, or as one JSON object a line.

use super::super::say;
use cityos_projections::{AnyModel, Difference, Frozen, Progress, Value, key_parts, key_text};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, json};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often JSON lines tell of progress.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The most differences that are told to people. JSON tells all that were kept.
const DIFFERENCES_TOLD_MAX: usize = 10;

/// Tells how far something is: with a bar on a terminal, with a line now and then as JSON, otherwise not at all.
pub struct Teller {
    model: &'static str,
    bar: Option<ProgressBar>,
    json: bool,
    begun: Instant,
    /// When a line told of progress.
    told: Option<Instant>,
}

impl Teller {
    /// About one model.
    pub fn of(model: &dyn AnyModel, json: bool) -> anyhow::Result<Self> {
        let style = "{prefix} {bar:40} {pos}/{len} events, {per_sec}, {eta} left {msg}";
        let bar = (!json && std::io::stderr().is_terminal()).then(|| ProgressBar::new(0));
        if let Some(bar) = &bar {
            bar.set_style(ProgressStyle::with_template(style)?);
            bar.set_prefix(model.name());
        }
        Ok(Teller { model: model.name(), bar, json, begun: Instant::now(), told: None })
    }

    /// It is as far as this.
    pub fn tell(&mut self, progress: Progress) {
        if let Some(bar) = &self.bar {
            match progress {
                Progress::Folding { from, at, to } => {
                    bar.set_length(to.0 - from.0);
                    bar.set_position(at.0 - from.0);
                }
                Progress::Comparing => bar.set_message("comparing"),
                Progress::Indexing => bar.set_message("indexing"),
            }
        }
        let just_told = self.told.is_some_and(|told| told.elapsed() < TOLD_EVERY);
        if self.json && !(just_told && matches!(progress, Progress::Folding { .. })) {
            self.told = Some(Instant::now());
            let line = line(self.model, progress, self.begun.elapsed());
            // What is printed at the end counts; where this cannot be, that cannot be either.
            drop(say(&format!("{line}\n")));
        }
    }

    /// It is over: how long it took.
    pub fn end(self) -> Duration {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.begun.elapsed()
    }
}

/// How far it is after so long.
fn line(model: &str, progress: Progress, passed: Duration) -> serde_json::Value {
    match progress {
        Progress::Folding { from, at, to } => {
            let (done, left) = (at.0.saturating_sub(from.0), to.0.saturating_sub(at.0));
            let rate = rate(done, passed);
            json!({ "model": model, "doing": "folding", "position": at.0, "to": to.0,
                "events_per_second": rate, "eta_seconds": eta_s(left, rate) })
        }
        Progress::Comparing => json!({ "model": model, "doing": "comparing" }),
        Progress::Indexing => json!({ "model": model, "doing": "indexing" }),
    }
}

/// In how many seconds so many events are done, at so many a second; of what stands still nobody knows.
pub fn eta_s(left: u64, rate: u64) -> Option<u64> {
    (rate > 0).then(|| left.div_ceil(rate))
}

/// So many a second.
pub fn rate(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(0.001)).round() as u64
}

/// The first of the differences, a line each, and how many more there are.
pub fn differences(model: &dyn AnyModel, differences: &[Difference], all: u64) -> String {
    let mut text = String::new();
    let told = &differences[..differences.len().min(DIFFERENCES_TOLD_MAX)];
    for difference in told {
        text += &match difference {
            Difference::Missing { key } => format!("  {}: not in the table\n", key_text(model, key)),
            Difference::Extra { key } => format!("  {}: not in the log\n", key_text(model, key)),
            Difference::Changed { key, columns } => {
                let changed = columns.iter().map(|column| {
                    let (table, log) = (quoted(&column.table), quoted(&column.log));
                    format!("{}: the table says {table}, the log {log}", column.name)
                });
                format!("  {}: {}\n", key_text(model, key), changed.collect::<Vec<_>>().join("; "))
            }
        };
    }
    let more = all - told.len() as u64;
    if more > 0 {
        text += &format!("  and {more} more\n");
    }
    text
}

fn quoted(value: &Value) -> String {
    if *value == Value::Null { "nothing".into() } else { format!("`{value}`") }
}

/// All that were kept, as JSON.
pub fn differences_json(model: &dyn AnyModel, differences: &[Difference]) -> serde_json::Value {
    let told = |difference: &Difference| match difference {
        Difference::Missing { key } => json!({ "kind": "missing", "key": key_json(model, key) }),
        Difference::Extra { key } => json!({ "kind": "extra", "key": key_json(model, key) }),
        Difference::Changed { key, columns } => {
            let columns = columns.iter().map(|column| {
                json!({ "column": column.name, "table": plain(&column.table), "log": plain(&column.log) })
            });
            json!({ "kind": "changed", "key": key_json(model, key), "columns": columns.collect::<Vec<_>>() })
        }
    };
    differences.iter().map(told).collect()
}

/// A frozen row on a line.
pub fn frozen(model: &dyn AnyModel, row: &Frozen) -> String {
    format!("  {}: event {} at {}: {}\n", key_text(model, &row.key), row.event, row.position.0, row.error)
}

/// Frozen rows, a line each.
pub fn frozen_rows(model: &dyn AnyModel, rows: &[Frozen]) -> String {
    rows.iter().map(|row| frozen(model, row)).collect()
}

/// A frozen row as JSON.
pub fn frozen_json(model: &dyn AnyModel, row: &Frozen) -> serde_json::Value {
    json!({ "key": key_json(model, &row.key), "event": row.event, "position": row.position.0,
        "error": row.error })
}

fn key_json(model: &dyn AnyModel, key: &Vec<Value>) -> serde_json::Value {
    let parts = key_parts(model, key).into_iter().map(|(name, value)| (name.to_owned(), plain(value)));
    serde_json::Value::Object(parts.collect::<Map<_, _>>())
}

/// A value without its type.
fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Integer(number) => (*number).into(),
        Value::Text(_) | Value::Uuid(_) | Value::Instant(_) | Value::Date(_) => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::log::Position;
    use cityos_projections::models::REGISTRY;

    fn folding(from: u64, at: u64, to: u64, seconds: u64) -> serde_json::Value {
        let progress = Progress::Folding { from: Position(from), at: Position(at), to: Position(to) };
        line("orders", progress, Duration::from_secs(seconds))
    }

    #[test]
    fn progress_tells_where_it_is_how_fast_and_how_much_longer() {
        let line = folding(100, 300, 1_350, 2);
        let told = json!({ "model": "orders", "doing": "folding", "position": 300, "to": 1_350,
            "events_per_second": 100, "eta_seconds": 11 });
        assert_eq!(line, told);
    }

    #[test]
    fn what_has_not_moved_yet_has_no_time_of_arrival_and_what_is_there_needs_none() {
        let still = folding(100, 100, 1_350, 2);
        assert_eq!((&still["events_per_second"], &still["eta_seconds"]), (&json!(0), &json!(null)));
        let slow = folding(0, 1, 1_350, 60);
        assert_eq!((&slow["events_per_second"], &slow["eta_seconds"]), (&json!(0), &json!(null)));
        assert_eq!(folding(0, 1_350, 1_350, 1)["eta_seconds"], 0);
        assert_eq!(folding(0, 1_350, 1_350, 0)["events_per_second"], 1_350_000, "no time at all has passed");
    }

    #[test]
    fn people_are_told_the_first_differences_and_how_many_more_there_are_and_json_all() {
        let model = REGISTRY[0];
        let missing = |_| Difference::Missing { key: vec![Value::Null; 2] };
        let kept: Vec<_> = (0..DIFFERENCES_TOLD_MAX + 3).map(missing).collect();
        let text = differences(model, &kept, 20);
        assert_eq!(text.lines().count(), DIFFERENCES_TOLD_MAX + 1);
        assert!(text.ends_with("  and 10 more\n"), "{text}");
        assert_eq!(differences_json(model, &kept).as_array().map(Vec::len), Some(kept.len()));
    }
}
