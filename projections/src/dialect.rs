//! What one database spells in its own way: types, rows in bulk, who may see a table, how much it takes. Everything else
//! is written once.

use crate::row::{ColumnSpec, Type, Value};
use crate::session::{Parameter, Statement};
use std::borrow::Cow;

/// How one database has spelled what others spell differently.
pub(crate) trait Dialect: Sync {
    /// The type of a column.
    fn storage(&self, kind: Type) -> &'static str;

    /// What stands behind the definition of a table.
    fn table_options(&self) -> &'static str;

    /// What stands behind a column of an index whose rows without a value come first.
    fn nulls_first(&self) -> &'static str;

    /// What must be carried out on the new table of a build before anybody reads it.
    fn protect(&self, table: &str) -> String;

    /// Makes a view show another table of the same columns, or makes the view.
    fn show(&self, view: &str, table: &str) -> String;

    /// What lets the database know what is in a table that was just filled.
    fn take_stock(&self, table: &str) -> Option<String>;

    /// Keeps a table that is looked at from being dropped for as long as the transaction lasts.
    fn hold(&self, table: &str) -> Option<String>;

    /// Drops a table or a view, unless somebody holds it.
    fn drop(&self, kind: &str, name: &str) -> String;

    /// Asks how many bytes the table takes whose name is the parameter, with its indexes.
    fn bytes(&self) -> &'static str;

    /// The condition that a column has one of these values.
    fn among<'v>(
        &self,
        column: &str,
        kind: Type,
        values: Vec<Cow<'v, Value>>,
    ) -> (String, Vec<Parameter<'v>>);

    /// The first `limit` rows of several questions of the same columns together, in order: each is read off an index no
    /// farther than that.
    fn merged(&self, questions: &[String], order: &str, limit: usize) -> String;

    /// Rows of values, given column by column, as a table whose columns are called `column1`, `column2`, ….
    fn tuples<'v>(&self, columns: Vec<(Type, Vec<&'v Value>)>) -> Statement<'v>;

    /// What writes `rows`, as [`Dialect::tuples`] writes them, over those of the same key.
    fn upsert(&self, table: &str, columns: &[&ColumnSpec], rows: &str) -> String;

    /// How many of `rows` that are to be written the next statement takes.
    fn written_at_once(&self, rows: usize) -> usize;

    /// The most keys one statement looks up, and to how many a statement for `keys` of them is filled up by naming the
    /// last one again: few different statements are prepared so.
    fn looked_up_at_once(&self) -> usize;

    /// See [`Dialect::looked_up_at_once`].
    fn filled_up_to(&self, keys: usize) -> usize;

    /// Whether those who wait to write get their turn without anybody's giving way.
    fn queues_writers(&self) -> bool;
}
