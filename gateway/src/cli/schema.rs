//! `cityos schema`: the GraphQL schema in its definition language.

use crate::graphql;
use clap::Args;
use std::process::ExitCode;

/// Prints the GraphQL schema.
#[derive(Args)]
pub struct Print {}

impl Print {
    pub fn run(self) -> ExitCode {
        print!("{}", graphql::sdl());
        ExitCode::SUCCESS
    }
}
