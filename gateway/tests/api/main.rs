//! The API as callers meet it, over real stores in a directory of their own and a clock that tests move.
#![allow(clippy::unwrap_used)]

mod answers;
mod city;
mod isolation;
mod journey;
mod money;
mod reading;
mod schema;
mod serving;
