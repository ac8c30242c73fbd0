//! The order of the log.

use super::{Invariant, hold};
use chrono::{DateTime, Utc};
use cityos_domain::ids::{CommandId, EventId};
use cityos_domain::log::{Envelope, Partition, StreamId};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen so far.
#[derive(Default)]
pub struct Order {
    position: u64,
    recorded_at: DateTime<Utc>,
    versions: BTreeMap<StreamId, u64>,
    events: BTreeSet<EventId>,
    /// Of each command, how many events it has led to.
    commands: BTreeMap<(Partition, CommandId), usize>,
    last: Option<(Partition, CommandId)>,
}

impl Invariant for Order {
    fn see(&mut self, event: &Envelope) -> Result<(), String> {
        self.position += 1;
        hold(event.position.0 == self.position, || format!("position {} follows a gap", event.position.0))?;
        hold(event.recorded_at >= self.recorded_at, || "recorded time goes back".into())?;
        self.recorded_at = event.recorded_at;
        let version = self.versions.entry(event.stream).or_default();
        *version += 1;
        hold(event.version.0 == *version, || format!("{} has a gap", event.stream))?;
        hold(self.events.insert(event.id), || format!("event {} is there twice", event.id))?;

        let command = (event.stream.partition, event.meta.command);
        let events = self.commands.entry(command).or_default();
        hold(*events == 0 || self.last == Some(command), || {
            format!("command {} was carried out twice", command.1)
        })?;
        hold(event.id == command.1.event(*events), || format!("event {} is not its command's", event.id))?;
        *events += 1;
        self.last = Some(command);
        Ok(())
    }
}
