//! What an operator may set, in one table: its documentation, defaults and environment names derive from it.
//! Defaults give way to a TOML file, that to `CITYOS_…` in the environment, and that to flags.

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Source};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the name of every environment variable of a setting begins with.
pub const ENV_PREFIX: &str = "CITYOS_";

/// The file read when none is named and it exists.
pub const FILE_DEFAULT: &str = "cityos.toml";

/// Kubernetes sets such variables for a service called `cityos`, and the tests and the benchmark have some of their
/// own: these are no settings, and no misspelled ones either.
const ENV_FOREIGN: [&str; 7] =
    ["SERVICE_", "PORT", "UPDATE_SCHEMAS", "BENCH_", "POSTGRES_PROGRAMS", "PROGRAMS", "TESTS_"];

/// The setting that is a name whatever it looks like: a directory may be called `2024`.
const NAME: &str = "data_dir";

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr;)*) => {
        /// Everything that may be set.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { $($name: $default,)* }
            }
        }

        /// Name and explanation of every setting, in the order they are shown.
        pub const TABLE: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),*)),)*];
    };
}

settings! {
    /// Where log, read models and keys are kept, unless `database` says otherwise.
    data_dir: PathBuf = PathBuf::from("data");
    /// The PostgreSQL database that log and read models are kept in, as a URL such as
    /// `postgres://city:secret@db.example/city?sslmode=require`; empty: they are files in `data_dir`.
    database: DatabaseUrl = DatabaseUrl::default();
    /// The database the keys are kept in, which is never the log's; empty: the one on the same server whose name has `_keys` behind
    /// the other's.
    keys_database: DatabaseUrl = DatabaseUrl::default();
    /// The file with the certificates of those who vouch for the database server; empty: whom the machine trusts.
    database_ca_file: PathBuf = PathBuf::new();
    /// Most connections of each pool to the database: one pool for the log, two for the read models, one for the keys.
    database_connections: usize = 10;
    /// How many seconds a connection to the database is waited for.
    database_connect_s: u64 = 5;
    /// How many seconds one statement may take, its waiting for locks included.
    database_statement_s: u64 = 30;
    /// How many seconds what is to be written waits for a database that is gone, before it fails.
    database_reconnect_s: u64 = 15;
    /// Address and port the server listens on.
    bind: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
    /// How log lines look: `text` or `json`.
    log_format: LogFormat = LogFormat::Text;
    /// Which log lines are written, such as `info` or `warn,cityos_sagas=debug`.
    log_level: String = "info,actix_server=warn".into();
    /// Whether tokens of the built-in development issuer are accepted and issued. Anyone who can read the data
    /// directory can make them: switch it off wherever real people sign in. There is no other issuer yet: without
    /// it nobody is let in.
    development_tokens: bool = true;
    /// How many hours a development token lasts.
    development_token_hours: u32 = 24;
    /// Whether `/graphiql` is served.
    graphiql: bool = true;
    /// Largest request body, in bytes.
    body_bytes_max: usize = 1_048_576;
    /// Rows on a page where the caller names no number.
    page_size_default: u32 = 20;
    /// Most rows on a page.
    page_size_max: u32 = 100;
    /// How long `placeOrder` and `createTenant` wait for their saga run before they answer without it, in
    /// milliseconds.
    run_wait_ms: u64 = 3_000;
    /// How long a query with `atLeast` waits for the read models, in milliseconds.
    at_least_wait_ms: u64 = 5_000;
    /// How many days a repeated mutation is recognised.
    receipt_days: u32 = 30;
    /// How many seconds new events wait at most until a checkpoint of the log's evidence is signed over them.
    checkpoint_every_s: u32 = 300;
    /// How many saga runs are driven at once.
    engine_concurrency: usize = 16;
    /// How many server threads take requests; 0: one for each processor.
    workers: usize = 0;
    /// How many seconds a server that is to stop still takes requests, while `/health` says that it is about to: as long as a load
    /// balancer takes to notice.
    shutdown_drain_s: u64 = 0;
    /// How many seconds open requests have to finish when the server stops.
    shutdown_grace_s: u64 = 30;
}

