//! Questions to one table: filters and sorts over declared columns, keyset pages in both directions, counts
//! and sums. A question is to one partition; only one that says [`Query::everywhere`] is to all.

use crate::model::{KeyOf, ReadModel};
use crate::reads::{ReadError, ReadStore};
use crate::row::{Column, Field, Role, Row, RowKey, Type, Value};
use crate::session::Found;
use crate::sql::{self, Order};
use cityos_domain::log::Partition;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::marker::PhantomData;
use uuid::Uuid;

/// The most rows one page may have.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// The most values one `is_in` filter may name.
pub const IN_VALUES_MAX: usize = 10_000;

/// A condition on one column.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    /// Has this value.
    Is(Value),
    /// Has one of these values.
    In(Vec<Value>),
    /// Is at least this.
    From(Value),
    /// Is less than this.
    Below(Value),
    /// Has none.
    IsNull,
    /// Has some.
    IsSet,
    /// Begins with this text.
    Prefix(String),
}

/// A condition on rows of `R`: get one from a column, as in `Vendor::status().is(Stage::Approved)`.
pub struct Filter<R> {
    pub(crate) column: &'static str,
    pub(crate) test: Test,
    row: PhantomData<fn() -> R>,
}

impl<R, T: Field> Column<R, T, true> {
    fn filter(self, test: Test) -> Filter<R> {
        Filter { column: self.name, test, row: PhantomData }
    }

    /// Rows with this value.
    pub fn is(self, value: T) -> Filter<R> {
        self.filter(Test::Is(value.into_value()))
    }

    /// Rows with one of these values: at most [`IN_VALUES_MAX`] of them.
    pub fn is_in(self, values: impl IntoIterator<Item = T>) -> Filter<R> {
        self.filter(Test::In(values.into_iter().map(T::into_value).collect()))
    }

    /// Rows with this value or a greater one.
    pub fn from(self, value: T) -> Filter<R> {
        self.filter(Test::From(value.into_value()))
    }

    /// Rows with a smaller value.
    pub fn below(self, value: T) -> Filter<R> {
        self.filter(Test::Below(value.into_value()))
    }

    /// Rows without a value.
    pub fn is_null(self) -> Filter<R> {
        self.filter(Test::IsNull)
    }

    /// Rows with a value.
    pub fn is_set(self) -> Filter<R> {
        self.filter(Test::IsSet)
    }

    /// Rows whose text begins with `prefix`, byte by byte.
    pub fn starts_with(self, prefix: &str) -> Filter<R> {
        self.filter(Test::Prefix(prefix.to_owned()))
    }

    /// Smallest first.
    pub fn ascending(self) -> Sort<R> {
        Sort { column: Some(self.name), descending: false, row: PhantomData }
    }

    /// Greatest first.
    pub fn descending(self) -> Sort<R> {
        Sort { column: Some(self.name), descending: true, row: PhantomData }
    }
}

/// An order of rows: by one column, rows that are equal there by their key; rows without a value come before
/// all others when ascending, after them when descending.
pub struct Sort<R> {
    pub(crate) column: Option<&'static str>,
    pub(crate) descending: bool,
    row: PhantomData<fn() -> R>,
}

/// A place between two rows of a sorted table. It stays a place when its row is gone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// Of which table, sorted by which column.
    pub(crate) list: String,
    /// The sorted value, then the rest of the key (with the partition in front where the question spans partitions).
    pub(crate) place: Vec<Value>,
}

/// Some rows.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<R> {
    /// In the order asked for, each with its place.
    pub rows: Vec<(Cursor, R)>,
    /// Whether there are more in the direction of travel.
    pub more: bool,
}

/// A question to the table of `M`.
pub struct Query<M: ReadModel> {
    pub(crate) partition: Option<Partition>,
    pub(crate) filters: Vec<Filter<M::Row>>,
    pub(crate) sort: Sort<M::Row>,
    pub(crate) after: Option<Cursor>,
    pub(crate) before: Option<Cursor>,
    pub(crate) backward: bool,
    pub(crate) limit: usize,
}

impl<M: ReadModel> Query<M> {
    /// Rows of one partition, by key.
    pub fn new(partition: Partition) -> Self {
        Query { partition: Some(partition), ..Self::everywhere() }
    }

    /// Rows of all partitions: for the workings of the platform itself (what is due, which runs wait), never
    /// for an answer to a tenant.
    pub fn everywhere() -> Self {
        Query {
            partition: None,
            filters: Vec::new(),
            sort: Sort { column: None, descending: false, row: PhantomData },
            after: None,
            before: None,
            backward: false,
            limit: PAGE_ROWS_MAX,
        }
    }

    /// Only rows that meet this, too.
    pub fn filter(mut self, filter: Filter<M::Row>) -> Self {
        self.filters.push(filter);
        self
    }

    /// In this order.
    pub fn sort(mut self, sort: Sort<M::Row>) -> Self {
        self.sort = sort;
        self
    }

    /// Only rows behind this place.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Only rows before this place.
    pub fn before(mut self, cursor: Cursor) -> Self {
        self.before = Some(cursor);
        self
    }

    /// The first `rows` of them, at most [`PAGE_ROWS_MAX`].
    pub fn first(mut self, rows: usize) -> Self {
        (self.backward, self.limit) = (false, rows.min(PAGE_ROWS_MAX));
        self
    }

    /// The last `rows` of them, at most [`PAGE_ROWS_MAX`], still in the order asked for.
    pub fn last(mut self, rows: usize) -> Self {
        (self.backward, self.limit) = (true, rows.min(PAGE_ROWS_MAX));
        self
    }

