//! The databases everything is kept in: how they are opened, and what their errors mean to us.

pub mod postgres;
pub mod sqlite;

#[cfg(test)]
pub(crate) mod tests;