/// Where a database is, or nothing. There may be a password in it: it is not shown.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, if one was set.
    pub fn get(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(self.0.as_str())
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        DatabaseUrl(url)
    }
}

impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        if url.0.is_empty() { url.0 } else { "(not shown)".into() }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"(not shown)\"" })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file, variable or flag does not fit; names the key and where it came from.
    #[error("{0}")]
    Unfit(String),
    /// A value is outside what makes sense.
    #[error("setting `{key}` {rule}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

impl Settings {
    /// Reads file, environment and `flags` (setting and value). A file that is named must exist.
    pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Self, SettingsError> {
        let mut figment = Figment::from(Serialized::defaults(Settings::default()));
        figment = match file {
            Some(file) => figment.merge(Toml::file_exact(file)),
            None if Path::new(FILE_DEFAULT).exists() => figment.merge(Toml::file_exact(FILE_DEFAULT)),
            None => figment,
        };
        let environment = Env::prefixed(ENV_PREFIX).filter(|key| {
            !ENV_FOREIGN.iter().any(|foreign| key.as_str().to_uppercase().starts_with(foreign))
        });
        let named: Dict = environment
            .iter()
            .filter(|(key, _)| key.as_str().eq_ignore_ascii_case(NAME))
            .map(|(_, text)| (NAME.to_owned(), Value::from(text)))
            .collect();
        let mut chosen = Dict::new();
        for (key, text) in flags {
            let value = match key == NAME {
                true => Value::from(text.clone()),
                false => text.parse().expect("any text is some value"),
            };
            chosen.insert(key.clone(), value);
        }
        let settings: Settings = figment
            .merge(environment)
            .merge(Serialized::from(named, Profile::Default))
            .merge(Serialized::from(chosen, Profile::Default))
            .extract()
            .map_err(|error| SettingsError::Unfit(explain(error)))?;
        settings.check()
    }

    fn check(self) -> Result<Self, SettingsError> {
        let rules = [
            (self.page_size_max >= 1 && self.page_size_max <= 1_000, "page_size_max", "must be 1 to 1000"),
            (
                self.page_size_default >= 1 && self.page_size_default <= self.page_size_max,
                "page_size_default",
                "must be between 1 and page_size_max",
            ),
            (self.body_bytes_max >= 1_024, "body_bytes_max", "must be at least 1024"),
            (self.engine_concurrency >= 1, "engine_concurrency", "must be at least 1"),
            ((1..=3_650).contains(&self.receipt_days), "receipt_days", "must be 1 to 3650"),
            ((1..=86_400).contains(&self.checkpoint_every_s), "checkpoint_every_s", "must be 1 to 86400"),
            (
                (1..=8_760).contains(&self.development_token_hours),
                "development_token_hours",
                "must be 1 to 8760",
            ),
            (self.workers <= 512, "workers", "must be at most 512"),
            (self.run_wait_ms <= 60_000, "run_wait_ms", "must be at most 60000"),
            (self.at_least_wait_ms <= 60_000, "at_least_wait_ms", "must be at most 60000"),
            (!self.data_dir.as_os_str().is_empty(), "data_dir", "must not be empty"),
            (is_postgres(&self.database), "database", "must begin with postgres:// or be empty"),
            (is_postgres(&self.keys_database), "keys_database", "must begin with postgres:// or be empty"),
            (
                self.database.get().is_some() || self.keys_database.get().is_none(),
                "keys_database",
                "must be empty where `database` is",
            ),
            ((2..=1_000).contains(&self.database_connections), "database_connections", "must be 2 to 1000"),
            ((1..=300).contains(&self.database_connect_s), "database_connect_s", "must be 1 to 300"),
            ((1..=3_600).contains(&self.database_statement_s), "database_statement_s", "must be 1 to 3600"),
            (self.database_reconnect_s <= 3_600, "database_reconnect_s", "must be at most 3600"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, rule)) => Err(SettingsError::OutOfRange { key, rule }),
            None => Ok(self),
        }
    }

    /// How long mutations wait for their saga run.
    pub fn run_wait(&self) -> Duration {
        Duration::from_millis(self.run_wait_ms)
    }

    /// How long `atLeast` waits.
    pub fn at_least_wait(&self) -> Duration {
        Duration::from_millis(self.at_least_wait_ms)
    }
}

