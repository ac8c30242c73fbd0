//! Rebuilding the read model of orders from a million events, beside reading them alone. A first rebuild fills the live
//! table; those that are measured build beside it, compare the two, make the indexes and switch, as an operator's do.

use super::orders::{EVENTS_AN_ORDER, write};
use super::replay::{EVENTS, median, replay};
use super::{Measured, memory};
use anyhow::Context;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::sqlite::SqliteStore;
use cityos_eventstore::store::EventStore;
use cityos_projections::models::REGISTRY;
use cityos_projections::{
    AnyModel, CHECKPOINT_EVENTS, Progress, ReadStore, TableState, drop_table, rebuild, tables,
};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is measured.
pub const ROUNDS: u32 = 3;

/// The rebuild and the replay in turn, the median round of each.
pub async fn measure(folder: &Path) -> anyhow::Result<Measured> {
    let store = SqliteStore::open(&folder.join("orders.db"), Arc::new(SystemClock))?;
    write(&store, EVENTS / EVENTS_AN_ORDER).await?;
    let reads = ReadStore::open(&folder.join("orders-read.db"))?;
    let model =
        REGISTRY.iter().copied().find(|model| model.name() == "orders").context("the model is there")?;
    rebuilt(&store, &reads, model).await?;
    let (mut rebuilds, mut alone) = (Vec::new(), Vec::new());
    let mut peak_mib = 0;
    let mut last = Spent::default();
    for _ in 0..ROUNDS {
        alone.push(replay(&store).await?);
        memory::begin()?;
        let (rate, spent) = rebuilt(&store, &reads, model).await?;
        rebuilds.push(rate);
        last = spent;
        peak_mib = peak_mib.max(memory::peak_mib()?);
        for table in tables(&reads).await?.into_iter().filter(|table| table.state == TableState::Old) {
            drop_table(&reads, REGISTRY, table).await?;
        }
    }
    let (rebuilds, alone) = (median(rebuilds), median(alone));
    Ok(Measured {
        what: "rebuild of orders from 1,000,000 events",
        ours: format!("{rebuilds:.0}/s, at most {peak_mib} MiB"),
        limit: format!("replay alone {alone:.0}/s"),
        ratio: rebuilds / alone,
        target: 0.6,
        note: format!("{last}, median of {ROUNDS} rounds"),
    })
}

/// What the time went into.
#[derive(Default)]
pub struct Spent {
    folding: Duration,
    comparing: Duration,
    indexing: Duration,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spent { folding, comparing, indexing } = self;
        write!(f, "folding {folding:.1?}, comparing {comparing:.1?}, indexes and switch {indexing:.1?}")
    }
}

/// A rebuild from all of the log: events a second, and what the time went into.
pub async fn rebuilt(
    store: &dyn EventStore,
    reads: &ReadStore,
    model: &'static dyn AnyModel,
) -> anyhow::Result<(f64, Spent)> {
    let begun = Instant::now();
    let (mut since, mut doing, mut spent) = (begun, None, Spent::default());
    let mut took = |now: Option<Progress>| {
        let time = since.elapsed();
        match doing {
            Some(Progress::Folding { .. }) | None => spent.folding += time,
            Some(Progress::Comparing) => spent.comparing += time,
            Some(Progress::Indexing) => spent.indexing += time,
        }
        (since, doing) = (Instant::now(), now);
    };
    let rebuilt = rebuild(store, reads, model, CHECKPOINT_EVENTS, |progress| took(Some(progress))).await?;
    took(None);
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(rebuilt.to.0 == EVENTS, "the rebuild came to {:?}", rebuilt.to);
    if let Ok(compared) = rebuilt.compared {
        anyhow::ensure!(compared.is_identical() && compared.log.rows == EVENTS / EVENTS_AN_ORDER);
    }
    Ok((EVENTS as f64 / seconds, spent))
}
