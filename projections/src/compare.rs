//! Two tables of one model beside each other: whether they hold the same rows, and where they differ.

use crate::apply::by_key;
use crate::model::{AnyModel, Folded};
use crate::poison::Frozen;
use crate::reads::{ReadError, ReadStore};
use crate::repair::RepairError;
use crate::row::{Role, Value};
use crate::sql;
use cityos_domain::log::{Envelope, Position};
use std::collections::BTreeMap;

/// The most differences that are kept one by one.
pub const DIFFERENCES_KEPT_MAX: usize = 1_000;

/// What a table holds, in one number: equal tables have equal digests, on every database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// How far the table has come.
    pub position: Position,
    /// How many rows it has.
    pub rows: u64,
    /// Over all values, in key order.
    pub hash: blake3::Hash,
}

impl Digest {
    /// Whether both tables hold the same rows, wherever they have come to.
    pub fn same_rows(&self, other: &Digest) -> bool {
        self.hash == other.hash && self.rows == other.rows
    }
}

/// A row in which the table is not what the log makes of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Difference {
    /// The table lacks it.
    Missing {
        /// Its key: the partition's id, then the key columns.
        key: Vec<Value>,
    },
    /// The log does not have it.
    Extra {
        /// Its key.
        key: Vec<Value>,
    },
    /// Some columns differ.
    Changed {
        /// Its key.
        key: Vec<Value>,
        /// They.
        columns: Vec<ChangedColumn>,
    },
}

/// A column that is not what the log makes of it.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangedColumn {
    /// Its name.
    pub name: &'static str,
    /// What the table says.
    pub table: Value,
    /// What the log says.
    pub log: Value,
}

/// A table beside what the log makes of it, both having come to the same position.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// The table.
    pub table: Digest,
    /// What the log makes of it.
    pub log: Digest,
    /// How many rows the table lacks.
    pub missing: u64,
    /// How many rows of the table the log does not have.
    pub extra: u64,
    /// How many rows differ.
    pub changed: u64,
    /// The first of them, by key; at most [`DIFFERENCES_KEPT_MAX`].
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// How many keys differ.
    pub fn differing(&self) -> u64 {
        self.missing + self.extra + self.changed
    }

    /// Whether none does.
    pub fn is_identical(&self) -> bool {
        self.table.same_rows(&self.log)
    }
}

/// Takes in two tables row by row.
pub(crate) struct Comparing<'m> {
    model: &'m dyn AnyModel,
    position: Position,
    table: Digesting,
    log: Digesting,
    told: [u64; 3],
    differences: Vec<Difference>,
}

impl<'m> Comparing<'m> {
    /// Of tables that have come to `position`.
    pub(crate) fn at(position: Position, model: &'m dyn AnyModel) -> Self {
        let (table, log) = (Digesting::default(), Digesting::default());
        Comparing { model, position, table, log, told: [0; 3], differences: Vec::new() }
    }

    /// The rows of one key, partition first.
    pub(crate) fn see(&mut self, table: Option<&[Value]>, log: Option<&[Value]>) {
        table.into_iter().for_each(|row| self.table.see(row));
        log.into_iter().for_each(|row| self.log.see(row));
        let (kind, row) = match (table, log) {
            (None, Some(row)) => (0, row),
            (Some(row), None) => (1, row),
            (Some(table), Some(log)) if table != log => (2, log),
            (_, _) => return,
        };
        self.told[kind] += 1;
        if self.differences.len() == DIFFERENCES_KEPT_MAX {
            return;
        }
        let key_columns = self.model.columns().iter().filter(|column| column.role == Role::Key).count();
        let key = row[..=key_columns].to_vec();
        self.differences.push(match (table, log) {
            (Some(table), Some(log)) => {
                let columns = self.model.columns().iter().zip(table[1..].iter().zip(&log[1..]));
                let changed = columns.filter(|(_, (table, log))| table != log);
                let columns = changed.map(|(column, (table, log))| ChangedColumn {
                    name: column.name,
                    table: table.clone(),
                    log: log.clone(),
                });
                Difference::Changed { key, columns: columns.collect() }
            }
            (None, _) => Difference::Missing { key },
            (Some(_), None) => Difference::Extra { key },
        });
    }

