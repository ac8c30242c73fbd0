//! Using a PostgreSQL server: connections that act under a role of ours, pools of them, schemas of a known version,
//! and what the server's errors mean to us.

mod databases;
#[cfg(any(test, feature = "contract"))]
pub mod private_server;
mod roles;
mod schema;

pub use roles::Role;
pub use schema::Schema;

use crate::store::{Cause, StoreError};
use deadpool_postgres::{Manager, ManagerConfig, PoolError, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use deadpool_postgres::{Object as Pooled, Pool};

/// How long a transaction may stay open with nobody using it, before the server ends it: whoever held it is gone.
const IDLE_TRANSACTION_AT_MOST: Duration = Duration::from_secs(60);

/// How often a silent connection is asked whether it is still there, and how often in vain before it is given up.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVES_IN_VAIN: u32 = 3;

/// How a server is used. The defaults fit a small one.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The most connections of one pool.
    pub connections_max: usize,
    /// How long a connection, new or from the pool, is waited for.
    pub connect_at_most: Duration,
    /// How long one statement may take, its waiting for locks included.
    pub statement_at_most: Duration,
    /// How long a writer goes on trying to connect again before what waits for it fails.
    pub reconnect_at_most: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 10,
            connect_at_most: Duration::from_secs(5),
            statement_at_most: Duration::from_secs(30),
            reconnect_at_most: Duration::from_secs(15),
        }
    }
}

/// One database of a server. Cheap to clone; holds no connection.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    limits: Limits,
}

impl Server {
    /// The database of a URL: `postgres://user:password@host:port/name?sslmode=require`. Whoever asks for TLS has the server's
    /// certificate checked for the host's name, against the authorities in `ca_file`, or else those the machine trusts.
    pub fn new(url: &str, ca_file: Option<&Path>, limits: Limits) -> Result<Self, StoreError> {
        // What is wrong with a URL is said without repeating it: there may be a password in it.
        let mut config: Config = url.parse().map_err(|error| StoreError::Database(Cause::new(error)))?;
        config
            .connect_timeout(limits.connect_at_most)
            .keepalives_idle(KEEPALIVE_EVERY)
            .keepalives_interval(KEEPALIVE_EVERY)
            .keepalives_retries(KEEPALIVES_IN_VAIN)
            .tcp_user_timeout(KEEPALIVE_EVERY * KEEPALIVES_IN_VAIN)
            .application_name("cityos");
        let roots = match (config.get_ssl_mode(), ca_file) {
            (SslMode::Disable, _) => RootCertStore::empty(),
            (_, Some(file)) => authorities(file)?,
            (_, None) => trusted_here(),
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::Database(Cause::new(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Server { config, tls: MakeRustlsConnect::new(tls), limits })
    }

    /// Another database of the same server.
    pub fn in_database(&self, name: &str) -> Self {
        let mut server = self.clone();
        server.config.dbname(name);
        server
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        let user = self.config.get_user().unwrap_or_default();
        self.config.get_dbname().unwrap_or(user)
    }

    /// How it is used.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same, with other limits.
    pub fn with_limits(&self, limits: Limits) -> Self {
        Server { limits, ..self.clone() }
    }

    /// The same, with one of the server's settings as it is to be in every session.
    pub fn with_setting(&self, name: &str, value: &str) -> Self {
        let mut server = self.clone();
        let others = server.config.get_options().unwrap_or_default();
        server.config.options(format!("{others} -c {name}={value}"));
        server
    }

    /// A connection that acts under `role`, or as the user of the URL where there is none. It lives as long as the client.
    pub async fn connect(&self, role: Option<Role>) -> Result<Client, StoreError> {
        let (client, connection) = self.open(role).await?;
        tokio::spawn(async move {
            // Whoever uses the client is told.
            drop(connection.await);
        });
        Ok(client)
    }

    /// A connection as [`Server::connect`] makes it, that somebody has to poll: what comes unasked for arrives there.
    pub async fn open(
        &self,
        role: Option<Role>,
    ) -> Result<(Client, Connection<Socket, impl tokio_postgres::tls::TlsStream + use<>>), StoreError> {
        let mut config = self.config.clone();
        config.options(self.options(role));
        let connecting = config.connect(self.tls.clone());
        let connected = timeout(self.limits.connect_at_most, connecting).await;
        connected.map_err(|late| StoreError::Unreachable(Cause::new(late)))?.map_err(failure)
    }

    /// A pool of connections that act under `role`, or as the user of the URL where there is none. Opens none before it is
    /// asked for one.
    pub fn pool(&self, role: impl Into<Option<Role>>) -> Result<Pool, StoreError> {
        let mut config = self.config.clone();
        config.options(self.options(role.into()));
        // A connection that broke is closed: that is seen without asking the server.
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        Pool::builder(Manager::from_config(config, self.tls.clone(), manager))
            .max_size(self.limits.connections_max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.limits.connect_at_most))
            .create_timeout(Some(self.limits.connect_at_most))
            .build()
            .map_err(|error| StoreError::Database(Cause::new(error)))
    }

    /// What a session begins with, as the server's command line would have it.
    fn options(&self, role: Option<Role>) -> String {
        let asked_for = self.config.get_options().unwrap_or_default();
        let statement_ms = self.limits.statement_at_most.as_millis();
        let idle_ms = IDLE_TRANSACTION_AT_MOST.as_millis();
        let mut options = format!(
            "-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={idle_ms} {asked_for}"
        );
        if let Some(role) = role {
            options += &format!(" -c role={}", role.name());
        }
        options
    }
}

/// Waits for the next notice of a connection opened with [`Server::open`]. `None`: the connection is over.
pub async fn next_message<T: tokio_postgres::tls::TlsStream + Unpin>(
    connection: &mut Connection<Socket, T>,
) -> Option<Result<AsyncMessage, StoreError>> {
    std::future::poll_fn(|context| connection.poll_message(context)).await.map(|next| next.map_err(failure))
}

fn authorities(file: &Path) -> Result<RootCertStore, StoreError> {
    let unusable = |why: String| {
        StoreError::Database(Cause::new(format!("the certificates in {}: {why}", file.display())))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() { Err(unusable("there is none".into())) } else { Ok(roots) }
}

fn trusted_here() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A connection of a pool.
pub async fn pooled(pool: &Pool) -> Result<Pooled, StoreError> {
    pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => failure(error),
        PoolError::Closed => StoreError::Closed,
        late @ (PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
            StoreError::Unreachable(Cause::new(late))
        }
    })
}

