//! Evidence on a PostgreSQL server, beside the log. Generations of it that were put aside stay where they are.

use super::records::{KeptNote, Records, Tile, Transaction, kept_root};
use super::tree::Hash;
use crate::database::postgres::{Pool, Pooled, Role, Schema, Server, failure, pooled};
use crate::store::{Cause, StoreError};
use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// The tables of the evidence.
const SCHEMA: Schema =
    Schema { name: "evidence", steps: &[include_str!("../../../schemas/evidence.postgres.sql")] };

/// Whoever reads for long may be busy with the log for a while.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                    SET LOCAL idle_in_transaction_session_timeout = 0";

/// One writes at a time; what is seen then is what the one before has written.
const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
                     SELECT pg_advisory_xact_lock(hashtextextended('cityos evidence', 0))";

/// Evidence on a server.
pub struct ServerRecords {
    pool: Pool,
}

impl ServerRecords {
    /// Opens the evidence, and makes its tables where there are none and the login may.
    pub async fn open(server: &Server) -> Result<Self, StoreError> {
        server.prepare(&SCHEMA).await?;
        // The key store remembers what was signed: it must not be the only one after a crash.
        Ok(ServerRecords { pool: server.with_setting("synchronous_commit", "on").pool(Role::App)? })
    }

    /// Opens evidence that is there, with no more than the login's own rights.
    pub fn open_to_look(server: &Server) -> Result<Self, StoreError> {
        Ok(ServerRecords { pool: server.pool(None::<Role>)? })
    }

    /// Whether there is any.
    pub async fn are_there(server: &Server) -> Result<bool, StoreError> {
        server.check(&SCHEMA).await
    }

    /// Whether evidence was put aside under this name.
    pub async fn has_aside(&self, name: &str) -> Result<bool, StoreError> {
        self.begin(READ).await?.has_aside(name).await
    }

    /// Begins to write, with nothing there: what there was, if anything, has been put aside under this name. `None` where
    /// another has it.
    pub async fn write_anew(&self, aside: &str) -> Result<Option<Box<dyn Transaction>>, StoreError> {
        let mut writing = self.begin(WRITE).await?;
        if writing.has_aside(aside).await? {
            return Ok(None);
        }
        if writing.last_tile().await?.is_some() || writing.last_note().await?.is_some() {
            let put_aside = "UPDATE evidence.generations SET aside = $2 WHERE number = $1";
            writing.run(put_aside, &[&aside]).await?;
            writing.generation += 1;
            writing.run("INSERT INTO evidence.generations (number) VALUES ($1)", &[]).await?;
        }
        Ok(Some(Box::new(writing)))
    }

    async fn begin(&self, how: &str) -> Result<ServerTransaction, StoreError> {
        let mut begun = ServerTransaction { client: Some(pooled(&self.pool).await?), generation: 0 };
        let client = begun.client()?;
        client.batch_execute(how).await.map_err(failure)?;
        let in_use = "SELECT number FROM evidence.generations WHERE aside IS NULL";
        let in_use = client.prepare_cached(in_use).await.map_err(failure)?;
        let generation = client.query_opt(&in_use, &[]).await.map_err(failure)?;
        let none = || StoreError::Database(Cause::new("no generation of the evidence is in use"));
        begun.generation = generation.ok_or_else(none)?.get(0);
        Ok(begun)
    }
}

#[async_trait]
impl Records for ServerRecords {
    async fn read(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(self.begin(READ).await?))
    }

    async fn write(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(self.begin(WRITE).await?))
    }
}

/// A transaction on the server.
struct ServerTransaction {
    /// Gone when it is committed.
    client: Option<Pooled>,
    /// The generation in use.
    generation: i32,
}

impl Drop for ServerTransaction {
    fn drop(&mut self) {
        // With the connection the server forgets what was not committed.
        drop(self.client.take().map(Pooled::take));
    }
}

