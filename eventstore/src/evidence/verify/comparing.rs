//! The log, event by event, beside its evidence. As far as the evidence is sound, a leaf that differs is an event that was
//! tampered with. Behind that the events themselves are held to what was signed.

use super::promises::{Promise, Promises, Tree};
use super::{Difference, Doubt, EvidenceError, How, Uncovered};
use crate::evidence::leaf::Leaf;
use crate::evidence::records::{self, Transaction};
use crate::evidence::tree::Frontier;
use crate::store::{EventStore, RowHead, StoreError};
use crate::stored::StoredEvent;
use cityos_domain::log::Position;
use std::cmp::Ordering;
use std::ops::Range;
use uuid::Uuid;

/// Events read at a time.
const PAGE_EVENTS: u32 = 5_000;

/// Leaves read at a time.
const PAGE_LEAVES: u64 = 5_120;

/// How far the comparison has come.
pub struct Comparison<'a> {
    promises: &'a [Promise],
    held: Option<Box<dyn Transaction>>,
    tree: Tree,
    /// Where the last checkpoint ends, as a number of events.
    covered: u64,
    /// How many events are as they should be.
    pub events: u64,
    pub uncovered: Option<Uncovered>,
    pub doubts: Vec<Doubt>,
    parting: Option<Parting>,
    /// Where the evidence is not sound to its end: the log's own tree, and the first position behind the last promise that
    /// it kept.
    own: Frontier,
    since: Option<u64>,
}

/// Where log and evidence part.
struct Parting {
    /// At which leaf.
    leaf: u64,
    /// The position before it: where reading goes on.
    after: Position,
    /// What is in the log in its place.
    instead: Instead,
}

enum Instead {
    /// A row in front of the first position.
    Planted(RowHead),
    /// Something else than the evidence holds.
    Other { here: Leaf, held: Leaf },
    /// Something that cannot be read, but perhaps where it is.
    Unreadable(Option<RowHead>),
    /// Nothing: the log has ended.
    Nothing,
}

impl<'a> Comparison<'a> {
    pub fn new(promises: &'a Promises, held: Option<Box<dyn Transaction>>, tree: Tree) -> Self {
        Comparison {
            promises: &promises.all,
            held,
            tree,
            covered: promises.last_checkpoint().map_or(0, |last| last.size),
            events: 0,
            uncovered: None,
            doubts: Vec::new(),
            parting: None,
            own: Frontier::default(),
            since: None,
        }
    }

    /// Reads the log to `head`, or to the first event that is not as it was.
    pub async fn read(&mut self, log: &dyn EventStore, head: Position) -> Result<(), EvidenceError> {
        let first = head_of(log, None).await?;
        if let Some(planted) = first.filter(|first| first.position < 1) {
            let instead = Instead::Planted(planted);
            self.parting = Some(Parting { leaf: 0, after: Position::START, instead });
            return Ok(());
        }
        let mut pages = Pages::after(log, Position::START);
        let mut bytes = Vec::new();
        let mut after = Position::START;
        let instead = loop {
            match pages.next().await? {
                Page::Events(events) => {
                    let end = self.tree.sound_to.min(self.events + events.len() as u64);
                    let mut held = self.held(self.events..end).await?.into_iter();
                    for event in events.iter().take_while(|event| event.position <= head) {
                        let leaf = Leaf::with(&event.borrowed(), &mut bytes);
                        if !self.goes_on(after, leaf, held.next()) {
                            return Ok(());
                        }
                        after = event.position;
                    }
                    if pages.after >= head {
                        break Instead::Nothing;
                    }
                }
                Page::Unreadable => break Instead::Unreadable(head_of(log, Some(after)).await?),
                Page::End => break Instead::Nothing,
            }
        };
        let ended = matches!(instead, Instead::Nothing);
        if !ended || self.events < self.tree.size.max(self.signed()) {
            self.parting = Some(Parting { leaf: self.events, after, instead });
        }
        Ok(())
    }

    /// How many events were signed, by all that is known.
    fn signed(&self) -> u64 {
        self.promises.last().map_or(0, |last| last.size)
    }

