//! Simulations of fixed seeds, so that a change is judged by the same lives as the one before it. Others are tried
//! with `make simulate`.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use cityos_domain::event::Kind;
use cityos_eventstore::stored::StoredEvent;
use cityos_tests::simulation::{Failure, Length, Plan, Story, simulate};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// The seeds of every run of the tests: from the first up to the second, which is not among them.
const SEEDS: (u64, u64) = (0, 2_000);

/// The seed of the long life.
const LONG_SEED: u64 = 1;

/// What happens only where something went wrong, took long, or was decided otherwise: lives without it prove little.
const WORTH_REACHING: &[&str] = &[
    "commission_tier.advanced",
    "ledger.closed",
    "ledger.entries_claimed",
    "ledger.entries_unclaimed",
    "order.declined",
    "payment.expired",
    "payout.failed",
    "payout.paid",
    "payout.voided",
    "saga_run.parked",
    "saga_run.retried",
    "saga_run.skipped",
    "saga_run.turned",
    "saga_run.undone",
    "stock.released",
    "stock.returned",
    "tenant.closed",
    "tenant.payouts_due",
    "vendor.payout_account_closed",
    "vendor.terminated",
    "vendor_order.capture_failed",
    "vendor_order.earnings_released",
    "vendor_order.units_canceled",
];

/// The seed that is named, if one is.
fn named() -> Option<u64> {
    let seed = env::var("CITYOS_SIM_SEED").ok()?;
    Some(seed.parse().expect("CITYOS_SIM_SEED is a number"))
}

/// The seeds to be played: from the first up to the second.
fn seeds() -> (u64, u64) {
    let range = env::var("CITYOS_SIM_SEEDS").ok();
    let range = range.as_deref().map(|range| range.split_once("..").expect("a range such as 1000..2000"));
    let range = range.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
    named().map(|seed| (seed, seed + 1)).or(range).unwrap_or(SEEDS)
}

/// Plays all of them, on as many threads as there are processors.
fn play(plans: &[Plan]) -> Vec<Story> {
    let (begun, next) = (Instant::now(), AtomicU64::new(0));
    let (stories, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::SeqCst) as usize) {
                    match simulate(*plan) {
                        Ok(story) => {
                            stories.lock().unwrap().push(Story { log: vec![], tale: vec![], ..story })
                        }
                        Err(failure) => {
                            println!("{failure}");
                            keep(&failure);
                            failures.lock().unwrap().push(plan.seed);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "of {} simulations these failed: {failures:?}", plans.len());
    let stories = stories.into_inner().unwrap();
    let sum = |of: fn(&Story) -> usize| stories.iter().map(of).sum::<usize>();
    println!(
        "{} simulations in {} s: {} commands done, {} refused, of {} unknown; {} crashes, {} events",
        stories.len(),
        begun.elapsed().as_secs(),
        sum(|story| story.done),
        sum(|story| story.refused),
        sum(|story| story.unknown),
        sum(|story| story.deaths as usize),
        sum(|story| story.events),
    );
    stories
}

/// Keeps log and tale of a simulation that failed in the folder that is named for it, to be looked into.
fn keep(Failure { plan, story, .. }: &Failure) {
    let Some(folder) = env::var_os("CITYOS_SIM_KEEP") else { return };
    let event = |it: &StoredEvent| {
        let StoredEvent { position, type_name, id, version, at, recorded_at, body, meta, .. } = it;
        format!("{} {type_name} {id} {} {at} {recorded_at} {body} {meta}", position.0, version.0)
    };
    let log: Vec<_> = story.log.iter().map(event).collect();
    for (what, lines) in [("log", &log), ("tale", &story.tale)] {
        fs::write(Path::new(&folder).join(format!("{}.{what}", plan.seed)), lines.join("\n")).unwrap();
    }
}

#[test]
fn what_must_hold_holds_in_many_short_lives() {
    let (from, to) = seeds();
    let plans: Vec<_> = (from..to).map(|seed| Plan { seed, length: Length::Short }).collect();
    let stories = play(&plans);
    if (from, to) == SEEDS {
        let reached: BTreeSet<_> = stories.into_iter().flat_map(|story| story.reached).collect();
        let missing: Vec<_> = WORTH_REACHING.iter().filter(|name| !reached.contains(**name)).collect();
        assert!(missing.is_empty(), "no life came to {missing:?}");
        let kinds = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Place | Kind::ProductCategory));
        for kind in kinds {
            let prefix = format!("{}.", kind.name());
            assert!(reached.iter().any(|name| name.starts_with(&prefix)), "no life has a {}", kind.name());
        }
    }
}

#[test]
fn what_must_hold_holds_in_one_long_life() {
    let seed = named().unwrap_or(LONG_SEED);
    let story = play(&[Plan { seed, length: Length::Long }]).remove(0);
    assert!(story.done >= 5_000, "only {} commands were done", story.done);
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for seed in [4, 9] {
        let plan = Plan { seed, length: Length::Short };
        let [first, second] = [(), ()].map(|()| simulate(plan).unwrap().log);
        assert!(first == second, "seed {seed}");
    }
}
