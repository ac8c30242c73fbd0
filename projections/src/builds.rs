//! The tables of the read models: which there are, and away with those nobody needs.

use crate::claim::claimed;
use crate::model::AnyModel;
use crate::reads::{ReadError, ReadStore};
use crate::repair::RepairError;
use crate::sql;
use cityos_domain::log::Position;

/// What a table is to its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableState {
    /// What is read.
    Live,
    /// What was live once.
    Old,
    /// What was live once, and was turned away from: no way back leads to it.
    Rejected,
    /// What a rebuild has begun.
    Unfinished,
}

impl TableState {
    const ALL: [TableState; 4] =
        [TableState::Live, TableState::Old, TableState::Rejected, TableState::Unfinished];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TableState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            TableState::Live => "live",
            TableState::Old => "old",
            TableState::Rejected => "rejected",
            TableState::Unfinished => "unfinished",
        }
    }
}

/// One physical table of a model, this program's or another's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// The model's name.
    pub model: String,
    /// The fingerprint it was made for.
    pub fingerprint: String,
    /// Counts the builds of this fingerprint, from 1.
    pub build: i64,
    /// What it was built from: every event up to here.
    pub position: Position,
    /// What it is to its fingerprint.
    pub state: TableState,
}

impl Table {
    /// Its name in the database.
    pub fn name(&self) -> String {
        format!("{}_{}_{}", self.model, self.fingerprint, self.build)
    }

    /// Whether it was made for the model as this program knows it.
    pub fn is_of(&self, model: &dyn AnyModel) -> bool {
        self.model == model.name() && self.fingerprint == model.fingerprint()
    }
}

/// A table with what it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SizedTable {
    /// It.
    pub table: Table,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it takes with its indexes.
    pub bytes: u64,
}

/// Every table there is.
pub async fn tables(reads: &ReadStore) -> Result<Vec<Table>, ReadError> {
    reads.read(sql::tables).await
}

/// Every table there is, with its size. Looks at all of them.
pub async fn sized_tables(reads: &ReadStore) -> Result<Vec<SizedTable>, ReadError> {
    reads
        .read(|session| {
            let sized = |table: Table| {
                let (rows, bytes) = sql::size(session, &table)?;
                Ok(SizedTable { table, rows, bytes })
            };
            sql::tables(session)?.into_iter().map(sized).collect()
        })
        .await
}

/// Drops a table, unless it is the live one of a model as this program knows it, or its model is being worked on.
pub async fn drop_table(
    reads: &ReadStore,
    models: &'static [&'static dyn AnyModel],
    table: Table,
) -> Result<(), RepairError> {
    let own = models.iter().any(|model| table.is_of(*model));
    let model = table.model.clone();
    let models = [model.as_str()];
    let dropping = reads.write(&models, move |session| {
        // Looked at again: it may have become live meanwhile.
        let now = sql::tables(session)?.into_iter().find(|now| now.name() == table.name());
        match now {
            None => Ok(()),
            Some(now) if own && now.state == TableState::Live => Err(RepairError::Live(now.name())),
            Some(now) => Ok(sql::drop_table(session, &now)?),
        }
    });
    claimed(reads, &model, "tidied up", dropping).await
}

#[cfg(test)]
mod tests;
