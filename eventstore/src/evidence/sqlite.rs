//! Evidence in a SQLite file.

use super::records::{KeptNote, Records, Tile, Transaction, kept_root};
use super::tree::Hash;
use crate::database::sqlite::{self, Schema, blocking, failure};
use crate::store::StoreError;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The tables of the evidence.
pub(crate) const SCHEMA: Schema = Schema {
    application: i32::from_be_bytes(*b"cEvi"),
    version: 1,
    sql: include_str!("../../../schemas/evidence.sqlite.sql"),
};

/// The tables are made again, whatever became of them.
const ANEW: &str = "DROP TABLE IF EXISTS about; DROP TABLE IF EXISTS tiles; DROP TABLE IF EXISTS checkpoints";

/// Evidence in a file that is open.
pub struct FileRecords {
    connection: Arc<Mutex<Connection>>,
}

impl FileRecords {
    /// Opens the file for writing, and makes it where there is none. One without a name is among SQLite's temporary ones: it
    /// is gone when it is closed.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        Ok(FileRecords::of(blocking(move || sqlite::open(&path, &SCHEMA)).await?))
    }

    /// Opens a file that is only looked at.
    pub async fn open_to_look(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        Ok(FileRecords::of(blocking(move || sqlite::open_to_look(&path, &SCHEMA)).await?))
    }

    fn of(connection: Connection) -> Self {
        FileRecords { connection: Arc::new(Mutex::new(connection)) }
    }

    /// Begins to write, with nothing there.
    pub async fn write_anew(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let mut writing = self.begin("BEGIN IMMEDIATE").await?;
        writing.run(|file| file.execute_batch(ANEW).and_then(|()| file.execute_batch(SCHEMA.sql))).await?;
        Ok(Box::new(writing))
    }

    async fn begin(&self, how: &'static str) -> Result<FileTransaction, StoreError> {
        let held = Held(self.connection.clone().lock_owned().await);
        let mut begun = FileTransaction { held: Some(held) };
        begun.run(|file| file.execute_batch(how)).await?;
        Ok(begun)
    }
}

#[async_trait]
impl Records for FileRecords {
    async fn read(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(self.begin("BEGIN").await?))
    }

    async fn write(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(self.begin("BEGIN IMMEDIATE").await?))
    }
}

/// A transaction in the file.
struct FileTransaction {
    /// Away while something is done with it.
    held: Option<Held>,
}

/// The connection, for as long as the transaction takes.
struct Held(OwnedMutexGuard<Connection>);

impl Drop for Held {
    fn drop(&mut self) {
        if !self.0.is_autocommit()
            && let Err(error) = self.0.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction in the evidence's file did not end");
        }
    }
}

impl FileTransaction {
    /// Does `work` on a thread that may block.
    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let held = self.held.take().ok_or(StoreError::Closed)?;
        let (held, result) = blocking(move || {
            let result = work(&held.0);
            Ok((held, result))
        })
        .await?;
        self.held = Some(held);
        result.map_err(failure)
    }
}

fn tile(row: &Row<'_>) -> rusqlite::Result<Tile> {
    let (root, leaves) = (row.get_ref(1)?.as_blob_or_null()?, row.get_ref(2)?.as_blob()?);
    Ok(Tile::kept(row.get(0)?, root, leaves))
}

fn note(row: &Row<'_>) -> rusqlite::Result<KeptNote> {
    // What is no text any more is no checkpoint either.
    let note = String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?).into_owned();
    Ok(KeptNote { number: row.get::<_, i64>(0)? as u64, note })
}

#[async_trait]
impl Transaction for FileTransaction {
    async fn last_tile(&mut self) -> Result<Option<Tile>, StoreError> {
        let last = "SELECT number, root, leaves FROM tiles ORDER BY number DESC LIMIT 1";
        self.run(|file| file.prepare_cached(last)?.query_row([], tile).optional()).await
    }

    async fn tiles(&mut self, from: u64, limit: u32) -> Result<Vec<Tile>, StoreError> {
        let some = "SELECT number, root, leaves FROM tiles WHERE number >= ?1 ORDER BY number LIMIT ?2";
        self.run(move |file| {
            file.prepare_cached(some)?.query_map(params![from as i64, limit], tile)?.collect()
        })
        .await
    }

    async fn roots(&mut self) -> Result<Vec<Option<Hash>>, StoreError> {
        self.run(|file| {
            let mut all = file.prepare_cached("SELECT root FROM tiles ORDER BY number")?;
            all.query_map([], |row| Ok(kept_root(row.get_ref(0)?.as_blob_or_null()?)))?.collect()
        })
        .await
    }

    async fn keep_tiles(&mut self, tiles: Vec<Tile>) -> Result<(), StoreError> {
        self.run(move |file| {
            let mut keep = file
                .prepare_cached("INSERT OR REPLACE INTO tiles (number, root, leaves) VALUES (?1, ?2, ?3)")?;
            for tile in tiles {
                let root = tile.root.map(|root| root.0);
                keep.execute(params![tile.number as i64, root, tile.bytes()])?;
            }
            Ok(())
        })
        .await
    }

    async fn last_note(&mut self) -> Result<Option<KeptNote>, StoreError> {
        let last = "SELECT number, note FROM checkpoints ORDER BY number DESC LIMIT 1";
        self.run(|file| file.prepare_cached(last)?.query_row([], note).optional()).await
    }

    async fn notes(&mut self, from: i64, limit: u32) -> Result<Vec<KeptNote>, StoreError> {
        let some = "SELECT number, note FROM checkpoints WHERE number >= ?1 ORDER BY number LIMIT ?2";
        self.run(move |file| file.prepare_cached(some)?.query_map(params![from, limit], note)?.collect())
            .await
    }

    async fn keep_note(&mut self, KeptNote { number, note }: KeptNote) -> Result<(), StoreError> {
        let keep = "INSERT INTO checkpoints (number, note) VALUES (?1, ?2)";
        self.run(move |file| file.execute(keep, params![number as i64, note])).await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.run(|file| file.execute_batch("COMMIT")).await
    }
}
