//! A Merkle tree as RFC 9162 hashes it, with SHA-256: roots, proofs that a leaf is in a tree, and proofs that a tree
//! goes on from an older one. Pure: whoever keeps the hashes is asked for them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;

/// What a leaf's bytes are hashed behind, and what two nodes are: neither can be taken for the other.
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// The hash of a leaf, of a node, or of a whole tree: its root. As text, base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of a leaf with these bytes.
    pub fn of_leaf(bytes: &[u8]) -> Self {
        Hash(Sha256::new().chain_update(LEAF).chain_update(bytes).finalize().into())
    }

    /// Of the node above these two.
    pub fn of_node(left: Hash, right: Hash) -> Self {
        Hash(Sha256::new().chain_update(NODE).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// The root of the tree without leaves.
    pub fn of_nothing() -> Self {
        Hash(Sha256::digest([]).into())
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Hash(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::parse(&text).ok_or_else(|| de::Error::custom("a hash is 32 bytes in base64"))
    }
}

/// Whoever keeps the hashes of a tree.
pub trait Subtrees {
    /// Why a hash cannot be had.
    type Error;

    /// The root of the subtree over these leaves, if it is kept. That of a single leaf is.
    fn kept(&self, leaves: Range<u64>) -> Result<Option<Hash>, Self::Error>;
}

/// The root over these leaves of a tree: all of them, or those below one of its nodes.
pub fn root<S: Subtrees>(tree: &S, leaves: Range<u64>) -> Result<Hash, S::Error> {
    if leaves.is_empty() {
        return Ok(Hash::of_nothing());
    }
    if let Some(kept) = tree.kept(leaves.clone())? {
        return Ok(kept);
    }
    let middle = leaves.start + left_of(leaves.end - leaves.start);
    Ok(Hash::of_node(root(tree, leaves.start..middle)?, root(tree, middle..leaves.end)?))
}

/// How many of `size` leaves are below the left of the two nodes below the root: the largest power of two that leaves
/// some for the right. Of one leaf it is asked by nobody.
fn left_of(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The path of a leaf: the hashes beside its way to the root, from the lowest up.
pub fn inclusion<S: Subtrees>(tree: &S, leaf: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut beside, mut leaves) = (Vec::new(), 0..size);
    while leaves.end - leaves.start > 1 {
        let middle = leaves.start + left_of(leaves.end - leaves.start);
        let (below, other) = match leaf < middle {
            true => (leaves.start..middle, middle..leaves.end),
            false => (middle..leaves.end, leaves.start..middle),
        };
        beside.push(root(tree, other)?);
        leaves = below;
    }
    beside.reverse();
    Ok(beside)
}

/// The root that a leaf and its path lead to in a tree of this size; `None` where the path does not fit.
pub fn root_of_path(hash: Hash, leaf: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    match size {
        0 => None,
        1 => (leaf == 0 && path.is_empty()).then_some(hash),
        _ => {
            let (beside, path) = path.split_last()?;
            let left = left_of(size);
            Some(match leaf < left {
                true => Hash::of_node(root_of_path(hash, leaf, left, path)?, *beside),
                false => Hash::of_node(*beside, root_of_path(hash, leaf - left, size - left, path)?),
            })
        }
    }
}

/// What shows that the tree of `size` leaves begins with that of the first `old`, of which there is at least one.
pub fn consistency<S: Subtrees>(tree: &S, old: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    let (mut beside, mut leaves) = (Vec::new(), 0..size);
    while old < leaves.end {
        let middle = leaves.start + left_of(leaves.end - leaves.start);
        let (below, other) = match old <= middle {
            true => (leaves.start..middle, middle..leaves.end),
            false => (middle..leaves.end, leaves.start..middle),
        };
        beside.push(root(tree, other)?);
        leaves = below;
    }
    // Where the old tree is whole below the left, its root is what is known of it.
    if leaves.start > 0 {
        beside.push(root(tree, leaves)?);
    }
    beside.reverse();
    Ok(beside)
}

/// Whether a tree of `size` leaves with this root begins with one of `old` leaves that has the root `old_root`.
pub fn is_consistent(old: u64, old_root: Hash, size: u64, root: Hash, path: &[Hash]) -> bool {
    old > 0 && old <= size && roots_of(old, size, Some(old_root), path) == Some((old_root, root))
}

/// The roots of the old and the whole tree. `whole` is the old one's, as long as it lies at the left edge.
fn roots_of(old: u64, size: u64, whole: Option<Hash>, path: &[Hash]) -> Option<(Hash, Hash)> {
    if old == size {
        let root = match (whole, path) {
            (Some(root), []) => root,
            (None, [root]) => *root,
            _ => return None,
        };
        return Some((root, root));
    }
    let (beside, path) = path.split_last()?;
    let left = left_of(size);
    if old <= left {
        let (old, root) = roots_of(old, left, whole, path)?;
        return Some((old, Hash::of_node(root, *beside)));
    }
    let (old, root) = roots_of(old - left, size - left, None, path)?;
    Some((Hash::of_node(*beside, old), Hash::of_node(*beside, root)))
}

/// A tree that only grows: of each subtree that is full, its root. Holds as many hashes as its size has binary digits.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    /// From the left: the largest first, one for each binary digit of the size that is 1.
    full: Vec<Hash>,
}

impl Frontier {
    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_full(0, leaf);
    }

    /// Appends the leaves of another: no more of them than the size of this one can be divided by.
    pub fn append(&mut self, other: &Frontier) {
        let heights = (0..u64::BITS).rev().filter(|height| other.size >> height & 1 == 1);
        for (height, full) in heights.zip(&other.full) {
            self.push_full(height, *full);
        }
    }

    fn push_full(&mut self, height: u32, mut hash: Hash) {
        let mut filled = height;
        while self.size >> filled & 1 == 1 {
            let left = self.full.pop().expect("each digit that is 1 has its hash");
            hash = Hash::of_node(left, hash);
            filled += 1;
        }
        self.full.push(hash);
        self.size += 1 << height;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut full = self.full.iter().rev().copied();
        let smallest = full.next().unwrap_or_else(Hash::of_nothing);
        full.fold(smallest, |right, left| Hash::of_node(left, right))
    }
}

#[cfg(test)]
mod tests;
