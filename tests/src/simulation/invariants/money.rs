//! The money in the log adds up: every transaction sums to zero, payouts are the sums of their entries, no entry is
//! paid twice, and of every order what was received is somebody's.

use super::{Invariant, Rest};
use cityos_domain::audit::{MoneyAudit, Violation};
use cityos_domain::log::Envelope;

/// The audit that operators run.
#[derive(Default)]
pub struct Money(MoneyAudit);

impl Invariant for Money {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        none_of(self.0.take(event))
    }

    fn at_rest(&mut self, rest: &Rest<'_>) -> Result<(), String> {
        // What the last command wrote is judged when another follows, or at the end.
        if rest.at_the_end { none_of(std::mem::take(&mut self.0).finish().0) } else { Ok(()) }
    }
}

fn none_of(violations: Vec<Violation>) -> Result<(), String> {
    match violations.first() {
        Some(violation) => Err(format!("{violation:?}")),
        None => Ok(()),
    }
}
