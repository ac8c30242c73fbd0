//! What is known about people, sealed on its way in and opened on its way out. Between the two nothing of it is
//! in the clear: commands, log, read models, receipts and log lines hold ciphertext.

use crate::graphql::answer::Mutation;
use crate::graphql::loading::{Batches, by_partition};
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{batches, services};
use crate::graphql::values::ContactOut;
use async_graphql::Context;
use async_graphql::dataloader::Loader;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::PersonId;
use cityos_domain::log::{Partition, Version};
use cityos_domain::marketplace::customer::Contact;
use cityos_domain::sealed::Sealed;
use cityos_eventstore::keys::KeyError;
use std::collections::HashMap;
use std::sync::Arc;

/// As what e-mail addresses are remembered.
const EMAIL: &str = "email";

/// Whether there is somebody to be reached in another way. Asked before anything is sealed: a key is kept for ever,
/// so none is made for an id somebody thought of.
pub async fn is_there<A: Aggregate>(mutation: &Mutation<'_>, id: A::Id) -> Result<bool, Refusal> {
    let loaded = mutation.services.executor.load::<A>(mutation.partition(), id).await;
    let (_, version) = loaded.map_err(|error| Refusal::Unavailable(Arc::new(error)))?;
    Ok(version > Version(0))
}

/// Seals how to reach a person under that person's key.
pub async fn seal_contact(
    mutation: &Mutation<'_>,
    person: PersonId,
    contact: Option<&Contact>,
) -> Result<Option<Sealed<Contact>>, Refusal> {
    let (Some(contact), Some(tenant)) = (contact, mutation.partition().tenant()) else { return Ok(None) };
    let sealer = &mutation.services.sealer;
    let sealed = sealer.seal(tenant, person, Contact::FIELD, contact).await.map_err(not_kept)?;
    Ok(Some(sealed))
}

/// Opens how to reach a person; nothing once they are forgotten. Whoever calls this has made sure that the reader
/// may see it.
pub async fn open_contact(
    ctx: &Context<'_>,
    partition: Partition,
    sealed: &Sealed<Contact>,
) -> Result<Option<ContactOut>, Refusal> {
    match batches(ctx).load_one(Closed::new(partition, sealed)).await? {
        Some(Ok(contact)) => Ok(Some(contact.into())),
        Some(Err(KeyError::Forgotten)) | None => Ok(None),
        Some(Err(error)) => Err(Refusal::failed(error)),
    }
}

/// A contact that is opened together with others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Closed {
    partition: Partition,
    person: PersonId,
    ciphertext: String,
}

impl Closed {
    fn new(partition: Partition, sealed: &Sealed<Contact>) -> Self {
        Closed { partition, person: sealed.person, ciphertext: sealed.ciphertext.clone() }
    }
}

impl Loader<Closed> for Batches {
    type Value = Result<Contact, KeyError>;
    type Error = Refusal;

    async fn load(&self, wanted: &[Closed]) -> Result<HashMap<Closed, Self::Value>, Refusal> {
        let mut found = HashMap::new();
        for (partition, closed) in by_partition(wanted.iter().map(|wish| (wish.partition, wish))) {
            let Some(tenant) = partition.tenant() else { continue };
            let sealed: Vec<_> =
                closed.iter().map(|closed| Sealed::new(closed.person, closed.ciphertext.clone())).collect();
            let opened = self.0.sealer.open(tenant, Contact::FIELD, &sealed).await;
            found.extend(closed.into_iter().cloned().zip(opened.map_err(Refusal::failed)?));
        }
        Ok(found)
    }
}

/// Has a person found by their e-mail address until they are forgotten.
pub async fn remember_email(
    mutation: &Mutation<'_>,
    person: PersonId,
    contact: &Contact,
) -> Result<(), Refusal> {
    let (Some(email), Some(tenant)) = (&contact.email, mutation.partition().tenant()) else { return Ok(()) };
    let sealer = &mutation.services.sealer;
    sealer.remember(tenant, person, EMAIL, &normal(email)).await.map_err(not_kept)
}

/// What it means to a mutation that keys could not be made or kept.
fn not_kept(error: KeyError) -> Refusal {
    match error {
        KeyError::Store(cause) => Refusal::Unavailable(Arc::new(cause)),
        KeyError::Forgotten | KeyError::Foreign | KeyError::TooMany => Refusal::failed(error),
    }
}

/// The persons of a tenant who have, or once had, this e-mail address.
pub async fn persons_by_email(
    ctx: &Context<'_>,
    partition: Partition,
    email: &str,
) -> Result<Vec<PersonId>, Refusal> {
    let Some(tenant) = partition.tenant() else { return Ok(Vec::new()) };
    services(ctx).sealer.find(tenant, EMAIL, &normal(email)).await.map_err(|error| match error {
        KeyError::TooMany => Refusal::BadArgument(format!("{error}: look for them another way")),
        KeyError::Forgotten | KeyError::Foreign | KeyError::Store(_) => Refusal::failed(error),
    })
}

/// Whether this is the address to reach a person at now.
pub fn has_email(contact: &ContactOut, email: &str) -> bool {
    contact.email.as_deref().is_some_and(|current| normal(current) == normal(email))
}

/// Addresses that people take for the same are.
fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}
