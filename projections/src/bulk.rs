//! Folds a long stretch of the log into one table: a reader decodes pages ahead, several folders each fold a share of
//! the keys, and one writer writes what has changed, with the checkpoint, every so many events.

use crate::dialect::Dialect;
use crate::folding::{Changes, Folding, Share};
use crate::giving_way::GivingWay;
use crate::model::{AnyModel, StoredKey, StoredRow};
use crate::poison::Frozen;
use crate::reads::ReadError;
use crate::repair::{RepairError, key_text};
use crate::row::Unreadable;
use cityos_domain::log::Position;
use cityos_eventstore::store::{EventStore, Page};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

/// The most events read at a time.
const PAGE_EVENTS_MAX: u64 = 2_000;

/// How many pages are read ahead, and how many each folder may have waiting.
const PAGES_AHEAD: usize = 4;

/// The most folders.
const FOLDERS_MAX: usize = 8;

/// How many events are folded between two checkpoints, where nothing else is said.
pub const CHECKPOINT_EVENTS: u64 = 250_000;

/// How many rows all folders together keep over a checkpoint, for each event that lies between two.
const ROWS_KEPT_AN_EVENT: u64 = 3;

/// Where the rows go.
pub(crate) trait Target: Send + Sync + 'static {
    /// The rows of `keys` that are there. Blocks.
    fn load(&self, keys: &[StoredKey]) -> Result<HashMap<StoredKey, StoredRow>, ReadError>;

    /// What kind of database they go to.
    fn dialect(&self) -> &'static dyn Dialect;

    /// Writes rows and moves the checkpoint `from` .. `to`, all or nothing. Blocks.
    fn write(&self, changes: &[Changes], from: Position, to: Position) -> Result<(), WriteError>;
}

/// The rows, if all of them can be read.
pub(crate) fn readable(
    rows: HashMap<StoredKey, Result<StoredRow, Unreadable>>,
) -> Result<HashMap<StoredKey, StoredRow>, ReadError> {
    rows.into_iter().map(|(key, row)| Ok((key, row?))).collect()
}

/// Why rows were not written.
pub(crate) enum WriteError {
    /// The database failed.
    Failed(ReadError),
    /// It refuses this row.
    Refused(StoredKey, String),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        WriteError::Failed(error)
    }
}

/// What is done about an event that does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// The work stops there.
    Stops,
    /// The key stays as it was, as it does in a live table.
    Freezes,
}

/// The work.
pub(crate) struct Bulk<'a> {
    pub(crate) store: &'a dyn EventStore,
    pub(crate) model: &'static dyn AnyModel,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) poison: Poison,
    pub(crate) checkpoint_events: u64,
}

impl Bulk<'_> {
    /// Folds what lies after `from`, up to `until` or the log's end, and says how far that was and which keys were
    /// poisoned. `progress` is told how far the folders have been given work.
    pub(crate) async fn fold(
        &self,
        from: Position,
        until: Position,
        progress: &mut (dyn FnMut(Position) + Send),
    ) -> Result<(Position, Vec<Frozen>), RepairError> {
        let (send, pages) = mpsc::channel(PAGES_AHEAD);
        // Where the folding fails, the reader finds nobody to read for; where the reader fails, what it has read is
        // folded and written.
        let (read, folded) = tokio::join!(self.read(from, until, send), self.take(from, pages, progress));
        let folded = folded?;
        read?;
        Ok(folded)
    }

    async fn read(
        &self,
        from: Position,
        until: Position,
        pages: mpsc::Sender<Arc<Page>>,
    ) -> Result<(), RepairError> {
        let mut at = from;
        let limit = self.checkpoint_events.clamp(1, PAGE_EVENTS_MAX) as u32;
        while at < until {
            let page = cut(self.store.read_all(at, limit).await?, until);
            if page.scanned_to == at {
                break;
            }
            at = page.scanned_to;
            if pages.send(Arc::new(page)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        from: Position,
        mut pages: mpsc::Receiver<Arc<Page>>,
        progress: &mut (dyn FnMut(Position) + Send),
    ) -> Result<(Position, Vec<Frozen>), RepairError> {
        let mut folders = Folders::start(self, from == Position::START)?;
        let mut writer = Writer {
            bulk: self,
            written: from,
            writing: None,
            way: GivingWay::among_writers_of(self.target.dialect()),
            poisoned: Vec::new(),
        };
        let (mut at, mut events) = (from, 0);
        while let Some(page) = pages.recv().await {
            (at, events) = (page.scanned_to, events + page.events.len() as u64);
            folders.fold(page).await?;
            progress(at);
            if events >= self.checkpoint_events {
                writer.checkpoint(folders.changes().await?, at).await?;
                events = 0;
            }
        }
        writer.checkpoint(folders.changes().await?, at).await?;
        writer.finish().await?;
        Ok((at, writer.poisoned))
    }
}

/// The page without what lies beyond `until`.
pub(crate) fn cut(mut page: Page, until: Position) -> Page {
    page.events.truncate(page.events.partition_point(|event| event.position <= until));
    page.scanned_to = page.scanned_to.min(until);
    page
}

/// Writes checkpoint after checkpoint, one at a time, while the folding goes on.
struct Writer<'b> {
    bulk: &'b Bulk<'b>,
    /// Up to where has been written, or is being written.
    written: Position,
    writing: Option<JoinHandle<Wrote>>,
    way: GivingWay,
    poisoned: Vec<Frozen>,
}

