//! The composition root: opens what the city is kept in, and puts executor, read models, sagas and API
//! together. The server, the command line and the tests start here.

use crate::graphql::{self, Schema, services::Services};
use crate::identity::DevelopmentTokens;
use crate::settings::Settings;
use crate::storage::Storage;
use chrono::TimeDelta;
use cityos_connectors::sandbox::{Sandbox, SandboxError};
use cityos_domain::ids::derive;
use cityos_domain::log::Position;
use cityos_eventstore::clock::Clock;
use cityos_eventstore::evidence::{EvidenceError, Follower};
use cityos_eventstore::executor::Executor;
use cityos_eventstore::keys::{Key, KeyError, KeyStore, Secret};
use cityos_eventstore::members::{Duty, Members, Membership};
use cityos_eventstore::sealing::Sealer;
use cityos_eventstore::store::{EventStore, StoreError, name_of};
use cityos_eventstore::tokens::PositionTokens;
use cityos_projections::models::REGISTRY;
use cityos_projections::{ProjectError, Projector, ReadError};
use cityos_sagas::ports::Ports;
use cityos_sagas::registry::registry;
use cityos_sagas::{Engine, EngineError, settle};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The file of the sandbox providers' own books.
pub const SANDBOX_FILE: &str = "sandbox.db";

/// How long an empty log is waited for at a time.
const LOOK_FOR_EVENTS_EVERY: Duration = Duration::from_secs(60);

/// How often receipts that are past keeping are looked for.
const RECEIPTS_EVERY: TimeDelta = TimeDelta::hours(1);

/// How many receipts are deleted at a time.
const RECEIPTS_AT_ONCE: u32 = 1_000;

