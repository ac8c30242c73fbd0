//! What the tests of the runtime stand on: a log in memory and a read database that survives restarts.

use crate::history::History;
use crate::models::REGISTRY;
use crate::projector::Projector;
use crate::reads::ReadStore;
use crate::{AnyModel, digest};
use cityos_eventstore::clock::ManualClock;
use cityos_eventstore::memory::MemoryStore;
use std::sync::Arc;
use tempfile::TempDir;

/// A log, and a read database beside it.
pub(crate) struct Stage {
    pub(crate) history: History,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) reads: ReadStore,
    directory: TempDir,
}

impl Stage {
    /// Nothing is in the log yet.
    pub(crate) fn empty() -> Self {
        let history = History::of_everything();
        let directory = tempfile::tempdir().unwrap();
        let reads = ReadStore::open(&directory.path().join("read.db")).unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::at(history.now()))));
        Stage { history, store, reads, directory }
    }

    /// The whole history is in the log.
    pub(crate) async fn set() -> Self {
        let stage = Stage::empty();
        stage.history.write(&*stage.store, 0, stage.history.events().len()).await;
        stage
    }

    /// A projector of all models.
    pub(crate) async fn projector(&self) -> Projector {
        self.projector_of(REGISTRY).await
    }

    /// A projector of these.
    pub(crate) async fn projector_of(&self, models: &'static [&'static dyn AnyModel]) -> Projector {
        Projector::new(self.store.clone(), self.reads.clone(), models).await.unwrap()
    }

    /// The process ends, and another one opens the same files.
    pub(crate) fn restart(&mut self) {
        self.reads = self.reopened();
    }

    /// A second process beside this one.
    pub(crate) fn reopened(&self) -> ReadStore {
        ReadStore::open(&self.directory.path().join("read.db")).unwrap()
    }

    /// The digests of all registered models.
    pub(crate) async fn digests(&self) -> Vec<(&'static str, crate::Digest)> {
        let mut digests = Vec::new();
        for model in REGISTRY {
            digests.push((model.name(), digest(&self.reads, *model).await.unwrap()));
        }
        digests
    }
}
