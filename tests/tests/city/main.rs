//! The system from outside, and what must hold over the whole repository.

mod doors;
mod event_schemas;
mod isolation;
mod marketplace;
mod mutations;
mod races;
mod tidy;
