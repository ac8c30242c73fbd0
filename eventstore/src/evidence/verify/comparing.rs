//! The log, event by event, beside its evidence. As far as the evidence is sound, a leaf that differs is an event that was
//! tampered with. Behind that the events themselves are held to what was signed.

use super::promises::{Promise, Promises, Tree};
use super::{Difference, Doubt, EvidenceError, How, Uncovered};
use crate::evidence::file::Kept;
use crate::evidence::leaf::Leaf;
use crate::evidence::tree::Frontier;
use crate::store::{EventStore, StoreError};
use crate::stored::StoredEvent;
use cityos_domain::log::Position;
use uuid::Uuid;

/// Events read at a time.
const PAGE_EVENTS: u32 = 5_000;

/// How far the comparison has come.
pub struct Comparison<'a> {
    promises: &'a [Promise],
    held: Option<&'a Kept<'a>>,
    tree: Tree,
    /// Where the last checkpoint ends, as a number of events.
    covered: u64,
    /// How many events are as they should be.
    pub events: u64,
    pub uncovered: Option<Uncovered>,
    pub doubts: Vec<Doubt>,
    found: Option<Found>,
    /// Where the evidence is not sound to its end: the log's own tree, and the first position behind the last promise that
    /// it kept.
    own: Frontier,
    since: Option<u64>,
}

/// Where log and evidence part.
#[derive(Clone, Copy)]
struct Found {
    /// Which leaf.
    leaf: u64,
    /// The position before it: where reading goes on.
    after: Position,
    /// What is there in the log, if it can be read.
    here: Option<Leaf>,
    /// Whether something is there that cannot be read.
    unreadable: bool,
}

impl<'a> Comparison<'a> {
    pub fn new(promises: &'a Promises, held: Option<&'a Kept<'a>>, tree: Tree) -> Self {
        Comparison {
            promises: &promises.all,
            held,
            tree,
            covered: promises.last_checkpoint().map_or(0, |last| last.size),
            events: 0,
            uncovered: None,
            doubts: Vec::new(),
            found: None,
            own: Frontier::default(),
            since: None,
        }
    }

    /// Reads the log to `head`, or to the first event that is not as it was.
    pub async fn read(&mut self, log: &dyn EventStore, head: Position) -> Result<(), EvidenceError> {
        let mut pages = Pages::after(log, Position::START);
        let mut bytes = Vec::new();
        let mut after = Position::START;
        let unreadable = loop {
            match pages.next().await? {
                Page::Events(events) => {
                    for event in events.iter().take_while(|event| event.position <= head) {
                        let leaf = Leaf::with(&event.borrowed(), &mut bytes);
                        if !self.goes_on(after, leaf)? {
                            return Ok(());
                        }
                        after = event.position;
                    }
                    if pages.after >= head {
                        break false;
                    }
                }
                Page::Unreadable => break true,
                Page::End => break false,
            }
        };
        if unreadable || self.events < self.tree.size.max(self.signed()) {
            self.found = Some(Found { leaf: self.events, after, here: None, unreadable });
        }
        Ok(())
    }

    /// How many events were signed, by all that is known.
    fn signed(&self) -> u64 {
        self.promises.last().map_or(0, |last| last.size)
    }

    /// Takes the next event; says whether the one after it matters.
    fn goes_on(&mut self, after: Position, here: Leaf) -> Result<bool, EvidenceError> {
        let leaf = self.events;
        let held = match self.held {
            Some(held) if leaf < self.tree.sound_to => held.leaf(leaf)?,
            _ => None,
        };
        if held.is_some_and(|held| held.hash != here.hash) {
            self.found = Some(Found { leaf, after, here: Some(here), unreadable: false });
            return Ok(false);
        }
        if held.is_some_and(|held| held != here) && self.doubts.len() < super::DOUBTS_MAX {
            self.doubts.push(Doubt::LabelAltered { position: here.position });
        }
        if self.tree.sound_to < self.signed() && !self.keeps_promises(here) {
            return Ok(false);
        }
        if leaf >= self.covered {
            let uncovered =
                self.uncovered.get_or_insert(Uncovered { events: 0, from: here.position, to: here.position });
            uncovered.events += 1;
            uncovered.to = here.position;
        }
        self.events += 1;
        Ok(true)
    }

