//! `cityos log copy`: a city's log in another storage. Read models are made there at the next start.

mod keys;
mod telling;

use crate::cli::{SOMETHING_WRONG, say};
use crate::settings::{DatabaseUrl, Settings, is_postgres};
use crate::storage::Storage;
use anyhow::{Context, bail, ensure};
use cityos_domain::log::Position;
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::copy::{Copying, LogRows};
use cityos_eventstore::evidence::{self, Verifying};
use cityos_eventstore::store::name_of;
use clap::Args;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use telling::{Done, Progress, figures, figures_json};

/// How often is looked whether the source stands still. Where somebody always writes it the rest is for another run.
const ROUNDS_MAX: u32 = 10;

/// What a place in files begins with.
const FILES: &str = "sqlite:";

/// Copies log, receipts and evidence as they are stored to where there is no log yet, or the beginning of this one: it may be
/// stopped anywhere and run again. Everything is read back, and the evidence is verified over the copy. Stop the servers first;
/// exits with 3 where the source has moved on, something is not as it was signed, or keys are missing.
#[derive(Args)]
pub struct Copy {
    /// The storage to copy from: `sqlite:DIR` or `postgres://…`.
    #[arg(long, value_name = "STORAGE")]
    from: String,
    /// The storage to copy to.
    #[arg(long, value_name = "STORAGE")]
    to: String,
    /// The database of the keys there, where the setting `keys_database` would be set.
    #[arg(long, value_name = "URL")]
    from_keys: Option<String>,
    /// The same of the storage to copy to.
    #[arg(long, value_name = "URL")]
    to_keys: Option<String>,
    /// Copies the keys, too, to where there are none.
    #[arg(long)]
    keys: bool,
    /// Says what would be copied, and copies nothing.
    #[arg(long)]
    dry_run: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Copy {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        let from = storage(("--from", &self.from), ("--from-keys", self.from_keys.as_deref()), &settings)?;
        let to = storage(("--to", &self.to), ("--to-keys", self.to_keys.as_deref()), &settings)?;
        ensure!(self.from != self.to, "--to is the same storage as --from");
        ensure!(from.has_log().await.context("--from")?, "--from: there is no log in {from}");
        let source = from.log_to_look_at().await.with_context(|| format!("opening the log in {from}"))?;
        if self.dry_run {
            return self.look(&from, &*source, &to).await;
        }
        if let Some(directory) = to.directory() {
            fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        }
        let target = to.log(Arc::new(SystemClock)).await;
        let target = target.with_context(|| format!("opening the log in {to}"))?;
        let copy = Under { from: &from, to: &to, source: &*source, target: &*target, with_keys: self.keys };
        let done = copy.run().await?;
        say(&match self.json {
            true => format!("{}\n", done.as_json()),
            false => format!("From {from} to {to}:\n{}", done.as_text()),
        })?;
        Ok(if done.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(SOMETHING_WRONG) })
    }

    async fn look(&self, from: &Storage, source: &dyn LogRows, to: &Storage) -> anyhow::Result<ExitCode> {
        let target = match to.has_log().await.context("--to")? {
            true => Some(to.log_to_look_at().await.with_context(|| format!("opening the log in {to}"))?),
            false => None,
        };
        let mut progress = Progress::to(source.head().await.context("reading the source")?);
        let mut looking = Copying::only_looking(source, target.as_deref());
        let found = looking.go_on(|looked| progress.tell(looked)).await?;
        say(&match self.json {
            true => format!("{}\n", figures_json(&found)),
            false => {
                let keys = if self.keys { "  the keys\n" } else { "" };
                let figures = figures(&found, "to copy");
                format!("From {from} to {to}, with nothing done yet:\n{figures}{keys}")
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A copy under way.
struct Under<'a> {
    from: &'a Storage,
    to: &'a Storage,
    source: &'a dyn LogRows,
    target: &'a dyn LogRows,
    with_keys: bool,
}

impl Under<'_> {
    async fn run(&self) -> anyhow::Result<Done> {
        let mut progress = Progress::to(self.head().await?);
        let mut copying = Copying::new(self.source, self.target);
        let mut copied = copying.go_on(|copied| progress.tell(copied)).await?;
        let name = name_of(self.target).await?.context("--from: the log has no events yet")?;
        let (before, mut stands) = (copied.events, false);
        for _ in 0..ROUNDS_MAX {
            // Whoever is in the log has a key by now, and what is in the evidence is in the log a moment later.
            if self.with_keys {
                keys::copy(self.from, self.to, name).await?;
            }
            evidence::copy(&self.from.evidence(), &self.to.evidence()).await?;
            let more = copying.go_on(|copied| progress.tell(copied)).await?;
            stands = more == copied;
            copied = more;
            if stands {
                break;
            }
        }
        let moves = !stands || self.head().await? > copied.position;
        tracing::info!("the copy is looked at: its evidence and its keys");
        let keys = keys::Found::in_target(self.from, self.to, self.target, name).await?;
        let verified = match &keys.public_key {
            Some(key) => {
                let evidence = self.to.evidence();
                let remembered = keys.signed;
                let verifying =
                    Verifying { log: self.target, evidence: &evidence, key, remembered, kept: None };
                Some(verifying.verify().await?)
            }
            None => None,
        };
        Ok(Done { copied, meanwhile: copied.events - before, moves, verified, keys })
    }

    /// Where the source ends.
    async fn head(&self) -> anyhow::Result<Position> {
        self.source.head().await.context("reading the source")
    }
}

/// The storage that a flag names, and the flag of its keys. What is wrong is said without repeating it: there may be a password
/// in it.
fn storage(
    (flag, place): (&str, &str),
    (keys_flag, keys): (&str, Option<&str>),
    settings: &Settings,
) -> anyhow::Result<Storage> {
    let mut settings = settings.clone();
    let url = |text: &str| {
        Some(DatabaseUrl::from(text.to_owned())).filter(|url| url.get().is_some() && is_postgres(url))
    };
    settings.keys_database = match keys {
        None => DatabaseUrl::default(),
        Some(keys) => url(keys).with_context(|| format!("{keys_flag} must be `postgres://…`"))?,
    };
    match (place.strip_prefix(FILES), url(place)) {
        (Some(directory), _) if !directory.is_empty() => {
            ensure!(keys.is_none(), "{keys_flag} goes with a database: in files the keys lie beside the log");
            settings.database = DatabaseUrl::default();
            settings.data_dir = directory.into();
        }
        (_, Some(url)) => settings.database = url,
        (_, None) => bail!("{flag} must be `sqlite:DIR` or `postgres://USER:PASSWORD@HOST/DATABASE`"),
    }
    Storage::of(&settings).with_context(|| flag.to_owned())
}
