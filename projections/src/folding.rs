//! Rows of a model while a long stretch of the log is folded: typed, kept from page to page, and written out only now and
//! then. Each of several shares of the keys is folded by itself.

use crate::model::{Erased, KeyOf, ReadModel, StoredKey, StoredRow, Unfit, caught};
use crate::poison::Frozen;
use crate::row::{Field, Row, RowKey, Unreadable};
use cityos_domain::log::{Envelope, Partition, Position};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, BuildHasherDefault};
use uuid::Uuid;

/// Which of a model's keys: one share of several, by their hash.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Counts from 0.
    pub index: u64,
    /// How many there are.
    pub of: u64,
}

impl Share {
    fn holds(self, place: &impl std::hash::Hash) -> bool {
        self.of == 1 || BuildHasherDefault::<DefaultHasher>::default().hash_one(place) % self.of == self.index
    }
}

/// What has become of rows since it was asked last.
#[derive(Debug, Default)]
pub struct Changes {
    /// The rows by their keys, in key order; `None` is gone.
    pub rows: Vec<(StoredKey, Option<StoredRow>)>,
    /// The keys that were poisoned, and by which event. Their rows are as they were before it.
    pub poisoned: Vec<Frozen>,
}

/// An event whose rows a model cannot tell.
pub type Untold = (Position, Unfit);

/// Folds a share of a model's keys.
pub trait Folding: Send {
    /// The keys that the events touch and whose rows it must be given before it folds them.
    fn missing(&self, events: &[Envelope]) -> Result<Vec<StoredKey>, Untold>;

    /// Gives it the rows of keys: those not among `rows` do not exist.
    fn take(&mut self, keys: Vec<StoredKey>, rows: HashMap<StoredKey, StoredRow>) -> Result<(), Unreadable>;

    /// Folds events, in log order. A key is poisoned by the first event that does not fit, and later ones pass it by.
    fn fold(&mut self, events: &[Envelope]) -> Result<(), Untold>;

    /// What has changed since the last call, all of which must be written before the next. Of more than `keep` rows
    /// those that had not changed are forgotten.
    fn changes(&mut self, keep: usize) -> Changes;
}

/// The folding of a model's keys from the start of the log, or (not `fresh`) on rows that are stored.
pub(crate) fn of<M: ReadModel>(_: &Erased<M>, share: Share, fresh: bool) -> Box<dyn Folding> {
    Box::new(Typed::<M> { share, rows: HashMap::new(), whole: fresh, poisoned: Vec::new() })
}

type Place<M> = (Partition, KeyOf<M>);

struct Typed<M: ReadModel> {
    share: Share,
    rows: HashMap<Place<M>, Kept<M::Row>>,
    /// Whether what is not among the rows does not exist.
    whole: bool,
    poisoned: Vec<Frozen>,
}

struct Kept<R> {
    row: Option<R>,
    changed: bool,
    frozen: bool,
}

impl<R> Kept<R> {
    fn stored(row: Option<R>) -> Self {
        Kept { row, changed: false, frozen: false }
    }
}

impl<M: ReadModel> Typed<M> {
    /// The keys of this share that the event touches.
    fn places(&self, event: &Envelope) -> Result<impl Iterator<Item = Place<M>> + use<M>, Untold> {
        let (partition, keys) =
            caught(|| (M::partition(event), M::keys(event))).map_err(|unfit| (event.position, unfit))?;
        let share = self.share;
        Ok(keys.into_iter().map(move |key| (partition, key)).filter(move |place| share.holds(place)))
    }
}

fn stored_key<M: ReadModel>((partition, key): &Place<M>) -> StoredKey {
    let mut values = vec![partition.id().into_value()];
    values.extend(key.clone().into_values());
    values
}

fn place_of<M: ReadModel>(key: StoredKey) -> Result<Place<M>, Unreadable> {
    let mut values = key.into_iter();
    let partition = Uuid::from_value(values.next().unwrap_or(crate::row::Value::Null))?;
    Ok((Partition::from_id(partition), KeyOf::<M>::from_values(values)?))
}

impl<M: ReadModel> Folding for Typed<M> {
    fn missing(&self, events: &[Envelope]) -> Result<Vec<StoredKey>, Untold> {
        if self.whole {
            return Ok(Vec::new());
        }
        let mut keys = Vec::new();
        for event in events {
            let unknown = self.places(event)?.filter(|place| !self.rows.contains_key(place));
            keys.extend(unknown.map(|place| stored_key::<M>(&place)));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    fn take(
        &mut self,
        keys: Vec<StoredKey>,
        mut rows: HashMap<StoredKey, StoredRow>,
    ) -> Result<(), Unreadable> {
        for key in keys {
            let row = rows.remove(&key).map(M::Row::from_values).transpose()?;
            self.rows.insert(place_of::<M>(key)?, Kept::stored(row));
        }
        Ok(())
    }

    fn fold(&mut self, events: &[Envelope]) -> Result<(), Untold> {
        for event in events {
            for place in self.places(event)? {
                let key = place.1.clone();
                let kept = self.rows.entry(place).or_insert_with(|| Kept::stored(None));
                if kept.frozen {
                    continue;
                }
                let row = kept.row.clone();
                match caught(|| M::evolve(row, &key, event)).and_then(|row| row) {
                    Ok(row) => (kept.row, kept.changed) = (row, true),
                    Err(unfit) => {
                        kept.frozen = true;
                        let key = stored_key::<M>(&(M::partition(event), key));
                        self.poisoned.push(Frozen::at(key, event, unfit.to_string()));
                    }
                }
            }
        }
        Ok(())
    }

    fn changes(&mut self, keep: usize) -> Changes {
        if self.rows.len() > keep {
            self.rows.retain(|_, kept| kept.changed || kept.frozen);
            self.whole = false;
        }
        let mut rows = Vec::new();
        for (place, kept) in &mut self.rows {
            if std::mem::take(&mut kept.changed) {
                rows.push((stored_key::<M>(place), kept.row.clone().map(M::Row::into_values)));
            }
        }
        rows.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Changes { rows, poisoned: std::mem::take(&mut self.poisoned) }
    }
}
