//! The key store in one SQLite file that only its owner may read.

use super::{FOUND_PERSONS_MAX, Key, KeyError, KeyRows, KeyStore, LookupRow, PersonRow, Secret, Signed};
use crate::database::sqlite::{self, Schema, blocking, failure};
use crate::store::{Cause, StoreError};
use async_trait::async_trait;
use cityos_domain::ids::{PersonId, TenantId};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// The tables of the key store.
pub(crate) const SCHEMA: Schema = Schema {
    application: i32::from_be_bytes(*b"cKey"),
    version: 1,
    sql: include_str!("../../../schemas/keys.sqlite.sql"),
};

/// A table that key stores made before there was evidence lack.
const SIGNED: &str =
    "CREATE TABLE IF NOT EXISTS signed (size INTEGER NOT NULL PRIMARY KEY, root BLOB NOT NULL) STRICT";

/// A key store in a file. Clones share it.
#[derive(Clone)]
pub struct KeyFile {
    connection: Arc<Mutex<Connection>>,
}

impl KeyFile {
    /// Opens the key store at `path` and makes it, readable for its owner alone, where there is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // SQLite gives the files beside it the same mode.
        sqlite::create_private(path).map_err(|error| StoreError::Database(Cause::new(error)))?;
        let connection = sqlite::open(path, &SCHEMA)?;
        connection.pragma_update(None, "secure_delete", true).map_err(failure)?;
        connection.execute_batch(SIGNED).map_err(failure)?;
        Ok(KeyFile { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Opens a key store that is there, also on a medium that takes no writes, and only to read what it has: whatever
    /// would write fails.
    pub fn open_to_look(path: &Path) -> Result<Self, StoreError> {
        let connection = sqlite::open_to_look(path, &SCHEMA)?;
        Ok(KeyFile { connection: Arc::new(Mutex::new(connection)) })
    }

    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.connection.clone();
        blocking(move || {
            let mut connection = shared.lock().expect("nothing panics while it holds the connection");
            work(&mut connection).map_err(failure)
        })
        .await
    }
}

/// The row of a person: `None` without one, `Some(None)` for one who was forgotten.
fn find_key(connection: &Connection, tenant: Uuid, person: Uuid) -> rusqlite::Result<Option<Option<Key>>> {
    let mut statement =
        connection.prepare_cached("SELECT key FROM persons WHERE tenant = ?1 AND person = ?2")?;
    let key = statement.query_row(params![tenant.as_bytes(), person.as_bytes()], |row| {
        Ok(row.get::<_, Option<[u8; 32]>>(0)?.map(Key::from_bytes))
    });
    key.optional()
}

fn find_secret(connection: &Connection, secret: Secret) -> rusqlite::Result<Option<Key>> {
    let mut statement = connection.prepare_cached("SELECT key FROM secrets WHERE name = ?1")?;
    statement.query_row([secret.name()], |row| row.get(0).map(Key::from_bytes)).optional()
}

/// The largest tree that was signed.
pub(crate) fn signed(connection: &Connection) -> rusqlite::Result<Option<Signed>> {
    // One that is only looked at may be older than evidence.
    let made = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'signed')";
    if !connection.query_row(made, [], |row| row.get(0))? {
        return Ok(None);
    }
    let largest = "SELECT size, root FROM signed ORDER BY size DESC LIMIT 1";
    let signed = connection
        .query_row(largest, [], |row| Ok(Signed { size: row.get::<_, i64>(0)? as u64, root: row.get(1)? }));
    signed.optional()
}

/// Remembers this, if anything, in the place of all that was signed before.
pub(crate) fn replace_signed(transaction: &Transaction<'_>, signed: Option<Signed>) -> rusqlite::Result<()> {
    transaction.execute_batch(SIGNED)?;
    transaction.execute("DELETE FROM signed", [])?;
    if let Some(Signed { size, root }) = signed {
        transaction.execute("INSERT INTO signed (size, root) VALUES (?1, ?2)", params![size as i64, root])?;
    }
    Ok(())
}

