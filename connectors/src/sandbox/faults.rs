//! How the sandbox fails: on cue, one scripted fault per request of a kind, or by chance that a seed decides.

use super::Operation;
use chrono::TimeDelta;
use cityos_domain::ids::derive;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is refused for good, with this code.
    Refuse(String),
    /// It cannot be done now, with this code.
    Unavailable(String),
    /// It is never answered, and was not done.
    TimeOut,
    /// It is never answered, but was done.
    LoseReply,
    /// It is done at once but answered only so much later.
    Late(TimeDelta),
}

/// How often requests fail by chance, in thousandths of them. The same seed and key fail the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Chance {
    /// Decides which requests fail.
    pub seed: u64,
    /// Refused for good.
    pub refuse: u16,
    /// Not now.
    pub unavailable: u16,
    /// Never answered, not done.
    pub time_out: u16,
    /// Never answered, done.
    pub lose_reply: u16,
}

/// The script of faults. Clones are the same script.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    cues: HashMap<Operation, VecDeque<Fault>>,
    chance: Chance,
    /// How often each key was used, so that a retry has a chance of its own.
    uses: HashMap<String, u32>,
}

impl Faults {
    /// The next request of this kind that has no cue yet fails in this way.
    pub fn cue(&self, operation: Operation, fault: Fault) {
        self.script().cues.entry(operation).or_default().push_back(fault);
    }

    /// From here on requests without a cue fail by chance.
    pub fn chance(&self, chance: Chance) {
        self.script().chance = chance;
    }

    /// What goes wrong with the request that has just come in.
    pub(super) fn next(&self, operation: Operation, key: &str) -> Option<Fault> {
        let mut script = self.script();
        if let Some(fault) = script.cues.get_mut(&operation).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        if script.chance == Chance::default() {
            return None;
        }
        let uses = script.uses.entry(key.into()).or_default();
        *uses += 1;
        let draw = derive(&["sandbox", &uses.to_string(), operation.name(), key]);
        script.chance.draw(draw.as_u128())
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chance {
    fn draw(&self, request: u128) -> Option<Fault> {
        let drawn = derive(&[&self.seed.to_string(), &request.to_string()]).as_u128() % 1_000;
        let mut below = 0;
        let mut falls = |share: u16| {
            below += u128::from(share);
            drawn < below
        };
        if falls(self.refuse) {
            Some(Fault::Refuse("REFUSED_BY_CHANCE".into()))
        } else if falls(self.unavailable) {
            Some(Fault::Unavailable("UNAVAILABLE_BY_CHANCE".into()))
        } else if falls(self.time_out) {
            Some(Fault::TimeOut)
        } else if falls(self.lose_reply) {
            Some(Fault::LoseReply)
        } else {
            None
        }
    }
}
