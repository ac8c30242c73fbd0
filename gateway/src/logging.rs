//! Log lines, to standard error: for people or for machines. What is known about people never gets here: it is
//! sealed before anything that logs sees it.

use crate::settings::{LogFormat, Settings, SettingsError};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging as the settings say. Where something already logs (a test), that stays.
pub fn start(settings: &Settings) -> Result<(), SettingsError> {
    let filter = EnvFilter::try_new(&settings.log_level)
        .map_err(|error| SettingsError::Unfit(format!("setting `log_level`: {error}")))?;
    // A line that cannot be written is lost: saying so would go where it could not be written.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let started = match settings.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
    Ok(())
}
