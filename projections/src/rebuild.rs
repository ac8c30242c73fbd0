//! Builds a model anew beside its live table, and switches to it in one transaction. An unfinished build is gone on with by
//! whoever comes next; a rebuild stops at an event that does not fit, and leaves nothing. It publishes nothing and commands nobody.

use crate::apply::apply;
use crate::bulk::{Bulk, Poison, Target, WriteError, cut, readable};
use crate::claim::claimed;
use crate::compare::{Comparing, Comparison};
use crate::dialect::Dialect;
use crate::folding::Changes;
use crate::giving_way::GivingWay;
use crate::model::{AnyModel, StoredKey, StoredRow};
use crate::projector::{PAGE_EVENTS_MAX, ProjectError};
use crate::reads::{ReadError, ReadStore};
use crate::repair::{RepairError, belong_together};
use crate::session::Session;
use crate::sql::{self, Build};
use cityos_domain::log::Position;
use cityos_eventstore::store::{EventStore, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// How often a rebuild goes after a live table that moves on before it gives up.
const CHASES_MAX: u32 = 1_000;

/// How far a rebuild is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It folds.
    Folding {
        /// Where it began: not at the start of the log where it goes on with what another has left.
        from: Position,
        /// How far it has come.
        at: Position,
        /// How far it has to come, as things stand.
        to: Position,
    },
    /// The new table and the live one are compared.
    Comparing,
    /// The indexes are made.
    Indexing,
}

/// How a rebuild ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Rebuilt {
    /// Where it began: not at the start of the log where it went on with what another had left.
    pub from: Position,
    /// How far the table that is live now had come when it became so.
    pub to: Position,
    /// What was live before, beside the new table when both had come to the same position.
    pub compared: Result<Comparison, Uncompared>,
}

/// Why a table that was built anew was not compared with the one before it.
#[derive(Clone, PartialEq, Debug)]
pub enum Uncompared {
    /// What was live had nothing yet.
    Nothing,
    /// What was live stood here, behind what another rebuild had left.
    Behind(Position),
    /// What was live could not be read, for this reason.
    Unreadable(String),
}

