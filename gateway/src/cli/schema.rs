//! `cityos schema`: the GraphQL schema in its definition language.

use super::say;
use crate::graphql;
use clap::Args;
use std::process::ExitCode;

/// Prints the GraphQL schema.
#[derive(Args)]
pub struct Print {}

impl Print {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        say(&graphql::sdl())?;
        Ok(ExitCode::SUCCESS)
    }
}
