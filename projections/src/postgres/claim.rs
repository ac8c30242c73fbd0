//! A claim on a server: a lock of a session's own, which ends with the session, however that ends; and a row that says
//! whose it is, which is believed only while that session holds the lock.

use super::{Database, read_error};
use crate::claim::Holder;
use crate::reads::ReadError;
use chrono::{DateTime, Utc};
use cityos_eventstore::database::postgres::Role;
use tokio_postgres::Client;

const HOLDER: &str = "
    SELECT claims.pid, doing, since FROM claims JOIN pg_locks ON pg_locks.pid = backend
    WHERE model = $1 AND locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) | objid::bigint = hashtextextended($2, 0)";

const SAY_SO: &str = "
    INSERT INTO claims (model, backend, pid, doing, since) VALUES ($1, pg_backend_pid(), $2, $3, $4)
    ON CONFLICT (model) DO UPDATE
        SET backend = excluded.backend, pid = excluded.pid, doing = excluded.doing, since = excluded.since";

/// That a model is one's own, for as long as it is kept.
pub(crate) struct Claim {
    client: Client,
    lock: String,
}

impl Database {
    /// Claims all tables of a model, or says who has them, where they have said so already.
    pub(crate) async fn claim(
        &self,
        model: &str,
        holder: &Holder,
    ) -> Result<Result<Claim, Option<Holder>>, ReadError> {
        let client = self.server.connect(Some(Role::Projector)).await.map_err(ReadError::Database)?;
        let lock = format!("cityos claim {model}");
        let taken = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
        let own: bool = client.query_one(taken, &[&lock]).await.map_err(read_error)?.get(0);
        if !own {
            let found = client.query_opt(HOLDER, &[&model, &lock]).await.map_err(read_error)?;
            let read = |row: tokio_postgres::Row| {
                let (pid, since): (i64, DateTime<Utc>) = (row.get(0), row.get(2));
                Some(Holder { pid: u32::try_from(pid).ok()?, doing: row.get(1), since })
            };
            return Ok(Err(found.and_then(read)));
        }
        let Holder { pid, doing, since } = holder;
        client.execute(SAY_SO, &[&model, &i64::from(*pid), doing, since]).await.map_err(read_error)?;
        Ok(Ok(Claim { client, lock }))
    }
}

impl Claim {
    /// Gives it up: from now on the model is anyone's. One that is just dropped is given up a moment later.
    pub(crate) async fn release(self) {
        let unlock = "SELECT pg_advisory_unlock(hashtextextended($1, 0))";
        // Where the connection is lost, so is the lock.
        drop(self.client.query(unlock, &[&self.lock]).await);
    }
}
