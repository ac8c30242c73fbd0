//! Work that spans aggregates and the outside world: one file per saga, the engine that drives their runs, and the
//! ports they call. What is due is found in the read models; what happened is in the log; nothing is kept here.

mod context;
mod driving;
pub mod engine;
pub mod ports;
pub mod registry;
#[cfg(any(test, feature = "rehearsal"))]
pub mod rehearsal;
pub mod repair;
pub mod saga;
mod sweep;
mod timers;
mod wakes;

pub mod capture;
pub mod checkout;
pub mod drill;
pub mod payment_release;
pub mod payout;
pub mod payout_account;
pub mod tenant_closing;
pub mod tenant_opening;
pub mod vendor_onboarding;

pub use context::Context;
pub use engine::{Engine, EngineError, settle};
