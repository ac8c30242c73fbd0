//! The file that evidence is kept in: tiles of leaves, and checkpoints. Whether they agree with each other and with the
//! log is for others to find out.

use super::EvidenceError;
use super::leaf::{LEAF_BYTES, Leaf};
use super::tree::{Frontier, Hash, Subtrees};
use crate::database::sqlite::{self, Schema};
use crate::store::StoreError;
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

/// The tables of the evidence.
pub(crate) const SCHEMA: Schema = Schema {
    application: i32::from_be_bytes(*b"cEvi"),
    version: 1,
    sql: include_str!("../../../schemas/evidence.sqlite.sql"),
};

/// How many leaves are kept together: a power of two.
pub const TILE_LEAVES: u64 = 256;

/// No tree comes to so many tiles; whoever altered the file may have given one any number.
const TILES_MAX: u64 = 1 << 48;

/// Opens the evidence for writing, and makes it where there is none.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    sqlite::open(path, &SCHEMA)
}

/// Why a file is no evidence; `None` where it may well be, and could not be used just now.
pub fn unusable(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Database(cause) => Some(cause.to_string()),
        StoreError::Foreign | StoreError::Newer { .. } | StoreError::Older { .. } => Some(error.to_string()),
        StoreError::Busy
        | StoreError::Unreachable(_)
        | StoreError::Full
        | StoreError::ReadOnly
        | StoreError::Closed
        | StoreError::Undecodable { .. } => None,
    }
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

    fn is_full(&self) -> bool {
        self.leaves.len() as u64 == TILE_LEAVES
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (leaves, _cut_off) = row.get_ref(2)?.as_blob()?.as_chunks::<LEAF_BYTES>();
        Ok(Tile {
            number: row.get::<_, i64>(0)? as u64,
            root: root(row.get_ref(1)?)?,
            leaves: leaves.iter().take(TILE_LEAVES as usize).map(Leaf::from_bytes).collect(),
        })
    }

    /// How many leaves the tree has with this as its last tile.
    pub fn end(&self) -> u64 {
        // Whoever altered the file may have given it any number.
        self.number.saturating_mul(TILE_LEAVES).saturating_add(self.leaves.len() as u64)
    }

    /// The tree of its leaves.
    pub fn tree(&self) -> Frontier {
        let mut tree = Frontier::default();
        self.leaves.iter().for_each(|leaf| tree.push(leaf.hash));
        tree
    }
}

/// A tile's root. What is none, whoever put it there, is nobody's.
fn root(stored: ValueRef<'_>) -> Result<Option<Hash>, FromSqlError> {
    Ok(stored.as_blob_or_null()?.map(|bytes| Hash(bytes.try_into().unwrap_or_default())))
}

/// The last tile, from which the tree's size is known.
pub fn last_tile(connection: &Connection) -> rusqlite::Result<Option<Tile>> {
    let last = "SELECT number, root, leaves FROM tiles ORDER BY number DESC LIMIT 1";
    connection.prepare_cached(last)?.query_row([], Tile::read).optional()
}

/// One tile.
pub fn tile(connection: &Connection, number: u64) -> rusqlite::Result<Option<Tile>> {
    let one = "SELECT number, root, leaves FROM tiles WHERE number = ?1";
    connection.prepare_cached(one)?.query_row([number as i64], Tile::read).optional()
}

/// Appends leaves, if the last leaf that is there is still `after`: says whether it was.
pub fn extend(
    connection: &mut Connection,
    after: Option<&Leaf>,
    leaves: &[Leaf],
) -> Result<bool, EvidenceError> {
    let extend = |transaction: &Transaction<'_>| {
        let last = last_tile(transaction)?;
        if last.as_ref().and_then(|tile| tile.leaves.last()) != after {
            return Ok(false);
        }
        let mut tile = match last {
            None => Tile::empty(0),
            Some(last) if last.is_full() != last.root.is_some() || last.number > TILES_MAX => {
                let what = format!("tile {} is not what it was", last.number);
                return Err(EvidenceError::Altered(what));
            }
            Some(last) if last.is_full() => Tile::empty(last.number + 1),
            Some(last) => last,
        };
        let mut insert = transaction
            .prepare_cached("INSERT OR REPLACE INTO tiles (number, root, leaves) VALUES (?1, ?2, ?3)")?;
        let mut left = leaves;
        while !left.is_empty() {
            let room = TILE_LEAVES as usize - tile.leaves.len();
            let (fit, rest) = left.split_at(room.min(left.len()));
            tile.leaves.extend_from_slice(fit);
            let root = tile.is_full().then(|| tile.tree().root().0);
            let bytes: Vec<_> = tile.leaves.iter().flat_map(|leaf| leaf.to_bytes()).collect();
            insert.execute(params![tile.number as i64, root, bytes])?;
            tile = Tile::empty(tile.number + 1);
            left = rest;
        }
        Ok(true)
    };
    immediately(connection, extend)
}

