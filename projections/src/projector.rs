//! Moves the read models along the log: a page is read once for all of them, and written with their
//! checkpoints in one transaction. Two processes may do this at once; the one overtaken goes on from where
//! the other has come.

use crate::apply::apply;
use crate::model::AnyModel;
use crate::poison::Frozen;
use crate::reads::{ReadError, ReadStore};
use crate::session::Statement;
use crate::sql::{self, Place};
use cityos_domain::log::Position;
use cityos_eventstore::store::{EventStore, Page, StoreError, name_of};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// The most events one page holds.
pub(crate) const PAGE_EVENTS_MAX: u32 = 1_000;

/// How long an idle projector waits before it looks at the log again, woken or not.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The pause after a first failure; it doubles with every further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often someone who waits looks whether another process has moved the models on.
const REACHED_POLL: Duration = Duration::from_millis(100);

/// Why the read models could not be moved on.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] StoreError),
    /// The read models could not be written.
    #[error("the read models could not be written")]
    Reads(#[from] ReadError),
    /// The read models were built from another log.
    #[error(
        "the read models are those of another log: delete the read database, and it is built from this one"
    )]
    OtherLog,
    /// The read models were built from a later state of the log.
    #[error(
        "the read models have seen more than the log holds: if an older copy of the log was put back, delete the \
         read database, and it is built anew; if not, the log is not the one it was: restore it"
    )]
    AheadOfLog,
}

/// The read models of one process. Cheap to clone.
#[derive(Clone)]
pub struct Projector {
    store: Arc<dyn EventStore>,
    reads: ReadStore,
    models: &'static [&'static dyn AnyModel],
    page_events: u32,
    /// Where each model stands, as far as this process knows.
    places: Arc<watch::Sender<Vec<Place>>>,
}

impl Projector {
    /// Makes sure that every model has its table. One whose fingerprint is new starts at the beginning of the
    /// log; the others stay where they are.
    pub async fn new(
        store: Arc<dyn EventStore>,
        reads: ReadStore,
        models: &'static [&'static dyn AnyModel],
    ) -> Result<Self, ProjectError> {
        let log = name_of(&*store).await?;
        let prepared: Result<_, ProjectError> = reads
            .write(&names_of(models), move |session| {
                if let Some(log) = log
                    && !sql::belong_to(session, log)?
                {
                    return Err(ProjectError::OtherLog);
                }
                models.iter().try_for_each(|model| sql::prepare(session, *model))?;
                Ok(sql::places(session, models)?)
            })
            .await;
        let places = prepared?;
        // The head is read last: another process may be writing, and moving the models on, meanwhile.
        let head = store.head().await?;
        if places.iter().any(|place| place.position > head) {
            return Err(ProjectError::AheadOfLog);
        }
        let places = Arc::new(watch::Sender::new(places));
        Ok(Projector { store, reads, models, page_events: PAGE_EVENTS_MAX, places })
    }

    /// With pages of at most `events`.
    #[cfg(test)]
    pub(crate) fn with_pages_of(self, events: u32) -> Self {
        Projector { page_events: events, ..self }
    }

    /// How far every model has come, as far as this process knows.
    pub fn position(&self) -> Position {
        least(&self.places.borrow())
    }

    /// Goes on until there is nothing more in the log, and says how far that was.
    pub async fn catch_up(&self) -> Result<Position, ProjectError> {
        while self.step().await? {}
        Ok(self.position())
    }

    /// Reads one page for each position at which models stand, and writes it. `false`: there was none, and nobody else
    /// has moved the models either, on or back.
    pub async fn step(&self) -> Result<bool, ProjectError> {
        // Models that are behind (a new fingerprint) do not hold up those at the head: each position gets its
        // page, and who comes up to another's shares its pages from there on.
        let positions: BTreeSet<Position> = self.places.borrow().iter().map(|place| place.position).collect();
        let mut moved = false;
        for from in positions {
            let page = self.store.read_all(from, self.page_events).await?;
            if page.scanned_to > from {
                self.write(from, page).await?;
                moved = true;
            }
        }
        Ok(moved || self.look().await?)
    }

    async fn write(&self, from: Position, page: Page) -> Result<(), ReadError> {
        let models = self.models;
        let written: Result<_, ReadError> = self
            .reads
            .write(&names_of(models), move |session| {
                let mut frozen: Vec<(&'static str, Frozen)> = Vec::new();
                for model in models {
                    let build = sql::live_build(session, *model)?;
                    if from <= build.position && build.position < page.scanned_to {
                        let mut poisoned = Vec::new();
                        apply(session, *model, &build, &page, &mut poisoned)?;
                        for row in poisoned {
                            sql::freeze(session, &build, &row)?;
                            frozen.push((model.name(), row));
                        }
                    }
                }
                Ok((sql::places(session, models)?, frozen))
            })
            .await;
        let (places, frozen) = written?;
        for (model, Frozen { key, position, event, error }) in frozen {
            tracing::error!(model, ?key, position = position.0, %event, error, "a row is frozen");
        }
        self.learn(&places);
        Ok(())
    }

    /// Follows the log until `shutdown` ends, and then finishes the page at hand. Failures of log or database
    /// are logged and tried again.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut pause = PAUSE_MIN;
        loop {
            let stepped = self.step().await;
            if let Err(error) = &stepped {
                tracing::error!(error = error as &dyn std::error::Error, "the read models stand still");
            }
            let rest = async {
                match stepped {
                    Ok(true) => {}
                    Ok(false) => self.store.changed(self.position(), IDLE_MAX).await,
                    Err(_) => {
                        sleep(pause).await;
                        return (pause * 2).min(PAUSE_MAX);
                    }
                }
                PAUSE_MIN
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                next = rest => pause = next,
            }
        }
    }

    /// Waits until every model has come to `position`, at most so long; whether they have. Needs someone,
    /// here or in another process, who moves them.
    pub async fn reached(&self, position: Position, at_most: Duration) -> Result<bool, ReadError> {
        let deadline = Instant::now() + at_most;
        let mut places = self.places.subscribe();
        loop {
            if least(&places.borrow_and_update()) >= position {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            if timeout(left.min(REACHED_POLL), places.changed()).await.is_err() {
                self.look().await?;
            }
        }
    }

    /// Finds out where the models stand, and whether that was news.
    async fn look(&self) -> Result<bool, ReadError> {
        let places = Statement { sql: sql::PLACES.into(), parameters: Vec::new() };
        let found = self.reads.ask(None, places, sql::read_place).await?;
        Ok(self.learn(&sql::places_of(self.models, found)?))
    }

    /// Places may be learned late and out of order, but no build ever goes back. Another build of a model may be
    /// anywhere.
    fn learn(&self, places: &[Place]) -> bool {
        self.places.send_if_modified(|known| {
            let before = known.clone();
            for (known, found) in known.iter_mut().zip(places) {
                if known.build != found.build || known.position < found.position {
                    *known = *found;
                }
            }
            *known != before
        })
    }
}

fn names_of(models: &[&'static dyn AnyModel]) -> Vec<&'static str> {
    models.iter().map(|model| model.name()).collect()
}

fn least(places: &[Place]) -> Position {
    places.iter().map(|place| place.position).min().unwrap_or(Position::START)
}

#[cfg(test)]
mod tests;
