//! A city in a directory of its own, served on a real port, with a clock that tests move. Sagas and read models
//! are driven by one task, so that `settle` knows when there is nothing left to do.

use crate::callers::Client;
use crate::schema::Schema;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_connectors::sandbox::Sandbox;
use cityos_domain::ids::{CustomerId, TenantId, VendorId};
use cityos_domain::log::{Envelope, Partition, Position};
use cityos_eventstore::clock::{Clock, ManualClock};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_gateway::app::{App, SANDBOX_FILE, Stores};
use cityos_gateway::context::{Caller, Role};
use cityos_gateway::graphql::ids::{Id, Named};
use cityos_gateway::server::Server;
use cityos_gateway::settings::{DatabaseUrl, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

/// How long the driving task waits for a change before it looks again anyway.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long callers keep a connection they do not use: not as long as the server, which may just be closing it.
const IDLE_AT_MOST: Duration = Duration::from_secs(2);

/// Events read at a time.
const READ_LIMIT: u32 = 1_000;

/// When every city of the tests begins.
const BEGINNING: &str = "2026-03-02T08:00:00Z";

/// The environment variable that says where the cities of the tests are kept: in files, or in databases of a server where it is
/// `postgres`.
const KEPT_ON: &str = "CITYOS_TESTS_ON";

/// A database of its own for a city, where cities are kept on a server.
pub fn database() -> DatabaseUrl {
    match std::env::var(KEPT_ON).as_deref() {
        Ok("postgres") => PrivateServer::shared().new_database().into(),
        Ok(other) => panic!("{KEPT_ON} is `{other}`: it may be `postgres`"),
        Err(_) => DatabaseUrl::default(),
    }
}

/// A city that is served.
pub struct City {
    /// Its time.
    pub clock: ManualClock,
    /// The outside world.
    pub sandbox: Sandbox,
    /// What its schema says of itself.
    pub schema: Arc<Schema>,
    app: Arc<App>,
    address: SocketAddr,
    http: reqwest::Client,
    turn: Arc<Mutex<()>>,
    driving: JoinHandle<()>,
    _directory: TempDir,
}

impl City {
    /// A new city with the settings as they come.
    pub async fn open() -> City {
        City::with(|_| ()).await
    }

    /// A new city in files, wherever the others are: for tests that look into them, or hand them to somebody.
    pub async fn in_files(change: impl FnOnce(&mut Settings)) -> City {
        City::kept_in(DatabaseUrl::default(), change).await
    }

    /// A new city on a server, wherever the others are: for tests of several processes.
    pub async fn on_postgres() -> City {
        City::kept_in(PrivateServer::shared().new_database().into(), |_| ()).await
    }

    /// The same city in what works like a second process: nothing in it moves before it is started.
    pub async fn opened_again(&self) -> App {
        let (settings, clock) = (self.app.settings().clone(), Arc::new(self.clock.clone()));
        let stores = Stores::open(&settings, clock.clone()).await.expect("the log opens");
        App::over(stores, settings, clock, self.sandbox.ports()).await.expect("the city opens")
    }

    /// A new city with some settings changed.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> City {
        City::kept_in(database(), change).await
    }

    async fn kept_in(database: DatabaseUrl, change: impl FnOnce(&mut Settings)) -> City {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let mut settings = Settings {
            database,
            data_dir: directory.path().join("data"),
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            // Tests move time by months.
            development_token_hours: 24 * 365,
            workers: 2,
            ..Settings::default()
        };
        change(&mut settings);
        let beginning: DateTime<Utc> = BEGINNING.parse().expect("it is a time");
        let clock = ManualClock::at(beginning);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let stores = Stores::open(&settings, shared.clone()).await.expect("the log opens");
        let books = settings.data_dir.join(SANDBOX_FILE);
        let sandbox = Sandbox::open(&books, shared.clone()).expect("the sandbox opens");
        let app = App::over(stores, settings, shared, sandbox.ports()).await.expect("the city opens");
        let app = Arc::new(app);
        let server = Server::bind(app.clone()).expect("a port is free");
        let address = server.address();
        tokio::spawn(server.run());
        let turn = Arc::new(Mutex::new(()));
        let driving = tokio::spawn(drive(app.clone(), turn.clone()));
        let http = reqwest::Client::builder().pool_idle_timeout(IDLE_AT_MOST).build();
        let http = http.expect("it needs nothing");
        let schema = Arc::new(Schema::served().await);
        City { clock, sandbox, schema, app, address, http, turn, driving, _directory: directory }
    }

    /// What it is made of.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Comes to rest: everything due is done, and everything done is shown.
    pub async fn settle(&self) {
        let _turn = self.turn.lock().await;
        self.app.settle().await.expect("the city comes to rest");
    }

    /// Neither sagas nor read models move until this is dropped.
    pub async fn hold(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// Time passes, and what falls due is done.
    pub async fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// Everything in a tenant's partition of the log.
    pub async fn log_of(&self, tenant: &str) -> Vec<Envelope> {
        let partition = Partition::Tenant(named::<TenantId>(tenant));
        let store = self.app.services().executor.store();
        let mut events = Vec::new();
        let mut after = Position(0);
        loop {
            let page = store.read_all(after, READ_LIMIT).await.expect("the log is readable");
            events.extend(page.events.into_iter().filter(|event| event.stream.partition == partition));
            if page.scanned_to == after {
                return events;
            }
            after = page.scanned_to;
        }
    }

    /// Someone without a token.
    pub fn nobody(&self) -> Client {
        self.client(None)
    }

    /// Whoever this token speaks for.
    pub fn bearer_of(&self, token: &str) -> Client {
        self.client(Some(token.to_owned()))
    }

    fn client(&self, token: Option<String>) -> Client {
        Client::new(self.http.clone(), self.address, token, self.schema.clone())
    }

    /// An admin of the city.
    pub fn city_admin(&self) -> Client {
        self.caller("mayor", Role::PlatformAdmin, None, None, None)
    }

    /// An admin of a tenant.
    pub fn admin_of(&self, tenant: &str) -> Client {
        self.admin_called("ada", tenant)
    }

    /// An admin of a tenant with this name.
    pub fn admin_called(&self, subject: &str, tenant: &str) -> Client {
        self.caller(subject, Role::TenantAdmin, Some(tenant), None, None)
    }

    /// A vendor of a tenant.
    pub fn vendor_of(&self, tenant: &str, vendor: &str) -> Client {
        self.caller(vendor, Role::Vendor, Some(tenant), Some(vendor), None)
    }

    /// A customer of a tenant.
    pub fn customer_of(&self, tenant: &str, customer: &str) -> Client {
        self.caller(customer, Role::Customer, Some(tenant), None, Some(customer))
    }

    fn caller(
        &self,
        subject: &str,
        role: Role,
        tenant: Option<&str>,
        vendor: Option<&str>,
        customer: Option<&str>,
    ) -> Client {
        let services = self.app.services();
        let tokens = services.tokens.as_ref().expect("development tokens are switched on");
        let caller = Caller {
            subject: subject.into(),
            roles: [role].into(),
            tenant: tenant.map(named::<TenantId>),
            vendor: vendor.map(named::<VendorId>),
            customer: customer.map(named::<CustomerId>),
        };
        let (token, _) = tokens.issue(&caller, self.clock.now());
        self.client(Some(token))
    }
}

impl Drop for City {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// What an opaque id names.
pub fn named<T: Named>(id: &str) -> T {
    Id::<T>::decode(id).expect("it is an id of that kind").0
}

async fn drive(app: Arc<App>, turn: Arc<Mutex<()>>) {
    let store = app.services().executor.store();
    loop {
        let head = store.head().await.expect("the log is readable");
        {
            let _turn = turn.lock().await;
            app.settle().await.expect("the city comes to rest");
        }
        store.changed(head, LOOK_EVERY).await;
    }
}