/// Whether this is the URL of a PostgreSQL database, or none.
pub fn is_postgres(url: &DatabaseUrl) -> bool {
    url.get().is_none_or(|url| ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)))
}

fn explain(errors: figment::Error) -> String {
    let explain_one = |error: figment::Error| {
        let place = match error.metadata.as_ref().map(|metadata| (&metadata.source, &metadata.name)) {
            Some((Some(Source::File(path)), _)) => format!(" in {}", path.display()),
            Some((_, name)) if name.contains("environment") => " in the environment".into(),
            Some(_) | None => String::new(),
        };
        match error.path.as_slice() {
            [] => format!("settings{place}: {}", error.kind),
            path => format!("setting `{}`{place}: {}", path.join(".").to_lowercase(), error.kind),
        }
    };
    errors.into_iter().map(explain_one).collect::<Vec<_>>().join("; ")
}

/// The table of settings as Markdown: name, environment variable, default, meaning.
pub fn markdown() -> String {
    let defaults = serde_json::to_value(Settings::default()).expect("settings are plain values");
    let mut table = String::from("| setting | environment | default | meaning |\n|---|---|---|---|\n");
    for (name, meaning) in TABLE {
        let default = &defaults[name];
        let default = default.as_str().map_or_else(|| default.to_string(), Into::into);
        let variable = format!("{ENV_PREFIX}{}", name.to_uppercase());
        let default = if default.is_empty() { default } else { format!("`{default}`") };
        table += &format!("| `{name}` | `{variable}` | {default} | {} |\n", meaning.trim());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, flags: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let flags: Vec<_> = flags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Settings::load(Some(file.path()), &flags)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let settings = with_file("page_size_default = 7\nrun_wait_ms = 1", &[("run_wait_ms", "2")]).unwrap();
        assert_eq!((settings.page_size_default, settings.run_wait_ms), (7, 2));
        assert_eq!(settings.page_size_max, Settings::default().page_size_max);
    }

    #[test]
    fn a_directory_may_be_called_by_a_number() {
        let settings = with_file("", &[("data_dir", "2024")]).unwrap();
        assert_eq!(settings.data_dir, PathBuf::from("2024"));
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused_by_name() {
        let refusal = with_file("pagesize = 7", &[]).unwrap_err().to_string();
        assert!(refusal.contains("pagesize"), "{refusal}");
        let refusal = with_file("", &[("no_such_thing", "1")]).unwrap_err().to_string();
        assert!(refusal.contains("no_such_thing"), "{refusal}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_the_setting_it_was_for() {
        let unfit = [
            ("bind", "nowhere"),
            ("log_format", "xml"),
            ("page_size_max", "0"),
            ("workers", "513"),
            ("receipt_days", "4294967295"),
            ("checkpoint_every_s", "0"),
            ("development_token_hours", "4294967295"),
            ("data_dir", ""),
            ("database", "mysql://city:s3cret@host/city"),
            ("keys_database", "postgres://city:s3cret@host/keys"),
            ("database_connections", "1"),
        ];
        for (key, value) in unfit {
            let refusal = with_file("", &[(key, value)]).unwrap_err().to_string();
            assert!(refusal.contains(key) && !refusal.contains("s3cret"), "{refusal}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let settings = with_file("database = 'postgres://city:s3cret@host/city'", &[]).unwrap();
        assert_eq!(settings.database.get(), Some("postgres://city:s3cret@host/city"));
        let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains("s3cret") && shown.contains("not shown"), "{shown}");
    }

    #[test]
    fn the_table_names_every_setting_with_its_default() {
        let table = markdown();
        assert!(table.contains("| `body_bytes_max` | `CITYOS_BODY_BYTES_MAX` | `1048576` |"), "{table}");
        assert_eq!(table.lines().count(), TABLE.len() + 2);
    }
}
