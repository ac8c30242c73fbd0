//! Old shapes of events, lifted to today's. Functions on JSON, one per step, each with a stored sample in
//! `schemas/events/samples`.

use serde_json::{Value, json};

/// One step: from a version of a type to the next.
struct Step {
    type_name: &'static str,
    from: u16,
    lift: fn(Value) -> Value,
}

/// Every step there is, those of one type together and in order. A step is never changed or removed.
const STEPS: &[Step] = &[Step { type_name: "ledger.posted", from: 1, lift: date_gains_its_zone }];

/// The days of the first transactions were days in UTC and did not say so.
fn date_gains_its_zone(mut posted: Value) -> Value {
    if let Some(date) = posted.pointer_mut("/transaction/date") {
        *date = json!({ "date": date.take(), "zone": "UTC" });
    }
    posted
}

/// Lifts a body stored as `schema_version` of `type_name` to the current version. An unknown version is an
/// error, never a guess.
pub fn upcast(type_name: &str, schema_version: u16, body: Value) -> Result<Value, UnknownVersion> {
    if schema_version < 1 || schema_version > current_version(type_name) {
        return Err(UnknownVersion { type_name: type_name.into(), schema_version });
    }
    Ok(steps(type_name).filter(|step| step.from >= schema_version).fold(body, |body, step| (step.lift)(body)))
}

/// The version new events of this type are stored with.
pub fn current_version(type_name: &str) -> u16 {
    steps(type_name).fold(1, |_, step| step.from + 1)
}

fn steps(type_name: &str) -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(move |step| step.type_name == type_name)
}

/// An event of a version this program does not know: it was written by a newer one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{type_name}` version {schema_version} is not known to this program")]
pub struct UnknownVersion {
    /// The event's type.
    pub type_name: String,
    /// Its version.
    pub schema_version: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use std::path::PathBuf;

    fn sample(step: &Step) -> Value {
        let file = format!("../schemas/events/samples/{}.v{}.json", step.type_name, step.from);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_unknown_version_is_refused_on_either_side() {
        for (type_name, version) in [("order.placed", 0), ("order.placed", 2), ("ledger.posted", 3)] {
            let unknown = UnknownVersion { type_name: type_name.into(), schema_version: version };
            assert_eq!(upcast(type_name, version, Value::Null), Err(unknown));
        }
    }

    #[test]
    fn the_steps_of_a_type_begin_at_one_and_leave_none_out() {
        for step in STEPS {
            let versions: Vec<u16> = steps(step.type_name).map(|step| step.from).collect();
            assert_eq!(versions, Vec::from_iter(1..=versions.len() as u16), "{}", step.type_name);
        }
    }

    #[test]
    fn the_sample_of_every_step_becomes_an_event_of_today_and_then_stays_as_it_is() {
        for step in STEPS {
            let lifted = upcast(step.type_name, step.from, sample(step)).unwrap();
            Event::decode(step.type_name, &lifted.to_string()).unwrap();
            let current = current_version(step.type_name);
            assert_eq!(upcast(step.type_name, current, lifted.clone()).unwrap(), lifted);
        }
    }

    #[test]
    fn the_days_of_the_first_transactions_are_days_in_utc() {
        let lifted = upcast("ledger.posted", 1, sample(steps("ledger.posted").next().unwrap())).unwrap();
        assert_eq!(lifted["transaction"]["date"], json!({ "date": "2024-02-29", "zone": "UTC" }));
    }
}
