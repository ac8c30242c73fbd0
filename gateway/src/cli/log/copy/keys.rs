//! The keys of a log that was copied: whether those of the target open what is sealed in it, and copying them.

use crate::cli::counted;
use crate::storage::Storage;
use anyhow::{Context, ensure};
use cityos_eventstore::copy::{LogRows, sealed_for};
use cityos_eventstore::evidence::{PublicKey, public_key};
use cityos_eventstore::keys::{self, Key, KeyRows, Secret, Signed};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Persons looked at at once.
const PERSONS_AT_ONCE: u32 = 4_096;

/// How many of those whose keys are missing are named.
const NAMED_MAX: usize = 5;

/// Copies the key store.
pub async fn copy(from: &Storage, to: &Storage, log: Uuid) -> anyhow::Result<()> {
    ensure!(from.has_keys().await?, "--keys: there is no key store beside {from}");
    let source = from.keys_to_look_at().await.context("opening the source's key store")?;
    let target = to.keys().await.context("opening the target's key store")?;
    keys::copy(&*source, &*target, log).await?;
    Ok(())
}

/// What was found of the target's keys.
pub struct Found {
    /// What the checkpoints are to be signed with, by the target's key store or else the source's.
    pub public_key: Option<PublicKey>,
    /// What the target's key store remembers of that.
    pub signed: Option<Signed>,
    belongs: bool,
    /// How many persons have something sealed in the log.
    persons: usize,
    missing: BTreeSet<(Uuid, Uuid)>,
    secrets: Vec<String>,
}

impl Found {
    /// Looks at the key store of `to`, for the log of this name.
    pub async fn in_target(
        from: &Storage,
        to: &Storage,
        log: &dyn LogRows,
        name: Uuid,
    ) -> anyhow::Result<Self> {
        let source = opened(from).await.context("opening the source's key store")?;
        let target = opened(to).await.context("opening the target's key store")?;
        let mut missing = sealed_for(log).await.context("looking for what is sealed")?;
        let mut found = Found {
            public_key: None,
            signed: None,
            belongs: false,
            persons: missing.len(),
            missing: BTreeSet::new(),
            secrets: Vec::new(),
        };
        let needed = match &source {
            Some(source) => source.secrets().await?,
            None => Vec::new(),
        };
        let mut secrets = needed.clone();
        if let Some(target) = target {
            found.belongs = target.log().await? == Some(name);
            if found.belongs {
                found.signed = target.signed().await?;
                secrets = target.secrets().await?;
                take_known(&*target, &mut missing).await?;
                found.secrets =
                    needed.into_iter().filter(|one| !secrets.contains(one)).map(|(name, _)| name).collect();
            }
        }
        found.missing = missing;
        found.public_key = seed(&secrets).map(|seed| public_key(seed, name));
        Ok(found)
    }

    /// Whether the target's keys open what those of the source did.
    pub fn is_complete(&self) -> bool {
        self.belongs && self.missing.is_empty() && self.secrets.is_empty()
    }

    /// As JSON, with all that is missing.
    pub fn as_json(&self) -> Value {
        let missing: Vec<_> =
            self.missing.iter().map(|(tenant, person)| format!("{tenant}/{person}")).collect();
        json!({ "there": self.belongs, "persons": self.persons, "missing": missing, "missing_secrets": self.secrets })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.belongs {
            return writeln!(
                f,
                "The target has no key store of this log: copy it with --keys, or put it there."
            );
        }
        if !self.missing.is_empty() {
            let named =
                self.missing.iter().take(NAMED_MAX).map(|(tenant, person)| format!("{tenant}/{person}"));
            let (count, named) = (self.missing.len(), named.collect::<Vec<_>>().join(", "));
            writeln!(
                f,
                "The target's key store lacks the keys of {}: {named}{}",
                counted(count as u64, "person"),
                if count > NAMED_MAX { ", …" } else { "" }
            )?;
        }
        if !self.secrets.is_empty() {
            writeln!(f, "The target's key store lacks secrets of the source's: {}", self.secrets.join(", "))?;
        }
        if self.is_complete() {
            let persons = counted(self.persons as u64, "person");
            writeln!(f, "  the keys of {persons} are there, unless they were forgotten")?;
        }
        Ok(())
    }
}

/// The key store, if there is one.
async fn opened(storage: &Storage) -> anyhow::Result<Option<Arc<dyn KeyRows>>> {
    Ok(match storage.has_keys().await? {
        true => Some(storage.keys_to_look_at().await?),
        false => None,
    })
}

fn seed(secrets: &[(String, Key)]) -> Option<&Key> {
    secrets.iter().find(|(name, _)| name == Secret::Evidence.name()).map(|(_, seed)| seed)
}

/// Takes out whoever has a key or is known to be forgotten.
async fn take_known(keys: &dyn KeyRows, persons: &mut BTreeSet<(Uuid, Uuid)>) -> anyhow::Result<()> {
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let known = keys.persons(after, PERSONS_AT_ONCE).await?;
        let Some(last) = known.last() else { return Ok(()) };
        after = (last.tenant, last.person);
        for row in known {
            persons.remove(&(row.tenant, row.person));
        }
    }
}
