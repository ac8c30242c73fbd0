//! The system from outside, and what must hold over the whole repository.

mod event_schemas;
mod tidy;
