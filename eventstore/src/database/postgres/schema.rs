//! Schemas of a known version: brought to it by their owner, forward only, one step a transaction, whoever else starts
//! at the same time; and refused where they are newer than this program.

use super::{Role, Server, failure};
use crate::store::{Cause, StoreError};
use tokio_postgres::Client;

/// The oldest server that will do, as it numbers itself.
const SERVER_VERSION_MIN: i32 = 150_000;

/// What the tables of a schema are. The first step makes the schema, with a table `about` whose one row has the
/// `schema_version`.
#[derive(Clone, Copy)]
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// What leads from one version to the next, from nothing to version 1 first.
    pub steps: &'static [&'static str],
}

impl Schema {
    /// The version this program knows.
    fn known(&self) -> u32 {
        self.steps.len() as u32
    }
}

impl Server {
    /// Brings the schema to the version this program knows, where the login may act as the owner; otherwise it must be there
    /// already. May be repeated, and done by several processes at once.
    pub async fn prepare(&self, schema: &Schema) -> Result<(), StoreError> {
        self.prepare_as(Role::Owner, schema).await
    }

    /// The same with another role as the schema's owner.
    pub async fn prepare_as(&self, owner: Role, schema: &Schema) -> Result<(), StoreError> {
        let mut client = self.prepare_roles().await?;
        let server: i32 = client
            .query_one("SELECT current_setting('server_version_num')::int", &[])
            .await
            .map_err(failure)?
            .get(0);
        if server < SERVER_VERSION_MIN {
            let why = format!("the server is PostgreSQL {}; 15 is the oldest that will do", server / 10_000);
            return Err(StoreError::Database(Cause::new(why)));
        }
        let owner = owner.name();
        let is_owner: bool = client
            .query_one("SELECT pg_has_role(current_user, $1, 'MEMBER')", &[&owner])
            .await
            .map_err(failure)?
            .get(0);
        if is_owner {
            client.batch_execute(&format!("SET ROLE {owner}")).await.map_err(failure)?;
            return migrate(&mut client, schema).await;
        }
        check(&client, schema).await
    }

    /// Says whether the schema is there, and refuses one of another version than this program knows. Changes nothing.
    pub async fn check(&self, schema: &Schema) -> Result<bool, StoreError> {
        let client = match self.connect(None).await {
            Err(StoreError::NoDatabase(_)) => return Ok(false),
            client => client?,
        };
        match check(&client, schema).await {
            Err(StoreError::Older { found: 0, .. }) => Ok(false),
            checked => checked.map(|()| true),
        }
    }
}

async fn check(client: &Client, schema: &Schema) -> Result<(), StoreError> {
    let found = version(client, schema).await?;
    if found < schema.known() {
        return Err(StoreError::Older { found, known: schema.known() });
    }
    refuse_newer(found, schema)
}

async fn migrate(client: &mut Client, schema: &Schema) -> Result<(), StoreError> {
    loop {
        let transaction = client.transaction().await.map_err(failure)?;
        // Whoever comes second looks again when the first is done.
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        transaction.query_one(lock, &[&format!("cityos schema {}", schema.name)]).await.map_err(failure)?;
        let found = version(transaction.client(), schema).await?;
        refuse_newer(found, schema)?;
        let Some(step) = schema.steps.get(found as usize) else { return Ok(()) };
        transaction.batch_execute(step).await.map_err(failure)?;
        let set = format!("UPDATE {}.about SET schema_version = {}", schema.name, found + 1);
        transaction.batch_execute(&set).await.map_err(failure)?;
        transaction.commit().await.map_err(failure)?;
        tracing::info!(schema = schema.name, version = found + 1, "the tables were brought to a new version");
    }
}

fn refuse_newer(found: u32, schema: &Schema) -> Result<(), StoreError> {
    if found > schema.known() {
        return Err(StoreError::Newer { found, known: schema.known() });
    }
    Ok(())
}

/// The version of what is there; 0 where there is nothing.
async fn version(client: &Client, schema: &Schema) -> Result<u32, StoreError> {
    let about = format!("{}.about", schema.name);
    let there: bool =
        client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&about]).await.map_err(failure)?.get(0);
    if !there {
        return Ok(0);
    }
    let version: i32 =
        client.query_one(&format!("SELECT schema_version FROM {about}"), &[]).await.map_err(failure)?.get(0);
    u32::try_from(version).map_err(|error| StoreError::Database(Cause::new(error)))
}
