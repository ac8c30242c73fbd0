//! What is known about people, sealed on its way in and opened on its way out. Between the two nothing of it is
//! in the clear: commands, log, read models, receipts and log lines hold ciphertext.

use crate::graphql::answer::Mutation;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::services;
use crate::graphql::values::ContactOut;
use async_graphql::Context;
use cityos_domain::ids::PersonId;
use cityos_domain::log::Partition;
use cityos_domain::marketplace::customer::Contact;
use cityos_domain::sealed::Sealed;
use cityos_eventstore::keys::KeyError;

/// As what e-mail addresses are remembered.
const EMAIL: &str = "email";

/// Seals how to reach a person under that person's key.
pub async fn seal_contact(
    mutation: &Mutation<'_>,
    person: PersonId,
    contact: Option<&Contact>,
) -> Result<Option<Sealed<Contact>>, Refusal> {
    let (Some(contact), Some(tenant)) = (contact, mutation.partition().tenant()) else { return Ok(None) };
    let sealer = &mutation.services.sealer;
    let sealed = sealer.seal(tenant, person, Contact::FIELD, contact).await.map_err(Refusal::internal)?;
    Ok(Some(sealed))
}

/// Opens how to reach a person; nothing once they are forgotten. Whoever calls this has made sure that the reader
/// may see it.
pub async fn open_contact(
    ctx: &Context<'_>,
    partition: Partition,
    sealed: &Sealed<Contact>,
) -> Result<Option<ContactOut>, Refusal> {
    let Some(tenant) = partition.tenant() else { return Ok(None) };
    match services(ctx).sealer.open(tenant, Contact::FIELD, sealed).await {
        Ok(contact) => Ok(Some(contact.into())),
        Err(KeyError::Forgotten) => Ok(None),
        Err(error) => Err(Refusal::internal(error)),
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
    sealer.remember(tenant, person, EMAIL, &normal(email)).await.map_err(Refusal::internal)
}

/// The persons of a tenant who have, or once had, this e-mail address.
pub async fn persons_by_email(
    ctx: &Context<'_>,
    partition: Partition,
    email: &str,
) -> Result<Vec<PersonId>, Refusal> {
    let Some(tenant) = partition.tenant() else { return Ok(Vec::new()) };
    services(ctx).sealer.find(tenant, EMAIL, &normal(email)).await.map_err(Refusal::internal)
}

/// Whether this is the address to reach a person at now.
pub fn has_email(contact: &ContactOut, email: &str) -> bool {
    contact.email.as_deref().is_some_and(|current| normal(current) == normal(email))
}

/// Addresses that people take for the same are.
fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}
