//! What the tests from outside share: a city served on a real port, callers of its API, what the schema says of
//! itself and where it takes ids, and a marketplace with something in it.

pub mod callers;
pub mod city;
pub mod market;
pub mod schema;
pub mod simulation;
pub mod slots;
