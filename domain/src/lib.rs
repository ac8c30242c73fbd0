//! The business of CityOS and nothing else: what may happen (`decide`) and what that makes of us (`evolve`).
//! No async, no I/O, no clock, no randomness.

pub mod aggregate;
pub mod calendar;
pub mod event;
pub mod ids;
pub mod log;
pub mod money;
pub mod rejection;
pub mod sealed;
pub mod text;
pub mod upcast;
pub mod workspace;

pub mod audit;
pub mod commission;
pub mod foundation;
pub mod ledger;
pub mod marketplace;
pub mod orders;
#[cfg(any(test, feature = "rehearsal"))]
pub mod rehearsal;
pub mod saga_run;
