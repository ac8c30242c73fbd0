//! What must hold, whatever was wanted and whatever went wrong: the list of invariants. Each follows the log event by
//! event; some can be judged only once everything has come to rest.

mod books;
mod commission;
mod decisions;
mod ends;
mod folds;
mod money;
mod order;
mod runs;
mod stock;

use super::fate::Call;
use chrono::{DateTime, Utc};
use cityos_connectors::sandbox::{Done, Operation, Sandbox, SandboxError};
use cityos_domain::log::Envelope;

pub use runs::Runs;

/// All of them.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        // The log is gapless, its time never goes back, and a command's events stand together, once.
        Box::<order::Order>::default(),
        // Every stream folds.
        Box::<folds::Folds>::default(),
        // What was decided was allowed by what stood in the log right then.
        Box::<decisions::Decisions>::default(),
        // No fewer units than none, no claim without an end, and as many given away as were bought.
        Box::<stock::Stock>::default(),
        // Tiers count every sale once, in the order of the sales.
        Box::<commission::Tiers>::default(),
        // Transactions sum to zero, payouts are the sum of their entries, nothing is paid twice, and orders add up.
        Box::<money::Money>::default(),
        // Checkouts and payouts end; held money is taken or given back; nobody who is gone is owed anything.
        Box::<ends::Ends>::default(),
        // Runs end, or are parked where they may be; each call was intended first.
        Box::<runs::Parking>::default(),
        // The provider's own books agree with the log.
        Box::<books::Agreement>::default(),
    ]
}

/// Something that must hold.
pub trait Invariant: Send {
    /// Looks at the next event of the log.
    fn see(&mut self, event: &Envelope) -> Result<(), String>;

    /// Judges what can only be judged when nothing is under way.
    fn at_rest(&mut self, _: &Rest<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// How things stand when everything due is done.
pub struct Rest<'a> {
    /// What time it is.
    pub now: DateTime<Utc>,
    /// Whether everything had the time to come to its end.
    pub at_the_end: bool,
    /// The runs.
    pub runs: &'a Runs,
    /// What the provider says it did.
    pub books: &'a Books,
    /// When the provider was called.
    pub calls: &'a [Call],
}

/// The provider's own books.
pub struct Books(Vec<(Operation, Vec<Done>)>);

impl Books {
    /// As they are now.
    pub async fn of(sandbox: &Sandbox) -> Result<Self, SandboxError> {
        let mut books = Vec::new();
        for operation in [
            Operation::Authorise,
            Operation::Capture,
            Operation::Release,
            Operation::OpenAccount,
            Operation::CloseAccount,
            Operation::Transfer,
        ] {
            books.push((operation, sandbox.done(operation).await?));
        }
        Ok(Books(books))
    }

    /// What was done of this kind.
    pub fn done(&self, wanted: Operation) -> &[Done] {
        let found = self.0.iter().find(|(operation, _)| *operation == wanted);
        found.map_or(&[], |(_, done)| done.as_slice())
    }
}

/// Says what is wrong unless it holds.
fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}
