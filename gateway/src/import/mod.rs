//! Bringing a marketplace in from files: the layout of three CSV files, through the same rules as live traffic.
//! One order with all it needs is one append, so stopping anywhere leaves nothing half done, and running again
//! goes on. `README.md` describes the layout.

mod catalog;
mod commands;
mod files;
mod order;
mod plan;
mod rejects;
mod run;

pub use catalog::Target;
pub use commands::Commands;
pub use files::{order_lines, products, sellers};
pub use plan::{Plan, plan};
pub use rejects::{Reject, prepare as prepare_rejects, write as write_rejects};
pub use run::{Report, run};
