//! Situations in which sagas are tried out. Each saga names its own; whoever plays them makes every step fail, lose
//! its answer, happen twice, or die half-way, and looks whether the end is the same.

pub mod drills;
pub mod market;
pub mod orders;
pub mod payouts;
pub mod tenants;
pub mod vendors;

use chrono::TimeDelta;
use cityos_domain::log::Partition;
use cityos_domain::workspace::Intention;

/// A situation, and how it must end.
pub struct Rehearsal {
    /// What it is called.
    pub name: &'static str,
    /// What is there before: played without any trouble.
    pub setting: Vec<Act>,
    /// What happens then: the runs of the saga that begin here are the ones tried out.
    pub acts: Vec<Act>,
    /// How those runs end where nothing goes wrong.
    pub end: End,
}

/// One thing that happens.
pub enum Act {
    /// Someone wants something done.
    Tell {
        /// In which partition.
        partition: Partition,
        /// What.
        intention: Box<dyn Intention>,
    },
    /// Someone brings in what happened elsewhere: no saga starts on it.
    Import {
        /// In which partition.
        partition: Partition,
        /// What.
        intention: Box<dyn Intention>,
    },
    /// Everything that is due is done.
    Settle,
    /// Time passes.
    Pass(TimeDelta),
}

/// How a rehearsed run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With every step done.
    Completed,
    /// With everything undone.
    Compensated,
    /// Waiting for an operator.
    Parked,
}