/// Why the city cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made.
    #[error("making the data directory {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The log cannot be used.
    #[error("opening the log")]
    Log(#[source] StoreError),
    /// The key store cannot be used.
    #[error("opening the key store")]
    Keys(#[source] KeyError),
    /// The key store is empty, or another log's.
    #[error(
        "the key store does not belong to this log: put the right one beside it, or what is sealed stays closed"
    )]
    OtherKeys,
    /// The evidence is a newer program's.
    #[error("opening the evidence")]
    Evidence(#[source] EvidenceError),
    /// The read models cannot be used.
    #[error("opening the read models")]
    Reads(#[source] ReadError),
    /// The read models cannot be moved.
    #[error("preparing the read models")]
    Project(#[source] ProjectError),
    /// The sandbox's books cannot be used.
    #[error("opening the sandbox")]
    Sandbox(#[source] SandboxError),
}

/// Log and keys: what every command needs, and what backups hold.
pub struct Stores {
    /// Where they are kept.
    pub storage: Storage,
    /// The log.
    pub log: Arc<dyn EventStore>,
    /// The key store.
    pub keys: Arc<dyn KeyStore>,
    /// Seals under its keys.
    pub sealer: Sealer,
    /// Hashes what commands were given.
    pub input_key: Key,
}

impl Stores {
    /// Opens them where the settings say, and makes what is not there.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = settings.data_dir.clone();
        std::fs::create_dir_all(&path)
            .map_err(|source| OpenError::Directory { path: path.clone(), source })?;
        let storage = Storage::of(settings).map_err(OpenError::Log)?;
        let no_keys = |error: StoreError| OpenError::Keys(error.into());
        let there = storage.has_keys().await.map_err(no_keys)?;
        // A refusal makes nothing: it would stand in the way of the right one. Whose the keys are is asked first: a
        // log that takes them for its own meanwhile has events when it is looked at.
        let bound = match there {
            true => storage.keys().await.map_err(no_keys)?.log().await.map_err(OpenError::Keys)?.is_some(),
            false => false,
        };
        if bound && !storage.has_log().await.map_err(OpenError::Log)? {
            return Err(OpenError::OtherKeys);
        }
        let log = storage.log(clock).await.map_err(OpenError::Log)?;
        let name = name_of(&*log).await.map_err(OpenError::Log)?;
        if name.is_some() && !there {
            return Err(OpenError::OtherKeys);
        }
        let keys = storage.keys().await.map_err(no_keys)?;
        let belong = match name {
            Some(name) => keys.belong_to(name).await.map_err(OpenError::Keys)?,
            None => !bound,
        };
        if !belong {
            return Err(OpenError::OtherKeys);
        }
        let input_key = keys.secret(Secret::InputHash).await.map_err(OpenError::Keys)?;
        Ok(Stores { storage, log, sealer: Sealer::new(keys.clone()), keys, input_key })
    }
}

/// The city, open: not yet moving by itself.
pub struct App {
    schema: Schema,
    services: Arc<Services>,
    keys: Arc<dyn KeyStore>,
    storage: Storage,
}

impl App {
    /// Opens the city where the settings say it is kept, with the sandbox for an outside world.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let stores = Stores::open(&settings, clock.clone()).await?;
        let sandbox = Sandbox::open(&settings.data_dir.join(SANDBOX_FILE), clock.clone());
        App::over(stores, settings, clock, sandbox.map_err(OpenError::Sandbox)?.ports()).await
    }

    /// Puts everything together over these stores and this outside world.
    pub async fn over(
        stores: Stores,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ports: Ports,
    ) -> Result<Self, OpenError> {
        let Stores { storage, log, keys, sealer, input_key } = stores;
        storage.evidence().refuse_newer().await.map_err(OpenError::Evidence)?;
        let reads = storage.reads().await.map_err(OpenError::Reads)?;
        let projector =
            Projector::new(log.clone(), reads.clone(), REGISTRY).await.map_err(OpenError::Project)?;
        let registry = Arc::new(registry());
        let executor = Executor::new(log, clock, registry.clone());
        let engine = Engine::new(executor.clone(), registry, reads.clone(), projector.clone(), ports)
            .with_concurrency(settings.engine_concurrency);
        let positions = PositionTokens::of(keys.as_ref()).await.map_err(OpenError::Keys)?;
        let tokens = match settings.development_tokens {
            true => Some(development_tokens(keys.as_ref(), &settings).await.map_err(OpenError::Keys)?),
            false => None,
        };
        let services =
            Services { executor, reads, projector, engine, sealer, positions, input_key, tokens, settings };
        Ok(App { schema: graphql::schema(), services: Arc::new(services), keys, storage })
    }

    /// The API's schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What it is made of.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// What the operator set.
    pub fn settings(&self) -> &Settings {
        &self.services.settings
    }

    /// Drives sagas and read models until nothing is due at the time it is: for tests, instead of
    /// [`start`](App::start).
    pub async fn settle(&self) -> Result<Position, EngineError> {
        settle(&self.services.engine).await
    }

    /// Lets those of read models, evidence and sagas move by themselves that are this process's share, as one with these
    /// duties among the processes of its city.
    pub async fn start(&self, duties: impl IntoIterator<Item = Duty>) -> Result<Moving, StoreError> {
        let membership = self.storage.join(duties, edition()).await?;
        let members = membership.members();
        let (stop_engine, stop_projector, stop_evidence) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let engine = {
            let (engine, members, stop) =
                (self.services.engine.clone(), members.clone(), stop_engine.clone());
            tokio::spawn(async move { engine.run(members, stop.cancelled_owned()).await })
        };
        let housekeeping = {
            let (services, keys) = (self.services.clone(), self.keys.clone());
            let (members, stop) = (members.clone(), stop_engine.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = keep_house(&services, &*keys, &members) => {}
                }
            })
        };
        let projector = {
            let (projector, members, stop) =
                (self.services.projector.clone(), members.clone(), stop_projector.clone());
            tokio::spawn(async move { projector.run(members, stop.cancelled_owned()).await })
        };
        let evidence = {
            let follower = Follower {
                place: self.storage.evidence(),
                log: self.services.executor.store().clone(),
                keys: self.keys.clone(),
                clock: self.services.executor.clock().clone(),
                sign_every: TimeDelta::seconds(self.settings().checkpoint_every_s.into()),
            };
            tokio::spawn(follower.run(members.clone(), stop_evidence.clone().cancelled_owned()))
        };
        let tasks = Tasks { engine, housekeeping, projector, evidence };
        Ok(Moving { membership, stop_engine, stop_projector, stop_evidence, tasks })
    }
}