/// A checkpoint as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptNote {
    /// From 1, without gaps.
    pub number: u64,
    /// The signed note.
    pub note: String,
}

/// Every checkpoint, oldest first, given to `see`.
pub fn each_note<E: From<rusqlite::Error>>(
    connection: &Connection,
    mut see: impl FnMut(KeptNote) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare_cached("SELECT number, note FROM checkpoints ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        see(note(row)?)?;
    }
    Ok(())
}

/// The newest checkpoint.
pub fn last_note(connection: &Connection) -> rusqlite::Result<Option<KeptNote>> {
    let last = "SELECT number, note FROM checkpoints ORDER BY number DESC LIMIT 1";
    connection.prepare_cached(last)?.query_row([], note).optional()
}

fn note(row: &Row<'_>) -> rusqlite::Result<KeptNote> {
    // What is no text any more is no checkpoint either.
    let note = String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?).into_owned();
    Ok(KeptNote { number: row.get::<_, i64>(0)? as u64, note })
}

/// Keeps one more checkpoint.
pub fn keep_note(transaction: &Transaction<'_>, number: u64, note: &str) -> rusqlite::Result<()> {
    transaction
        .execute("INSERT INTO checkpoints (number, note) VALUES (?1, ?2)", params![number as i64, note])?;
    Ok(())
}

/// Does `work` in a transaction that nobody else writes beside.
pub fn immediately<T, E: From<rusqlite::Error>>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

/// The tree in the file, as it stands in one transaction.
pub struct Kept<'a> {
    connection: &'a Connection,
    /// Of each tile, in order.
    roots: Vec<Option<Hash>>,
    size: u64,
    /// The tile that was needed last: its neighbours in a path are needed next.
    last: RefCell<Option<Tile>>,
}

impl<'a> Kept<'a> {
    /// Reads what is needed of every tile.
    pub fn read(connection: &'a Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT root FROM tiles ORDER BY number")?;
        let roots = statement.query_map([], |row| Ok(root(row.get_ref(0)?)?))?;
        let roots = roots.collect::<rusqlite::Result<_>>()?;
        let size = last_tile(connection)?.map_or(0, |tile| tile.end());
        Ok(Kept { connection, roots, size, last: RefCell::default() })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A leaf; `None` where the file lacks it.
    pub fn leaf(&self, leaf: u64) -> rusqlite::Result<Option<Leaf>> {
        let number = leaf / TILE_LEAVES;
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|tile| tile.number != number) {
            *last = tile(self.connection, number)?;
        }
        let place = (leaf % TILE_LEAVES) as usize;
        Ok(last.as_ref().and_then(|tile| tile.leaves.get(place).copied()))
    }

    /// Where the leaf of the event at this position is.
    pub fn find(&self, position: u64) -> rusqlite::Result<Option<u64>> {
        let (mut from, mut to) = (0, self.size);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.leaf(middle)?.map(|leaf| leaf.position) {
                Some(found) if found == position => return Ok(Some(middle)),
                Some(found) if found < position => from = middle + 1,
                _ => to = middle,
            }
        }
        Ok(None)
    }
}

impl Subtrees for Kept<'_> {
    type Error = rusqlite::Error;

    fn kept(&self, leaves: Range<u64>) -> rusqlite::Result<Option<Hash>> {
        match leaves.end - leaves.start {
            1 => Ok(Some(self.leaf(leaves.start)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.hash)),
            TILE_LEAVES => Ok(self.roots.get((leaves.start / TILE_LEAVES) as usize).copied().flatten()),
            _ => Ok(None),
        }
    }
}
