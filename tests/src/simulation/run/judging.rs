//! Judging a simulation: everything comes to rest, and what must hold is looked at.

use super::super::given;
use super::super::invariants::{Books, Rest};
use super::super::weather::CALM;
use super::super::wishes::operating;
use super::{REPEATED_WITHIN, Simulation};
use crate::simulation::city::Process;
use anyhow::{Context, Result, anyhow, bail};
use chrono::{DateTime, TimeDelta, Utc};
use cityos_domain::log::Position;
use cityos_domain::saga_run::Measure;
use cityos_projections::models::REGISTRY;
use cityos_projections::models::due_timers::{DueTimer, DueTimers};
use cityos_projections::models::saga_runs::RunState;
use cityos_projections::{CHECKPOINT_EVENTS, Query, Uncompared, digest, frozen, rebuild, replay_digest};

/// How far retries are followed when everything comes to rest: further than any goes.
const RETRIES_WITHIN: TimeDelta = TimeDelta::days(2);

/// How long everything has to come to its end: longer than any authorisation is held, or any decision waited for.
const THE_END: TimeDelta = TimeDelta::days(36);

/// Events read at a time.
const READ_LIMIT: u32 = 5_000;

impl Simulation {
    /// The end: everything has the time it may need, and operators retry what is parked.
    pub(super) async fn end(&mut self) -> Result<()> {
        self.tell("the end begins".into());
        self.come_to_rest(false).await?;
        self.city.clock.advance(THE_END);
        self.city.rest(RETRIES_WITHIN).await?;
        let mortal = self.city.mortal().clone();
        for (partition, parked) in operating::standing(&mortal, RunState::Parked).await.unwrap_or_default() {
            if let Some(retry) = operating::step_in(&mortal, partition, parked.id, Measure::Retry).await {
                let index = self.take_down("the last retry", retry);
                self.give_again(index).await?;
            }
        }
        self.come_to_rest(true).await?;
        // All that was acknowledged lately is answered again as it was.
        for index in self.given.len().saturating_sub(30)..self.given.len() {
            if self.city.now() - self.given[index].command.at < REPEATED_WITHIN {
                self.give_again(index).await?;
            }
        }
        self.check_reads().await
    }

    /// Nothing goes wrong for a while, everything due is done, and what must hold then is looked at.
    pub(super) async fn come_to_rest(&mut self, at_the_end: bool) -> Result<()> {
        self.bring(CALM);
        self.city.rest(RETRIES_WITHIN).await?;
        self.follow_log().await?;
        let books = Books::of(&self.city.sandbox).await?;
        let calls = self.city.fate.calls();
        let rest = Rest { now: self.city.now(), at_the_end, runs: &self.runs, books: &books, calls: &calls };
        for invariant in &mut self.invariants {
            invariant.at_rest(&rest).map_err(|what| anyhow!("at rest: {what}"))?;
        }
        self.nothing_is_due(rest.now).await?;
        given::check(&self.given, &self.log).map_err(|what| anyhow!(what))?;
        Ok(())
    }

    /// Shows all that is new in the log to the invariants.
    async fn follow_log(&mut self) -> Result<()> {
        loop {
            let from = self.log.last().map_or(Position::START, |last| last.position);
            let page = self.city.log.read_all(from, READ_LIMIT).await?;
            if page.events.is_empty() {
                return Ok(());
            }
            for event in page.events {
                for invariant in &mut self.invariants {
                    invariant.see(&event).map_err(|what| anyhow!("at {}: {what}", event.position.0))?;
                }
                self.runs.see(&event);
                self.log.push(event);
            }
        }
    }

    async fn nothing_is_due(&self, now: DateTime<Utc>) -> Result<()> {
        let due = Query::<DueTimers>::everywhere()
            .filter(DueTimer::due_at().below(Some(now)))
            .sort(DueTimer::due_at().ascending());
        let due = due.fetch(&self.city.mortal().reads).await?;
        if due.is_empty() { Ok(()) } else { bail!("this is due, and nobody does it: {due:?}") }
    }

    /// Every read model is what the pure fold makes of the log, and some are looked at beside a rebuild.
    async fn check_reads(&mut self) -> Result<()> {
        let Process { projector, reads, .. } = self.city.mortal().clone();
        projector.catch_up().await?;
        self.follow_log().await?;
        let head = self.log.last().map_or(Position::START, |last| last.position);
        for model in REGISTRY {
            let unfit = frozen(&reads, *model).await?;
            if !unfit.is_empty() {
                bail!("rows of {} are frozen: {unfit:?}", model.name());
            }
            let (live, pure) = (digest(&reads, *model).await?, replay_digest(*model, &self.log, head)?);
            if live != pure {
                bail!("{} is not what the fold makes of the log: {live:?}, {pure:?}", model.name());
            }
        }
        for _ in 0..self.plan.rebuilds() {
            self.rebuild_one().await?;
        }
        Ok(())
    }

    /// A read model is what it is after it was built anew.
    pub(super) async fn rebuild_one(&mut self) -> Result<()> {
        let model = *self.wishes.pick(REGISTRY).context("there are read models")?;
        let reads = &self.city.rival().reads;
        let rebuilt = rebuild(&*self.city.log, reads, model, CHECKPOINT_EVENTS, |_| ()).await?;
        let good = match &rebuilt.compared {
            Ok(compared) => compared.is_identical(),
            Err(why) => !matches!(why, Uncompared::Unreadable(_)),
        };
        if !good {
            bail!("{} is not what a rebuild makes of it: {rebuilt:?}", model.name());
        }
        Ok(())
    }
}
