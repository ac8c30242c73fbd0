//! What the tests of the runtime stand on: a log in memory and a read database that survives restarts.

use crate::history::History;
use crate::models::REGISTRY;
use crate::projector::Projector;
use crate::reads::{ReadError, ReadStore};
use crate::sql;
use crate::{AnyModel, Rebuilt, digest, rebuild};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_eventstore::clock::ManualClock;
use cityos_eventstore::database::postgres::Server;
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::memory::MemoryStore;
use cityos_eventstore::store::{Append, AppendError, Appended, EventStore, Page, Receipt, StoreError};
use cityos_eventstore::stored::StoredEvent;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// A log, and a read database beside it.
pub(crate) struct Stage {
    pub(crate) history: History,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) reads: ReadStore,
    pub(crate) place: Place,
}

/// On which kind of database a test plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// A database of the test's own.
pub(crate) enum Place {
    Folder(TempDir),
    Server(Box<Server>),
}

impl Place {
    fn new(on: On) -> Self {
        match on {
            On::Sqlite => Place::Folder(tempfile::tempdir().unwrap()),
            On::Postgres => Place::Server(Box::new(PrivateServer::shared().new_city())),
        }
    }

    async fn open(&self) -> ReadStore {
        match self {
            Place::Folder(folder) => ReadStore::open(&folder.path().join("read.db")).unwrap(),
            Place::Server(server) => ReadStore::on(server).await.unwrap(),
        }
    }
}

/// Makes of each test, which is a function of [`On`], one for each database. The two take turns: some of their models can be
/// made to choke.
macro_rules! on_every_database {
    ($($test:ident,)*) => {
        #[allow(non_upper_case_globals, reason = "they are named after tests")]
        mod turns {
            $(pub(super) static $test: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());)*
        }

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let _turn = super::turns::$test.lock().await;
                super::$test($crate::rehearsal::On::Sqlite).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let _turn = super::turns::$test.lock().await;
                super::$test($crate::rehearsal::On::Postgres).await;
            })*
        }
    };
}

pub(crate) use on_every_database;

impl Stage {
    /// Nothing is in the log yet.
    pub(crate) async fn empty(on: On) -> Self {
        Stage::at(Place::new(on)).await
    }

