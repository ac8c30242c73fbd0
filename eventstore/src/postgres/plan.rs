//! What becomes of the appends of one batch, one after the other: each sees what those before it write.

use super::session::Receipts;
use crate::queue::Answer;
use crate::store::{AppendError, Appended, Receipt};
use crate::stored::{Prepared, instant};
use cityos_domain::log::{Position, StreamId, Version};
use std::collections::HashMap;

/// The plan.
pub struct Plan<'b> {
    /// Of every stream the batch relies on, how far it is.
    heads: HashMap<StreamId, Version>,
    /// The commands that are known to be done, those of this batch among them.
    done: Receipts,
    position: Position,
    /// When what it writes is recorded.
    pub recorded_at: i64,
    /// One for each append so far, in order.
    pub answers: Vec<Answer>,
    /// What is to be written.
    pub written: Vec<&'b Prepared>,
}

impl<'b> Plan<'b> {
    /// A plan for what comes after `position`.
    pub fn new(
        heads: HashMap<StreamId, Version>,
        done: Receipts,
        position: Position,
        recorded_at: i64,
    ) -> Self {
        Plan { heads, done, position, recorded_at, answers: Vec::new(), written: Vec::new() }
    }

    /// Plans the next append.
    pub fn take(&mut self, append: &'b Prepared) {
        let answer = self.find_out(append);
        self.answers.push(answer);
    }

    fn find_out(&mut self, append: &'b Prepared) -> Answer {
        let key = (append.partition, append.command);
        if let Some(done) = self.done.get(&key) {
            return done.clone().map_err(AppendError::Store)?.replay(append.input);
        }
        append.check(|stream| Ok(self.heads.get(&stream).copied().unwrap_or_default()))?;
        self.position.0 += append.events.len() as u64;
        self.heads.extend(append.versions.iter().copied());
        self.written.push(append);
        let (position, versions) = (self.position, append.versions.clone());
        let receipt = Receipt {
            command: append.command,
            input: append.input,
            position,
            versions: versions.clone(),
            recorded_at: instant(self.recorded_at).expect("it came from an instant"),
        };
        self.done.insert(key, Ok(receipt));
        Ok(Appended { position, versions, replayed: false })
    }

    /// Those of the batch that are refused for now.
    pub fn refused(&self, batch: &[&'b Prepared]) -> Vec<&'b Prepared> {
        batch
            .iter()
            .zip(&self.answers)
            .filter(|(_, answer)| answer.is_err())
            .map(|(append, _)| *append)
            .collect()
    }

    /// Answers those of the refused that were done before as they were then.
    pub fn replay(&mut self, batch: &[&'b Prepared], done: &Receipts) {
        for (append, answer) in batch.iter().zip(&mut self.answers).filter(|(_, answer)| answer.is_err()) {
            if let Some(done) = done.get(&(append.partition, append.command)) {
                *answer = done.clone().map_err(AppendError::Store).and_then(|done| done.replay(append.input));
            }
        }
    }
}
