//! The task that keeps the evidence of a log that grows: it covers new events a moment after they are written, and signs
//! now and then, and at the end. Of several processes one does it.

use super::{Evidence, EvidenceError, Place};
use crate::clock::Clock;
use crate::keys::KeyStore;
use crate::members::{Duty, Members};
use crate::store::EventStore;
use chrono::TimeDelta;
use cityos_domain::log::Position;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Whose it is to keep the evidence, and what that is called.
const DUTY: Duty = Duty::Projector;
const SHARE: &str = "evidence";

/// How long events gather before they are covered together: each time is one flush.
const GATHER: TimeDelta = TimeDelta::seconds(1);

/// How long a log that stands still is waited for before it is looked whether a checkpoint is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long evidence that does not go on is left alone.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(1);

/// Keeps the evidence of a log.
pub struct Follower {
    /// Where it lies.
    pub place: Place,
    /// The log.
    pub log: Arc<dyn EventStore>,
    /// What signs.
    pub keys: Arc<dyn KeyStore>,
    /// By which it is done now and then.
    pub clock: Arc<dyn Clock>,
    /// How long new events wait for a checkpoint.
    pub sign_every: TimeDelta,
}

impl Follower {
    /// Goes on, while it is this process's share, until `stop`; and then covers and signs what there is, unless another will.
    /// Killed anywhere, the next goes on.
    pub async fn run(self, members: Members, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.go_on(members.clone()) => {}
        }
        let view = members.view();
        if !view.has(DUTY) || view.others_have(DUTY) {
            return;
        }
        if let Err(error) = self.finish().await {
            tracing::error!(error = &error as &dyn Error, "the log's evidence was not signed");
        }
    }

    async fn go_on(&self, mut members: Members) {
        loop {
            if !members.view().is_mine(DUTY, SHARE) {
                members.changed().await;
                continue;
            }
            match self.follow(&members).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn Error,
                        "the log's evidence does not go on: see `cityos audit verify`"
                    );
                    self.clock.wait_until(self.clock.now() + AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Returns when it is no more this process's share.
    async fn follow(&self, members: &Members) -> Result<(), EvidenceError> {
        let evidence = self.open().await?;
        let mut covered = Position::START;
        let mut due = self.clock.now() + self.sign_every;
        while members.view().is_mine(DUTY, SHARE) {
            self.log.changed(covered, LOOK_EVERY).await;
            self.clock.wait_until(self.clock.now() + GATHER).await;
            covered = evidence.cover().await?;
            if covered > Position::START && self.clock.now() >= due {
                evidence.sign().await?;
                due = self.clock.now() + self.sign_every;
            }
        }
        Ok(())
    }

    async fn finish(&self) -> Result<(), EvidenceError> {
        let evidence = self.open().await?;
        if evidence.cover().await? > Position::START {
            evidence.sign().await?;
        }
        Ok(())
    }

    async fn open(&self) -> Result<Evidence, EvidenceError> {
        Evidence::open(&self.place, self.log.clone(), self.keys.clone()).await
    }
}
