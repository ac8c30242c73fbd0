//! Questions as statements.

use super::tables::view;
use super::{PARTITION, placeholders, quoted, values};
use crate::model::{Erased, ReadModel};
use crate::query::{Cursor, Page, Query, Test};
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Field, Role, Row, Type, Value};
use cityos_domain::log::Partition;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

/// A condition with the values for its parameters.
#[derive(Clone, Default)]
struct Where {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Where {
    fn and(&mut self, sql: String, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql);
        self.values.extend(values);
    }

    fn filters<M: ReadModel>(query: &Query<M>) -> Self {
        let mut conditions = Where::default();
        if let Some(partition) = query.partition {
            conditions.and("\"partition\" = ?".into(), [partition.id().into_value()]);
        }
        for filter in &query.filters {
            let column = filter.column;
            match &filter.test {
                Test::Is(value) => conditions.and(format!("\"{column}\" IS ?"), [value.clone()]),
                Test::In(values) => {
                    let list = placeholders(1, values.len());
                    conditions.and(format!("\"{column}\" IN {list}"), values.iter().cloned());
                }
                Test::From(value) => conditions.and(format!("\"{column}\" >= ?"), [value.clone()]),
                Test::Below(value) => conditions.and(format!("\"{column}\" < ?"), [value.clone()]),
                Test::IsNull => conditions.and(format!("\"{column}\" IS NULL"), []),
                Test::IsSet => conditions.and(format!("\"{column}\" IS NOT NULL"), []),
                Test::Prefix(prefix) => {
                    let end = format!("{prefix}{}", char::MAX);
                    let range = [prefix.clone().into_value(), end.into_value()];
                    conditions.and(format!("\"{column}\" >= ? AND \"{column}\" < ?"), range);
                }
            }
        }
        conditions
    }

    /// Only what lies beyond `cursor`: towards greater values, or smaller ones. Where rows without a value lie beyond
    /// it beside others, the two are parts of their own: each begins at its place in the index.
    fn beyond(mut self, cursor: &Cursor, order: &Order, greater: bool) -> Vec<Where> {
        let than = if greater { ">" } else { "<" };
        let tuple = |columns: &[ColumnSpec]| {
            format!("({}) {than} {}", quoted(columns), placeholders(1, columns.len()))
        };
        let place = || cursor.place.iter().cloned();
        let Some(Value::Null) = cursor.place.first() else {
            let smallest = order.columns.first().filter(|column| column.nullable && !greater);
            let without = smallest.map(|column| {
                let mut without = self.clone();
                without.and(format!("\"{}\" IS NULL", column.name), []);
                without
            });
            // Nothing is beyond or before what has no value: such rows are not among these.
            self.and(tuple(&order.columns), place());
            return [self].into_iter().chain(without).collect();
        };
        let name = order.columns[0].name;
        let with = greater.then(|| {
            let mut with = self.clone();
            with.and(format!("\"{name}\" IS NOT NULL"), []);
            with
        });
        self.and(format!("\"{name}\" IS NULL AND {}", tuple(&order.columns[1..])), place().skip(1));
        [self].into_iter().chain(with).collect()
    }

    fn clause(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!(" WHERE {}", self.sql.join(" AND ")) }
    }
}

/// The columns rows are ordered by, the sorted one first.
struct Order {
    columns: Vec<ColumnSpec>,
}

impl Order {
    fn of<M: ReadModel>(query: &Query<M>) -> Self {
        let declared = M::Row::COLUMNS;
        let sorted = query
            .sort
            .column
            .map(|name| *declared.iter().find(|column| column.name == name).expect("columns are declared"));
        let partition = query.partition.is_none().then_some(PARTITION);
        let key = declared
            .iter()
            .filter(|column| column.role == Role::Key && query.sort.column != Some(column.name));
        Order { columns: sorted.into_iter().chain(partition).chain(key.copied()).collect() }
    }

    /// The place of a row given as read: partition first.
    fn place<M: ReadModel>(&self, stored: &[Value]) -> Vec<Value> {
        let find = |column: &ColumnSpec| {
            let at = M::Row::COLUMNS.iter().position(|declared| declared.name == column.name);
            stored[at.map_or(0, |at| at + 1)].clone()
        };
        self.columns.iter().map(find).collect()
    }
}