    /// Takes the next event, beside what the evidence surely `held`; says whether the one after it matters.
    fn goes_on(&mut self, after: Position, here: Leaf, held: Option<Leaf>) -> bool {
        let leaf = self.events;
        if let Some(held) = held.filter(|held| *held != here) {
            if held.hash != here.hash {
                self.parting = Some(Parting { leaf, after, instead: Instead::Other { here, held } });
                return false;
            }
            if self.doubts.len() < super::DOUBTS_MAX {
                self.doubts.push(Doubt::LabelAltered { position: here.position });
            }
        }
        if self.tree.sound_to < self.signed() && !self.keeps_promises(here) {
            return false;
        }
        if leaf >= self.covered {
            let uncovered =
                self.uncovered.get_or_insert(Uncovered { events: 0, from: here.position, to: here.position });
            uncovered.events += 1;
            uncovered.to = here.position;
        }
        self.events += 1;
        true
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
    pub async fn difference(&mut self, log: &dyn EventStore) -> Result<Option<Difference>, EvidenceError> {
        let Some(parting) = self.parting.take() else { return Ok(None) };
        let held = self.held_at(parting.leaf).await?.map(|held| RowHead::from(&held));
        let (how, here) = match &parting.instead {
            Instead::Planted(here) => (How::Inserted, Some(*here)),
            Instead::Other { here, held } => {
                (self.classify(log, &parting, here, held).await?, Some(here.into()))
            }
            Instead::Unreadable(here) => (unreadable(*here, held), *here),
            Instead::Nothing => (How::Removed, None),
        };
        let told = match how {
            How::Inserted | How::Unreadable => here,
            How::Altered | How::Removed | How::Reordered => held,
        };
        // Where neither log nor evidence tells, it came next.
        let next = RowHead { position: parting.after.0 as i64 + 1, partition: None };
        let RowHead { position, partition } = told.unwrap_or(next);
        Ok(Some(Difference { how, partition, position, signed: parting.leaf < self.signed() }))
    }

    /// What the log has `here` where the evidence holds another is told by where else they are, from here on.
    async fn classify(
        &mut self,
        log: &dyn EventStore,
        parting: &Parting,
        here: &Leaf,
        held: &Leaf,
    ) -> Result<How, EvidenceError> {
        // How many more of each the log has than the evidence.
        let (mut more_here, mut more_held) = (0_i64, 0_i64);
        let mut count = |event: Uuid, by: i64| {
            more_here += if event == here.event { by } else { 0 };
            more_held += if event == held.event { by } else { 0 };
        };
        let mut pages = Pages::after(log, parting.after);
        while let Page::Events(events) = pages.next().await? {
            events.iter().for_each(|event| count(event.event_id.0, 1));
        }
        for first in (parting.leaf..self.tree.size).step_by(PAGE_LEAVES as usize) {
            let end = self.tree.size.min(first + PAGE_LEAVES);
            self.held(first..end).await?.iter().for_each(|leaf| count(leaf.event, -1));
        }
        // What lies behind all that is covered is new: nobody put it in.
        let end = self.held_at(self.tree.size - 1).await?;
        let new = end.is_some_and(|end| here.position > end.position);
        Ok(match (more_here > 0 && !new, more_held < 0) {
            (true, false) => How::Inserted,
            (false, true) => How::Removed,
            (false, false) if here.event != held.event => How::Reordered,
            (true, true) | (false, false) => How::Altered,
        })
    }

    async fn held_at(&mut self, leaf: u64) -> Result<Option<Leaf>, StoreError> {
        Ok(self.held(leaf..leaf + 1).await?.pop())
    }

    /// These leaves, as far as the evidence has them.
    async fn held(&mut self, leaves: Range<u64>) -> Result<Vec<Leaf>, StoreError> {
        match &mut self.held {
            Some(held) => records::leaves(&mut **held, leaves).await,
            None => Ok(Vec::new()),
        }
    }
}

impl From<&Leaf> for RowHead {
    fn from(leaf: &Leaf) -> Self {
        RowHead { position: leaf.position as i64, partition: Some(leaf.partition) }
    }
}

/// What became of the event that the evidence held where there is a row now `here` that cannot be read.
fn unreadable(here: Option<RowHead>, held: Option<RowHead>) -> How {
    let (Some(here), Some(held)) = (here, held) else {
        return if held.is_some() { How::Altered } else { How::Unreadable };
    };
    match here.position.cmp(&held.position) {
        Ordering::Less => How::Inserted,
        Ordering::Equal => How::Altered,
        Ordering::Greater => How::Removed,
    }
}

/// The first row after `after`, or of all there are, if so much of it can be read.
async fn head_of(log: &dyn EventStore, after: Option<Position>) -> Result<Option<RowHead>, StoreError> {
    match log.first_row(after).await {
        Err(StoreError::Database(_) | StoreError::Undecodable { .. }) => Ok(None),
        found => found,
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
