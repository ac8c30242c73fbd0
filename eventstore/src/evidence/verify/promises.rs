//! What was signed: the checkpoints in the evidence, the one the key store remembers, and one kept elsewhere. Each
//! promises that the tree over the first so many events has a certain root.

use super::{Doubt, Verifying};
use crate::evidence::checkpoint::Checkpoint;
use crate::evidence::records::{NOTES_AT_ONCE, Tiles, Transaction};
use crate::evidence::tree::{Frontier, Hash};
use crate::store::StoreError;

/// That the tree of the first `size` events has this root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    pub size: u64,
    pub root: Hash,
    by: By,
}

/// Who says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Checkpoint,
    KeyStore,
    KeptElsewhere,
}

/// All of them, by size.
pub struct Promises {
    pub all: Vec<Promise>,
    /// How many of them are checkpoints in the evidence.
    pub checkpoints: u64,
}

/// What is known of the tree in the evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tree {
    /// How many leaves it has.
    pub size: u64,
    /// How many of them are beyond doubt: all of them where every promise is kept, and otherwise those below the last one
    /// before the first that is not.
    pub sound_to: u64,
}

impl Promises {
    /// Those of a log whose evidence is not there.
    pub fn without_evidence(verifying: &Verifying<'_>) -> (Self, Vec<Doubt>) {
        let all = beside(verifying);
        let doubt = all.last().map(|promise| Doubt::Missing { size: promise.size });
        (Promises { all, checkpoints: 0 }, doubt.into_iter().collect())
    }

    /// Reads the checkpoints, and doubts those that are no good.
    pub async fn read(
        held: &mut dyn Transaction,
        verifying: &Verifying<'_>,
    ) -> Result<(Self, Vec<Doubt>), StoreError> {
        let (mut all, mut doubts): (Vec<Promise>, Vec<Doubt>) = (Vec::new(), Vec::new());
        let mut number = 1;
        let mut from = Some(i64::MIN);
        while let Some(next) = from {
            let notes = held.notes(next, NOTES_AT_ONCE).await?;
            from = notes.last().and_then(|last| (last.number as i64).checked_add(1));
            for kept in notes {
                if kept.number != number {
                    doubts.push(Doubt::CheckpointMissing { number });
                }
                number = kept.number.saturating_add(1);
                match Checkpoint::open(&kept.note, verifying.key) {
                    Err(error) => {
                        let reason = error.to_string();
                        doubts.push(Doubt::CheckpointAltered { number: kept.number, reason });
                    }
                    Ok(Checkpoint { size, .. }) if all.last().is_some_and(|last| size <= last.size) => {
                        doubts.push(Doubt::CheckpointOutOfOrder { number: kept.number });
                    }
                    Ok(Checkpoint { size, root, .. }) => all.push(Promise { size, root, by: By::Checkpoint }),
                }
            }
        }
        let (checkpoints, last) = (all.len() as u64, all.last().map_or(0, |last| last.size));
        if let Some(signed) = verifying.remembered.filter(|signed| signed.size > last) {
            doubts.push(match number {
                1 => Doubt::Missing { size: signed.size },
                _ => Doubt::LastMissing { size: signed.size },
            });
        }
        all.extend(beside(verifying));
        all.sort_by_key(|promise| promise.size);
        Ok((Promises { all, checkpoints }, doubts))
    }

    /// The newest checkpoint in the evidence that is any good.
    pub fn last_checkpoint(&self) -> Option<&Promise> {
        self.all.iter().rfind(|promise| promise.by == By::Checkpoint)
    }

    /// Whether the leaves in the evidence keep the promises.
    pub async fn check_tree(
        &self,
        held: &mut dyn Transaction,
        doubts: &mut Vec<Doubt>,
    ) -> Result<Tree, StoreError> {
        let mut tree = Frontier::default();
        let mut open = self.all.iter().peekable();
        let (mut kept, mut broken) = (0, false);
        let mut tiles = Tiles::of(held);
        while let Some(tile) = tiles.next().await? {
            let mut below = Frontier::default();
            for leaf in &tile.leaves {
                below.push(leaf.hash);
                while let Some(promise) = open.next_if(|promise| promise.size == tree.size() + below.size()) {
                    if broken {
                        continue;
                    }
                    let mut whole = tree.clone();
                    whole.append(&below);
                    if whole.root() == promise.root {
                        kept = promise.size;
                    } else {
                        broken = true;
                        doubts.push(promise.broken(kept));
                    }
                }
            }
            if tile.root != tile.is_full().then(|| below.root()) {
                doubts.push(Doubt::NodeAltered { from: tree.size(), to: tile.end().saturating_sub(1) });
            }
            tree.append(&below);
            if !tile.is_full() {
                break;
            }
        }
        let size = tree.size();
        let longest = self.all.last().map_or(0, |promise| promise.size);
        let held = held.last_tile().await?.map_or(0, |tile| tile.end());
        if longest > size || held > size {
            doubts.push(Doubt::Short { held: size, size: longest.max(held) });
        }
        let sound = !broken && longest <= size;
        Ok(Tree { size, sound_to: if sound { size } else { kept } })
    }
}

impl Promise {
    /// What it means that this is the first that is not kept, behind the one over `kept` leaves.
    fn broken(&self, kept: u64) -> Doubt {
        match self.by {
            By::KeptElsewhere => Doubt::OtherThanKept { size: self.size },
            By::Checkpoint | By::KeyStore => Doubt::LeavesAltered { from: kept, to: self.size - 1 },
        }
    }
}

/// Those that are not in the evidence, by size.
fn beside(verifying: &Verifying<'_>) -> Vec<Promise> {
    let remembered = verifying.remembered.map(|signed| Promise {
        size: signed.size,
        root: Hash(signed.root),
        by: By::KeyStore,
    });
    let kept = verifying.kept.as_ref().map(|kept| Promise {
        size: kept.size,
        root: kept.root,
        by: By::KeptElsewhere,
    });
    let mut beside: Vec<_> = remembered.into_iter().chain(kept).collect();
    beside.sort_by_key(|promise| promise.size);
    beside
}
