//! The system from outside, and what must hold over the whole repository.

#![allow(clippy::unwrap_used, reason = "all of this is tests, what they share too")]

mod backup;
mod batching;
mod buyers;
mod commission;
mod contacts;
mod disks;
mod doors;
mod event_schemas;
mod evidence;
mod importing;
mod isolation;
mod killed;
mod marketplace;
mod money;
mod mutations;
mod pages;
mod payouts;
mod personal_data;
mod postgres;
mod program;
mod races;
mod read_models;
mod repair;
mod repair_api;
mod replay;
mod runbook;
mod sample;
mod schema;
mod serving;
mod staleness;
mod tidy;
