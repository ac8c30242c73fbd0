//! What SQLite has spelled in its own way.

use crate::dialect::Dialect;
use crate::row::{ColumnSpec, Type, Value};
use crate::session::{Parameter, Statement};
use crate::sql::{placeholders, quoted};
use std::borrow::Cow;

/// The most keys one statement looks up.
const LOOKUP_KEYS_MAX: usize = 1_024;

/// The most rows one statement writes.
const BATCH_ROWS_MAX: usize = 64;

pub(super) struct Sqlite;

impl Dialect for Sqlite {
    fn storage(&self, kind: Type) -> &'static str {
        match kind {
            Type::Bool | Type::Integer | Type::Instant => "INTEGER",
            Type::Text | Type::Date | Type::Json => "TEXT",
            Type::Uuid => "BLOB",
        }
    }

    fn table_options(&self) -> &'static str {
        " STRICT, WITHOUT ROWID"
    }

    fn nulls_first(&self) -> &'static str {
        // As they are anyway.
        ""
    }

    fn protect(&self, _: &str) -> String {
        String::new()
    }

    fn show(&self, view: &str, table: &str) -> String {
        format!("DROP VIEW IF EXISTS \"{view}\"; CREATE VIEW \"{view}\" AS SELECT * FROM \"{table}\";")
    }

    fn take_stock(&self, _: &str) -> Option<String> {
        None
    }

    fn hold(&self, _: &str) -> Option<String> {
        // Whoever looks at one moment sees also what was dropped after it.
        None
    }

    fn drop(&self, kind: &str, name: &str) -> String {
        format!("DROP {kind} IF EXISTS \"{name}\"")
    }

    fn bytes(&self) -> &'static str {
        "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE aggregate = TRUE
         AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ? AND type IN ('table', 'index'))"
    }

    fn among<'v>(
        &self,
        column: &str,
        kind: Type,
        values: Vec<Cow<'v, Value>>,
    ) -> (String, Vec<Parameter<'v>>) {
        if kind == Type::Text {
            let list = format!("{column} IN (SELECT value FROM json_each(?))");
            return (list, vec![Parameter::Many(values)]);
        }
        let list = format!("{column} IN {}", placeholders(values.len()));
        (list, values.into_iter().map(Parameter::One).collect())
    }

    fn merged(&self, questions: &[String], order: &str, limit: usize) -> String {
        // The parts are merged as they are read.
        format!("{} ORDER BY {order} LIMIT {limit}", questions.join(" UNION ALL "))
    }

    fn tuples<'v>(&self, columns: Vec<(Type, Vec<&'v Value>)>) -> Statement<'v> {
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        let groups = vec![placeholders(columns.len()); rows];
        let row = |at| columns.iter().map(move |(_, values): &(_, Vec<&'v Value>)| values[at]);
        Statement {
            sql: format!("VALUES {}", groups.join(",")),
            parameters: (0..rows).flat_map(row).map(Parameter::from).collect(),
        }
    }

    fn upsert(&self, table: &str, columns: &[&ColumnSpec], rows: &str) -> String {
        format!("INSERT OR REPLACE INTO \"{table}\" ({}) {rows}", quoted(columns.iter().copied()))
    }

    fn written_at_once(&self, rows: usize) -> usize {
        // Powers of two, so that few different statements are prepared.
        rows.checked_ilog2().map_or(0, |exponent| BATCH_ROWS_MAX.min(1 << exponent))
    }

    fn looked_up_at_once(&self) -> usize {
        LOOKUP_KEYS_MAX
    }

    fn filled_up_to(&self, keys: usize) -> usize {
        keys.next_power_of_two()
    }

    fn queues_writers(&self) -> bool {
        false
    }
}
