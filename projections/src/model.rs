//! What a read model is: which rows an event touches, and what each of them becomes. Pure; the runtime does
//! all I/O, in bulk.

use crate::folding::{self, Folding, Share};
use crate::row::{ColumnSpec, Field, Row, RowKey, Unreadable, Value};
use cityos_domain::log::{Envelope, Partition};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The key of a model's rows.
pub type KeyOf<M> = <<M as ReadModel>::Row as Row>::Key;

/// A keyed fold over the log.
pub trait ReadModel: Send + Sync + 'static {
    /// The table's name. Never changes.
    const NAME: &'static str;

    /// Counts up when `keys` or `evolve` change their meaning, or a JSON column its shape. Together with the
    /// columns it makes the fingerprint: a changed one is a new table, filled from the start of the log.
    const VERSION: u32;

    /// A row.
    type Row: Row;

    /// The partition whose rows the event touches: its own, so that no fold can mix two tenants. Only the
    /// city's register of tenants says otherwise.
    fn partition(event: &Envelope) -> Partition {
        event.stream.partition
    }

    /// Which rows the event touches. Looks nothing up.
    fn keys(event: &Envelope) -> Keys<KeyOf<Self>>;

    /// What the row of `key` becomes; `None` is a row that is not there. Asked only for keys that `keys`
    /// named.
    fn evolve(
        row: Option<Self::Row>,
        key: &KeyOf<Self>,
        event: &Envelope,
    ) -> Result<Option<Self::Row>, Unfit>;
}

/// The rows an event touches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keys<K> {
    /// None.
    None,
    /// One, as nearly always.
    One(K),
    /// Several; none of them twice.
    Many(Vec<K>),
}

impl<K> IntoIterator for Keys<K> {
    type Item = K;
    type IntoIter = std::iter::Chain<std::option::IntoIter<K>, std::vec::IntoIter<K>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Keys::None => (None, Vec::new()),
            Keys::One(key) => (Some(key), Vec::new()),
            Keys::Many(keys) => (None, keys),
        };
        one.into_iter().chain(many)
    }
}

/// An event that does not fit the row it is about: a gap or a contradiction in the log, or a bug in the fold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// It happened to something that does not exist.
    #[error("it happened to something that does not exist")]
    Missing,
    /// It contradicts what happened before.
    #[error("it contradicts what happened before: {0}")]
    Contradiction(&'static str),
    /// The stored row cannot be read.
    #[error("the stored row cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
    /// The model panicked.
    #[error("the model panicked: {0}")]
    Panicked(String),
}

/// The row an event changes, which must exist.
pub(crate) fn existing<R>(row: Option<R>) -> Result<R, Unfit> {
    row.ok_or(Unfit::Missing)
}

/// A row's full key as stored: the partition's id, then the key columns.
pub type StoredKey = Vec<Value>;

/// A row as stored, without its partition.
pub type StoredRow = Vec<Value>;

/// What some events made of a row.
#[derive(Clone, PartialEq, Debug)]
pub struct Folded {
    /// The last good row.
    pub row: Option<StoredRow>,
    /// Which of the events did not fit, and why. It and those after it are not in the row.
    pub poison: Option<(usize, Unfit)>,
}

/// A [`ReadModel`] whose types are forgotten, so that the runtime can hold many.
pub trait AnyModel: Send + Sync {
    /// [`ReadModel::NAME`].
    fn name(&self) -> &'static str;

    /// The declared columns, those of the key first. The partition comes before them and is not among them.
    fn columns(&self) -> &'static [ColumnSpec];

    /// Twelve hexadecimal digits over name, version and columns.
    fn fingerprint(&self) -> String;

    /// Which rows the event touches. A panic is caught and is the error.
    fn keys(&self, event: &Envelope) -> Result<Vec<StoredKey>, Unfit>;

    /// Folds `events`, in log order, into the row. A panic of the fold is caught and reported as poison.
    fn fold(&self, row: Option<&StoredRow>, key: &StoredKey, events: &[&Envelope]) -> Folded;

    /// Folds one share of the keys over a long stretch of the log: from its start (`fresh`), or on stored rows.
    fn folding(&self, share: Share, fresh: bool) -> Box<dyn Folding>;
}

/// Gives a [`ReadModel`] its [`AnyModel`] form.
pub struct Erased<M>(std::marker::PhantomData<fn() -> M>);

impl<M> Erased<M> {
    /// The form.
    pub const fn new() -> Self {
        Erased(std::marker::PhantomData)
    }
}

impl<M> Default for Erased<M> {
    fn default() -> Self {
        Erased::new()
    }
}

impl<M: ReadModel> AnyModel for Erased<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn columns(&self) -> &'static [ColumnSpec] {
        M::Row::COLUMNS
    }

    fn fingerprint(&self) -> String {
        let mut text = format!("{} {}", M::NAME, M::VERSION);
        for ColumnSpec { name, kind, nullable, role } in M::Row::COLUMNS {
            write!(text, "\n{name} {} {nullable} {role:?}", kind.stored())
                .expect("a string takes what is written");
        }
        blake3::hash(text.as_bytes()).to_hex()[..12].to_owned()
    }

    fn keys(&self, event: &Envelope) -> Result<Vec<StoredKey>, Unfit> {
        caught(|| {
            let keys = M::keys(event);
            if matches!(keys, Keys::None) {
                return Vec::new();
            }
            let partition = M::partition(event).id();
            let stored = |key: KeyOf<M>| {
                let mut values = vec![partition.into_value()];
                values.extend(key.into_values());
                values
            };
            keys.into_iter().map(stored).collect()
        })
    }

    fn fold(&self, row: Option<&StoredRow>, key: &StoredKey, events: &[&Envelope]) -> Folded {
        let fold = |events: &[&Envelope]| fold::<M>(row, key, events);
        match fold(events) {
            Ok(row) => Folded { row, poison: None },
            Err(poison) => match fold(&events[..poison.0]) {
                Ok(row) => Folded { row, poison: Some(poison) },
                // Not even what went well a moment ago: the row stays as it was.
                Err((_, unfit)) => Folded { row: row.cloned(), poison: Some((0, unfit)) },
            },
        }
    }

    fn folding(&self, share: Share, fresh: bool) -> Box<dyn Folding> {
        folding::of(self, share, fresh)
    }
}

fn fold<M: ReadModel>(
    row: Option<&StoredRow>,
    key: &StoredKey,
    events: &[&Envelope],
) -> Result<Option<StoredRow>, (usize, Unfit)> {
    let mut at = 0;
    let folded = caught(|| -> Result<_, Unfit> {
        let key = KeyOf::<M>::from_values(key[1..].iter().cloned())?;
        let mut row = row.map(|values| M::Row::from_values(values.iter().cloned())).transpose()?;
        for (index, event) in events.iter().enumerate() {
            at = index;
            row = M::evolve(row, &key, event)?;
        }
        Ok(row.map(Row::into_values))
    });
    folded.and_then(|folded| folded).map_err(|unfit| (at, unfit))
}

/// What `work` gives, or what it said when it panicked.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Unfit> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().copied().map(str::to_owned);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Unfit::Panicked(said.unwrap_or_default())
    })
}
