//! Every saga there is, one line each, and what the rest of the program needs of them with their types forgotten.

use crate::capture::Capture;
use crate::checkout::Checkout;
use crate::context::Context;
use crate::drill::DrillSaga;
use crate::payment_release::PaymentRelease;
use crate::payout::PayoutSaga;
use crate::payout_account::PayoutAccount;
use crate::repair::foresight::Foresight;
use crate::saga::{Failure, Policy, Progress, Saga};
use crate::tenant_closing::TenantClosing;
use crate::tenant_opening::TenantOpening;
use crate::vendor_onboarding::VendorOnboarding;
use async_trait::async_trait;
use cityos_domain::ids::{EventId, RunId, derive};
use cityos_domain::saga_run::{self, PlannedStep, Run};
use cityos_domain::workspace::Decided;
use cityos_eventstore::executor::{ExecuteError, Reactions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;

/// The sagas that run in this city, one line each.
pub fn sagas() -> Vec<Box<dyn AnySaga>> {
    vec![
        Erased::<TenantOpening>::boxed(),
        Erased::<TenantClosing>::boxed(),
        Erased::<VendorOnboarding>::boxed(),
        Erased::<PayoutAccount>::boxed(),
        Erased::<Checkout>::boxed(),
        Erased::<Capture>::boxed(),
        Erased::<PaymentRelease>::boxed(),
        Erased::<PayoutSaga>::boxed(),
        Erased::<DrillSaga>::boxed(),
    ]
}

/// All of them.
pub fn registry() -> Registry {
    Registry::of(sagas())
}

/// The run that `saga` starts on the event `cause`.
pub fn run_of(saga: &str, cause: EventId) -> RunId {
    RunId(derive(&["saga run", saga, &cause.to_string()]))
}

/// Some sagas.
pub struct Registry(Vec<Box<dyn AnySaga>>);

impl Registry {
    /// These sagas; names must differ.
    pub fn of(sagas: Vec<Box<dyn AnySaga>>) -> Self {
        Registry(sagas)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn AnySaga> {
        self.0.iter().map(|saga| &**saga)
    }

    /// The saga of this name.
    pub fn find(&self, name: &str) -> Option<&dyn AnySaga> {
        self.iter().find(|saga| saga.name() == name)
    }

    /// The saga that can drive this run, or why none here can.
    pub fn driver(&self, run: &Run) -> Result<&dyn AnySaga, String> {
        let saga = self.find(&run.saga).ok_or_else(|| format!("this program has no saga `{}`", run.saga))?;
        saga.knows(run).map(|()| saga)
    }
}

impl Reactions for Registry {
    fn react(&self, id: EventId, event: &Decided) -> Vec<(RunId, saga_run::Event)> {
        let started = |saga: &dyn AnySaga| {
            let input = saga.starts_on(event)?;
            let (saga, steps) = (saga.name(), saga.plan());
            Some((run_of(saga, id), saga_run::Event::Started { saga: saga.into(), steps, input, cause: id }))
        };
        self.iter().filter_map(started).collect()
    }
}

/// A [`Saga`] whose types are forgotten. A step is named by its place in the plan.
#[async_trait]
pub trait AnySaga: Send + Sync {
    /// [`Saga::NAME`].
    fn name(&self) -> &'static str;

    /// The steps a run of today is planned with.
    fn plan(&self) -> Vec<PlannedStep>;

    /// The input of the run that this event starts.
    fn starts_on(&self, event: &Decided) -> Option<Value>;

    /// Whether this program can drive the run: its plan, its input and its memo must be what is known here. A run
    /// of another version of the saga is never guessed at.
    fn knows(&self, run: &Run) -> Result<(), String>;

    /// How a step is tried. The step must be one of a run that is [known](AnySaga::knows).
    fn policy(&self, step: &str) -> Policy;

    /// [`Saga::never_skipped`], for a step of a run that is [known](AnySaga::knows).
    fn never_skipped(&self, step: &str) -> Option<&'static str>;

    /// [`Saga::lacks_after`], for a run that is [known](AnySaga::knows).
    async fn lacks_after(
        &self,
        run: &Run,
        step: &str,
        log: &Foresight,
    ) -> Result<Option<String>, ExecuteError>;

    /// Takes a step; gives the memo as it is then.
    async fn act(&self, run: &Run, cx: &Context) -> Result<(Progress, Value), Failure>;

    /// Undoes a step.
    async fn undo(&self, run: &Run, cx: &Context) -> Result<(), Failure>;

    /// [`Saga::rehearsals`].
    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals(&self) -> Vec<crate::rehearsal::Rehearsal>;
}

/// Gives a [`Saga`] its [`AnySaga`] form.
pub struct Erased<S>(PhantomData<fn() -> S>);

impl<S: Saga> Erased<S> {
    /// The form.
    pub fn boxed() -> Box<dyn AnySaga> {
        Box::new(Erased::<S>(PhantomData))
    }

    fn step(name: &str) -> S::Step {
        let step = S::STEPS.iter().find(|(known, _)| *known == name);
        step.expect("only runs whose plan is known are driven").1
    }
}

#[async_trait]
impl<S: Saga> AnySaga for Erased<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn plan(&self) -> Vec<PlannedStep> {
        let planned =
            |(name, step): &(&str, S::Step)| PlannedStep { name: (*name).into(), way: S::policy(*step).way };
        S::STEPS.iter().map(planned).collect()
    }

    fn starts_on(&self, event: &Decided) -> Option<Value> {
        S::starts_on(event).map(|input| to_json(&input))
    }

    fn knows(&self, run: &Run) -> Result<(), String> {
        if !run.steps.iter().map(|(step, _)| step).eq(&self.plan()) {
            return Err(format!("the steps of `{}` are not those the run was planned with", S::NAME));
        }
        let unreadable = |what: &str, error| format!("its {what} cannot be read: {error}");
        from_json::<S::Input>(&run.input).map_err(|error| unreadable("input", error))?;
        memo::<S>(run).map_err(|error| unreadable("memo", error))?;
        Ok(())
    }

    fn policy(&self, step: &str) -> Policy {
        S::policy(Self::step(step))
    }

    fn never_skipped(&self, step: &str) -> Option<&'static str> {
        S::never_skipped(Self::step(step))
    }

    async fn lacks_after(
        &self,
        run: &Run,
        step: &str,
        log: &Foresight,
    ) -> Result<Option<String>, ExecuteError> {
        let Ok((input, memo)) = known::<S>(run) else { return Ok(None) };
        S::lacks_after(Self::step(step), &input, &memo, log).await
    }

    async fn act(&self, run: &Run, cx: &Context) -> Result<(Progress, Value), Failure> {
        let (input, mut memo) = known::<S>(run)?;
        let progress = S::act(Self::step(&cx.task.step), &input, &mut memo, cx).await?;
        Ok((progress, to_json(&memo)))
    }

    async fn undo(&self, run: &Run, cx: &Context) -> Result<(), Failure> {
        let (input, memo) = known::<S>(run)?;
        S::undo(Self::step(&cx.task.step), &input, &memo, cx).await
    }

    #[cfg(any(test, feature = "rehearsal"))]
    fn rehearsals(&self) -> Vec<crate::rehearsal::Rehearsal> {
        S::rehearsals()
    }
}

fn memo<S: Saga>(run: &Run) -> Result<S::Memo, serde_json::Error> {
    if run.memo.is_null() { Ok(S::Memo::default()) } else { from_json(&run.memo) }
}

fn known<S: Saga>(run: &Run) -> Result<(S::Input, S::Memo), Failure> {
    let unreadable = |error| Failure::permanent("UNREADABLE_RUN", error);
    Ok((from_json(&run.input).map_err(unreadable)?, memo::<S>(run).map_err(unreadable)?))
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("inputs and memos hold only what JSON can")
}

fn from_json<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_of_sagas_and_of_their_steps_are_unique_and_every_plan_has_a_step() {
        let names: BTreeSet<_> = sagas().iter().map(|saga| saga.name()).collect();
        assert_eq!(names.len(), sagas().len());
        for saga in sagas() {
            let plan = saga.plan();
            let steps: BTreeSet<_> = plan.iter().map(|step| &step.name).collect();
            assert!(!plan.is_empty() && steps.len() == plan.len(), "{}", saga.name());
        }
    }

    #[test]
    fn every_saga_is_rehearsed() {
        for saga in sagas() {
            assert!(!saga.rehearsals().is_empty(), "{}", saga.name());
        }
    }
}