    /// The same with a database that is there.
    pub(crate) async fn at(place: Place) -> Self {
        let history = History::of_everything();
        let reads = place.open().await;
        let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::at(history.now()))));
        Stage { history, store, reads, place }
    }

    /// The whole history is in the log.
    pub(crate) async fn set(on: On) -> Self {
        let stage = Stage::empty(on).await;
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

    /// The process ends, and another one opens the same database.
    pub(crate) async fn restart(&mut self) {
        self.reads = self.reopened().await;
    }

    /// A second process beside this one.
    pub(crate) async fn reopened(&self) -> ReadStore {
        self.place.open().await
    }

    /// A rebuild with few events between two checkpoints.
    pub(crate) async fn rebuild(&self, model: &'static dyn AnyModel) -> Rebuilt {
        rebuild(&*self.store, &self.reads, model, 20, |_| {}).await.unwrap()
    }

    /// Carries out SQL of someone who has no business there. `TABLE` stands for the live table of `model`.
    pub(crate) async fn tamper(&self, model: &'static dyn AnyModel, sql: &str) -> usize {
        let sql = sql.to_owned();
        let tampered: Result<_, ReadError> = self
            .reads
            .write(&[model.name()], move |session| {
                let table = sql::live_build(session, model)?.table();
                session.execute(&sql.replace("TABLE", &format!("\"{table}\"")), &[])
            })
            .await;
        tampered.unwrap() as usize
    }

    /// Carries out SQL of someone who has no business there.
    pub(crate) async fn meddle(&self, sql: String) {
        let done: Result<(), ReadError> = self.reads.write(&[], move |session| session.batch(&sql)).await;
        done.unwrap();
    }

    /// The live table of a model.
    pub(crate) async fn table(&self, model: &'static dyn AnyModel) -> String {
        self.reads.read(|session| Ok(sql::live_build(session, model)?.table())).await.unwrap()
    }

    /// The names of everything in the database.
    pub(crate) async fn schema(&self) -> Vec<String> {
        let sql = match self.place {
            Place::Folder(_) => "SELECT name FROM sqlite_schema ORDER BY name",
            Place::Server(_) => {
                "SELECT relname FROM pg_class WHERE relnamespace = 'reads'::regnamespace ORDER BY relname"
            }
        };
        let names = self.reads.read(|session| session.all(sql, &[], |row| Ok(row.get(0)?)));
        names.await.unwrap()
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

/// SQL that leaves in a table what its column's type cannot be read from.
pub(crate) struct Damage {
    pub(crate) model: &'static str,
    pub(crate) column: &'static str,
    pub(crate) sql: &'static str,
    /// The value, for people.
    pub(crate) shows: &'static str,
}

impl On {
    /// What somebody may have left there.
    pub(crate) fn damages(self) -> &'static [Damage] {
        match self {
            // A date as nobody stores it, the beginning of an id, and a moment beyond every calendar.
            On::Sqlite => &[
                Damage {
                    model: "commissions",
                    column: "date",
                    sql: "UPDATE TABLE SET date = '01.11.2026'",
                    shows: "01.11.2026",
                },
                Damage {
                    model: "order_parts",
                    column: "vendor",
                    sql: "UPDATE TABLE SET vendor = x'0a0b0c'",
                    shows: "0a0b0c",
                },
                Damage {
                    model: "orders",
                    column: "requested_at",
                    sql: "UPDATE TABLE SET requested_at = 9223372036854775807",
                    shows: "9223372036854775807",
                },
            ],
            // Its types admit what no calendar has.
            On::Postgres => &[
                Damage {
                    model: "commissions",
                    column: "date",
                    sql: "UPDATE TABLE SET date = 'infinity'",
                    shows: "infinity",
                },
                Damage {
                    model: "orders",
                    column: "requested_at",
                    sql: "UPDATE TABLE SET requested_at = 'infinity'",
                    shows: "infinity",
                },
            ],
        }
    }

    /// An id as its SQL has it.
    pub(crate) fn id(self, id: Uuid) -> String {
        match self {
            On::Sqlite => format!("x'{}'", id.simple()),
            On::Postgres => format!("'{id}'"),
        }
    }

    /// What has it refuse to do something to the rows of a table that meet a condition, and say why.
    pub(crate) fn refuse(self, doing: &str, table: &str, condition: &str, why: &str) -> String {
        match self {
            On::Sqlite => format!(
                "CREATE TRIGGER refuse BEFORE {doing} ON \"{table}\" WHEN {condition}
                 BEGIN SELECT RAISE(ABORT, '{why}'); END"
            ),
            On::Postgres => format!(
                "CREATE FUNCTION refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE '{why}'; END $$;
                 CREATE TRIGGER refuse BEFORE {doing} ON \"{table}\" FOR EACH ROW WHEN ({condition})
                 EXECUTE FUNCTION refusal()"
            ),
        }
    }

    /// What has it do that again.
    pub(crate) fn admit(self, table: &str) -> String {
        match self {
            On::Sqlite => "DROP TRIGGER refuse".into(),
            On::Postgres => format!("DROP TRIGGER refuse ON \"{table}\"; DROP FUNCTION refusal()"),
        }
    }
}

/// The registered model of this name.
pub(crate) fn model(name: &str) -> &'static dyn AnyModel {
    *REGISTRY.iter().find(|model| model.name() == name).unwrap()
}

/// A log that can be told what to do instead of reading on: after so many pages the reader meets what `then` says.
pub(crate) struct Meddled<'s, F> {
    pub(crate) store: &'s MemoryStore,
    pub(crate) pages: AtomicUsize,
    pub(crate) then: F,
}

impl<'s, F> Meddled<'s, F> {
    pub(crate) fn after(pages: usize, store: &'s MemoryStore, then: F) -> Self {
        Meddled { store, pages: AtomicUsize::new(pages), then }
    }

    fn let_one_pass(&self) -> bool {
        self.pages.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

#[async_trait]
impl<F, R> EventStore for Meddled<'_, F>
where
    F: Fn(Page) -> R + Send + Sync,
    R: Future<Output = Result<Page, StoreError>> + Send,
{
    async fn read_all(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        let page = self.store.read_all(after, limit).await?;
        if self.let_one_pass() { Ok(page) } else { (self.then)(page).await }
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.store.append(append).await
    }

    async fn read(&self, stream: StreamId, after: Version, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        self.store.read(stream, after, limit).await
    }

    async fn read_stored(&self, after: Position, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        // The log's name is asked for in this way.
        self.let_one_pass();
        self.store.read_stored(after, limit).await
    }

    async fn receipt(&self, partition: Partition, command: CommandId) -> Result<Option<Receipt>, StoreError> {
        self.store.receipt(partition, command).await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.store.head().await
    }

    async fn changed(&self, after: Position, at_most: Duration) {
        self.store.changed(after, at_most).await;
    }

    async fn forget_receipts(&self, before: DateTime<Utc>, at_most: u32) -> Result<u32, StoreError> {
        self.store.forget_receipts(before, at_most).await
    }
}