    /// What came out.
    pub(crate) fn end(self) -> Comparison {
        let [missing, extra, changed] = self.told;
        Comparison {
            table: self.table.at(self.position),
            log: self.log.at(self.position),
            missing,
            extra,
            changed,
            differences: self.differences,
        }
    }
}

#[derive(Default)]
struct Digesting {
    hasher: blake3::Hasher,
    row: Vec<u8>,
    rows: u64,
}

impl Digesting {
    fn see(&mut self, row: &[Value]) {
        self.rows += 1;
        self.row.clear();
        row.iter().for_each(|value| canonical(value, &mut self.row));
        self.hasher.update(&self.row);
    }

    fn at(self, position: Position) -> Digest {
        Digest { position, rows: self.rows, hash: self.hasher.finalize() }
    }
}

/// Appends the one way to write a value: what it is, how long, and its bytes.
fn canonical(value: &Value, text: &mut Vec<u8>) {
    let mut write = |tag: u8, bytes: &[u8]| {
        text.push(tag);
        text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        text.extend_from_slice(bytes);
    };
    match value {
        Value::Null => write(0, &[]),
        Value::Bool(yes) => write(1, &[u8::from(*yes)]),
        Value::Integer(number) => write(2, &number.to_be_bytes()),
        Value::Text(text) => write(3, text.as_bytes()),
        Value::Uuid(id) => write(4, id.as_bytes()),
        Value::Instant(at) => write(5, &at.timestamp_micros().to_be_bytes()),
        Value::Date(date) => write(6, date.to_string().as_bytes()),
    }
}

/// The digest of the live table.
pub async fn digest(reads: &ReadStore, model: &'static dyn AnyModel) -> Result<Digest, ReadError> {
    reads
        .read(move |session| {
            // The table and its position are seen at the same moment.
            let live = sql::live_build(session, model)?;
            sql::hold(session, &live)?;
            let mut digesting = Digesting::default();
            sql::scan(session, &live, model, |row| digesting.see(row))?;
            Ok(digesting.at(live.position))
        })
        .await
}

/// The digest of the table that the pure fold makes of `events`, the log up to `position`: no database is asked.
pub fn replay_digest(
    model: &'static dyn AnyModel,
    events: &[Envelope],
    position: Position,
) -> Result<Digest, RepairError> {
    let mut table = BTreeMap::new();
    for (key, events) in by_key(model, events)? {
        let Folded { row, poison } = model.fold(None, &key, &events);
        if let Some((at, unfit)) = poison {
            return Err(RepairError::poisoned(model, Frozen::at(key, events[at], unfit.to_string())));
        }
        table.extend(row.map(|row| (key, row)));
    }
    let mut digesting = Digesting::default();
    for (key, row) in table {
        digesting.see(&key[..1].iter().chain(&row).cloned().collect::<Vec<_>>());
    }
    Ok(digesting.at(position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::REGISTRY;

    #[test]
    fn of_many_differences_all_are_counted_and_the_first_are_kept() {
        let model = REGISTRY[0];
        let mut comparing = Comparing::at(Position(1), model);
        let count = DIFFERENCES_KEPT_MAX + 7;
        for number in 0..count {
            let mut row = vec![Value::Null; model.columns().len() + 1];
            row[1] = Value::Integer(number as i64);
            comparing.see(None, Some(&row));
        }
        let compared = comparing.end();
        assert_eq!((compared.missing, compared.differing()), (count as u64, count as u64));
        assert_eq!(compared.differences.len(), DIFFERENCES_KEPT_MAX);
        assert_eq!(
            compared.differences[6],
            Difference::Missing { key: vec![Value::Null, Value::Integer(6)] }
        );
    }
}
