//! Batches: what many rows of one answer point to is fetched with one statement per kind of thing, not one per
//! row. One loader per request, so that nothing read is kept beyond it. Contacts are opened in batches too: see
//! [`sealing`](super::sealing).

use crate::graphql::refusal::Refusal;
use crate::graphql::services::Services;
use async_graphql::dataloader::Loader;
use cityos_domain::log::Partition;
use cityos_projections::model::KeyOf;
use cityos_projections::row::Field;
use cityos_projections::{Column, PAGE_ROWS_MAX, Query, ReadModel, by_keys};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

/// The most rows fetched below the parents of one batch.
const CHILDREN_MAX: usize = 50_000;

/// Loads rows by key and by what they lie below, and opens contacts.
pub struct Batches(pub Arc<Services>);

/// The row of this key.
pub struct ByKey<M: ReadModel> {
    /// Whose it is.
    pub partition: Partition,
    /// Its key there.
    pub key: KeyOf<M>,
}

impl<M: ReadModel> ByKey<M> {
    /// The row of `key` in `partition`.
    pub fn new(partition: Partition, key: KeyOf<M>) -> Self {
        ByKey { partition, key }
    }
}

impl<M: ReadModel> Clone for ByKey<M> {
    fn clone(&self) -> Self {
        ByKey { partition: self.partition, key: self.key.clone() }
    }
}

impl<M: ReadModel> PartialEq for ByKey<M> {
    fn eq(&self, other: &Self) -> bool {
        self.partition == other.partition && self.key == other.key
    }
}

impl<M: ReadModel> Eq for ByKey<M> {}

impl<M: ReadModel> Hash for ByKey<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.partition.hash(state);
        self.key.hash(state);
    }
}

impl<M: ReadModel> Loader<ByKey<M>> for Batches {
    type Value = M::Row;
    type Error = Refusal;

    async fn load(&self, wanted: &[ByKey<M>]) -> Result<HashMap<ByKey<M>, M::Row>, Refusal> {
        let mut found = HashMap::new();
        for (partition, keys) in by_partition(wanted.iter().map(|wish| (wish.partition, wish.key.clone()))) {
            let rows = by_keys::<M>(&self.0.reads, partition, keys).await?;
            found.extend(rows.into_iter().map(|(key, row)| (ByKey { partition, key }, row)));
        }
        Ok(found)
    }
}

/// How rows lie below others: parts below their order, balances below their vendor.
pub trait Relation: Send + Sync + 'static {
    /// What lies below.
    type Model: ReadModel;
    /// What it lies below.
    type Parent: Field + Copy + Eq + Hash + Debug + Send + Sync + 'static;

    /// The column that names the parent.
    fn column() -> Column<<Self::Model as ReadModel>::Row, Self::Parent, true>;

    /// The parent a row names.
    fn parent(row: &<Self::Model as ReadModel>::Row) -> Self::Parent;
}

/// All rows below this parent.
pub struct Below<R: Relation> {
    partition: Partition,
    parent: R::Parent,
    relation: PhantomData<fn() -> R>,
}

impl<R: Relation> Below<R> {
    /// The rows below `parent` in `partition`.
    pub fn new(partition: Partition, parent: R::Parent) -> Self {
        Below { partition, parent, relation: PhantomData }
    }
}

impl<R: Relation> Clone for Below<R> {
    fn clone(&self) -> Self {
        Below::new(self.partition, self.parent)
    }
}

impl<R: Relation> PartialEq for Below<R> {
    fn eq(&self, other: &Self) -> bool {
        self.partition == other.partition && self.parent == other.parent
    }
}

impl<R: Relation> Eq for Below<R> {}

impl<R: Relation> Hash for Below<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.partition.hash(state);
        self.parent.hash(state);
    }
}

impl<R: Relation> Loader<Below<R>> for Batches {
    /// Shared by all that ask for them: they may be many, and each many times.
    type Value = Arc<Vec<<R::Model as ReadModel>::Row>>;
    type Error = Refusal;

    async fn load(&self, wanted: &[Below<R>]) -> Result<HashMap<Below<R>, Self::Value>, Refusal> {
        let mut found: HashMap<_, Vec<_>> = wanted.iter().map(|wish| (wish.clone(), Vec::new())).collect();
        for (partition, parents) in by_partition(wanted.iter().map(|wish| (wish.partition, wish.parent))) {
            let (mut after, mut fetched) = (None, 0);
            loop {
                let mut query = Query::<R::Model>::new(partition).filter(R::column().is_in(parents.clone()));
                if let Some(cursor) = after {
                    query = query.after(cursor);
                }
                let page = query.first(PAGE_ROWS_MAX).page(&self.0.reads).await?;
                fetched += page.rows.len();
                after = page.rows.last().map(|(cursor, _)| cursor.clone());
                for (_, row) in page.rows {
                    let below = Below::new(partition, R::parent(&row));
                    found.entry(below).or_default().push(row);
                }
                if !page.more {
                    break;
                }
                if fetched >= CHILDREN_MAX {
                    let rule =
                        format!("more than {CHILDREN_MAX} rows lie below these: ask for fewer at once");
                    return Err(Refusal::BadArgument(rule));
                }
            }
        }
        Ok(found.into_iter().map(|(below, rows)| (below, Arc::new(rows))).collect())
    }
}

/// What is wanted of each partition.
pub fn by_partition<T>(wanted: impl Iterator<Item = (Partition, T)>) -> HashMap<Partition, Vec<T>> {
    let mut partitions: HashMap<_, Vec<T>> = HashMap::new();
    for (partition, key) in wanted {
        partitions.entry(partition).or_default().push(key);
    }
    partitions
}

/// Declares how rows of a model lie below others.
macro_rules! relation {
    ($(#[$doc:meta])* $name:ident: $model:ty, $parent:ty, $row:ty => $column:ident) => {
        $(#[$doc])*
        pub struct $name;

        impl $crate::graphql::loading::Relation for $name {
            type Model = $model;
            type Parent = $parent;

            fn column() -> cityos_projections::Column<$row, $parent, true> {
                <$row>::$column()
            }

            fn parent(row: &$row) -> $parent {
                row.$column
            }
        }
    };
}

pub(crate) use relation;
