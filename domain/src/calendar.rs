//! Local dates: what day it was where the tenant lives, written down when it was decided.

use crate::rejection::Rejected;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// No clock was ever put forward by more than a day.
const GAP_MINUTES_MAX: i64 = 24 * 60;

/// An IANA time zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// The zone of an IANA name such as `Asia/Riyadh`.
    pub fn parse(field: &str, name: &str) -> Result<Self, Rejected> {
        name.parse().map(Zone).map_err(|_| {
            Rejected::invalid(field, format!("`{name}` is not an IANA time zone such as Asia/Riyadh"))
        })
    }

    /// The IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The local date of an instant.
    pub fn date(self, at: DateTime<Utc>) -> BusinessDate {
        BusinessDate { date: at.with_timezone(&self.0).date_naive(), zone: self }
    }

    /// When clocks here first show `hour` (0 to 23) after `after`. An hour that the clocks skip on some day
    /// comes at the first instant after the gap; an hour they show twice comes once, the first time.
    pub fn next_at_hour(self, hour: u8, after: DateTime<Utc>) -> DateTime<Utc> {
        let time = NaiveTime::from_hms_opt(hour.into(), 0, 0).expect("an hour is 0 to 23");
        self.date(after)
            .date
            .iter_days()
            .map(|day| self.first_instant_from(day.and_time(time)))
            .find(|at| *at > after)
            .expect("the calendar goes on")
    }

    /// The first instant at which clocks here show `local`, or the first after the gap it lies in.
    fn first_instant_from(self, local: NaiveDateTime) -> DateTime<Utc> {
        (0..=GAP_MINUTES_MAX)
            .find_map(|minutes| self.0.from_local_datetime(&(local + TimeDelta::minutes(minutes))).earliest())
            .expect("gaps end within a day")
            .to_utc()
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "Zone".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "description": "IANA time zone" })
    }
}

/// A local date with the zone it was resolved in: a later change of zone rewrites nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BusinessDate {
    /// The local date.
    pub date: NaiveDate,
    /// The zone.
    pub zone: Zone,
}

impl BusinessDate {
    /// The calendar month the date lies in.
    pub fn month(self) -> Month {
        Month { year: self.date.year(), month: self.date.month() }
    }
}

/// A calendar month.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema,
)]
pub struct Month {
    /// The year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(zone: &str, hour: u8, after: &str) -> String {
        let zone = Zone::parse("zone", zone).unwrap();
        zone.next_at_hour(hour, after.parse().unwrap()).to_rfc3339()
    }

    #[test]
    fn an_hour_comes_once_a_day_and_never_at_the_moment_it_comes_after() {
        assert_eq!(next("Asia/Riyadh", 6, "2026-01-05T02:59:59Z"), "2026-01-05T03:00:00+00:00");
        assert_eq!(next("Asia/Riyadh", 6, "2026-01-05T03:00:00Z"), "2026-01-06T03:00:00+00:00");
        assert_eq!(next("America/Sao_Paulo", 23, "2026-01-31T23:30:00Z"), "2026-02-01T02:00:00+00:00");
    }

    #[test]
    fn an_hour_the_clocks_skip_comes_right_after_the_gap() {
        assert_eq!(next("Europe/Berlin", 2, "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00+00:00");
        assert_eq!(next("Europe/Berlin", 2, "2026-03-29T01:00:00Z"), "2026-03-30T00:00:00+00:00");
        assert_eq!(next("Australia/Lord_Howe", 2, "2026-10-03T12:00:00Z"), "2026-10-03T15:30:00+00:00");
        assert_eq!(next("Pacific/Apia", 9, "2011-12-30T05:00:00Z"), "2011-12-30T10:00:00+00:00");
    }

    #[test]
    fn an_hour_the_clocks_show_twice_comes_the_first_time_only() {
        assert_eq!(next("Europe/Berlin", 2, "2026-10-24T12:00:00Z"), "2026-10-25T00:00:00+00:00");
        assert_eq!(next("Europe/Berlin", 2, "2026-10-25T00:00:00Z"), "2026-10-26T01:00:00+00:00");
        assert_eq!(next("Europe/Berlin", 2, "2026-10-25T00:30:00Z"), "2026-10-26T01:00:00+00:00");
    }
}
