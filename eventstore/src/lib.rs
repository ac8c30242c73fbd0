//! How events are kept: the port, its backends and the contract they pass, the executor of commands, and the
//! key store with what is sealed under its keys. Knows streams and events, not what they mean.

pub mod backup;
pub mod clock;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod copy;
pub mod database;
pub mod evidence;
pub mod executor;
pub mod keys;
pub mod members;
pub mod memory;
pub mod postgres;
mod queue;
pub mod sealing;
pub mod sqlite;
pub mod store;
pub mod stored;
pub mod tokens;
