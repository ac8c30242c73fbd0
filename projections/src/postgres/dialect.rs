//! What PostgreSQL has spelled in its own way, and who may see what: each tenant its own rows, whatever was asked.

use crate::dialect::Dialect;
use crate::row::{ColumnSpec, Role, Type, Value};
use crate::session::{Parameter, Statement};
use crate::sql::quoted;
use std::borrow::Cow;

/// The most rows one statement writes or looks up.
const BATCH_ROWS_MAX: usize = 5_000;

/// How long the lock is waited for that a change of what others read takes. While it is waited for, they wait, too.
const LOCK_MS_MAX: u32 = 2_000;

pub(super) struct Postgres;

impl Dialect for Postgres {
    fn storage(&self, kind: Type) -> &'static str {
        // Texts are ordered byte by byte.
        if kind == Type::Text { "text COLLATE \"C\"" } else { plain(kind) }
    }

    fn table_options(&self) -> &'static str {
        ""
    }

    fn nulls_first(&self) -> &'static str {
        " NULLS FIRST"
    }

    fn protect(&self, table: &str) -> String {
        // A setting that was local to a transaction is empty after it.
        format!(
            "ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY;
             ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY;
             CREATE POLICY everything ON \"{table}\" TO cityos_projector USING (true) WITH CHECK (true);
             CREATE POLICY looked_at ON \"{table}\" FOR SELECT TO cityos_analyst USING (true);
             CREATE POLICY own ON \"{table}\" FOR SELECT TO cityos_api
                 USING (\"partition\" = NULLIF(current_setting('cityos.tenant', true), '')::uuid);
             GRANT SELECT ON \"{table}\" TO cityos_api, cityos_analyst"
        )
    }

    fn show(&self, view: &str, table: &str) -> String {
        format!(
            "SET LOCAL lock_timeout = {LOCK_MS_MAX};
             CREATE OR REPLACE VIEW \"{view}\" WITH (security_invoker = true) AS SELECT * FROM \"{table}\";
             GRANT SELECT ON \"{view}\" TO cityos_api, cityos_analyst;
             SET LOCAL lock_timeout = 0"
        )
    }

    fn take_stock(&self, table: &str) -> Option<String> {
        Some(format!("ANALYZE \"{table}\""))
    }

    fn hold(&self, table: &str) -> Option<String> {
        Some(format!("LOCK TABLE \"{table}\" IN ACCESS SHARE MODE"))
    }

    fn drop(&self, kind: &str, name: &str) -> String {
        format!(
            "SET LOCAL lock_timeout = {LOCK_MS_MAX};
             DROP {kind} IF EXISTS \"{name}\";
             SET LOCAL lock_timeout = 0"
        )
    }

    fn bytes(&self) -> &'static str {
        "SELECT pg_total_relation_size(quote_ident(?)::regclass)"
    }

    fn among<'v>(
        &self,
        column: &str,
        kind: Type,
        values: Vec<Cow<'v, Value>>,
    ) -> (String, Vec<Parameter<'v>>) {
        (format!("{column} = ANY (?::{}[])", plain(kind)), vec![Parameter::Many(values)])
    }

    fn merged(&self, questions: &[String], order: &str, limit: usize) -> String {
        let first = |question: &String| format!("{question} ORDER BY {order} LIMIT {limit}");
        match questions {
            [one] => first(one),
            // Parts that are not in order each for itself would be put together and sorted, all of them.
            several => {
                let parts: Vec<_> = several.iter().map(|part| format!("({})", first(part))).collect();
                let parts = parts.join(" UNION ALL ");
                format!("SELECT * FROM ({parts}) AS parts ORDER BY {order} LIMIT {limit}")
            }
        }
    }

    fn tuples<'v>(&self, columns: Vec<(Type, Vec<&'v Value>)>) -> Statement<'v> {
        let arrays: Vec<_> = columns.iter().map(|(kind, _)| format!("?::{}[]", plain(*kind))).collect();
        let names: Vec<_> = (1..=columns.len()).map(|at| format!("column{at}")).collect();
        let many = |(_, values): (Type, Vec<&'v Value>)| {
            Parameter::Many(values.into_iter().map(Cow::Borrowed).collect())
        };
        Statement {
            sql: format!("SELECT * FROM UNNEST({}) AS batch ({})", arrays.join(", "), names.join(", ")),
            parameters: columns.into_iter().map(many).collect(),
        }
    }

    fn upsert(&self, table: &str, columns: &[&ColumnSpec], rows: &str) -> String {
        let (key, rest): (Vec<&ColumnSpec>, Vec<_>) =
            columns.iter().partition(|column| column.role == Role::Key);
        let set = |column: &&ColumnSpec| format!("\"{0}\" = excluded.\"{0}\"", column.name);
        let set: Vec<_> = rest.iter().map(set).collect();
        let otherwise =
            if set.is_empty() { "NOTHING".into() } else { format!("UPDATE SET {}", set.join(", ")) };
        format!(
            "INSERT INTO \"{table}\" ({}) {rows} ON CONFLICT ({}) DO {otherwise}",
            quoted(columns.iter().copied()),
            quoted(key),
        )
    }

    fn written_at_once(&self, rows: usize) -> usize {
        rows.min(BATCH_ROWS_MAX)
    }

    fn looked_up_at_once(&self) -> usize {
        BATCH_ROWS_MAX
    }

    fn filled_up_to(&self, keys: usize) -> usize {
        // However many there are, it is the same statement.
        keys
    }

    fn queues_writers(&self) -> bool {
        true
    }
}

/// A type by its name alone, as arrays and casts have it.
fn plain(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "boolean",
        Type::Integer => "bigint",
        Type::Text => "text",
        Type::Uuid => "uuid",
        Type::Instant => "timestamptz",
        Type::Date => "date",
        Type::Json => "jsonb",
    }
}
