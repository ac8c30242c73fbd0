//! What evidence is kept as, wherever that is: tiles of leaves, and checkpoints. Whether they agree with each other and with
//! the log is for others to find out.

use super::EvidenceError;
use super::leaf::{LEAF_BYTES, Leaf};
use super::tree::{Frontier, Hash};
use crate::store::StoreError;
use async_trait::async_trait;
use std::ops::Range;
use std::vec::IntoIter;

/// How many leaves are kept together: a power of two.
pub const TILE_LEAVES: u64 = 256;

/// How many tiles are best read or kept at once.
pub const TILES_AT_ONCE: u32 = 64;

/// The same of checkpoints.
pub const NOTES_AT_ONCE: u32 = 1_000;

/// No tree comes to so many tiles; whoever altered what is kept may have given one any number.
const TILES_MAX: u64 = 1 << 48;

/// Evidence that is open. Others may have it open too.
#[async_trait]
pub trait Records: Send + Sync {
    /// Begins to read what is there at one moment.
    async fn read(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// Begins to write, when nobody else does.
    async fn write(&self) -> Result<Box<dyn Transaction>, StoreError>;
}

/// What is read or written at once. Nothing of it was done that was not committed.
#[async_trait]
pub trait Transaction: Send {
    /// The last tile, from which the tree's size is known.
    async fn last_tile(&mut self) -> Result<Option<Tile>, StoreError>;

    /// At most so many tiles from this number on, in their order.
    async fn tiles(&mut self, from: u64, limit: u32) -> Result<Vec<Tile>, StoreError>;

    /// The root of every tile, in their order.
    async fn roots(&mut self) -> Result<Vec<Option<Hash>>, StoreError>;

    /// Keeps tiles, in the place of those of the same numbers.
    async fn keep_tiles(&mut self, tiles: Vec<Tile>) -> Result<(), StoreError>;

    /// The newest checkpoint.
    async fn last_note(&mut self) -> Result<Option<KeptNote>, StoreError>;

    /// At most so many checkpoints from this number on, in their order.
    async fn notes(&mut self, from: i64, limit: u32) -> Result<Vec<KeptNote>, StoreError>;

    /// Keeps one more checkpoint.
    async fn keep_note(&mut self, note: KeptNote) -> Result<(), StoreError>;

    /// Ends it, for good.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Some neighbouring leaves, from a multiple of [`TILE_LEAVES`] on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tile {
    /// Which, from 0.
    pub number: u64,
    /// The root over its leaves, once it is full.
    pub root: Option<Hash>,
    /// At most [`TILE_LEAVES`]. What somebody put behind them is nobody's.
    pub leaves: Vec<Leaf>,
}

impl Tile {
    fn empty(number: u64) -> Self {
        Tile { number, root: None, leaves: Vec::new() }
    }

    /// As it is kept. What is no root or leaf, whoever put it there, is nobody's.
    pub fn kept(number: i64, root: Option<&[u8]>, leaves: &[u8]) -> Self {
        let (leaves, _cut_off) = leaves.as_chunks::<LEAF_BYTES>();
        Tile {
            number: number as u64,
            root: kept_root(root),
            leaves: leaves.iter().take(TILE_LEAVES as usize).map(Leaf::from_bytes).collect(),
        }
    }

    /// Its leaves, as they are kept.
    pub fn bytes(&self) -> Vec<u8> {
        self.leaves.iter().flat_map(|leaf| leaf.to_bytes()).collect()
    }

    /// Whether it has all its leaves.
    pub fn is_full(&self) -> bool {
        self.leaves.len() as u64 == TILE_LEAVES
    }

    /// How many leaves the tree has with this as its last tile.
    pub fn end(&self) -> u64 {
        // Whoever altered what is kept may have given it any number.
        self.number.saturating_mul(TILE_LEAVES).saturating_add(self.leaves.len() as u64)
    }