#[async_trait]
impl KeyStore for KeyFile {
    async fn person_key(
        &self,
        TenantId(tenant): TenantId,
        PersonId(person): PersonId,
    ) -> Result<Key, KeyError> {
        let make = move |transaction: &Transaction<'_>| {
            if let Some(found) = find_key(transaction, tenant, person)? {
                return Ok(found);
            }
            let key = Key::random();
            transaction.execute(
                "INSERT INTO persons (tenant, person, key) VALUES (?1, ?2, ?3)",
                params![tenant.as_bytes(), person.as_bytes(), key.bytes()],
            )?;
            Ok(Some(key))
        };
        let found = self.run(move |connection| find_key(connection, tenant, person)).await?;
        let key = if let Some(found) = found { found } else { self.transaction(make).await? };
        key.ok_or(KeyError::Forgotten)
    }

    async fn find_person_keys(
        &self,
        TenantId(tenant): TenantId,
        persons: &[PersonId],
    ) -> Result<HashMap<PersonId, Key>, KeyError> {
        let wanted: serde_json::Value = persons.iter().map(|person| person.0.simple().to_string()).collect();
        let find = move |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT person, key FROM persons WHERE tenant = ?1 AND key IS NOT NULL \
                 AND person IN (SELECT unhex(value) FROM json_each(?2))",
            )?;
            let keys = statement.query_map(params![tenant.as_bytes(), wanted.to_string()], |row| {
                Ok((PersonId(Uuid::from_bytes(row.get(0)?)), Key::from_bytes(row.get(1)?)))
            })?;
            keys.collect()
        };
        Ok(self.run(find).await?)
    }

    async fn add_lookup(
        &self,
        TenantId(tenant): TenantId,
        PersonId(person): PersonId,
        hash: [u8; 32],
    ) -> Result<(), KeyError> {
        let add = move |transaction: &Transaction<'_>| {
            let forgotten = find_key(transaction, tenant, person)? == Some(None);
            if !forgotten {
                transaction.execute(
                    "INSERT INTO lookups (tenant, hash, person) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    params![tenant.as_bytes(), hash, person.as_bytes()],
                )?;
            }
            Ok(forgotten)
        };
        if self.transaction(add).await? { Err(KeyError::Forgotten) } else { Ok(()) }
    }

    async fn find_persons(
        &self,
        TenantId(tenant): TenantId,
        hash: [u8; 32],
    ) -> Result<Vec<PersonId>, KeyError> {
        let find = move |connection: &mut Connection| {
            let mut statement = connection
                .prepare_cached("SELECT person FROM lookups WHERE tenant = ?1 AND hash = ?2 LIMIT ?3")?;
            let persons = statement
                .query_map(params![tenant.as_bytes(), hash, FOUND_PERSONS_MAX + 1], |row| {
                    Ok(PersonId(Uuid::from_bytes(row.get(0)?)))
                })?;
            persons.collect::<rusqlite::Result<Vec<_>>>()
        };
        let found = self.run(find).await?;
        if found.len() > FOUND_PERSONS_MAX as usize { Err(KeyError::TooMany) } else { Ok(found) }
    }

    async fn forget(&self, TenantId(tenant): TenantId, PersonId(person): PersonId) -> Result<(), KeyError> {
        let forget = move |transaction: &Transaction<'_>| {
            let of_person = params![tenant.as_bytes(), person.as_bytes()];
            transaction.execute(
                "INSERT INTO persons (tenant, person, key) VALUES (?1, ?2, NULL) \
                 ON CONFLICT (tenant, person) DO UPDATE SET key = NULL",
                of_person,
            )?;
            transaction.execute("DELETE FROM lookups WHERE tenant = ?1 AND person = ?2", of_person)
        };
        self.transaction(forget).await?;
        // The key is overwritten in the file, but the write-ahead log still has pages that held it.
        let checkpoint = |connection: &mut Connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
        };
        if self.run(checkpoint).await? { Err(StoreError::Busy.into()) } else { Ok(()) }
    }

    async fn belong_to(&self, log: Uuid) -> Result<bool, KeyError> {
        let bind = move |transaction: &Transaction<'_>| {
            transaction.execute(
                "UPDATE about SET log = ?1 WHERE log IS NULL AND EXISTS (SELECT 1 FROM secrets)",
                [log.as_bytes()],
            )?;
            transaction.query_row("SELECT log FROM about", [], |row| row.get::<_, Option<[u8; 16]>>(0))
        };
        Ok(self.transaction(bind).await? == Some(*log.as_bytes()))
    }

    async fn log(&self) -> Result<Option<Uuid>, KeyError> {
        let log = |connection: &mut Connection| {
            let name = connection.query_row("SELECT log FROM about", [], |row| row.get::<_, Option<_>>(0))?;
            Ok(name.map(Uuid::from_bytes))
        };
        Ok(self.run(log).await?)
    }

    async fn secret(&self, secret: Secret) -> Result<Key, KeyError> {
        let make = move |transaction: &Transaction<'_>| {
            if let Some(found) = find_secret(transaction, secret)? {
                return Ok(found);
            }
            let key = Key::random();
            transaction.execute(
                "INSERT INTO secrets (name, key) VALUES (?1, ?2)",
                params![secret.name(), key.bytes()],
            )?;
            Ok(key)
        };
        let found = self.run(move |connection| find_secret(connection, secret)).await?;
        if let Some(found) = found { Ok(found) } else { Ok(self.transaction(make).await?) }
    }

    async fn signed(&self) -> Result<Option<Signed>, KeyError> {
        Ok(self.run(|connection| signed(connection)).await?)
    }

    async fn remember_signed(&self, new: Signed) -> Result<(), KeyError> {
        let remember = move |transaction: &Transaction<'_>| match signed(transaction)? {
            Some(larger) if larger.size > new.size => Ok(()),
            Some(_) | None => replace_signed(transaction, Some(new)),
        };
        Ok(self.transaction(remember).await?)
    }

    async fn replace_signed(&self, new: Signed) -> Result<(), KeyError> {
        let replace = move |transaction: &Transaction<'_>| replace_signed(transaction, Some(new));
        Ok(self.transaction(replace).await?)
    }
}

