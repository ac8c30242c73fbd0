//! The tree as it is kept: of every tile its root, and of few tiles the leaves. What is asked about it stops where it needs
//! other leaves, and is asked again when they are there.

use super::EvidenceError;
use super::leaf::Leaf;
use super::records::{TILE_LEAVES, Tile, Transaction};
use super::tree::{Hash, Subtrees};
use crate::store::StoreError;
use std::collections::HashMap;
use std::ops::Range;

/// The tree, as it stands in one transaction.
pub struct Kept<'a> {
    reading: &'a mut dyn Transaction,
    known: Known,
}

/// What is known of it.
pub struct Known {
    /// Of each tile, in order.
    roots: Vec<Option<Hash>>,
    size: u64,
    tiles: HashMap<u64, Tile>,
}

/// Why a question has no answer.
pub enum Lack {
    /// The leaves of this tile are needed.
    Tile(u64),
    /// Something is needed that is not kept.
    Altered,
}

impl<'a> Kept<'a> {
    /// Reads what is needed of every tile.
    pub async fn read(reading: &'a mut dyn Transaction) -> Result<Self, StoreError> {
        let roots = reading.roots().await?;
        let size = reading.last_tile().await?.map_or(0, |tile| tile.end());
        Ok(Kept { reading, known: Known { roots, size, tiles: HashMap::new() } })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.known.size
    }

    /// The answer to a question about it.
    pub async fn ask<T>(&mut self, question: impl Fn(&Known) -> Result<T, Lack>) -> Result<T, EvidenceError> {
        loop {
            let needed = match question(&self.known) {
                Ok(answer) => return Ok(answer),
                Err(Lack::Altered) => None,
                Err(Lack::Tile(number)) => self.reading.tiles(number, 1).await?.pop(),
            };
            let lacks_leaves = || EvidenceError::Altered("it lacks leaves".into());
            let tile = needed.ok_or_else(lacks_leaves)?;
            // Where the one that is needed is not there, the next one comes, and comes again.
            if self.known.tiles.insert(tile.number, tile).is_some() {
                return Err(lacks_leaves());
            }
        }
    }
}

impl Known {
    fn leaf(&self, leaf: u64) -> Result<Leaf, Lack> {
        let number = leaf / TILE_LEAVES;
        let tile = self.tiles.get(&number).ok_or(Lack::Tile(number))?;
        tile.leaves.get((leaf % TILE_LEAVES) as usize).copied().ok_or(Lack::Altered)
    }

    /// Where the leaf of the event at this position is.
    pub fn find(&self, position: u64) -> Result<Option<u64>, Lack> {
        let (mut from, mut to) = (0, self.size);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.leaf(middle)?.position {
                found if found == position => return Ok(Some(middle)),
                found if found < position => from = middle + 1,
                _ => to = middle,
            }
        }
        Ok(None)
    }
}

impl Subtrees for Known {
    type Error = Lack;

    fn kept(&self, leaves: Range<u64>) -> Result<Option<Hash>, Lack> {
        match leaves.end - leaves.start {
            1 => Ok(Some(self.leaf(leaves.start)?.hash)),
            TILE_LEAVES => {
                let root = self.roots.get((leaves.start / TILE_LEAVES) as usize).copied().flatten();
                root.map(Some).ok_or(Lack::Altered)
            }
            _ => Ok(None),
        }
    }
}
