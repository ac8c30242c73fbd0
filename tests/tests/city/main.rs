//! The system from outside, and what must hold over the whole repository.

mod backup;
mod doors;
mod event_schemas;
mod importing;
mod isolation;
mod marketplace;
mod mutations;
mod personal_data;
mod program;
mod races;
mod sample;
mod serving;
mod tidy;
