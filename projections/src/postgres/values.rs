//! Values as PostgreSQL sends and takes them, in its native types.

use crate::fields::canonical_json;
use crate::row::{Type, Unreadable, Value};
use crate::session::{Found, Parameter};
use bytes::BytesMut;
use chrono::{DateTime, NaiveDate, TimeDelta};
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type as Stored, to_sql_checked};
use uuid::Uuid;

/// Moments are counted from the year 2000, whose first this is as Unix counts, in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The version of the binary form of a `jsonb`.
const JSONB: u8 = 1;

/// A value on its way.
#[derive(Debug)]
struct Cell<'v>(&'v Value);

impl ToSql for Cell<'_> {
    fn to_sql(&self, kind: &Stored, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Bool(yes) => out.extend_from_slice(&[u8::from(*yes)]),
            Value::Integer(number) => out.extend_from_slice(&number.to_be_bytes()),
            Value::Text(text) => {
                if *kind == Stored::JSONB {
                    out.extend_from_slice(&[JSONB]);
                }
                out.extend_from_slice(text.as_bytes());
            }
            Value::Uuid(id) => out.extend_from_slice(id.as_bytes()),
            Value::Instant(at) => {
                out.extend_from_slice(&(at.timestamp_micros() - EPOCH_MICROS).to_be_bytes());
            }
            Value::Date(date) => {
                let days = i32::try_from((*date - first_day()).num_days())?;
                out.extend_from_slice(&days.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Stored) -> bool {
        // The server checks what it is given.
        true
    }

    to_sql_checked!();
}

/// What takes a place in a statement, on its way.
#[derive(Debug)]
pub(super) struct Bound<'v>(pub(super) &'v Parameter<'v>);

impl ToSql for Bound<'_> {
    fn to_sql(&self, kind: &Stored, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Parameter::One(value) => Cell(value).to_sql(kind, out),
            Parameter::Many(values) => {
                values.iter().map(|value| Cell(value)).collect::<Vec<_>>().to_sql(kind, out)
            }
        }
    }

    fn accepts(_: &Stored) -> bool {
        true
    }

    to_sql_checked!();
}

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2000, 1, 1).expect("it is in the calendar")
}

/// A value as it came.
struct Raw<'r>(Stored, &'r [u8]);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(kind: &Stored, bytes: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Raw(kind.clone(), bytes))
    }

    fn accepts(_: &Stored) -> bool {
        true
    }
}

impl Found for Row {
    fn value(&self, at: usize, kind: Type) -> Result<Value, Unreadable> {
        let said = self.said(at, kind)?;
        let Value::Text(text) = &said else { return Ok(said) };
        if kind != Type::Json {
            return Ok(said);
        }
        match serde_json::from_str(text) {
            Ok(document) => Ok(Value::Text(canonical_json(&document))),
            Err(_) => Err(Unreadable { wanted: kind.name(), value: said }),
        }
    }

    fn said(&self, at: usize, kind: Type) -> Result<Value, Unreadable> {
        let raw: Option<Raw<'_>> = self.get(at);
        let Some(raw) = raw else { return Ok(Value::Null) };
        raw.read(kind).ok_or_else(|| Unreadable { wanted: kind.name(), value: Value::Text(raw.shown()) })
    }
}

impl Raw<'_> {
    fn read(&self, kind: Type) -> Option<Value> {
        let Raw(stored, bytes) = self;
        match (kind, stored) {
            (Type::Bool, &Stored::BOOL) => Some(Value::Bool(*bytes.first()? != 0)),
            (Type::Integer, &Stored::INT8) => Some(Value::Integer(i64::from_be_bytes(self.sized()?))),
            (Type::Integer, &Stored::INT4) => Some(Value::Integer(i32::from_be_bytes(self.sized()?).into())),
            (Type::Text, &Stored::TEXT | &Stored::NAME) => Some(Value::Text(self.text(0)?.to_owned())),
            (Type::Uuid, &Stored::UUID) => Uuid::from_slice(bytes).ok().map(Value::Uuid),
            (Type::Instant, &Stored::TIMESTAMPTZ) => {
                let micros = i64::from_be_bytes(self.sized()?).checked_add(EPOCH_MICROS)?;
                DateTime::from_timestamp_micros(micros).map(Value::Instant)
            }
            (Type::Date, &Stored::DATE) => {
                let days = TimeDelta::days(i32::from_be_bytes(self.sized()?).into());
                first_day().checked_add_signed(days).map(Value::Date)
            }
            (Type::Json, &Stored::JSONB) => Some(Value::Text(self.text(1)?.to_owned())),
            _ => None,
        }
    }

    fn sized<const N: usize>(&self) -> Option<[u8; N]> {
        self.1.try_into().ok()
    }

    fn text(&self, from: usize) -> Option<&str> {
        std::str::from_utf8(self.1.get(from..)?).ok()
    }

    /// What is stored, for people.
    fn shown(&self) -> String {
        let endless = |endless: bool| endless.then(|| "infinity".to_owned());
        let known = match self.0 {
            Stored::TIMESTAMPTZ => endless(self.sized() == Some(i64::MAX.to_be_bytes())),
            Stored::DATE => endless(self.sized() == Some(i32::MAX.to_be_bytes())),
            Stored::TEXT => self.text(0).map(str::to_owned),
            Stored::JSONB => self.text(1).map(str::to_owned),
            _ => None,
        };
        known.unwrap_or_else(|| self.1.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
