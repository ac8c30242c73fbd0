//! The system from outside, and what must hold over the whole repository.

#![allow(clippy::unwrap_used, reason = "all of this is tests, what they share too")]

mod backup;
mod batching;
mod commission;
mod contacts;
mod doors;
mod event_schemas;
mod evidence;
mod importing;
mod isolation;
mod marketplace;
mod mutations;
mod pages;
mod payouts;
mod personal_data;
mod program;
mod races;
mod runbook;
mod sample;
mod schema;
mod serving;
mod tidy;
