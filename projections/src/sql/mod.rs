//! The SQL of the read models, written once for every database: the books about their tables, their rows in bulk, and
//! questions. What only one database has is in its [`crate::dialect::Dialect`].

mod frozen;
mod rows;
mod scratch;
mod select;
mod switching;
mod tables;

pub(crate) use frozen::{
    freeze, frozen, frozen_among, frozen_count, frozen_first, frozen_live, frozen_of, thaw,
};
pub(crate) use rows::{by_keys, delete, load, scan, scan_both, upsert_each};
pub(crate) use scratch::{Scratch, write_changes};
pub(crate) use select::{Order, count, page, sums};
pub(crate) use switching::{build_before, drop_build, drop_table, next_build, reject, size, switch, tables};
pub(crate) use tables::{
    Build, PLACES, Place, advance, belong_to, build, hold, indexes, live_build, live_build_if_any,
    may_belong_to, places, places_of, prepare, read_place,
};

use crate::row::{ColumnSpec, Role, Type};

/// The partition, as the first column of every table.
pub(crate) const PARTITION: ColumnSpec =
    ColumnSpec { name: "partition", kind: Type::Uuid, nullable: false, role: Role::Key };

/// All columns of a table whose own ones are `columns`.
pub(crate) fn all_columns(columns: &'static [ColumnSpec]) -> impl Iterator<Item = &'static ColumnSpec> {
    std::iter::once(&PARTITION).chain(columns)
}

/// Those of its key.
pub(crate) fn key_columns(columns: &'static [ColumnSpec]) -> impl Iterator<Item = &'static ColumnSpec> {
    all_columns(columns).filter(|column| column.role == Role::Key)
}

/// Their names: `"a", "b"`.
pub(crate) fn quoted<'c>(columns: impl IntoIterator<Item = &'c ColumnSpec>) -> String {
    let names: Vec<_> = columns.into_iter().map(|column| format!("\"{}\"", column.name)).collect();
    names.join(", ")
}

/// A place for each of `count` parameters: `(?,?)`.
pub(crate) fn placeholders(count: usize) -> String {
    format!("({})", vec!["?"; count].join(","))
}
