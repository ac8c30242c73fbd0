//! Commands as they were given, and what was answered: so that repeating them can be compared with the first time.

use cityos_domain::ids::CommandId;
use cityos_domain::log::{Envelope, Partition, Position};
use cityos_eventstore::executor::{Command, ExecuteError, Executed};
use std::collections::HashMap;

use super::wishes::Wish;

/// A command that was given.
#[derive(Clone)]
pub struct Given {
    /// What it was called.
    pub what: String,
    /// The command.
    pub command: Command,
    /// What was wanted.
    pub wish: Wish,
    /// What is known of it.
    pub answer: Answer,
}

/// What is known of a command.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It may have been done.
    Unknown,
    /// It was not done.
    Refused,
    /// It was done.
    Done(Executed),
}

impl Given {
    /// Takes down an answer to it, given with its own input; says what is wrong with that answer.
    pub fn answered(&mut self, answer: Result<Executed, ExecuteError>) -> Result<(), String> {
        let what = &self.what;
        let now = match answer {
            Ok(executed) => Answer::Done(executed),
            Err(ExecuteError::Store(_)) => match &self.answer {
                Answer::Done(_) => return Ok(()),
                Answer::Unknown | Answer::Refused => Answer::Unknown,
            },
            Err(error @ (ExecuteError::TooWide | ExecuteError::Unwritable(_))) => {
                return Err(format!("{what} cannot be carried out: {error}"));
            }
            Err(error @ ExecuteError::KeyReused) => {
                return Err(format!("{what} is taken for another command: {error}"));
            }
            Err(error) => match &self.answer {
                Answer::Done(_) => {
                    return Err(format!("{what} was done, and is refused when repeated: {error}"));
                }
                Answer::Unknown | Answer::Refused => Answer::Refused,
            },
        };
        if let (Answer::Done(before), Answer::Done(now)) = (&self.answer, &now)
            && (before.position, &before.versions) != (now.position, &now.versions)
        {
            return Err(format!("{what} was answered {before:?}, and then {now:?}"));
        }
        self.answer = now;
        Ok(())
    }

    /// Judges the answer to the same command with another input.
    pub fn answered_otherwise(&self, answer: &Result<Executed, ExecuteError>) -> Result<(), String> {
        let fits = match (&self.answer, answer) {
            (_, Err(ExecuteError::Store(_))) => true,
            (Answer::Done(_), answer) => matches!(answer, Err(ExecuteError::KeyReused)),
            (Answer::Unknown | Answer::Refused, _) => true,
        };
        if fits { Ok(()) } else { Err(format!("{} with another input: {answer:?}", self.what)) }
    }
}

/// Every acknowledged command is in the log as it was acknowledged, and none that was refused.
pub fn check(given: &[Given], log: &[Envelope]) -> Result<(), String> {
    let mut led_to: HashMap<(Partition, CommandId), (usize, Position)> = HashMap::new();
    for event in log {
        let (events, last) = led_to.entry((event.stream.partition, event.meta.command)).or_default();
        (*events, *last) = (*events + 1, event.position);
    }
    for Given { what, command, answer, .. } in given {
        let found = led_to.get(&(command.partition, command.id()));
        match (answer, found) {
            (Answer::Unknown, _) | (Answer::Refused, None) => {}
            (Answer::Done(done), None) if done.versions.is_empty() => {}
            (Answer::Done(done), Some((_, last))) if !done.versions.is_empty() && *last == done.position => {}
            (Answer::Done(_) | Answer::Refused, _) => {
                return Err(format!("{what}, {}: {answer:?}, and {found:?} is in the log", command.id()));
            }
        }
    }
    Ok(())
}
