//! The key store on PostgreSQL, in a database of its own. What is forgotten is out of everybody's reach at once, but its bytes
//! stay on the server's disk for a while: in the table until it is vacuumed (autovacuum comes for each one; `VACUUM FULL
//! keys.persons`, which its owner may, rewrites the file), in the write-ahead log until its segments are used again, and in
//! standbys, archives and backups. So that database is backed up apart from the log's, and for no longer than keys may live.

use super::{FOUND_PERSONS_MAX, Key, KeyError, KeyRows, KeyStore, LookupRow, PersonRow, Secret, Signed};
use crate::database::postgres::{Pool, Role, Schema, Server, failure, pooled};
use crate::store::{Cause, StoreError};
use async_trait::async_trait;
use cityos_domain::ids::{PersonId, TenantId};
use std::collections::HashMap;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

/// The tables of the key store.
const SCHEMA: Schema = Schema { name: "keys", steps: &[include_str!("../../../schemas/keys.postgres.sql")] };

/// Who forgets a person and who has one found take turns: the one must not overlook what the other is just writing.
const PERSONS_TURN: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text || $2::uuid::text, 0))";

/// A key store in a database of a server. Clones share its connections.
#[derive(Clone)]
pub struct KeyDatabase {
    pool: Pool,
}

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl KeyDatabase {
    /// Opens the key store in this database, and makes what is not there, as far as the login may. Refuses the log's.
    pub async fn open(server: &Server) -> Result<Self, StoreError> {
        server.prepare_database().await?;
        refuse_beside_log(server).await?;
        server.prepare(&SCHEMA).await?;
        // What is acknowledged is on the disk, however else the server is set up.
        Ok(KeyDatabase { pool: server.with_setting("synchronous_commit", "on").pool(Role::App)? })
    }

    /// Whether there is a key store in this database.
    pub async fn is_there(server: &Server) -> Result<bool, StoreError> {
        server.check(&SCHEMA).await
    }

    /// Opens a key store that is there, also on a server that takes no writes, and only to read what it has: whatever would
    /// write fails.
    pub async fn open_to_look(server: &Server) -> Result<Self, StoreError> {
        if !server.check(&SCHEMA).await? {
            let why = format!("there is no key store in database {}", server.database());
            return Err(StoreError::Database(Cause::new(why)));
        }
        Ok(KeyDatabase { pool: server.with_setting("default_transaction_read_only", "on").pool(Role::App)? })
    }

    /// Carries out one statement, which is a transaction of its own.
    async fn run(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let client = pooled(&self.pool).await?;
        let statement = client.prepare_cached(sql).await.map_err(failure)?;
        client.query(&statement, params).await.map_err(failure)
    }

    /// Carries out statements in one transaction that has a person's turn. How many rows the last one changed or found.
    async fn in_turn(
        &self,
        (tenant, person): (Uuid, Uuid),
        statements: &[(&str, Params<'_>)],
    ) -> Result<u64, StoreError> {
        let mut client = pooled(&self.pool).await?;
        // Each statement is to see what was written before its turn came.
        let beginning = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
        let transaction = beginning.start().await.map_err(failure)?;
        transaction.execute(PERSONS_TURN, &[&tenant, &person]).await.map_err(failure)?;
        let mut rows = 0;
        for (sql, params) in statements {
            rows = transaction.execute(*sql, params).await.map_err(failure)?;
        }
        transaction.commit().await.map_err(failure)?;
        Ok(rows)
    }

    /// The first column of the row that `find` finds; where there is none, of the one that `make` makes of the same
    /// parameters and a new key. Of many who make one at once, all find that of the first: it was on the disk before
    /// anybody saw it.
    async fn find_or_make(
        &self,
        find: &str,
        make: &str,
        params: Params<'_>,
    ) -> Result<Option<Key>, StoreError> {
        let mut found = self.run(find, params).await?;
        if found.is_empty() {
            let key = Key::random();
            let bytes = key.bytes().as_slice();
            let with_key: [&(dyn ToSql + Sync); 1] = [&bytes];
            self.run(make, &[params, &with_key].concat()).await?;
            found = self.run(find, params).await?;
        }
        let row = found.first().ok_or_else(|| damaged("a key is gone that was just made"))?;
        row.get::<_, Option<&[u8]>>(0).map(key).transpose()
    }
}

/// One backup would hold what is sealed and the keys to it, and nobody in it could be forgotten.
async fn refuse_beside_log(server: &Server) -> Result<(), StoreError> {
    let client = server.connect(None).await?;
    let has_log =
        client.query_one("SELECT to_regnamespace('log') IS NOT NULL", &[]).await.map_err(failure)?;
    if has_log.get(0) {
        let name = server.database();
        let why =
            format!("database {name} has the log: keys must lie in another, so that no backup has both");
        return Err(StoreError::Database(Cause::new(why)));
    }
    Ok(())
}

fn key(bytes: &[u8]) -> Result<Key, StoreError> {
    bytes.try_into().map(Key::from_bytes).map_err(|_| damaged("a key has another length"))
}

fn damaged(why: &str) -> StoreError {
    StoreError::Database(Cause::new(why))
}

#[async_trait]
impl KeyStore for KeyDatabase {
    async fn person_key(
        &self,
        TenantId(tenant): TenantId,
        PersonId(person): PersonId,
    ) -> Result<Key, KeyError> {
        let find = "SELECT key FROM keys.persons WHERE tenant = $1 AND person = $2";
        let make =
            "INSERT INTO keys.persons (tenant, person, key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        self.find_or_make(find, make, &[&tenant, &person]).await?.ok_or(KeyError::Forgotten)
    }

    async fn find_person_keys(
        &self,
        TenantId(tenant): TenantId,
        persons: &[PersonId],
    ) -> Result<HashMap<PersonId, Key>, KeyError> {
        let wanted: Vec<_> = persons.iter().map(|person| person.0).collect();
        let find = "SELECT person, key FROM keys.persons \
                    WHERE tenant = $1 AND person = ANY ($2) AND key IS NOT NULL";
        let rows = self.run(find, &[&tenant, &wanted]).await?;
        let keys = rows.iter().map(|row| Ok((PersonId(row.get(0)), key(row.get(1))?)));
        Ok(keys.collect::<Result<_, StoreError>>()?)
    }

    async fn add_lookup(
        &self,
        TenantId(tenant): TenantId,
        PersonId(person): PersonId,
        hash: [u8; 32],
    ) -> Result<(), KeyError> {
        let hash = hash.as_slice();
        let add = "INSERT INTO keys.lookups (tenant, person, hash) SELECT $1, $2, $3 \
                   WHERE NOT EXISTS (SELECT FROM keys.persons WHERE tenant = $1 AND person = $2 AND key IS NULL) \
                   ON CONFLICT DO NOTHING";
        let forgotten = "SELECT FROM keys.persons WHERE tenant = $1 AND person = $2 AND key IS NULL";
        let statements: [(&str, Params<'_>); 2] =
            [(add, &[&tenant, &person, &hash]), (forgotten, &[&tenant, &person])];
        match self.in_turn((tenant, person), &statements).await? {
            0 => Ok(()),
            _ => Err(KeyError::Forgotten),
        }
    }

    async fn find_persons(
        &self,
        TenantId(tenant): TenantId,
        hash: [u8; 32],
    ) -> Result<Vec<PersonId>, KeyError> {
        let (hash, limit) = (hash.as_slice(), i64::from(FOUND_PERSONS_MAX) + 1);
        let find = "SELECT person FROM keys.lookups WHERE tenant = $1 AND hash = $2 LIMIT $3";
        let found = self.run(find, &[&tenant, &hash, &limit]).await?;
        if found.len() > FOUND_PERSONS_MAX as usize {
            return Err(KeyError::TooMany);
        }
        Ok(found.iter().map(|row| PersonId(row.get(0))).collect())
    }

    async fn forget(&self, TenantId(tenant): TenantId, PersonId(person): PersonId) -> Result<(), KeyError> {
        let of_person: Params<'_> = &[&tenant, &person];
        let destroy = "INSERT INTO keys.persons (tenant, person) VALUES ($1, $2) \
                       ON CONFLICT (tenant, person) DO UPDATE SET key = NULL WHERE persons.key IS NOT NULL";
        let lose = "DELETE FROM keys.lookups WHERE tenant = $1 AND person = $2";
        self.in_turn((tenant, person), &[(destroy, of_person), (lose, of_person)]).await?;
        Ok(())
    }

    async fn belong_to(&self, log: Uuid) -> Result<bool, KeyError> {
        let bind = "UPDATE keys.about SET log = $1 WHERE log IS NULL AND EXISTS (SELECT FROM keys.secrets)";
        self.run(bind, &[&log]).await?;
        Ok(self.log().await? == Some(log))
    }

    async fn log(&self) -> Result<Option<Uuid>, KeyError> {
        let rows = self.run("SELECT log FROM keys.about", &[]).await?;
        Ok(rows.first().ok_or_else(|| damaged("the key store's table `about` is empty"))?.get(0))
    }

    async fn secret(&self, secret: Secret) -> Result<Key, KeyError> {
        let find = "SELECT key FROM keys.secrets WHERE name = $1";
        let make = "INSERT INTO keys.secrets (name, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let key = self.find_or_make(find, make, &[&secret.name()]).await?;
        Ok(key.ok_or_else(|| damaged("a secret is without a key"))?)
    }

    async fn signed(&self) -> Result<Option<Signed>, KeyError> {
        let rows = self.run("SELECT size, root FROM keys.signed", &[]).await?;
        let signed = rows.first().map(|row| {
            let root = row.get::<_, &[u8]>(1).try_into();
            let root = root.map_err(|_| damaged("the root that was signed has another length"))?;
            Ok::<_, StoreError>(Signed { size: row.get::<_, i64>(0) as u64, root })
        });
        Ok(signed.transpose()?)
    }

    async fn remember_signed(&self, Signed { size, root }: Signed) -> Result<(), KeyError> {
        let remember = "INSERT INTO keys.signed (size, root) VALUES ($1, $2) ON CONFLICT (one) \
                        DO UPDATE SET size = excluded.size, root = excluded.root WHERE signed.size <= excluded.size";
        self.run(remember, &[&(size as i64), &root.as_slice()]).await?;
        Ok(())
    }

    async fn replace_signed(&self, Signed { size, root }: Signed) -> Result<(), KeyError> {
        let replace = "INSERT INTO keys.signed (size, root) VALUES ($1, $2) ON CONFLICT (one) \
                       DO UPDATE SET size = excluded.size, root = excluded.root";
        self.run(replace, &[&(size as i64), &root.as_slice()]).await?;
        Ok(())
    }
}

#[async_trait]
impl KeyRows for KeyDatabase {
    async fn secrets(&self) -> Result<Vec<(String, Key)>, StoreError> {
        let rows = self.run("SELECT name, key FROM keys.secrets ORDER BY name COLLATE \"C\"", &[]).await?;
        rows.iter().map(|row| Ok((row.get(0), key(row.get(1))?))).collect()
    }

    async fn persons(&self, after: (Uuid, Uuid), limit: u32) -> Result<Vec<PersonRow>, StoreError> {
        let some = "SELECT tenant, person, key FROM keys.persons WHERE (tenant, person) > ($1, $2) \
                    ORDER BY tenant, person LIMIT $3";
        let rows = self.run(some, &[&after.0, &after.1, &i64::from(limit)]).await?;
        let person = |row: &Row| {
            let key = row.get::<_, Option<&[u8]>>(2).map(key).transpose()?;
            Ok(PersonRow { tenant: row.get(0), person: row.get(1), key })
        };
        rows.iter().map(person).collect()
    }

    async fn lookups(&self, after: LookupRow, limit: u32) -> Result<Vec<LookupRow>, StoreError> {
        let some = "SELECT tenant, hash, person FROM keys.lookups WHERE (tenant, hash, person) > ($1, $2, $3) \
                    ORDER BY tenant, hash, person LIMIT $4";
        let rows = self.run(some, &[&after.tenant, &after.hash, &after.person, &i64::from(limit)]).await?;
        let lookup = |row: &Row| LookupRow { tenant: row.get(0), hash: row.get(1), person: row.get(2) };
        Ok(rows.iter().map(lookup).collect())
    }

    async fn put_secrets(&self, secrets: Vec<(String, Key)>) -> Result<(), StoreError> {
        let put = "INSERT INTO keys.secrets (name, key) SELECT * FROM unnest($1::text[], $2::bytea[]) \
                   ON CONFLICT DO NOTHING";
        let names: Vec<_> = secrets.iter().map(|(name, _)| &**name).collect();
        let keys: Vec<_> = secrets.iter().map(|(_, key)| &key.bytes()[..]).collect();
        self.run(put, &[&names, &keys]).await.map(|_| ())
    }

    async fn put_persons(&self, persons: Vec<PersonRow>) -> Result<(), StoreError> {
        let put = "INSERT INTO keys.persons (tenant, person, key) \
                   SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) ON CONFLICT DO NOTHING";
        let tenants: Vec<_> = persons.iter().map(|row| row.tenant).collect();
        let ids: Vec<_> = persons.iter().map(|row| row.person).collect();
        let keys: Vec<_> = persons.iter().map(|row| row.key.as_ref().map(|key| &key.bytes()[..])).collect();
        self.run(put, &[&tenants, &ids, &keys]).await.map(|_| ())
    }

    async fn put_lookups(&self, lookups: Vec<LookupRow>) -> Result<(), StoreError> {
        let put = "INSERT INTO keys.lookups (tenant, hash, person) \
                   SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::uuid[]) ON CONFLICT DO NOTHING";
        let tenants: Vec<_> = lookups.iter().map(|row| row.tenant).collect();
        let hashes: Vec<_> = lookups.iter().map(|row| &*row.hash).collect();
        let persons: Vec<_> = lookups.iter().map(|row| row.person).collect();
        self.run(put, &[&tenants, &hashes, &persons]).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests;
