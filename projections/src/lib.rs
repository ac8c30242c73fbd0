//! What can be asked: read models as pure, keyed folds over the log, and the runtime that does all their I/O.
//! Nothing here decides anything, and nothing here is the only copy of anything: it can all be rebuilt.

mod apply;
mod builds;
mod bulk;
mod claim;
mod compare;
mod dialect;
mod fields;
pub mod folding;
mod giving_way;
#[cfg(any(test, feature = "history"))]
pub mod history;
pub mod model;
pub mod models;
mod poison;
mod postgres;
mod projector;
mod query;
mod reads;
mod rebuild;
#[cfg(test)]
mod rehearsal;
mod repair;
pub mod replay;
mod roll_back;
pub mod row;
mod session;
mod sql;
mod sqlite;
mod status;
mod verify;

pub use builds::{SizedTable, Table, TableState, drop_table, sized_tables, tables};
pub use bulk::CHECKPOINT_EVENTS;
pub use claim::{ClaimError, Holder};
pub use compare::{
    ChangedColumn, Comparison, DIFFERENCES_KEPT_MAX, Difference, Digest, digest, replay_digest,
};
pub use model::{AnyModel, Keys, ReadModel, Unfit};
pub use poison::{Frozen, Retried, frozen, frozen_among, retry_frozen};
pub use projector::{ProjectError, Projector};
pub use query::{Cursor, Filter, PAGE_ROWS_MAX, Page, Query, Sort, by_keys};
pub use reads::{ReadError, ReadStore};
pub use rebuild::{Progress, Rebuilt, Uncompared, rebuild};
pub use repair::{RepairError, key_parts, key_text};
pub use replay::replay;
pub use roll_back::{RolledBack, roll_back};
pub use row::{Column, Row, Value};
pub use status::{FROZEN_TOLD_MAX, FrozenSince, Standing, frozen_rows_of, status};
pub use verify::{Verified, verify};