/// The statement of a page, with the values for its parameters.
pub(crate) fn statement<M: ReadModel>(query: &Query<M>) -> (String, Vec<Value>) {
    let order = Order::of(query);
    let mut parts = vec![Where::filters(query)];
    let descending = query.sort.descending;
    for (cursor, greater) in [(&query.after, !descending), (&query.before, descending)] {
        if let Some(cursor) = cursor {
            parts = parts.into_iter().flat_map(|part| part.beyond(cursor, &order, greater)).collect();
        }
    }
    let direction = if descending == query.backward { "ASC" } else { "DESC" };
    let by: Vec<_> = order.columns.iter().map(|column| format!("\"{}\" {direction}", column.name)).collect();
    let (columns, view) = (quoted(all_columns::<M>()), view(&Erased::<M>::new()));
    let select = |part: &Where| format!("SELECT {columns} FROM \"{view}\"{}", part.clause());
    let selects: Vec<_> = parts.iter().map(select).collect();
    let sql = format!("{} ORDER BY {} LIMIT {}", selects.join(" UNION ALL "), by.join(", "), query.limit + 1);
    (sql, parts.into_iter().flat_map(|part| part.values).collect())
}

fn all_columns<M: ReadModel>() -> impl Iterator<Item = &'static ColumnSpec> {
    std::iter::once(&PARTITION).chain(M::Row::COLUMNS)
}

/// A page.
pub(crate) fn select<M: ReadModel>(
    conn: &Connection,
    query: &Query<M>,
) -> Result<Page<(Partition, M::Row)>, ReadError> {
    let order = Order::of(query);
    let (sql, parameters) = statement(query);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(parameters))?;
    let list = query.list();
    let mut page = Page { rows: Vec::new(), more: false };
    while let Some(row) = found.next()? {
        if page.rows.len() == query.limit {
            page.more = true;
            break;
        }
        let mut stored = values(row, 0, all_columns::<M>())?;
        let cursor = Cursor { list: list.clone(), place: order.place::<M>(&stored) };
        let row = M::Row::from_values(stored.drain(1..))?;
        let partition = Partition::from_id(Uuid::from_value(stored.remove(0))?);
        page.rows.push((cursor, (partition, row)));
    }
    if query.backward {
        page.rows.reverse();
    }
    Ok(page)
}

/// How many rows meet the filters.
pub(crate) fn count<M: ReadModel>(conn: &Connection, query: &Query<M>) -> Result<u64, ReadError> {
    let conditions = Where::filters(query);
    let sql = format!("SELECT count(*) FROM \"{}\"{}", view(&Erased::<M>::new()), conditions.clause());
    let count: i64 =
        conn.prepare_cached(&sql)?.query_row(params_from_iter(conditions.values), |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// For each value of `group`, in its order: the value and the sums of `columns`.
pub(crate) fn sums<M: ReadModel>(
    conn: &Connection,
    query: &Query<M>,
    group: &str,
    columns: &[&'static str],
) -> Result<Vec<Vec<Value>>, ReadError> {
    let conditions = Where::filters(query);
    let declared = M::Row::COLUMNS.iter().find(|column| column.name == group).expect("columns are declared");
    let sum =
        |name: &&'static str| ColumnSpec { name, kind: Type::Integer, nullable: false, role: Role::Plain };
    let read: Vec<_> = std::iter::once(*declared).chain(columns.iter().map(sum)).collect();
    let sums: Vec<_> = columns.iter().map(|name| format!(", sum(\"{name}\")")).collect();
    let sql = format!(
        "SELECT \"{group}\"{} FROM \"{}\"{} GROUP BY \"{group}\" ORDER BY \"{group}\"",
        sums.concat(),
        view(&Erased::<M>::new()),
        conditions.clause(),
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(conditions.values))?;
    let mut groups = Vec::new();
    while let Some(row) = found.next()? {
        groups.push(values(row, 0, &read)?);
    }
    Ok(groups)
}
