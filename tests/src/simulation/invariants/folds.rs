//! Every stream folds, event by event, into its aggregate.

use super::Invariant;
use cityos_domain::event::State;
use cityos_domain::log::{Envelope, StreamId};
use std::collections::HashMap;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The state of every stream.
#[derive(Default)]
pub struct Folds(HashMap<StreamId, State>);

impl Invariant for Folds {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        let state = self.0.remove(&event.stream).unwrap_or_else(|| State::before(event.stream.kind));
        let folded = catch_unwind(AssertUnwindSafe(|| state.after(iter::once(&event.event))));
        let folded = folded.map_err(|_| format!("the fold of {} panics", event.stream))?;
        self.0.insert(event.stream, folded);
        Ok(())
    }
}
