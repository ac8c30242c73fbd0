//! The roles CityOS acts under. A login needs no rights of its own: it is made a member of those it acts under.

use super::{Server, failure};
use crate::store::{Cause, StoreError};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// The statements an administrator runs once in every database of ours; they may be repeated.
const ROLES: &str = include_str!("../../../../schemas/roles.postgres.sql");

/// How often they are tried where somebody else, in another database of the server, is just doing the same.
const ATTEMPTS_MAX: u32 = 20;

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Owns the log and the keys: brings their tables to a new version.
    Owner,
    /// Appends to the log and reads it; uses the keys. Can change no event.
    App,
    /// Owns the read models.
    Projector,
    /// Asks the read models, one tenant at a time.
    Api,
    /// Reads the log and the read models of all tenants, and changes nothing.
    Analyst,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [Role::Owner, Role::App, Role::Projector, Role::Api, Role::Analyst];

    /// Its name on the server.
    pub fn name(self) -> &'static str {
        match self {
            Role::Owner => "cityos_owner",
            Role::App => "cityos_app",
            Role::Projector => "cityos_projector",
            Role::Api => "cityos_api",
            Role::Analyst => "cityos_analyst",
        }
    }
}

impl Server {
    /// Makes sure that the roles are there, and makes them where the login may.
    pub(super) async fn prepare_roles(&self) -> Result<Client, StoreError> {
        let client = self.connect(None).await?;
        for _ in 0..ATTEMPTS_MAX {
            if are_there(&client).await? {
                return Ok(client);
            }
            match client.batch_execute(ROLES).await {
                Ok(()) => {}
                Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => break,
                // Two that change one role at once, each in its own database, do not wait for each other.
                Err(error) => tracing::debug!(%error, "the roles are made by somebody else, too"),
            }
        }
        Err(StoreError::Database(Cause::new(format!(
            "the roles of CityOS are missing in database {}, and this login may not make them: have an administrator run \
             schemas/roles.postgres.sql there",
            self.database()
        ))))
    }
}

async fn are_there(client: &Client) -> Result<bool, StoreError> {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let (owner, projector) = (Role::Owner.name(), Role::Projector.name());
    let made = client
        .query_one("SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1)", &[&names])
        .await
        .map_err(failure)?;
    if made.get::<_, i64>(0) < names.len() as i64 {
        return Ok(false);
    }
    let may_create = "SELECT has_database_privilege($1, current_database(), 'CREATE') \
                      AND has_database_privilege($2, current_database(), 'CREATE')";
    Ok(client.query_one(may_create, &[&owner, &projector]).await.map_err(failure)?.get(0))
}
