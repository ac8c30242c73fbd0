//! Moves the read models along the log: a page is read once for all of them, and written with their
//! checkpoints in one transaction. Several processes share the models out among themselves; two may also move the same one
//! at once: the one overtaken goes on from where the other has come.

use crate::apply::apply;
use crate::model::AnyModel;
use crate::poison::Frozen;
use crate::reads::{ReadError, ReadStore};
use crate::session::Statement;
use crate::sql::{self, Place};
use cityos_domain::log::Position;
use cityos_eventstore::members::{Duty, Members, View};
use cityos_eventstore::store::{EventStore, Page, StoreError, name_of};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

/// The most events one page holds.
pub(crate) const PAGE_EVENTS_MAX: u32 = 1_000;

/// How long an idle projector waits before it looks at the log again, woken or not.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The pause after a first failure; it doubles with every further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How often it is looked, while somebody waits, whether another process has moved the models on.
const REACHED_POLL: Duration = Duration::from_millis(10);

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
        "the read models are those of another log: delete them (the file `read.db`, or the schema `reads` of the database), and they \
         are built from this one"
    )]
    OtherLog,
    /// The read models were built from a later state of the log.
    #[error(
        "the read models have seen more than the log holds: if an older copy of the log was put back, delete them (the file \
         `read.db`, or the schema `reads` of the database), and they are built anew; if not, the log is not the one it was: restore it"
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
    /// Of all who wait, one looks how far others have come.
    looking: Arc<Mutex<()>>,
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
        let looking = Arc::default();
        Ok(Projector { store, reads, models, page_events: PAGE_EVENTS_MAX, places, looking })
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
        self.step_with(self.models.to_vec()).await
    }

    /// The same with some of the models; where the others stand is looked at, too.
    async fn step_with(&self, models: Models) -> Result<bool, ProjectError> {
        // Models that are behind (a new fingerprint) do not hold up those at the head: each position gets its
        // page, and who comes up to another's shares its pages from there on.
        let mut moved = false;
        for from in self.positions_of(&models) {
            let page = self.store.read_all(from, self.page_events).await?;
            if page.scanned_to > from {
                self.write(models.clone(), from, page).await?;
                moved = true;
            }
        }
        let known = self.positions_of(&models);
        self.look().await?;
        Ok(moved || self.positions_of(&models) != known)
    }

    fn positions_of(&self, models: &Models) -> BTreeSet<Position> {
        let places = self.places.borrow();
        let own = |(model, place): (&&dyn AnyModel, &Place)| {
            models.iter().any(|own| own.name() == model.name()).then_some(place.position)
        };
        self.models.iter().zip(places.iter()).filter_map(own).collect()
    }

    async fn write(&self, models: Models, from: Position, page: Page) -> Result<(), ReadError> {
        let all = self.models;
        let written: Result<_, ReadError> = self
            .reads
            .write(&names_of(&models), move |session| {
                let mut frozen: Vec<(&'static str, Frozen)> = Vec::new();
                for model in &models {
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
                Ok((sql::places(session, all)?, frozen))
            })
            .await;
        let (places, frozen) = written?;
        for (model, Frozen { key, position, event, error }) in frozen {
            tracing::error!(model, ?key, position = position.0, %event, error, "a row is frozen");
        }
        self.learn(&places);
        Ok(())
    }

    /// Follows the log with those models that are this process's share until `shutdown` ends, and then finishes the page at
    /// hand. Failures of log or database are logged and tried again.
    pub async fn run(&self, mut members: Members, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut pause = PAUSE_MIN;
        loop {
            let own = self.share(&members.view());
            let stepped = self.step_with(own.clone()).await;
            if let Err(error) = &stepped {
                tracing::error!(error = error as &dyn std::error::Error, "the read models stand still");
            }
            let rest = async {
                match stepped {
                    Ok(true) => {}
                    Ok(false) => self.rest(&own, &mut members).await,
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

    /// The models that are for this process to move.
    fn share(&self, view: &View) -> Models {
        self.models.iter().copied().filter(|model| view.is_mine(Duty::Projector, model.name())).collect()
    }

    /// Returns when there may be something to do for these models, or for others; and now and then.
    async fn rest(&self, own: &Models, members: &mut Members) {
        let grown = async {
            match self.positions_of(own).first() {
                Some(position) => self.store.changed(*position, IDLE_MAX).await,
                None => sleep(IDLE_MAX).await,
            }
        };
        tokio::select! {
            () = grown => {}
            () = members.changed() => {}
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
            if timeout(left.min(REACHED_POLL), places.changed()).await.is_err()
                && let Ok(_alone) = self.looking.try_lock()
            {
                self.look().await?;
            }
        }
    }

    /// Finds out where the models stand.
    async fn look(&self) -> Result<(), ReadError> {
        let places = Statement { sql: sql::PLACES.into(), parameters: Vec::new() };
        let found = self.reads.ask(None, places, sql::read_place).await?;
        self.learn(&sql::places_of(self.models, found)?);
        Ok(())
    }

    /// Places may be learned late and out of order, but no build ever goes back. Another build of a model may be
    /// anywhere.
    fn learn(&self, places: &[Place]) {
        self.places.send_if_modified(|known| {
            let before = known.clone();
            for (known, found) in known.iter_mut().zip(places) {
                if known.build != found.build || known.position < found.position {
                    *known = *found;
                }
            }
            *known != before
        });
    }
}

/// Some of the models.
type Models = Vec<&'static dyn AnyModel>;

fn names_of(models: &[&'static dyn AnyModel]) -> Vec<&'static str> {
    models.iter().map(|model| model.name()).collect()
}

fn least(places: &[Place]) -> Position {
    places.iter().map(|place| place.position).min().unwrap_or(Position::START)
}

#[cfg(test)]
mod tests;