#[async_trait]
impl KeyRows for KeyFile {
    async fn secrets(&self) -> Result<Vec<(String, Key)>, StoreError> {
        let all = "SELECT name, key FROM secrets ORDER BY name";
        let secret = |row: &Row<'_>| Ok((row.get(0)?, Key::from_bytes(row.get(1)?)));
        self.run(move |connection| connection.prepare_cached(all)?.query_map([], secret)?.collect()).await
    }

    async fn persons(&self, after: (Uuid, Uuid), limit: u32) -> Result<Vec<PersonRow>, StoreError> {
        let some = "SELECT tenant, person, key FROM persons WHERE (tenant, person) > (?1, ?2) \
                    ORDER BY tenant, person LIMIT ?3";
        let person = |row: &Row<'_>| {
            let key = row.get::<_, Option<_>>(2)?.map(Key::from_bytes);
            Ok(PersonRow { tenant: uuid(row, 0)?, person: uuid(row, 1)?, key })
        };
        self.run(move |connection| {
            let params = params![after.0.as_bytes(), after.1.as_bytes(), limit];
            connection.prepare_cached(some)?.query_map(params, person)?.collect()
        })
        .await
    }

    async fn lookups(&self, after: LookupRow, limit: u32) -> Result<Vec<LookupRow>, StoreError> {
        let some = "SELECT tenant, hash, person FROM lookups WHERE (tenant, hash, person) > (?1, ?2, ?3) \
                    ORDER BY tenant, hash, person LIMIT ?4";
        let lookup =
            |row: &Row<'_>| Ok(LookupRow { tenant: uuid(row, 0)?, hash: row.get(1)?, person: uuid(row, 2)? });
        self.run(move |connection| {
            let params = params![after.tenant.as_bytes(), after.hash, after.person.as_bytes(), limit];
            connection.prepare_cached(some)?.query_map(params, lookup)?.collect()
        })
        .await
    }

    async fn put_secrets(&self, secrets: Vec<(String, Key)>) -> Result<(), StoreError> {
        let put = "INSERT INTO secrets (name, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.transaction(move |writing| {
            let mut put = writing.prepare(put)?;
            secrets.iter().try_for_each(|(name, key)| put.execute(params![name, key.bytes()]).map(|_| ()))
        })
        .await
    }

    async fn put_persons(&self, persons: Vec<PersonRow>) -> Result<(), StoreError> {
        let put = "INSERT INTO persons (tenant, person, key) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.transaction(move |writing| {
            let mut put = writing.prepare(put)?;
            persons.iter().try_for_each(|PersonRow { tenant, person, key }| {
                let key = key.as_ref().map(Key::bytes);
                put.execute(params![tenant.as_bytes(), person.as_bytes(), key]).map(|_| ())
            })
        })
        .await
    }

    async fn put_lookups(&self, lookups: Vec<LookupRow>) -> Result<(), StoreError> {
        let put = "INSERT INTO lookups (tenant, hash, person) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.transaction(move |writing| {
            let mut put = writing.prepare(put)?;
            lookups.iter().try_for_each(|LookupRow { tenant, hash, person }| {
                put.execute(params![tenant.as_bytes(), hash, person.as_bytes()]).map(|_| ())
            })
        })
        .await
    }
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}
