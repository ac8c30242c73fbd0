//! The command line: one file per command. Here only what they share, and which there are.

mod backup;
mod import;
mod restore;
mod schema;
mod serve;
mod settings;
mod token;

use crate::logging;
use crate::settings::Settings;
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// CityOS: a city's marketplaces, from one program.
#[derive(Parser)]
#[command(name = "cityos", version)]
struct Cli {
    /// File of settings (TOML); `cityos.toml` where it exists.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where log, read models and keys are kept: short for `--set data_dir=…`.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Any setting; `cityos settings` lists them.
    #[arg(long = "set", global = true, value_name = "SETTING=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API, moves the read models and drives the sagas, until Ctrl-C.
    Serve(serve::Serve),
    /// Brings in sellers, products and orders from CSV files.
    Import(import::Import),
    /// Makes a development token.
    Token(token::Token),
    /// Copies log and keys, each to its own file, also while the server runs.
    Backup(backup::Backup),
    /// Puts a backup into an empty data directory.
    Restore(restore::Restore),
    /// Prints the table of settings and what they are now.
    Settings(settings::Show),
    /// Prints the GraphQL schema.
    Schema(schema::Print),
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cityos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut flags = cli.set;
    if let Some(dir) = cli.data_dir {
        flags.push((
            "data_dir".into(),
            dir.to_str().context("the data directory's name is not UTF-8")?.into(),
        ));
    }
    let settings = Settings::load(cli.config.as_deref(), &flags)?;
    logging::start(&settings)?;
    let done = match cli.command {
        Command::Serve(command) => runtime()?.block_on(command.run(settings))?,
        Command::Import(command) => runtime()?.block_on(command.run(settings))?,
        Command::Token(command) => runtime()?.block_on(command.run(settings))?,
        Command::Backup(command) => runtime()?.block_on(command.run(settings))?,
        Command::Restore(command) => runtime()?.block_on(command.run(settings))?,
        Command::Settings(command) => command.run(&settings)?,
        Command::Schema(command) => command.run()?,
    };
    Ok(done)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

/// Prints, also where whoever reads stops before the end.
fn say(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("printing"),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as SETTING=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_and_flag_is_well_formed() {
        Cli::command().debug_assert();
    }
}
