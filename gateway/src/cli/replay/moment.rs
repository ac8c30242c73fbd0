//! Moments in the life of an aggregate: versions of its stream, and recorded times.

use chrono::{DateTime, Utc};
use cityos_domain::log::Envelope;
use std::str::FromStr;

/// A moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Moment {
    /// When the stream had come to this version.
    Version(u64),
    /// This recorded time.
    Recorded(DateTime<Utc>),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let version = text.parse().map(Moment::Version);
        version.or_else(|_| time(text).map(Moment::Recorded)).map_err(|_| {
            "write a version of the stream, such as 3, or a time, such as 2026-03-02T08:00:00Z".into()
        })
    }
}

impl Moment {
    /// How many of a stream's events had happened by then; `flag` names the option in a refusal. There are events.
    pub fn events_of(self, stream: &[Envelope], flag: &str) -> anyhow::Result<usize> {
        match self {
            Moment::Version(version) => {
                let events = usize::try_from(version).unwrap_or(usize::MAX);
                anyhow::ensure!(
                    events <= stream.len(),
                    "{flag}: the stream ends at version {}, there is no version {version}",
                    stream.len()
                );
                Ok(events)
            }
            Moment::Recorded(at) => {
                let events = stream.iter().take_while(|event| event.recorded_at <= at).count();
                anyhow::ensure!(
                    events > 0,
                    "{flag}: by {} nothing had happened to it: its first event was recorded at {}",
                    shown(at),
                    shown(stream[0].recorded_at)
                );
                Ok(events)
            }
        }
    }
}

/// Reads a time.
pub fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc()).map_err(|_| "write a time such as 2026-03-02T08:00:00Z".into())
}

/// A time as it is printed: to the microsecond, as it is stored.
pub fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