    /// Whether the log's own tree, with this event, keeps what was promised of it.
    fn keeps_promises(&mut self, here: Leaf) -> bool {
        let from = *self.since.get_or_insert(here.position);
        self.own.push(here.hash);
        let size = self.own.size();
        let first = self.promises.partition_point(|promise| promise.size < size);
        for promise in self.promises[first..].iter().take_while(|promise| promise.size == size) {
            self.since = None;
            if promise.root != self.own.root() {
                self.doubts.push(Doubt::EventsAltered { from, to: here.position });
                return false;
            }
        }
        true
    }

    /// What became of the event at which log and evidence part.
    pub async fn classify(&self, log: &dyn EventStore) -> Result<Option<Difference>, EvidenceError> {
        let Some(found) = self.found else { return Ok(None) };
        let held = self.held.map(|held| held.leaf(found.leaf)).transpose()?.flatten();
        let signed = found.leaf < self.signed();
        let was = |how| {
            // Where the evidence lacks it, what comes next in the log is as near as it gets.
            let near = held.or(found.here);
            let position = near.map_or(found.after.0 + 1, |leaf| leaf.position);
            Difference { how, partition: near.map(|leaf| leaf.partition), position, signed }
        };
        let Some(here) = found.here else {
            return Ok(Some(was(if found.unreadable { How::Altered } else { How::Removed })));
        };
        let Some(held) = held else { return Ok(Some(was(How::Altered))) };
        let end = self.held.map(|held| held.leaf(self.tree.size - 1)).transpose()?.flatten();
        let behind = end.is_some_and(|end| here.position > end.position);
        // Of what is here and of what should be: how many more the log has than the evidence, from here on.
        let (mut here_more, mut held_more) = (0_i64, 0_i64);
        let mut count = |event: Uuid, by: i64| {
            here_more += if event == here.event { by } else { 0 };
            held_more += if event == held.event { by } else { 0 };
        };
        let mut pages = Pages::after(log, found.after);
        while let Page::Events(events) = pages.next().await? {
            events.iter().for_each(|event| count(event.event_id.0, 1));
        }
        for leaf in found.leaf..self.tree.size {
            if let Some(leaf) = self.held.map(|held| held.leaf(leaf)).transpose()?.flatten() {
                count(leaf.event, -1);
            }
        }
        // What lies behind all that is covered is new, and nobody put it in its place.
        Ok(Some(match (here_more > 0 && !behind, held_more < 0) {
            (true, false) => Difference {
                how: How::Inserted,
                partition: Some(here.partition),
                position: here.position,
                signed,
            },
            (false, true) => was(How::Removed),
            (false, false) if here.event != held.event => was(How::Reordered),
            (true, true) | (false, false) => was(How::Altered),
        }))
    }
}

/// The log in pages, as far as it can be read.
struct Pages<'a> {
    log: &'a dyn EventStore,
    after: Position,
    limit: u32,
}

enum Page {
    Events(Vec<StoredEvent>),
    /// The next event cannot be read.
    Unreadable,
    End,
}

impl<'a> Pages<'a> {
    fn after(log: &'a dyn EventStore, after: Position) -> Self {
        Pages { log, after, limit: PAGE_EVENTS }
    }

    async fn next(&mut self) -> Result<Page, StoreError> {
        loop {
            return match self.log.read_stored(self.after, self.limit).await {
                Ok(events) => Ok(match events.last() {
                    None => Page::End,
                    Some(last) => {
                        self.after = last.position;
                        Page::Events(events)
                    }
                }),
                // One event that cannot be read spoils its page: which it is shows when they are read one by one.
                Err(StoreError::Database(_) | StoreError::Undecodable { .. }) if self.limit > 1 => {
                    self.limit = 1;
                    continue;
                }
                Err(StoreError::Database(_) | StoreError::Undecodable { .. }) => Ok(Page::Unreadable),
                Err(error) => Err(error),
            };
        }
    }
}
