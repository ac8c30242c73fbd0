//! Questions as statements.

use super::tables::view;
use super::{PARTITION, all_columns, placeholders, quoted};
use crate::dialect::Dialect;
use crate::model::{Erased, ReadModel};
use crate::query::{Query, Test};
use crate::row::{ColumnSpec, Role, Row, Type, Value};
use crate::session::{Parameter, Statement};
use std::borrow::Cow;

/// A condition with its parameters.
#[derive(Clone, Default)]
struct Where<'q> {
    sql: Vec<String>,
    parameters: Vec<Parameter<'q>>,
}

impl<'q> Where<'q> {
    fn and(&mut self, sql: String, parameters: impl IntoIterator<Item = Parameter<'q>>) {
        self.sql.push(sql);
        self.parameters.extend(parameters);
    }

    fn filters<M: ReadModel>(dialect: &dyn Dialect, query: &'q Query<M>) -> Self {
        let mut conditions = Where::default();
        if let Some(partition) = query.partition {
            conditions.and("\"partition\" = ?".into(), [partition.id().into()]);
        }
        for filter in &query.filters {
            let column = format!("\"{}\"", filter.column);
            match &filter.test {
                Test::IsNull | Test::Is(Value::Null) => conditions.and(format!("{column} IS NULL"), []),
                Test::IsSet => conditions.and(format!("{column} IS NOT NULL"), []),
                Test::Is(value) => conditions.and(format!("{column} = ?"), [value.into()]),
                Test::In(values) => {
                    let kind = declared::<M>(filter.column).kind;
                    let (sql, values) =
                        dialect.among(&column, kind, values.iter().map(Cow::Borrowed).collect());
                    conditions.and(sql, values);
                }
                Test::From(value) => conditions.and(format!("{column} >= ?"), [value.into()]),
                Test::Below(value) => conditions.and(format!("{column} < ?"), [value.into()]),
                Test::Prefix(prefix) => {
                    let end = format!("{prefix}{}", char::MAX);
                    conditions.and(format!("{column} >= ? AND {column} < ?"), [prefix.into(), (&end).into()]);
                }
            }
        }
        conditions
    }

    /// Only what lies beyond `cursor`: towards greater values, or smaller ones. Where rows without a value lie beyond
    /// it beside others, the two are parts of their own: each begins at its place in the index.
    fn beyond(mut self, place: &'q [Value], order: &Order, greater: bool) -> Vec<Self> {
        let than = if greater { ">" } else { "<" };
        let tuple =
            |columns: &[ColumnSpec]| format!("({}) {than} {}", quoted(columns), placeholders(columns.len()));
        let values = || place.iter().map(Parameter::from);
        let Some(Value::Null) = place.first() else {
            let smallest = order.columns.first().filter(|column| column.nullable && !greater);
            let without = smallest.map(|column| {
                let mut without = self.clone();
                without.and(format!("\"{}\" IS NULL", column.name), []);
                without
            });
            // Nothing is beyond or before what has no value: such rows are not among these.
            self.and(tuple(&order.columns), values());
            return [self].into_iter().chain(without).collect();
        };
        let name = order.columns[0].name;
        let with = greater.then(|| {
            let mut with = self.clone();
            with.and(format!("\"{name}\" IS NOT NULL"), []);
            with
        });
        self.and(format!("\"{name}\" IS NULL AND {}", tuple(&order.columns[1..])), values().skip(1));
        [self].into_iter().chain(with).collect()
    }

    fn clause(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!(" WHERE {}", self.sql.join(" AND ")) }
    }
}

/// The columns rows are ordered by, the sorted one first.
pub(crate) struct Order {
    columns: Vec<ColumnSpec>,
}

impl Order {
    pub(crate) fn of<M: ReadModel>(query: &Query<M>) -> Self {
        let sorted = query.sort.column.map(declared::<M>);
        let partition = query.partition.is_none().then_some(PARTITION);
        let key = M::Row::COLUMNS
            .iter()
            .filter(|column| column.role == Role::Key && query.sort.column != Some(column.name));
        Order { columns: sorted.into_iter().chain(partition).chain(key.copied()).collect() }
    }

