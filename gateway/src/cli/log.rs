//! The log as a command looks at it that changes nothing: beside a server, or on a copy that cannot be written. And
//! `cityos log`, whose command is beside it.

mod copy;

use super::city;
use crate::settings::Settings;
use crate::storage::Storage;
use anyhow::{Context, ensure};
use cityos_domain::event::Kind;
use cityos_domain::foundation::tenancy::Tenancy;
use cityos_domain::ids::TenantId;
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::executor::Executor;
use cityos_eventstore::store::{EventStore, StoreError};
use cityos_eventstore::stored::StoredEvent;
use clap::{Args, Subcommand};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};
use uuid::Uuid;

/// Events read at a time.
const PAGE_EVENTS: u32 = 5_000;

/// Pages worked on at a time, where there are as many processors: reading does not keep up with more.
const PAGES_AT_ONCE_MAX: usize = 8;

/// Events of one stream read at a time.
const STREAM_EVENTS: u32 = 1_000;

/// Moves the log from one storage to another.
#[derive(Args)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Copies log, receipts and evidence to where there is no log yet, or a beginning of it.
    Copy(copy::Copy),
}

impl Command {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Copy(copy) => copy.run(settings).await,
        }
    }
}

/// The log, only to be looked at.
pub struct Log {
    store: Arc<dyn EventStore>,
    storage: Storage,
    /// Where it ended when it was opened: what is written later is not looked at.
    head: Position,
    names: Names,
}

impl Log {
    /// The log to look at; neither keys nor read models are needed.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let storage = city::exists(settings).await?;
        let store = storage.log_to_look_at().await;
        let store = store.with_context(|| format!("opening the log in {storage}"))?;
        let executor = Executor::new(store.clone(), Arc::new(SystemClock), Arc::new(()));
        let head = store.head().await.context("reading the log")?;
        Ok(Log { store, storage, names: Names { executor, known: Arc::default() }, head })
    }

    /// The partition of a tenant's slug or id, or the `platform`'s.
    pub async fn partition(&self, name: &str) -> anyhow::Result<Partition> {
        if name == "platform" {
            return Ok(Partition::Platform);
        }
        Ok(Partition::Tenant(city::tenant(&self.names.executor, name).await.context("--tenant")?))
    }

    /// Where it is kept.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The log itself.
    pub fn store(&self) -> &dyn EventStore {
        &*self.store
    }

    /// What partitions are called.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What is stored after a position, page by page in the log's order, each worked on by a thread of its own: of a log
    /// of any length only the pages under way are in memory.
    pub fn pages<T: Send + 'static>(
        &self,
        after: Position,
        work: impl Fn(Vec<StoredEvent>) -> T + Clone + Send + 'static,
    ) -> impl Stream<Item = anyhow::Result<T>> {
        let (store, head) = (self.store.clone(), self.head);
        let read = stream::try_unfold(after, move |after| {
            let store = store.clone();
            async move {
                let mut page = store.read_stored(after, PAGE_EVENTS).await?;
                page.retain(|event| event.position <= head);
                Ok::<_, StoreError>(page.last().map(|last| last.position).map(|last| (page, last)))
            }
        });
        let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(PAGES_AT_ONCE_MAX);
        read.map_ok(move |page| {
            let work = work.clone();
            let worked = tokio::task::spawn_blocking(move || work(page));
            async move { Ok(worked.await.expect("the work does not panic")) }
        })
        .try_buffered(at_once)
        .map(|page| page.context("reading the log"))
    }

    /// A position after which everything was recorded at `since` or later, and nothing before.
    pub async fn before(&self, since: i64) -> anyhow::Result<Position> {
        // What lies between is halved: the store's clock never goes back along the log.
        let (mut earlier, mut later) = (Position::START, self.head);
        while earlier < later {
            let middle = Position(earlier.0 + (later.0 - earlier.0) / 2);
            match self.store.read_stored(middle, 1).await.context("reading the log")?.first() {
                Some(next) if next.recorded_at < since => earlier = next.position,
                Some(_) | None => later = middle,
            }
        }
        Ok(earlier)
    }

    /// Everything that happened to one aggregate.
    pub async fn stream(&self, stream: StreamId) -> anyhow::Result<Vec<Envelope>> {
        let mut events: Vec<Envelope> = Vec::new();
        loop {
            let after = events.last().map_or(Version::default(), |event| event.version);
            let more = self.store.read(stream, after, STREAM_EVENTS).await.context("reading the stream")?;
            if more.is_empty() {
                events.retain(|event| event.position <= self.head);
                return Ok(events);
            }
            events.extend(more);
        }
    }

    /// Whose an aggregate is: looked for in the whole log. Ids that derive from a name, such as those of reservations,
    /// may be there of several tenants: then it is refused.
    pub async fn find(&self, kind: Kind, id: Uuid) -> anyhow::Result<Partition> {
        let owners = move |page: Vec<StoredEvent>| -> BTreeSet<Uuid> {
            let of_it = page.iter().filter(|event| event.id == id && event.kind == kind.name());
            of_it.map(|event| event.partition).collect()
        };
        let mut pages = pin!(self.pages(Position::START, owners));
        let mut found = BTreeSet::new();
        while let Some(owners) = pages.next().await {
            found.extend(owners?);
            ensure!(found.len() < 2, "--tenant: more than one tenant has {}/{id}", kind.name());
        }
        let owner = found.pop_first().with_context(|| format!("there is no {}/{id}", kind.name()))?;
        Ok(Partition::from_id(owner))
    }
}

/// What partitions are called, once looked up and then known. Clones share what they know.
#[derive(Clone)]
pub struct Names {
    executor: Executor,
    known: Arc<Mutex<HashMap<Uuid, Arc<str>>>>,
}

impl Names {
    /// What a partition is called: `platform`, the tenant's slug, or its id where the register cannot say.
    pub async fn of(&self, partition: Uuid) -> Arc<str> {
        if let Some(known) = self.known().get(&partition) {
            return known.clone();
        }
        let name = match Partition::from_id(partition) {
            Partition::Platform => "platform".to_owned(),
            Partition::Tenant(tenant) => self.slug(tenant).await.unwrap_or_else(|| tenant.to_string()),
        };
        self.known().entry(partition).or_insert_with(|| name.into()).clone()
    }

    /// A tenant's slug, where the register can say.
    pub async fn slug(&self, tenant: TenantId) -> Option<String> {
        let (tenancy, _) = self.executor.load::<Tenancy>(Partition::Platform, tenant).await.ok()?;
        match &*tenancy {
            Tenancy::Unknown => None,
            Tenancy::Registered(registration) => Some(registration.slug.to_string()),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<str>>> {
        self.known.lock().expect("nothing panics while it holds the names")
    }
}

/// Why an event cannot be read, to the last cause.
pub fn reason(error: &dyn Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    reason
}
