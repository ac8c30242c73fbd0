//! Databases that are not there yet.

use super::{Server, failure};
use crate::store::{Cause, StoreError};
use tokio_postgres::error::SqlState;

/// The database that every server has: there one asks for others.
const ALWAYS_THERE: &str = "postgres";

impl Server {
    /// Makes sure that the database is there, and makes it where the login may. Several processes may be at it at once.
    pub async fn prepare_database(&self) -> Result<(), StoreError> {
        let refused = match self.connect(None).await {
            Err(refused @ StoreError::NoDatabase(_)) => refused,
            connected => return connected.map(|_| ()),
        };
        // That one may not take us in.
        let Ok(beside) = self.in_database(ALWAYS_THERE).connect(None).await else { return Err(refused) };
        let name = self.database();
        let make: String = beside
            .query_one("SELECT format('CREATE DATABASE %I TEMPLATE template0', $1::text)", &[&name])
            .await
            .map_err(failure)?
            .get(0);
        match beside.batch_execute(&make).await {
            Ok(()) => Ok(()),
            Err(error) => match error.code() {
                // Somebody else was faster.
                Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION) => Ok(()),
                Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(StoreError::Database(Cause::new(format!(
                    "there is no database {name} on the server, and this login may not make it: have an administrator run \
                     `createdb {name}`, and schemas/roles.postgres.sql in it"
                )))),
                _ => Err(failure(error)),
            },
        }
    }
}