    /// The page.
    pub async fn page(self, reads: &ReadStore) -> Result<Page<M::Row>, ReadError> {
        let found = self.run(reads).await?;
        let rows = found.rows.into_iter().map(|(cursor, (_, row))| (cursor, row)).collect();
        Ok(Page { rows, more: found.more })
    }

    /// The rows of the page alone.
    pub async fn fetch(self, reads: &ReadStore) -> Result<Vec<M::Row>, ReadError> {
        Ok(self.run(reads).await?.rows.into_iter().map(|(_, (_, row))| row).collect())
    }

    /// The page with the partition each row lies in.
    pub async fn page_with_partition(
        self,
        reads: &ReadStore,
    ) -> Result<Page<(Partition, M::Row)>, ReadError> {
        self.run(reads).await
    }

    /// The rows of the page with the partition each lies in.
    pub async fn fetch_with_partition(
        self,
        reads: &ReadStore,
    ) -> Result<Vec<(Partition, M::Row)>, ReadError> {
        Ok(self.run(reads).await?.rows.into_iter().map(|(_, found)| found).collect())
    }

    /// What cursors of this list begin with: one of another is no place in it.
    pub(crate) fn list(&self) -> String {
        format!("{} by {}", M::NAME, self.sort.column.unwrap_or("key"))
    }

    async fn run(self, reads: &ReadStore) -> Result<Page<(Partition, M::Row)>, ReadError> {
        self.check()?;
        let (order, list) = (Order::of(&self), self.list());
        let read = move |row: &dyn Found| {
            let mut stored = row.said_in(0, sql::all_columns(M::Row::COLUMNS))?;
            let cursor = Cursor { list: list.clone(), place: order.place::<M>(&stored) };
            let row = M::Row::from_values(stored.drain(1..))?;
            let partition = Partition::from_id(Uuid::from_value(stored.remove(0))?);
            Ok((cursor, (partition, row)))
        };
        let question = sql::page::<M>(reads.dialect(), &self);
        let mut rows = reads.ask(self.partition, question, read).await?;
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        if self.backward {
            rows.reverse();
        }
        Ok(Page { rows, more })
    }

    /// How many rows meet the filters, whatever the page.
    pub async fn count(self, reads: &ReadStore) -> Result<u64, ReadError> {
        self.check()?;
        let question = sql::count::<M>(reads.dialect(), &self);
        let count = reads.ask(self.partition, question, |row| Ok(row.get(0)?)).await?.pop();
        Ok(count.unwrap_or_default())
    }

    /// The sums of columns over the rows that meet the filters, for each value of `group`.
    pub async fn sums_by<G: Field + Send + 'static, const N: usize>(
        self,
        reads: &ReadStore,
        group: Column<M::Row, G, true>,
        columns: [Column<M::Row, i64, false>; N],
    ) -> Result<Vec<(G, [i64; N])>, ReadError> {
        self.check()?;
        let names = columns.map(|column| column.name);
        let (question, found) = sql::sums::<M>(reads.dialect(), &self, group.name, &names);
        let read = move |row: &dyn Found| {
            let mut values = row.values(0, &found)?;
            let mut sums = [0; N];
            for (sum, value) in sums.iter_mut().zip(values.drain(1..)) {
                *sum = i64::from_value(value)?;
            }
            Ok((G::from_value(values.remove(0))?, sums))
        };
        reads.ask(self.partition, question, read).await
    }

    /// A cursor may come from outside: one made for another order is refused, never misread.
    fn check(&self) -> Result<(), ReadError> {
        let columns = M::Row::COLUMNS;
        for filter in &self.filters {
            if let Test::In(values) = &filter.test
                && values.len() > IN_VALUES_MAX
            {
                return Err(ReadError::TooManyValues);
            }
        }
        let mut places: Vec<_> = Vec::new();
        if let Some(sorted) = self.sort.column {
            let column = columns.iter().find(|column| column.name == sorted).expect("columns are declared");
            places.push((column.kind, column.nullable));
        }
        if self.partition.is_none() {
            places.push((Type::Uuid, false));
        }
        let key =
            columns.iter().filter(|column| column.role == Role::Key && self.sort.column != Some(column.name));
        places.extend(key.map(|column| (column.kind, false)));
        let fits = |cursor: &Cursor| {
            let admitted = |(value, (kind, nullable)): (&Value, &(Type, bool))| {
                kind.admits(value) && (*nullable || *value != Value::Null)
            };
            cursor.list == self.list()
                && cursor.place.len() == places.len()
                && cursor.place.iter().zip(&places).all(admitted)
        };
        if self.after.iter().chain(&self.before).all(fits) { Ok(()) } else { Err(ReadError::ForeignCursor) }
    }
}

/// The rows of these keys that exist: one statement for every thousand of them.
pub async fn by_keys<M: ReadModel>(
    reads: &ReadStore,
    partition: Partition,
    keys: impl IntoIterator<Item = KeyOf<M>>,
) -> Result<HashMap<KeyOf<M>, M::Row>, ReadError> {
    let stored = |key: KeyOf<M>| {
        let mut values = vec![partition.id().into_value()];
        values.extend(key.into_values());
        values
    };
    let keys: Vec<_> = keys.into_iter().map(stored).collect();
    let mut found = HashMap::new();
    for (question, read) in sql::by_keys::<M>(reads.dialect(), &keys) {
        let rows = reads.ask(Some(partition), question, read).await?;
        found.extend(rows.into_iter().map(|row| (row.key(), row)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
