//! The read models in a SQLite file: how values are stored, how statements are spelled, and a connection to it.

mod claim;
mod dialect;
mod file;

pub(crate) use claim::Claim;
pub(crate) use file::File;

use crate::dialect::Dialect;
use crate::reads::ReadError;
use crate::row::{Type, Unreadable, Value};
use crate::session::{Found, Parameter, Rows, Session};
use chrono::{DateTime, NaiveDate};
use cityos_eventstore::database::sqlite::failure;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};
use uuid::Uuid;

impl Session for Connection {
    fn dialect(&self) -> &'static dyn Dialect {
        File::DIALECT
    }

    fn execute(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, ReadError> {
        Ok(self.prepare_cached(sql)?.execute(params_from_iter(parameters))? as u64)
    }

    fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        each: &mut dyn FnMut(&dyn Found) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }

    fn scan(
        &self,
        sql: &str,
        look: &mut dyn FnMut(&mut dyn Rows) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut statement = self.prepare(sql)?;
        look(&mut statement.query([])?)
    }

    fn batch(&self, sql: &str) -> Result<(), ReadError> {
        Ok(self.execute_batch(sql)?)
    }

    fn attempt(&self, work: &mut dyn FnMut() -> Result<(), ReadError>) -> Result<(), ReadError> {
        // A statement that fails has done nothing, and the transaction goes on.
        work()
    }
}

impl Rows for rusqlite::Rows<'_> {
    fn next(&mut self) -> Result<Option<&dyn Found>, ReadError> {
        Ok(rusqlite::Rows::next(self)?.map(|row| row as &dyn Found))
    }
}

impl Found for rusqlite::Row<'_> {
    fn value(&self, at: usize, kind: Type) -> Result<Value, Unreadable> {
        value(kind, self.get_ref(at).expect("the statement asks for this column"))
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
        match error.sqlite_error_code() {
            Some(ConstraintViolation | TooBig | TypeMismatch) => ReadError::Refused(error.to_string()),
            _ => ReadError::Database(failure(error)),
        }
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Parameter::One(value) => value,
            Parameter::Many(values) => {
                // Only texts come many at a time; no row is equal to one that is not there.
                let there = values.iter().filter(|value| ***value != Value::Null);
                let texts: Vec<_> = there.map(ToString::to_string).collect();
                let json = serde_json::to_string(&texts).expect("texts are JSON");
                return Ok(ToSqlOutput::Owned(json.into()));
            }
        };
        Ok(match &**value {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Bool(yes) => ToSqlOutput::Borrowed(ValueRef::Integer((*yes).into())),
            Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Uuid(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Value::Instant(at) => ToSqlOutput::Borrowed(ValueRef::Integer(at.timestamp_micros())),
            Value::Date(date) => ToSqlOutput::Owned(date.format(DATE).to_string().into()),
        })
    }
}

const DATE: &str = "%Y-%m-%d";

fn value(kind: Type, stored: ValueRef<'_>) -> Result<Value, Unreadable> {
    let read = match (kind, stored) {
        (_, ValueRef::Null) => Some(Value::Null),
        (Type::Bool, ValueRef::Integer(number)) => Some(Value::Bool(number != 0)),
        (Type::Integer, ValueRef::Integer(number)) => Some(Value::Integer(number)),
        (Type::Instant, ValueRef::Integer(micros)) => {
            DateTime::from_timestamp_micros(micros).map(Value::Instant)
        }
        (Type::Uuid, ValueRef::Blob(bytes)) => Uuid::from_slice(bytes).ok().map(Value::Uuid),
        (Type::Text | Type::Json, ValueRef::Text(bytes)) => {
            std::str::from_utf8(bytes).ok().map(|text| Value::Text(text.to_owned()))
        }
        (Type::Date, ValueRef::Text(bytes)) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| NaiveDate::parse_from_str(text, DATE).ok())
            .map(Value::Date),
        _ => None,
    };
    read.ok_or_else(|| Unreadable { wanted: kind.name(), value: Value::Text(shown(stored)) })
}

/// What is stored, for people.
fn shown(stored: ValueRef<'_>) -> String {
    match stored {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
