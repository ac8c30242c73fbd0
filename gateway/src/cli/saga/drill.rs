//! `cityos saga drill`: a run that goes wrong as it is told to.

use crate::cli::city::{self, Operator};
use crate::cli::say;
use crate::settings::Settings;
use cityos_domain::drill::{self, Failing};
use cityos_domain::foundation::tenant::UnlessClosed;
use cityos_domain::ids::{CommandId, DrillId};
use cityos_domain::log::{Meta, Origin, Partition};
use cityos_domain::saga_run::{Direction, FailureKind};
use cityos_domain::workspace::Tell;
use cityos_eventstore::executor::Command;
use cityos_eventstore::store::InputHash;
use cityos_sagas::registry::run_of;
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::process::ExitCode;
use uuid::Uuid;

/// Starts a run of four steps to practise on. It touches nothing: `prepare` and `reserve` can be undone, `commit`
/// cannot, and `record` has no way back even where it is refused. A step that fails for now is tried three times.
#[derive(Args)]
pub struct Drill {
    /// The tenant among whose runs it is: slug or id.
    #[arg(long)]
    tenant: String,
    /// What fails; may be given for several steps. KIND is permanent (as where nothing is said), transient or unknown,
    /// ATTEMPTS how often (once).
    #[arg(long = "fail", value_name = "STEP[:undo][=KIND[:ATTEMPTS]]", value_parser = failing)]
    failing: Vec<Failing>,
    #[command(flatten)]
    operator: Operator,
    /// Prints a JSON object.
    #[arg(long)]
    json: bool,
}

impl Drill {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let actor = self.operator.actor()?;
        let app = city::open(settings).await?;
        let executor = &app.services().executor;
        let partition = Partition::Tenant(city::tenant(executor, &self.tenant).await?);
        // Every drill is another one.
        let id = CommandId(Uuid::new_v4());
        let start = Tell::<drill::Drill> {
            id: id.creates::<DrillId>("drill"),
            command: drill::Command::Start { failing: self.failing },
        };
        let meta = Meta::of(id, actor, Origin::Live);
        let (at, input) = (executor.clock().now(), InputHash([0; 32]));
        let command = Command { partition, at, meta, input, expected: None };
        executor.execute(&command, &UnlessClosed(start)).await?;
        let run = run_of("drill", id.event(0));
        say(&match self.json {
            true => format!("{}\n", json!({ "run": run })),
            false => format!("The drill is run {run}\n"),
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn failing(text: &str) -> Result<Failing, String> {
    let (place, how) = text.split_once('=').unwrap_or((text, "permanent"));
    let (step, direction) = match place.split_once(':') {
        Some((step, "undo")) => (step, Direction::Back),
        Some((_, other)) => return Err(format!("`{other}` is not `undo`")),
        None => (place, Direction::Forward),
    };
    let (kind, attempts) = how.split_once(':').unwrap_or((how, "1"));
    let attempts = attempts.parse().map_err(|_| format!("`{attempts}` is no number of attempts"))?;
    let (step, kind) = (named(step, "a step")?, named::<FailureKind>(kind, "a kind of failure")?);
    Ok(Failing { step, direction, kind, attempts })
}

/// Reads a word of the domain as it stands in the log.
fn named<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|_| format!("`{text}` is not {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::drill::Step;

    #[test]
    fn what_fails_is_said_in_a_word() {
        let read = |text: &str| failing(text).map(|it| (it.step, it.direction, it.kind, it.attempts));
        let (forward, back) = (Direction::Forward, Direction::Back);
        assert_eq!(read("commit"), Ok((Step::Commit, forward, FailureKind::Permanent, 1)));
        assert_eq!(read("commit=unknown:3"), Ok((Step::Commit, forward, FailureKind::Unknown, 3)));
        assert_eq!(read("reserve:undo=transient"), Ok((Step::Reserve, back, FailureKind::Transient, 1)));
        for text in ["", "pay", "commit:back", "commit=often", "commit=unknown:x", "commit:undo:3"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
