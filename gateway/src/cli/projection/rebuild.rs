//! `cityos projection rebuild`: read models built anew, and put in place of their live tables.

use super::super::{counted, say};
use super::telling::{Teller, differences, differences_json, rate};
use super::{City, Which, each};
use cityos_projections::{AnyModel, CHECKPOINT_EVENTS, Comparison, Rebuilt, Uncompared, rebuild};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// Builds read models anew beside their live tables, compares the two, and switches to the new ones whatever differs. The
/// tables before stay for `rollback` until they are dropped. Killed, and run again, it goes on where it was.
#[derive(Args)]
pub struct Rebuild {
    #[command(flatten)]
    which: Which,
    /// After how many events what was built is written: fewer lose less when it is killed, take less memory, and keep others
    /// who write from it for less time.
    #[arg(long, value_name = "EVENTS", default_value_t = CHECKPOINT_EVENTS,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    checkpoint_events: u64,
}

impl Rebuild {
    pub(super) async fn run(self, city: City) -> anyhow::Result<ExitCode> {
        let (models, reads, json) = (self.which.models()?, city.reads_or_new().await?, self.which.json);
        Ok(each(models, async |model| {
            let mut teller = Teller::of(model, json)?;
            let progress = |progress| teller.tell(progress);
            let rebuilt = rebuild(&*city.log, &reads, model, self.checkpoint_events, progress).await;
            let took = teller.end();
            let rebuilt = rebuilt?;
            say(&if json { line(model, &rebuilt, took) } else { for_people(model, &rebuilt, took) })?;
            Ok(true)
        })
        .await)
    }
}

fn for_people(model: &dyn AnyModel, rebuilt: &Rebuilt, took: Duration) -> String {
    let (name, events) = (model.name(), rebuilt.to.0 - rebuilt.from.0);
    let mut text = format!("{name}: ");
    if rebuilt.from.0 > 0 {
        text += &format!("went on from {}, ", rebuilt.from.0);
    }
    let (seconds, rate) = (took.as_secs_f64(), rate(events, took));
    text += &format!("{} in {seconds:.1} s, {rate} a second; ", counted(events, "event"));
    match &rebuilt.compared {
        Err(why) => text += &format!("{}\n", uncompared(why)),
        Ok(compared) if compared.is_identical() => {
            text += &format!("identical to the table before, {}\n", counted(compared.log.rows, "row"));
        }
        Ok(compared) => {
            let (differing, rows) = (compared.differing(), counted(compared.log.rows, "row"));
            text += &format!("{} from the table before, of {rows}\n", keys_differ(differing));
            text += &differences(model, &compared.differences, differing);
        }
    }
    text
}

/// `1 key differs`, `2 keys differ`.
pub fn keys_differ(count: u64) -> String {
    if count == 1 { "1 key differs".into() } else { format!("{count} keys differ") }
}

/// How many keys differ that are not among the differences.
pub fn more(compared: &Comparison) -> u64 {
    compared.differing() - compared.differences.len() as u64
}

fn uncompared(why: &Uncompared) -> String {
    match why {
        Uncompared::Nothing => "there was nothing to compare with".into(),
        Uncompared::Behind(at) => {
            format!("not compared: the table before stands at {}, behind where this went on from", at.0)
        }
        Uncompared::Unreadable(why) => format!("not compared: the table before cannot be read: {why}"),
    }
}

fn line(model: &dyn AnyModel, rebuilt: &Rebuilt, took: Duration) -> String {
    let compared = rebuilt.compared.as_ref().ok();
    let events = rebuilt.to.0 - rebuilt.from.0;
    let line = json!({ "model": model.name(), "doing": "done", "from": rebuilt.from.0, "position": rebuilt.to.0,
        "seconds": took.as_secs_f64(), "events_per_second": rate(events, took),
        "uncompared": rebuilt.compared.as_ref().err().map(uncompared),
        "identical": compared.map(|compared| compared.is_identical()),
        "compared_at": compared.map(|compared| compared.table.position.0),
        "rows": compared.map(|compared| compared.log.rows),
        "missing": compared.map(|compared| compared.missing),
        "extra": compared.map(|compared| compared.extra),
        "changed": compared.map(|compared| compared.changed),
        "differences": compared.map(|compared| differences_json(model, &compared.differences)),
        "differences_more": compared.map(more) });
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::log::Position;
    use cityos_projections::models::REGISTRY;

    #[test]
    fn why_nothing_was_compared_is_told() {
        let told = |why| {
            let rebuilt = Rebuilt { from: Position(20), to: Position(120), compared: Err(why) };
            let (model, took) = (REGISTRY[0], Duration::from_secs(2));
            let told: serde_json::Value = serde_json::from_str(&line(model, &rebuilt, took)).unwrap();
            assert!(told["identical"].is_null() && told["differences"].is_null(), "{told}");
            let text = for_people(model, &rebuilt, took);
            assert!(text.contains(told["uncompared"].as_str().unwrap()), "{text} {told}");
            text
        };
        let begins = "places: went on from 20, 100 events in 2.0 s, 50 a second; ";
        assert_eq!(told(Uncompared::Nothing), format!("{begins}there was nothing to compare with\n"));
        let behind = told(Uncompared::Behind(Position(7)));
        assert!(behind.contains("not compared: the table before stands at 7,"), "{behind}");
        let unreadable = told(Uncompared::Unreadable("no such table".into()));
        assert!(unreadable.contains("the table before cannot be read: no such table"), "{unreadable}");
    }
}
