//! What can be asked: read models as pure, keyed folds over the log, and the runtime that does all their I/O.
//! Nothing here decides anything, and nothing here is the only copy of anything: it can all be rebuilt.

mod apply;
mod fields;
#[cfg(any(test, feature = "history"))]
pub mod history;
pub mod model;
pub mod models;
mod poison;
mod projector;
mod query;
mod reads;
mod rebuild;
#[cfg(test)]
mod rehearsal;
pub mod replay;
pub mod row;
mod sqlite;

pub use model::{AnyModel, Keys, ReadModel, Unfit};
pub use poison::{Frozen, frozen, retry_frozen};
pub use projector::{ProjectError, Projector};
pub use query::{Cursor, Filter, PAGE_ROWS_MAX, Page, Query, Sort, by_keys};
pub use reads::{ReadError, ReadStore};
pub use rebuild::{Digest, RebuildError, Rebuilt, digest, rebuild, replay_digest};
pub use replay::replay;
pub use row::{Column, Row, Value};
