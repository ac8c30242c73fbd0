//! The command line: one file per command. Here only what they share, and which there are.

mod audit;
mod backup;
mod city;
mod import;
mod log;
mod process;
mod projection;
mod replay;
mod restore;
mod saga;
mod schema;
mod serve;
mod settings;
mod table;
mod token;

use crate::logging;
use crate::settings::Settings;
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code where something that was looked at is not as it should be.
const SOMETHING_WRONG: u8 = 3;

/// CityOS: a city's marketplaces, from one program.
#[derive(Parser)]
#[command(name = "cityos", version)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// What may be said before a command's name and behind it.
#[derive(Args)]
struct Options {
    /// File of settings (TOML); `cityos.toml` where it exists.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where log, read models and keys are kept: short for `--set data_dir=…`.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Any setting; `cityos settings` lists them.
    #[arg(long = "set", value_name = "SETTING=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API, moves the read models and drives the sagas, until Ctrl-C.
    Serve(With<serve::Serve>),
    /// Brings in sellers, products and orders from CSV files.
    Import(With<import::Import>),
    /// Makes a development token.
    Token(With<token::Token>),
    /// Copies log and keys, each to its own file, also while the server runs.
    Backup(With<backup::Backup>),
    /// Puts a backup into an empty data directory.
    Restore(With<restore::Restore>),
    /// Moves the log from one storage to another.
    Log(With<log::Command>),
    /// Runs of sagas: which there are, what happened to them, and what an operator can do about them.
    Saga(With<saga::Saga>),
    /// Prints the log, one aggregate as it was, or read models as they stood.
    Replay(With<replay::Replay>),
    /// Proves that what is in the log holds.
    Audit(With<audit::Audit>),
    /// Looks at the read models, and mends them.
    Projection(With<projection::Projection>),
    /// The processes that serve a city together.
    Process(With<process::Process>),
    /// Prints the table of settings and what they are now.
    Settings(With<settings::Show>),
    /// Prints the GraphQL schema.
    Schema(With<schema::Print>),
}

/// A command with the options behind its name.
#[derive(Args)]
struct With<C: Args> {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    command: C,
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(Cli { options, command }: Cli) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Import(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Token(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Backup(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Restore(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Log(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Saga(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Replay(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Audit(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Projection(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Process(with) => with.run(options, |it, settings| runtime()?.block_on(it.run(settings))),
        Command::Settings(with) => with.run(options, |it, settings| it.run(&settings)),
        Command::Schema(with) => with.run(options, |it, _| it.run()),
    }
}

impl<C: Args> With<C> {
    /// Does `work` with the settings as file, environment and options have them.
    fn run(
        self,
        before: Options,
        work: impl FnOnce(C, Settings) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        let settings = before.then(self.options).settings()?;
        logging::start(&settings)?;
        work(self.command, settings)
    }
}

impl Options {
    /// These, and where they differ, what was said `later`.
    fn then(mut self, later: Options) -> Self {
        self.set.extend(later.set);
        Options {
            config: later.config.or(self.config),
            data_dir: later.data_dir.or(self.data_dir),
            set: self.set,
        }
    }

    fn settings(self) -> anyhow::Result<Settings> {
        let mut flags = self.set;
        if let Some(dir) = self.data_dir {
            let dir = dir.to_str().context("the data directory's name is not UTF-8")?;
            flags.push(("data_dir".into(), dir.into()));
        }
        Ok(Settings::load(self.config.as_deref(), &flags)?)
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

/// Prints, also where whoever reads stops before the end.
fn say(text: &str) -> anyhow::Result<()> {
    heard(text.as_bytes()).map(|_| ())
}

/// Prints, and says whether anybody reads on.
fn heard(text: &[u8]) -> anyhow::Result<bool> {
    match std::io::stdout().write_all(text) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("printing"),
    }
}

/// Says what is wrong. Where that cannot be written, the exit code says it.
fn complain(what: &str) {
    drop(writeln!(std::io::stderr(), "cityos: {what}"));
}

/// `1 row`, `2 rows`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
    fn options_before_and_behind_a_command_count_and_the_later_wins() {
        let line = "cityos --set page_size_default=7 --data-dir a --set receipt_days=2 settings --set page_size_max=50 \
                    --set receipt_days=3 --data-dir b";
        let Cli { options, command } = Cli::parse_from(line.split_whitespace());
        let Command::Settings(with) = command else { panic!("another command was read") };
        let settings = options.then(with.options).settings().unwrap();
        assert_eq!((settings.page_size_default, settings.page_size_max, settings.receipt_days), (7, 50, 3));
        assert_eq!(settings.data_dir, PathBuf::from("b"));
    }

    #[test]
    fn every_command_and_flag_is_well_formed() {
        Cli::command().debug_assert();
    }
}
