//! The way in: HTTP, GraphQL, tokens and who may do what, settings, and the command line. Composes the other
//! rooms of the house and decides nothing itself.

pub mod access;
pub mod app;
pub mod cli;
pub mod context;
pub mod graphql;
pub mod identity;
pub mod import;
pub mod logging;
pub mod order_proof;
pub mod ownership;
pub mod sample;
pub mod server;
pub mod settings;
pub mod storage;
