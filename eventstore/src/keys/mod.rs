//! Keys: those that personal data is sealed under and the installation's own. They live apart from the log, in
//! no backup of it, so that destroying a key forgets a person.

mod key;
mod postgres;
mod rows;
mod sqlite;

pub use key::Key;
pub use postgres::KeyDatabase;
pub use rows::{CopyKeysError, KeyRows, LookupRow, PersonRow, copy};
pub use sqlite::KeyFile;
pub(crate) use sqlite::{SCHEMA, replace_signed, signed};

use crate::store::StoreError;
use async_trait::async_trait;
use cityos_domain::ids::{PersonId, TenantId};
use std::collections::HashMap;
use uuid::Uuid;

/// The most persons one look-up finds.
pub const FOUND_PERSONS_MAX: u32 = 1_000;

/// Where keys are kept.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key of a person, made when it is first asked for. It is durable before this returns. Fails with
    /// [`KeyError::Forgotten`] for a person who was forgotten: nobody gets a second key.
    async fn person_key(&self, tenant: TenantId, person: PersonId) -> Result<Key, KeyError>;

    /// The keys of those of these persons who have one, all in one question.
    async fn find_person_keys(
        &self,
        tenant: TenantId,
        persons: &[PersonId],
    ) -> Result<HashMap<PersonId, Key>, KeyError>;

    /// Has a person found under a keyed hash of something they are known by. May be repeated.
    async fn add_lookup(&self, tenant: TenantId, person: PersonId, hash: [u8; 32]) -> Result<(), KeyError>;

    /// The persons known under this hash. Fails with [`KeyError::TooMany`] where they are more than
    /// [`FOUND_PERSONS_MAX`].
    async fn find_persons(&self, tenant: TenantId, hash: [u8; 32]) -> Result<Vec<PersonId>, KeyError>;

    /// Destroys a person's key and everything they are found under, for good. May be repeated.
    async fn forget(&self, tenant: TenantId, person: PersonId) -> Result<(), KeyError>;

    /// Whether these are the keys of the log of this name. The first log asked about is taken for theirs, unless there
    /// are no keys at all: those of a log with events must be somewhere else. May be repeated.
    async fn belong_to(&self, log: Uuid) -> Result<bool, KeyError>;

    /// The name of the log that has been taken for theirs: it has events, wherever it is.
    async fn log(&self) -> Result<Option<Uuid>, KeyError>;

    /// One of the installation's own keys, made when it is first asked for and durable before this returns.
    async fn secret(&self, secret: Secret) -> Result<Key, KeyError>;

    /// The largest tree of the log's evidence that was signed, as it was remembered.
    async fn signed(&self) -> Result<Option<Signed>, KeyError>;

    /// Remembers what was signed, apart from the evidence: so that evidence which is lost, or put back to what it was,
    /// is missed. A smaller tree than the one remembered changes nothing.
    async fn remember_signed(&self, signed: Signed) -> Result<(), KeyError>;

    /// Remembers this in the place of what was signed before, at once: evidence has begun anew with it.
    async fn replace_signed(&self, signed: Signed) -> Result<(), KeyError>;
}

/// A tree of the log's evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signed {
    /// How many events it is over.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

/// The installation's own keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Secret {
    /// Encrypts the positions that clients see.
    PositionTokens,
    /// Hashes what commands were given.
    InputHash,
    /// Hashes what persons are looked up by.
    PersonLookups,
    /// Signs the tokens an installation issues itself for development.
    DevelopmentTokens,
    /// Signs the checkpoints of the log's evidence: an Ed25519 seed.
    Evidence,
}

impl Secret {
    /// The name it is kept under. Never changes.
    pub fn name(self) -> &'static str {
        match self {
            Secret::PositionTokens => "position-tokens",
            Secret::InputHash => "input-hash",
            Secret::PersonLookups => "person-lookups",
            Secret::DevelopmentTokens => "development-tokens",
            Secret::Evidence => "evidence",
        }
    }
}

/// Why something stays closed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// The person's key is destroyed, and with it everything sealed under it.
    #[error("the person was forgotten")]
    Forgotten,
    /// The ciphertext was made for another tenant, person or field, or is damaged.
    #[error("the sealed value does not belong here")]
    Foreign,
    /// More persons are known by it than one look-up finds.
    #[error("more than {FOUND_PERSONS_MAX} persons are known by this")]
    TooMany,
    /// The key store could not.
    #[error("the key store could not be used")]
    Store(#[from] StoreError),
}

#[cfg(test)]
pub(crate) mod tests;