    /// The tree of its leaves.
    pub fn tree(&self) -> Frontier {
        let mut tree = Frontier::default();
        self.leaves.iter().for_each(|leaf| tree.push(leaf.hash));
        tree
    }
}

/// A tile's root as it is kept.
pub fn kept_root(bytes: Option<&[u8]>) -> Option<Hash> {
    bytes.map(|bytes| Hash(bytes.try_into().unwrap_or_default()))
}

/// A checkpoint as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptNote {
    /// From 1, without gaps.
    pub number: u64,
    /// The signed note.
    pub note: String,
}

/// Appends leaves, if the last leaf that is there is still `after`: says whether it was.
pub async fn extend(
    records: &dyn Records,
    after: Option<&Leaf>,
    leaves: &[Leaf],
) -> Result<bool, EvidenceError> {
    let mut writing = records.write().await?;
    let last = writing.last_tile().await?;
    if last.as_ref().and_then(|tile| tile.leaves.last()) != after {
        return Ok(false);
    }
    writing.keep_tiles(filled(last, leaves)?).await?;
    writing.commit().await?;
    Ok(true)
}

/// The tiles that more leaves behind the last tile make.
fn filled(last: Option<Tile>, mut leaves: &[Leaf]) -> Result<Vec<Tile>, EvidenceError> {
    let mut tile = match last {
        None => Tile::empty(0),
        Some(last) if last.is_full() != last.root.is_some() || last.number > TILES_MAX => {
            return Err(EvidenceError::Altered(format!("tile {} is not what it was", last.number)));
        }
        Some(last) if last.is_full() => Tile::empty(last.number + 1),
        Some(last) => last,
    };
    let mut tiles = Vec::new();
    while !leaves.is_empty() {
        let room = TILE_LEAVES as usize - tile.leaves.len();
        let (fit, rest) = leaves.split_at(room.min(leaves.len()));
        tile.leaves.extend_from_slice(fit);
        tile.root = tile.is_full().then(|| tile.tree().root());
        let next = Tile::empty(tile.number + 1);
        tiles.push(std::mem::replace(&mut tile, next));
        leaves = rest;
    }
    Ok(tiles)
}

/// The tiles from the first on, as far as none is missing.
pub struct Tiles<'a> {
    reading: &'a mut dyn Transaction,
    next: u64,
    read: IntoIter<Tile>,
}

impl<'a> Tiles<'a> {
    pub fn of(reading: &'a mut dyn Transaction) -> Self {
        Tiles { reading, next: 0, read: Vec::new().into_iter() }
    }

    pub async fn next(&mut self) -> Result<Option<Tile>, StoreError> {
        if self.read.len() == 0 {
            self.read = self.reading.tiles(self.next, TILES_AT_ONCE).await?.into_iter();
        }
        let next = self.read.next().filter(|tile| tile.number == self.next);
        self.next += 1;
        Ok(next)
    }
}

/// Those of these leaves that are there, from the first on without a gap. Reads their tiles at once.
pub async fn leaves(reading: &mut dyn Transaction, wanted: Range<u64>) -> Result<Vec<Leaf>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (first, end) = (wanted.start / TILE_LEAVES, wanted.end.div_ceil(TILE_LEAVES));
    let mut leaves = Vec::new();
    for (number, tile) in (first..).zip(reading.tiles(first, (end - first) as u32).await?) {
        if tile.number != number {
            break;
        }
        leaves.extend_from_slice(&tile.leaves);
        if !tile.is_full() {
            break;
        }
    }
    let before = (wanted.start % TILE_LEAVES) as usize;
    Ok(leaves.into_iter().skip(before).take((wanted.end - wanted.start) as usize).collect())
}

/// Copies all there is.
pub async fn copy(from: &mut dyn Transaction, to: &mut dyn Transaction) -> Result<(), StoreError> {
    let mut next = 0;
    loop {
        let tiles = from.tiles(next, TILES_AT_ONCE).await?;
        let Some(last) = tiles.last() else { break };
        next = last.number + 1;
        to.keep_tiles(tiles).await?;
    }
    let mut next = 0;
    loop {
        let notes = from.notes(next, NOTES_AT_ONCE).await?;
        let Some(last) = notes.last() else { return Ok(()) };
        next = last.number as i64 + 1;
        for note in notes {
            to.keep_note(note).await?;
        }
    }
}