impl ServerTransaction {
    fn client(&self) -> Result<&Pooled, StoreError> {
        self.client.as_ref().ok_or(StoreError::Closed)
    }

    /// Carries out a statement whose first parameter is the generation.
    async fn run(&self, sql: &str, more: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let generation: [&(dyn ToSql + Sync); 1] = [&self.generation];
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await.map_err(failure)?;
        client.query(&statement, &[&generation, more].concat()).await.map_err(failure)
    }

    async fn has_aside(&self, name: &str) -> Result<bool, StoreError> {
        let known = "SELECT EXISTS (SELECT FROM evidence.generations WHERE aside = $1)";
        Ok(self.client()?.query_one(known, &[&name]).await.map_err(failure)?.get(0))
    }
}

fn tile(row: &Row) -> Tile {
    Tile::kept(row.get(0), row.get(1), row.get(2))
}

fn note(row: &Row) -> KeptNote {
    KeptNote { number: row.get::<_, i64>(0) as u64, note: row.get(1) }
}

#[async_trait]
impl Transaction for ServerTransaction {
    async fn last_tile(&mut self) -> Result<Option<Tile>, StoreError> {
        let last = "SELECT number, root, leaves FROM evidence.tiles WHERE generation = $1 \
                    ORDER BY number DESC LIMIT 1";
        Ok(self.run(last, &[]).await?.first().map(tile))
    }

    async fn tiles(&mut self, from: u64, limit: u32) -> Result<Vec<Tile>, StoreError> {
        let some = "SELECT number, root, leaves FROM evidence.tiles WHERE generation = $1 AND number >= $2 \
                    ORDER BY number LIMIT $3";
        let rows = self.run(some, &[&(from as i64), &i64::from(limit)]).await?;
        Ok(rows.iter().map(tile).collect())
    }

    async fn roots(&mut self) -> Result<Vec<Option<Hash>>, StoreError> {
        let all = "SELECT root FROM evidence.tiles WHERE generation = $1 ORDER BY number";
        Ok(self.run(all, &[]).await?.iter().map(|row| kept_root(row.get(0))).collect())
    }

    async fn keep_tiles(&mut self, tiles: Vec<Tile>) -> Result<(), StoreError> {
        let keep = "INSERT INTO evidence.tiles (generation, number, root, leaves) \
                    SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) \
                    ON CONFLICT (generation, number) DO UPDATE SET root = excluded.root, leaves = excluded.leaves";
        let numbers: Vec<_> = tiles.iter().map(|tile| tile.number as i64).collect();
        let roots: Vec<_> = tiles.iter().map(|tile| tile.root.map(|root| root.0.to_vec())).collect();
        let leaves: Vec<_> = tiles.iter().map(Tile::bytes).collect();
        self.run(keep, &[&numbers, &roots, &leaves]).await?;
        Ok(())
    }

    async fn last_note(&mut self) -> Result<Option<KeptNote>, StoreError> {
        let last = "SELECT number, note FROM evidence.checkpoints WHERE generation = $1 \
                    ORDER BY number DESC LIMIT 1";
        Ok(self.run(last, &[]).await?.first().map(note))
    }

    async fn notes(&mut self, from: i64, limit: u32) -> Result<Vec<KeptNote>, StoreError> {
        let some = "SELECT number, note FROM evidence.checkpoints WHERE generation = $1 AND number >= $2 \
                    ORDER BY number LIMIT $3";
        Ok(self.run(some, &[&from, &i64::from(limit)]).await?.iter().map(note).collect())
    }

    async fn keep_note(&mut self, KeptNote { number, note }: KeptNote) -> Result<(), StoreError> {
        let keep = "INSERT INTO evidence.checkpoints (generation, number, note) VALUES ($1, $2, $3)";
        self.run(keep, &[&(number as i64), &note]).await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.client()?.batch_execute("COMMIT").await.map_err(failure)?;
        // Others may use the connection.
        drop(self.client.take());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
