//! `audit verify` of a log of a million events, beside replaying the same log into typed events.

use super::replay::{EVENTS, log_in, median, replay};
use super::{Measured, memory};
use anyhow::Context;
use cityos_eventstore::evidence::{Evidence, Place, Verifying, public_key};
use cityos_eventstore::keys::{KeyFile, KeyStore, Secret};
use cityos_eventstore::store::name_of;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: u32 = 3;

/// Verifying and replaying in turn the log that the replay was measured with, the median round of each.
pub async fn measure(folder: &Path) -> anyhow::Result<Measured> {
    let (_, log) = log_in(folder).await?;
    let keys = Arc::new(KeyFile::open(&folder.join("keys.db"))?);
    let place = Place::File(folder.join("evidence.db"));
    let begun = Instant::now();
    let evidence = Evidence::open(&place, log.clone(), keys.clone()).await?;
    evidence.cover().await?;
    evidence.sign().await?;
    let covering = EVENTS as f64 / begun.elapsed().as_secs_f64();
    let name = name_of(&*log).await?.context("the log has events")?;
    let key = public_key(&keys.secret(Secret::Evidence).await?, name);
    let (mut verified, mut replayed) = (Vec::new(), Vec::new());
    let mut peak_mib = 0;
    for _ in 0..ROUNDS {
        memory::begin()?;
        let begun = Instant::now();
        let remembered = keys.signed().await?;
        let verifying = Verifying { log: &*log, evidence: &place, key: &key, remembered, kept: None };
        let found = verifying.verify().await?;
        verified.push(EVENTS as f64 / begun.elapsed().as_secs_f64());
        peak_mib = peak_mib.max(memory::peak_mib()?);
        anyhow::ensure!(found.is_intact() && found.events == EVENTS && found.size == EVENTS, "{found:?}");
        replayed.push(replay(&log).await?);
    }
    let (verified, replayed) = (median(verified), median(replayed));
    Ok(Measured {
        what: "audit verify of 1,000,000 events",
        ours: format!("{verified:.0}/s, at most {peak_mib} MiB"),
        limit: format!("{replayed:.0}/s"),
        ratio: verified / replayed,
        target: 0.5,
        note: format!("replay alone, median of {ROUNDS} rounds; covering them at first: {covering:.0}/s"),
    })
}
