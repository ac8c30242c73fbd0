//! Sealing personal data and opening it again, and finding a person by something they are known by. Who may
//! open what is decided elsewhere.

use crate::keys::{KeyError, KeyStore, Secret};
use cityos_domain::ids::{PersonId, TenantId};
use cityos_domain::sealed::Sealed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Seals and opens with the keys of a key store. Clones share it.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<dyn KeyStore>,
}

impl Sealer {
    /// A sealer with these keys.
    pub fn new(keys: Arc<dyn KeyStore>) -> Self {
        Sealer { keys }
    }

    /// Encrypts a value under the person's key, bound to tenant, person and field. The key is durable when
    /// this returns. Not to be repeated for the same wish: every ciphertext is another.
    pub async fn seal<T: Serialize + Sync>(
        &self,
        tenant: TenantId,
        person: PersonId,
        field: &str,
        value: &T,
    ) -> Result<Sealed<T>, KeyError> {
        let key = self.keys.person_key(tenant, person).await?;
        let clear = serde_json::to_vec(value).expect("what is sealed is made of texts and numbers");
        Ok(Sealed::new(person, key.encrypt(&context(&tenant, &person, field), &clear)))
    }

    /// Opens what was sealed for this tenant and field: an answer for each, in their order. However many they
    /// are, the key store is asked once.
    pub async fn open<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        field: &str,
        sealed: &[Sealed<T>],
    ) -> Result<Vec<Result<T, KeyError>>, KeyError> {
        let persons: Vec<_> = sealed.iter().map(|sealed| sealed.person).collect();
        let keys = self.keys.find_person_keys(tenant, &persons).await?;
        let open = |sealed: &Sealed<T>| {
            let key = keys.get(&sealed.person).ok_or(KeyError::Forgotten)?;
            let clear = key.decrypt(&context(&tenant, &sealed.person, field), &sealed.ciphertext);
            serde_json::from_slice(&clear.ok_or(KeyError::Foreign)?).map_err(|_| KeyError::Foreign)
        };
        Ok(sealed.iter().map(open).collect())
    }

    /// Has a person found by the value of a field, such as an e-mail address, until they are forgotten. The
    /// caller writes the value in its one normal form. May be repeated.
    pub async fn remember(
        &self,
        tenant: TenantId,
        person: PersonId,
        field: &str,
        value: &str,
    ) -> Result<(), KeyError> {
        let hash = self.lookup(tenant, field, value).await?;
        self.keys.add_lookup(tenant, person, hash).await
    }

    /// The persons of a tenant who are known by this value. Fails with [`KeyError::TooMany`] rather than leave
    /// some out.
    pub async fn find(&self, tenant: TenantId, field: &str, value: &str) -> Result<Vec<PersonId>, KeyError> {
        let hash = self.lookup(tenant, field, value).await?;
        self.keys.find_persons(tenant, hash).await
    }

    async fn lookup(&self, tenant: TenantId, field: &str, value: &str) -> Result<[u8; 32], KeyError> {
        let key = self.keys.secret(Secret::PersonLookups).await?;
        Ok(key.hash(&[tenant.0.as_bytes(), field.as_bytes(), value.as_bytes()]))
    }
}

fn context<'a>(tenant: &'a TenantId, person: &'a PersonId, field: &'a str) -> [&'a [u8]; 4] {
    [b"sealed", tenant.0.as_bytes(), person.0.as_bytes(), field.as_bytes()]
}

#[cfg(test)]
mod tests;