/// What came of it, from when to when.
type Wrote = (Result<(), WriteError>, Instant, Instant);

impl Writer<'_> {
    async fn checkpoint(&mut self, changes: Vec<Changes>, to: Position) -> Result<(), RepairError> {
        self.finish().await?;
        let poisoned = changes.iter().flat_map(|changes| &changes.poisoned);
        if self.bulk.poison == Poison::Stops
            && let Some(first) = poisoned.clone().min_by_key(|row| row.position)
        {
            return Err(RepairError::poisoned(self.bulk.model, first.clone()));
        }
        self.poisoned.extend(poisoned.cloned());
        if to > self.written {
            let (target, from) = (self.bulk.target.clone(), std::mem::replace(&mut self.written, to));
            self.way.give_way().await;
            self.writing = Some(spawn_blocking(move || {
                let begun = Instant::now();
                (target.write(&changes, from, to), begun, Instant::now())
            }));
        }
        Ok(())
    }

    /// Returns when everything is written.
    async fn finish(&mut self) -> Result<(), RepairError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let (written, begun, ended) = writing.await.map_err(|_| ReadError::Stopped)?;
        self.way.wrote(begun, ended);
        match written {
            Ok(()) => Ok(()),
            Err(WriteError::Failed(error)) => Err(error.into()),
            Err(WriteError::Refused(key, error)) => {
                Err(RepairError::Refused { key: key_text(self.bulk.model, &key), error })
            }
        }
    }
}

enum Work {
    Page(Arc<Page>),
    /// Tell what has changed.
    Changes(oneshot::Sender<Changes>),
}

/// Everyone who folds, each a share of the keys on a thread of its own.
struct Folders(Vec<Folder>);

struct Folder {
    work: mpsc::Sender<Work>,
    /// How it ended. Of one that panicked nothing comes.
    ended: oneshot::Receiver<Result<(), ReadError>>,
}

impl Folders {
    /// They are none of the threads that the runtime has for what blocks: of those, one must be left to write.
    fn start(bulk: &Bulk<'_>, fresh: bool) -> Result<Self, ReadError> {
        let model = bulk.model;
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(FOLDERS_MAX) as u64;
        let keep = (bulk.checkpoint_events * ROWS_KEPT_AN_EVENT / count) as usize;
        let folder = |index| {
            let folding = model.folding(Share { index, of: count }, fresh);
            let (work, todo) = mpsc::channel(PAGES_AHEAD);
            let target = bulk.target.clone();
            let (end, ended) = oneshot::channel();
            let thread = std::thread::Builder::new().name("folder".into());
            // Where nobody waits for its end any more, nobody wants to know it.
            let work_on = move || drop(end.send(do_all(model, folding, &*target, todo, keep)));
            thread.spawn(work_on).map_err(ReadError::Thread)?;
            Ok(Folder { work, ended })
        };
        (0..count).map(folder).collect::<Result<_, _>>().map(Folders)
    }

    async fn fold(&mut self, page: Arc<Page>) -> Result<(), ReadError> {
        for folder in &mut self.0 {
            folder.give(Work::Page(page.clone())).await?;
        }
        Ok(())
    }

    async fn changes(&mut self) -> Result<Vec<Changes>, ReadError> {
        let mut asked = Vec::new();
        for folder in &mut self.0 {
            let (tell, told) = oneshot::channel();
            folder.give(Work::Changes(tell)).await?;
            asked.push(told);
        }
        let mut changes = Vec::new();
        for (told, folder) in asked.into_iter().zip(&mut self.0) {
            match told.await {
                Ok(told) => changes.push(told),
                Err(_) => return Err(folder.failure().await),
            }
        }
        Ok(changes)
    }
}

impl Folder {
    async fn give(&mut self, work: Work) -> Result<(), ReadError> {
        match self.work.send(work).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Why it does not work any more.
    async fn failure(&mut self) -> ReadError {
        match (&mut self.ended).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) | Err(_) => ReadError::Stopped,
        }
    }
}

fn do_all(
    model: &'static dyn AnyModel,
    mut folding: Box<dyn Folding>,
    target: &dyn Target,
    mut todo: mpsc::Receiver<Work>,
    keep: usize,
) -> Result<(), ReadError> {
    let untold = |(position, source)| ReadError::Keys { model: model.name(), position, source };
    while let Some(work) = todo.blocking_recv() {
        match work {
            Work::Page(page) => {
                let missing = folding.missing(&page.events).map_err(untold)?;
                if !missing.is_empty() {
                    let rows = target.load(&missing)?;
                    folding.take(missing, rows)?;
                }
                folding.fold(&page.events).map_err(untold)?;
            }
            Work::Changes(tell) => {
                // Whoever asked may have given up meanwhile; then there is nothing more to do.
                if tell.send(folding.changes(keep)).is_err() {
                    break;
                }
            }
        }
    }
    Ok(())
}