/// What an error of the server, or of the way to it, means to whoever asked.
pub fn failure(error: tokio_postgres::Error) -> StoreError {
    let Some(said) = error.as_db_error().cloned() else {
        // Everything else that can go wrong between us and the server comes without a code, and so does what we did
        // wrong ourselves: a parameter of the wrong type, a column that is not there.
        let lost = error.is_closed() || causes(&error).any(|cause| cause.is::<std::io::Error>());
        let cause = Cause::new(error);
        return if lost { StoreError::Unreachable(cause) } else { StoreError::Database(cause) };
    };
    match said.code() {
        &SqlState::DISK_FULL => StoreError::Full,
        &SqlState::INVALID_CATALOG_NAME => StoreError::NoDatabase(Cause::new(error)),
        &SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadOnly,
        &SqlState::LOCK_NOT_AVAILABLE
        | &SqlState::QUERY_CANCELED
        | &SqlState::T_R_DEADLOCK_DETECTED
        | &SqlState::T_R_SERIALIZATION_FAILURE => StoreError::Busy,
        &SqlState::ADMIN_SHUTDOWN
        | &SqlState::CRASH_SHUTDOWN
        | &SqlState::CANNOT_CONNECT_NOW
        | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | &SqlState::TOO_MANY_CONNECTIONS => StoreError::Unreachable(Cause::new(error)),
        code if code.code().starts_with("08") => StoreError::Unreachable(Cause::new(error)),
        _ => StoreError::Database(Cause::new(said)),
    }
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

#[cfg(test)]
pub(crate) mod tests;