/// Read models, sagas and evidence that move by themselves.
pub struct Moving {
    membership: Membership,
    stop_engine: CancellationToken,
    stop_projector: CancellationToken,
    stop_evidence: CancellationToken,
    tasks: Tasks,
}

struct Tasks {
    engine: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    projector: JoinHandle<()>,
    evidence: JoinHandle<()>,
}

impl Moving {
    /// Hands over to the other processes, and stops in order: the sagas finish what they have begun while the read models still
    /// move, then these. At the end, where nobody else sees to it, the evidence covers all that was written.
    pub async fn stop(self) {
        let Moving { membership, stop_engine, stop_projector, stop_evidence, tasks } = self;
        membership.leave().await;
        stop_engine.cancel();
        ended("engine", tasks.engine.await);
        ended("housekeeping", tasks.housekeeping.await);
        stop_projector.cancel();
        ended("projector", tasks.projector.await);
        stop_evidence.cancel();
        ended("evidence", tasks.evidence.await);
    }
}

/// Stands for the read models and sagas this program knows.
fn edition() -> Uuid {
    let models = REGISTRY.iter().map(|model| format!("{} {}", model.name(), model.fingerprint()));
    let sagas = registry();
    let sagas = sagas.iter().map(|saga| format!("{} {:?}", saga.name(), saga.plan()));
    let known: Vec<String> = models.chain(sagas).collect();
    derive(&known.iter().map(String::as_str).collect::<Vec<_>>())
}

fn ended(what: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "the {what} did not end well");
    }
}

/// The development issuer of this installation.
pub async fn development_tokens(
    keys: &dyn KeyStore,
    settings: &Settings,
) -> Result<DevelopmentTokens, KeyError> {
    let key = keys.secret(Secret::DevelopmentTokens).await?;
    Ok(DevelopmentTokens::new(key.bytes(), settings.development_token_hours))
}

/// What is done beside all else.
async fn keep_house(services: &Services, keys: &dyn KeyStore, members: &Members) {
    if let Err(error) = bind(&**services.executor.store(), keys).await {
        tracing::warn!(
            error = &error as &dyn Error,
            "the keys do not know their log yet: the next start tells them"
        );
    }
    forget_receipts(services, members).await;
}

/// Has the keys know their log as soon as it has an event to be known by: copies of them are then known, too.
async fn bind(log: &dyn EventStore, keys: &dyn KeyStore) -> Result<(), OpenError> {
    loop {
        log.changed(Position::START, LOOK_FOR_EVENTS_EVERY).await;
        if let Some(name) = name_of(log).await.map_err(OpenError::Log)? {
            let belong = keys.belong_to(name).await.map_err(OpenError::Keys)?;
            return if belong { Ok(()) } else { Err(OpenError::OtherKeys) };
        }
    }
}

/// Deletes receipts that are past keeping, now and then, in small pieces, where that is this process's share.
async fn forget_receipts(services: &Services, members: &Members) {
    let clock = services.executor.clock();
    let keep = TimeDelta::days(services.settings.receipt_days.into());
    loop {
        let now = clock.now();
        let forgotten = match members.view().is_mine(Duty::Saga, "receipts") {
            true => services.executor.store().forget_receipts(now - keep, RECEIPTS_AT_ONCE).await,
            false => Ok(0),
        };
        match forgotten {
            Ok(RECEIPTS_AT_ONCE) => tokio::task::yield_now().await,
            Ok(_) => clock.wait_until(now + RECEIPTS_EVERY).await,
            Err(error) => {
                tracing::warn!(%error, "old receipts could not be deleted");
                clock.wait_until(now + RECEIPTS_EVERY).await;
            }
        }
    }
}
