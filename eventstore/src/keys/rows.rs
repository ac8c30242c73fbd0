//! The rows of a key store, and copying them: what the source has forgotten is forgotten in the target, too, and nobody has
//! another key there.

use super::{Key, KeyError, KeyStore};
use crate::store::StoreError;
use async_trait::async_trait;
use cityos_domain::ids::{PersonId, TenantId};
use uuid::Uuid;

/// Rows copied at once.
const ROWS_AT_ONCE: u32 = 4_096;

/// A person, and the key unless they were forgotten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonRow {
    /// Whose person it is.
    pub tenant: Uuid,
    /// The person.
    pub person: Uuid,
    /// Their key.
    pub key: Option<Key>,
}

/// What a person is found by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LookupRow {
    /// Whose person it is.
    pub tenant: Uuid,
    /// A keyed hash.
    pub hash: Vec<u8>,
    /// The person.
    pub person: Uuid,
}

/// A key store whose rows can be had, and put there, as they are. What is there already stays as it is.
#[async_trait]
pub trait KeyRows: KeyStore {
    /// The installation's own keys that were made, by name.
    async fn secrets(&self) -> Result<Vec<(String, Key)>, StoreError>;

    /// The persons after this tenant and person, in the order of their ids.
    async fn persons(&self, after: (Uuid, Uuid), limit: u32) -> Result<Vec<PersonRow>, StoreError>;

    /// What persons are found by after this, in the order of tenant, hash and person.
    async fn lookups(&self, after: LookupRow, limit: u32) -> Result<Vec<LookupRow>, StoreError>;

    /// Keeps secrets.
    async fn put_secrets(&self, secrets: Vec<(String, Key)>) -> Result<(), StoreError>;

    /// Keeps persons.
    async fn put_persons(&self, persons: Vec<PersonRow>) -> Result<(), StoreError>;

    /// Keeps what persons are found by.
    async fn put_lookups(&self, lookups: Vec<LookupRow>) -> Result<(), StoreError>;
}

/// Why keys were not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyKeysError {
    /// They are not the log's.
    #[error("the source's key store does not belong to its log")]
    NotTheLogs,
    /// The target's are others.
    #[error("the target's key store holds other keys than the source's")]
    Others,
    /// One of them could not be used.
    #[error("using the key stores")]
    Keys(#[from] KeyError),
}

impl From<StoreError> for CopyKeysError {
    fn from(error: StoreError) -> Self {
        CopyKeysError::Keys(error.into())
    }
}

/// Copies the keys of the log of this name to where there are none, or some of them. Says how many persons there are.
pub async fn copy(source: &dyn KeyRows, target: &dyn KeyRows, log: Uuid) -> Result<u64, CopyKeysError> {
    if source.log().await? != Some(log) {
        return Err(CopyKeysError::NotTheLogs);
    }
    let (secrets, there) = (source.secrets().await?, target.secrets().await?);
    if target.log().await?.is_some_and(|other| other != log)
        || there.iter().any(|secret| !secrets.contains(secret))
    {
        return Err(CopyKeysError::Others);
    }
    target.put_secrets(secrets).await?;
    if !target.belong_to(log).await? {
        return Err(CopyKeysError::Others);
    }
    let persons = copy_persons(source, target).await?;
    copy_lookups(source, target).await?;
    if let Some(signed) = source.signed().await? {
        target.remember_signed(signed).await?;
    }
    Ok(persons)
}

async fn copy_persons(source: &dyn KeyRows, target: &dyn KeyRows) -> Result<u64, CopyKeysError> {
    let (mut after, mut copied) = ((Uuid::nil(), Uuid::nil()), 0);
    loop {
        let rows = source.persons(after, ROWS_AT_ONCE).await?;
        let Some(last) = rows.last() else { break };
        let next = (last.tenant, last.person);
        target.put_persons(rows.clone()).await?;
        for (row, there) in rows.iter().zip(target.persons(after, rows.len() as u32).await?) {
            let is_same = (row.tenant, row.person) == (there.tenant, there.person);
            if is_same && row.key.is_none() && there.key.is_some() {
                target.forget(TenantId(row.tenant), PersonId(row.person)).await?;
            }
        }
        if target.persons(after, rows.len() as u32).await? != rows {
            return Err(CopyKeysError::Others);
        }
        copied += rows.len() as u64;
        after = next;
    }
    if target.persons(after, 1).await?.is_empty() { Ok(copied) } else { Err(CopyKeysError::Others) }
}

async fn copy_lookups(source: &dyn KeyRows, target: &dyn KeyRows) -> Result<(), CopyKeysError> {
    let mut after = LookupRow::default();
    loop {
        let rows = source.lookups(after.clone(), ROWS_AT_ONCE).await?;
        let Some(next) = rows.last().cloned() else { return Ok(()) };
        target.put_lookups(rows.clone()).await?;
        if target.lookups(after, rows.len() as u32).await? != rows {
            return Err(CopyKeysError::Others);
        }
        after = next;
    }
}

#[cfg(test)]
mod tests;