/// Rebuilds a model from the whole log and switches to the result, whether or not that is what was live; the table
/// before it is kept. Where it is broken off, the next call goes on from the last checkpoint, of which there is one
/// after every so many events; where it stops at what does not fit, the next call begins anew: whoever began this one may
/// have folded wrongly.
pub async fn rebuild(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
    checkpoint_events: u64,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, RepairError> {
    let work = build(store, reads, model, checkpoint_events, &mut progress);
    claimed(reads, model.name(), "rebuilt", work).await
}

async fn build(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
    checkpoint_events: u64,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Rebuilt, RepairError> {
    belong_together(store, reads).await?;
    let begun: Result<_, ReadError> = reads
        .write(&[model.name()], move |session| {
            sql::prepare(session, model)?;
            sql::next_build(session, model)
        })
        .await;
    let begun = begun?;
    let (from, number) = (begun.position, begun.number);
    let work = Work { store, reads, model, number };
    let bulk = Bulk {
        store,
        model,
        target: Arc::new(Built { reads: reads.clone(), model, number }),
        poison: Poison::Stops,
        checkpoint_events,
    };

    let rebuilt = fill(&work, &bulk, from, progress).await;
    if rebuilt.as_ref().is_err_and(RepairError::is_a_defect)
        && let Err(error) = work.discard().await
    {
        tracing::warn!(error = &error as &dyn std::error::Error, "what was half built stays");
    }
    rebuilt
}

/// Fills the new table from where it stands, compares, and switches.
async fn fill(
    work: &Work<'_>,
    bulk: &Bulk<'_>,
    from: Position,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Rebuilt, RepairError> {
    let live = work.live().await?.position;
    let mut at = from;
    let compared = if live == Position::START {
        Err(Uncompared::Nothing)
    } else if live < at {
        Err(Uncompared::Behind(live))
    } else {
        let tell = &mut |at| progress(Progress::Folding { from, at, to: live });
        if bulk.fold(at, live, tell).await?.0 < live {
            return Err(ProjectError::AheadOfLog.into());
        }
        let snapshot = work.meet().await?;
        progress(Progress::Comparing);
        let compared = work.compare(snapshot).await?;
        at = work.next().await?.position;
        compared
    };
    let head = work.store.head().await?;
    bulk.fold(at, head, &mut |at| progress(Progress::Folding { from, at, to: head })).await?;
    progress(Progress::Indexing);
    work.index().await?;
    let to = work.switch().await?;
    Ok(Rebuilt { from, to, compared })
}

/// The build that is filled.
struct Built {
    reads: ReadStore,
    model: &'static dyn AnyModel,
    number: i64,
}

impl Target for Built {
    fn load(&self, keys: &[StoredKey]) -> Result<HashMap<StoredKey, StoredRow>, ReadError> {
        self.reads.read_here(|session| {
            let rows = sql::load(session, &sql::build(session, self.model, self.number)?, self.model, keys)?;
            readable(rows)
        })
    }

    fn dialect(&self) -> &'static dyn Dialect {
        self.reads.dialect()
    }

    fn write(&self, changes: &[Changes], from: Position, to: Position) -> Result<(), WriteError> {
        // Nobody is kept from the live table: of this one the checkpoint says whether it is still ours.
        self.reads.write_here(&[], |session| {
            let build = Build { position: from, ..sql::build(session, self.model, self.number)? };
            if !sql::advance(session, &build, to)? {
                return Err(ReadError::Overtaken.into());
            }
            sql::write_changes(session, self.model, &build, changes)
        })
    }
}

/// What is done once the bulk of it is folded.
struct Work<'a> {
    store: &'a dyn EventStore,
    reads: &'a ReadStore,
    model: &'static dyn AnyModel,
    number: i64,
}

impl Work<'_> {
    async fn live(&self) -> Result<Build, ReadError> {
        let model = self.model;
        self.reads.read(move |session| sql::live_build(session, model)).await
    }

    async fn next(&self) -> Result<Build, ReadError> {
        let (model, number) = (self.model, self.number);
        self.reads.read(move |session| sql::build(session, model, number)).await
    }

    /// Brings the new table to where the live one is, and takes a look at both before either goes on.
    async fn meet(&self) -> Result<Box<dyn Session + Send>, RepairError> {
        for _ in 0..CHASES_MAX {
            if self.chase(|live| live.position).await?
                && let Some(snapshot) = self.met().await?
            {
                return Ok(snapshot);
            }
        }
        Err(RepairError::Outrun(self.model.name()))
    }

    async fn met(&self) -> Result<Option<Box<dyn Session + Send>>, ReadError> {
        let (model, number, reads) = (self.model, self.number, self.reads.clone());
        self.reads
            .write(&[model.name()], move |session| {
                let met =
                    sql::live_build(session, model)?.position == sql::build(session, model, number)?.position;
                met.then(|| reads.snapshot()).transpose()
            })
            .await
    }

    /// Folds one more page, as far as `until` says, and tells whether the new table has come to where the live one is.
    async fn chase(
        &self,
        until: impl FnOnce(&Build) -> Position + Send + 'static,
    ) -> Result<bool, RepairError> {
        let (model, number) = (self.model, self.number);
        let page = self.store.read_all(self.next().await?.position, PAGE_EVENTS_MAX).await?;
        self.reads
            .write(&[model.name()], move |session| {
                let (live, next) = (sql::live_build(session, model)?, sql::build(session, model, number)?);
                let mut poisoned = Vec::new();
                apply(session, model, &next, &cut(page, until(&live)), &mut poisoned)?;
                match poisoned.pop() {
                    Some(row) => Err(RepairError::poisoned(model, row)),
                    None => Ok(sql::build(session, model, number)?.position >= live.position),
                }
            })
            .await
    }

    async fn compare(
        &self,
        snapshot: Box<dyn Session + Send>,
    ) -> Result<Result<Comparison, Uncompared>, RepairError> {
        let (model, number) = (self.model, self.number);
        let compare = move || {
            let session = &*snapshot;
            let (live, next) = (sql::live_build(session, model)?, sql::build(session, model, number)?);
            let mut comparing = Comparing::at(live.position, model);
            let compared = session.attempt(&mut || {
                sql::scan_both(session, model, &live, &next, |table, log| comparing.see(table, log))
            });
            match compared {
                Ok(()) => Ok(Ok(comparing.end())),
                // Where it is the table before that cannot be read, the new one mends it.
                Err(error) => {
                    sql::scan(session, &next, model, |_| ())?;
                    Ok(Err(Uncompared::Unreadable(error.in_words())))
                }
            }
        };
        tokio::task::spawn_blocking(compare).await.map_err(|_| ReadError::Stopped)?
    }

    /// Each index in a transaction of its own: whoever moves the read models gets in between.
    async fn index(&self) -> Result<(), ReadError> {
        let mut way = GivingWay::among_writers_of(self.reads.dialect());
        let next = self.next().await?;
        let dialect = self.reads.dialect();
        let indexes = sql::indexes(dialect, self.model, &next).into_iter();
        for index in indexes.chain(dialect.take_stock(&next.table())) {
            way.give_way().await;
            let begun = Instant::now();
            let made: Result<(), ReadError> =
                self.reads.write(&[], move |session| session.batch(&index)).await;
            made?;
            way.wrote(begun, Instant::now());
        }
        Ok(())
    }

    /// Drops what was built.
    async fn discard(&self) -> Result<(), ReadError> {
        let (model, number) = (self.model, self.number);
        self.reads
            .write(&[model.name()], move |session| {
                sql::drop_build(session, &sql::build(session, model, number)?)
            })
            .await
    }

    /// Makes the new table the live one as soon as it is not behind it, and says where that was.
    async fn switch(&self) -> Result<Position, RepairError> {
        let (model, number) = (self.model, self.number);
        for _ in 0..CHASES_MAX {
            if !self.chase(|_| Position(u64::MAX)).await? {
                continue;
            }
            let switched: Result<_, ReadError> = self
                .reads
                .write(&[model.name()], move |session| {
                    let (live, next) =
                        (sql::live_build(session, model)?, sql::build(session, model, number)?);
                    if live.position > next.position {
                        return Ok(None);
                    }
                    sql::switch(session, model, &next)?;
                    if live.position == Position::START {
                        // It never held anything: nobody wants to go back to it.
                        sql::drop_build(session, &live)?;
                    }
                    Ok(Some(next.position))
                })
                .await;
            match switched {
                Ok(Some(position)) => return Ok(position),
                // Somebody looks at the live table at length.
                Ok(None) | Err(ReadError::Database(StoreError::Busy)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RepairError::Outrun(model.name()))
    }
}

#[cfg(test)]
mod tests;
