//! Simulations: from a seed come tenants, wishes, faults, crashes and jumps of the clock; whatever they are, what must
//! hold holds. [`wishes`] lists what people do, [`run`] what else happens, [`weather`] what goes wrong, and
//! [`invariants`] what must hold. The same seed gives the same log, byte for byte.

mod city;
mod dice;
mod fate;
mod founding;
mod frail;
mod given;
pub mod invariants;
mod market;
pub mod run;
pub mod weather;
pub mod wishes;

use city::Log;
use cityos_eventstore::stored::StoredEvent;
use cityos_projections::models::REGISTRY;
use run::Simulation;
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How long a simulation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// Some dozens of commands, looked at in the end; of every ten one keeps its log in SQLite.
    Short,
    /// Ten thousand commands, looked at now and then. Each time another tenant is founded, so that there are always
    /// some who trade.
    Long,
}

/// What one simulation is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What all of it follows from.
    pub seed: u64,
    /// How long it is.
    pub length: Length,
}

impl Plan {
    /// How many commands are given, those of rivals not counted.
    pub fn commands(&self) -> usize {
        match self.length {
            Length::Short => 60,
            Length::Long => 10_000,
        }
    }

    /// How many tenants trade at a time.
    pub fn tenants(&self) -> usize {
        match self.length {
            Length::Short => 2,
            Length::Long => 4,
        }
    }

    /// After how many commands everything comes to rest and is looked at, where that is not only in the end.
    pub fn looks_every(&self) -> Option<usize> {
        match self.length {
            Length::Short => None,
            Length::Long => Some(400),
        }
    }

    /// How many read models are built anew in the end, to compare.
    fn rebuilds(&self) -> usize {
        match self.length {
            Length::Short => 3,
            Length::Long => REGISTRY.len(),
        }
    }

    fn log(&self) -> Log {
        if self.length == Length::Short && self.seed % 10 == 9 { Log::Sqlite } else { Log::Memory }
    }
}

/// What came of a simulation.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// How many commands were done.
    pub done: usize,
    /// How many were refused.
    pub refused: usize,
    /// Of how many it was not known.
    pub unknown: usize,
    /// How often a process died.
    pub deaths: u32,
    /// How often one was started again.
    pub restarts: usize,
    /// How many events are in the log.
    pub events: usize,
    /// What types of events are in it.
    pub reached: BTreeSet<String>,
    /// The log.
    pub log: Vec<StoredEvent>,
    /// What happened, in order, for people.
    pub tale: Vec<String>,
}

/// Something that must hold did not.
#[derive(Debug)]
pub struct Failure {
    /// In which simulation.
    pub plan: Plan,
    /// After how many commands.
    pub step: usize,
    /// What.
    pub what: String,
    /// What came of it until then.
    pub story: Box<Story>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { plan, step, what, .. } = self;
        let seed = plan.seed;
        let test = match plan.length {
            Length::Short => "short_lives",
            Length::Long => "long_life",
        };
        let again =
            format!("CITYOS_SIM_SEED={seed} cargo test --locked -p cityos-tests --test simulation {test}");
        write!(f, "seed {seed}, after {step} commands: {what}\nagain: {again}")
    }
}

impl std::error::Error for Failure {}

/// Plays a simulation to its end, on this thread. What is blocking is waited for where it is asked for, so that no
/// thread is ever faster than another.
pub fn simulate(plan: Plan) -> Result<Story, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(2).build();
    let runtime = runtime.expect("a thread can be had");
    let opened = runtime.block_on(Simulation::open(plan));
    let mut simulation = opened.expect("a city without anything in it opens");
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(simulation.play())));
    runtime.block_on(simulation.close()).expect("the log can be read");
    let (step, story) = (simulation.step, simulation.story);
    let what = match played {
        Ok(Ok(())) => return Ok(story),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => format!("it panicked: {}", said(&*panic)),
    };
    Err(Failure { plan, step, what, story: Box::new(story) })
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