    /// The place of a row given as read: partition first.
    pub(crate) fn place<M: ReadModel>(&self, stored: &[Value]) -> Vec<Value> {
        let find = |column: &ColumnSpec| {
            let at = M::Row::COLUMNS.iter().position(|declared| declared.name == column.name);
            stored[at.map_or(0, |at| at + 1)].clone()
        };
        self.columns.iter().map(find).collect()
    }

    /// As SQL. Rows without a value are smaller than any with one.
    fn by(&self, descending: bool) -> String {
        let (direction, nulls) = if descending { ("DESC", "LAST") } else { ("ASC", "FIRST") };
        let by = |column: &ColumnSpec| {
            let nulls = if column.nullable { format!(" NULLS {nulls}") } else { String::new() };
            format!("\"{}\" {direction}{nulls}", column.name)
        };
        self.columns.iter().map(by).collect::<Vec<_>>().join(", ")
    }
}

fn declared<M: ReadModel>(name: &str) -> ColumnSpec {
    *M::Row::COLUMNS.iter().find(|column| column.name == name).expect("columns are declared")
}

/// Asks for a page, and one row more: partition first, and in the direction of travel.
pub(crate) fn page<'q, M: ReadModel>(dialect: &dyn Dialect, query: &'q Query<M>) -> Statement<'q> {
    let order = Order::of(query);
    let mut parts = vec![Where::filters(dialect, query)];
    let descending = query.sort.descending;
    for (cursor, greater) in [(&query.after, !descending), (&query.before, descending)] {
        if let Some(cursor) = cursor {
            parts = parts.into_iter().flat_map(|part| part.beyond(&cursor.place, &order, greater)).collect();
        }
    }
    let (columns, view) = (quoted(all_columns(M::Row::COLUMNS)), view(&Erased::<M>::new()));
    let select = |part: &Where| format!("SELECT {columns} FROM \"{view}\"{}", part.clause());
    let selects: Vec<_> = parts.iter().map(select).collect();
    let (by, limit) = (order.by(descending != query.backward), query.limit + 1);
    Statement {
        sql: dialect.merged(&selects, &by, limit),
        parameters: parts.into_iter().flat_map(|part| part.parameters).collect(),
    }
}

/// Asks how many rows meet the filters.
pub(crate) fn count<'q, M: ReadModel>(dialect: &dyn Dialect, query: &'q Query<M>) -> Statement<'q> {
    let conditions = Where::filters(dialect, query);
    let sql = format!("SELECT count(*) FROM \"{}\"{}", view(&Erased::<M>::new()), conditions.clause());
    Statement { sql, parameters: conditions.parameters }
}

/// Asks for each value of `group`, in its order, for it and the sums of `columns`; with what the answer's columns hold.
pub(crate) fn sums<'q, M: ReadModel>(
    dialect: &dyn Dialect,
    query: &'q Query<M>,
    group: &str,
    columns: &[&'static str],
) -> (Statement<'q>, Vec<ColumnSpec>) {
    let conditions = Where::filters(dialect, query);
    let sum =
        |name: &&'static str| ColumnSpec { name, kind: Type::Integer, nullable: false, role: Role::Plain };
    let read = std::iter::once(declared::<M>(group)).chain(columns.iter().map(sum)).collect();
    let sums: Vec<_> = columns.iter().map(|name| format!(", CAST(sum(\"{name}\") AS bigint)")).collect();
    let order = Order { columns: vec![declared::<M>(group)] };
    let sql = format!(
        "SELECT \"{group}\"{} FROM \"{}\"{} GROUP BY \"{group}\" ORDER BY {}",
        sums.concat(),
        view(&Erased::<M>::new()),
        conditions.clause(),
        order.by(false),
    );
    (Statement { sql, parameters: conditions.parameters }, read)
}
