//! Simulations of fixed seeds, so that a change is judged by the same lives as the one before it. Others are tried
//! with `make simulate`.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use cityos_eventstore::stored::StoredEvent;
use cityos_tests::simulation::{Failure, Plan, Story, simulate};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The seeds of every run of the tests: from the first up to the second, which is not among them.
const SEEDS: (u64, u64) = (0, 300);

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{value}`")))
}

fn seeds() -> (u64, u64) {
    let Ok(range) = std::env::var("CITYOS_SIM_SEEDS") else { return SEEDS };
    let (from, to) = range.split_once("..").expect("CITYOS_SIM_SEEDS is a range such as 1000..2000");
    (from.parse().unwrap(), to.parse().unwrap())
}

/// Keeps the tale and the log of a simulation that failed, to be looked into.
fn keep(folder: &Path, Failure { plan, story, .. }: &Failure) {
    let event = |it: &StoredEvent| {
        let StoredEvent { position, type_name, id, version, at, recorded_at, body, meta, .. } = it;
        format!("{} {type_name} {id} {} {at} {recorded_at} {body} {meta}", position.0, version.0)
    };
    let log = story.log.iter().map(event).collect::<Vec<_>>().join("\n");
    fs::write(folder.join(format!("{}.log", plan.seed)), log).unwrap();
    fs::write(folder.join(format!("{}.tale", plan.seed)), story.tale.join("\n")).unwrap();
}

/// Plays all of them, on as many threads as there are processors.
fn play(plans: &[Plan]) -> Vec<Story> {
    let next = AtomicU64::new(0);
    let (stories, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::SeqCst) as usize) {
                    match simulate(*plan) {
                        Ok(story) => stories.lock().unwrap().push(Story { log: Vec::new(), ..story }),
                        Err(failure) => {
                            println!("{failure}");
                            if let Some(folder) = std::env::var_os("CITYOS_SIM_KEEP") {
                                keep(Path::new(&folder), &failure);
                            }
                            failures.lock().unwrap().push(plan.seed);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "of {} simulations these failed: {failures:?}", plans.len());
    stories.into_inner().unwrap()
}

#[test]
fn what_must_hold_holds_whatever_is_wanted_and_whatever_goes_wrong() {
    let (from, to) = seeds();
    let begun = std::time::Instant::now();
    let stories = play(&(from..to).map(Plan::short).collect::<Vec<_>>());
    let sum = |of: fn(&Story) -> usize| stories.iter().map(of).sum::<usize>();
    println!(
        "{} simulations in {:.1} s: {} commands done, {} refused, {} unknown, {} deaths, {} events",
        stories.len(),
        begun.elapsed().as_secs_f32(),
        sum(|story| story.done),
        sum(|story| story.refused),
        sum(|story| story.unknown),
        sum(|story| story.deaths as usize),
        sum(|story| story.events),
    );
}

#[test]
fn the_seed_that_is_named_is_played_again() {
    let mut plan = Plan::short(number("CITYOS_SIM_SEED").unwrap_or(0));
    if let Some(commands) = number("CITYOS_SIM_COMMANDS") {
        plan.commands = commands as usize;
    }
    let story = play(&[plan]).remove(0);
    assert!(story.events > 0);
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for seed in [4, 9] {
        let [first, second] = [(), ()].map(|()| simulate(Plan::short(seed)).unwrap().log);
        assert!(first == second, "seed {seed}");
    }
}
