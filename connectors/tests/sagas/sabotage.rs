//! Trouble at a chosen step of a chosen saga, forward or back, whatever the step does.

use async_trait::async_trait;
use cityos_domain::saga_run::{Direction, PlannedStep, Run};
use cityos_domain::workspace::Decided;
use cityos_eventstore::executor::ExecuteError;
use cityos_sagas::Context;
use cityos_sagas::registry::AnySaga;
use cityos_sagas::rehearsal::Rehearsal;
use cityos_sagas::repair::foresight::Foresight;
use cityos_sagas::saga::{Failure, Policy, Progress};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It is not done, and never will be.
    Refused,
    /// It is not done now.
    Unavailable,
    /// It is done, but nobody learns of it.
    Lost,
    /// It is not done, and nobody learns of it.
    Missed,
    /// It is done twice.
    Twice,
    /// The step panics before it does anything.
    Panic,
}

/// How often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Often {
    Once,
    Always,
}

/// Trouble at one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct At {
    pub step: String,
    pub direction: Direction,
    pub trouble: Trouble,
    pub often: Often,
}

/// When trouble is on.
#[derive(Default)]
pub struct Saboteur {
    armed: AtomicBool,
    hits: AtomicUsize,
}

impl Saboteur {
    pub fn arm(&self, armed: bool) {
        self.armed.store(armed, Ordering::SeqCst);
    }

    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// A saga in trouble.
pub struct Sabotaged {
    pub inner: Box<dyn AnySaga>,
    pub at: Vec<(At, Arc<Saboteur>)>,
}

impl Sabotaged {
    fn trouble(&self, cx: &Context) -> Option<Trouble> {
        let here = |(at, saboteur): &&(At, Arc<Saboteur>)| {
            at.step == cx.step()
                && at.direction == cx.direction()
                && saboteur.armed.load(Ordering::SeqCst)
                && (at.often == Often::Always || saboteur.hits() == 0)
        };
        let (at, saboteur) = self.at.iter().find(here)?;
        saboteur.hits.fetch_add(1, Ordering::SeqCst);
        Some(at.trouble)
    }
}

async fn troubled<T, F: Future<Output = Result<T, Failure>>>(
    trouble: Option<Trouble>,
    work: impl Fn() -> F,
) -> Result<T, Failure> {
    match trouble {
        None => work().await,
        Some(Trouble::Refused) => Err(Failure::permanent("SABOTAGED", "refused")),
        Some(Trouble::Unavailable) => Err(Failure::transient("SABOTAGED", "not now")),
        Some(Trouble::Missed) => Err(Failure::unknown("SABOTAGED", "missed")),
        Some(Trouble::Lost) => {
            // What the step itself says is lost with the rest of the answer, unless it was a refusal.
            work().await?;
            Err(Failure::unknown("SABOTAGED", "lost"))
        }
        Some(Trouble::Twice) => {
            work().await?;
            work().await
        }
        Some(Trouble::Panic) => panic!("sabotaged"),
    }
}

#[async_trait]
impl AnySaga for Sabotaged {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn plan(&self) -> Vec<PlannedStep> {
        self.inner.plan()
    }

    fn starts_on(&self, event: &Decided) -> Option<Value> {
        self.inner.starts_on(event)
    }

    fn knows(&self, run: &Run) -> Result<(), String> {
        self.inner.knows(run)
    }

    fn never_skipped(&self, step: &str) -> Option<&'static str> {
        self.inner.never_skipped(step)
    }

    async fn lacks_after(
        &self,
        run: &Run,
        step: &str,
        log: &Foresight,
    ) -> Result<Option<String>, ExecuteError> {
        self.inner.lacks_after(run, step, log).await
    }

    fn policy(&self, step: &str) -> Policy {
        self.inner.policy(step)
    }

    async fn act(&self, run: &Run, cx: &Context) -> Result<(Progress, Value), Failure> {
        troubled(self.trouble(cx), || self.inner.act(run, cx)).await
    }

    async fn undo(&self, run: &Run, cx: &Context) -> Result<(), Failure> {
        troubled(self.trouble(cx), || self.inner.undo(run, cx)).await
    }

    fn rehearsals(&self) -> Vec<Rehearsal> {
        self.inner.rehearsals()
    }
}
