//! A connection to the read database, whichever database that is: statements with values in, rows of values out. What
//! is spelled differently from one database to another is asked of its [`Dialect`].

use crate::dialect::Dialect;
use crate::reads::ReadError;
use crate::row::{ColumnSpec, Field, Type, Unreadable, Value};
use cityos_domain::log::Position;
use std::borrow::Cow;
use uuid::Uuid;

/// What takes the place of a `?` in a statement.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Parameter<'v> {
    /// A value.
    One(Cow<'v, Value>),
    /// Many values of one type. Only what a [`Dialect`] has written takes them.
    Many(Vec<Cow<'v, Value>>),
}

impl<'v> Parameter<'v> {
    /// Whether a text with U+0000 is in it.
    pub(crate) fn holds_zero(&self) -> bool {
        let holds = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
        match self {
            Parameter::One(value) => holds(value),
            Parameter::Many(values) => values.iter().any(|value| holds(value)),
        }
    }

    /// The same, belonging to nobody else.
    pub(crate) fn into_owned(self) -> Parameter<'static> {
        let own = |value: Cow<'v, Value>| Cow::Owned(value.into_owned());
        match self {
            Parameter::One(value) => Parameter::One(own(value)),
            Parameter::Many(values) => Parameter::Many(values.into_iter().map(own).collect()),
        }
    }
}

impl From<Value> for Parameter<'_> {
    fn from(value: Value) -> Self {
        Parameter::One(Cow::Owned(value))
    }
}

impl<'v> From<&'v Value> for Parameter<'v> {
    fn from(value: &'v Value) -> Self {
        Parameter::One(Cow::Borrowed(value))
    }
}

impl From<&str> for Parameter<'_> {
    fn from(text: &str) -> Self {
        text.to_owned().into_value().into()
    }
}

impl From<&String> for Parameter<'_> {
    fn from(text: &String) -> Self {
        text.clone().into_value().into()
    }
}

impl From<i64> for Parameter<'_> {
    fn from(number: i64) -> Self {
        number.into_value().into()
    }
}

impl From<Uuid> for Parameter<'_> {
    fn from(id: Uuid) -> Self {
        id.into_value().into()
    }
}

impl From<Position> for Parameter<'_> {
    fn from(position: Position) -> Self {
        position.0.into_value().into()
    }
}

/// Values of several types as the parameters of a statement.
macro_rules! parameters {
    ($($value:expr),* $(,)?) => {
        &[$($crate::session::Parameter::from($value)),*]
    };
}

pub(crate) use parameters;

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Statement<'v> {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter<'v>>,
}

impl Statement<'_> {
    /// The same, belonging to nobody else.
    pub(crate) fn into_owned(self) -> Statement<'static> {
        let parameters = self.parameters.into_iter().map(Parameter::into_owned).collect();
        Statement { sql: self.sql, parameters }
    }
}

/// What becomes of each row of an answer.
pub(crate) type Read<T> = fn(&dyn Found) -> Result<T, ReadError>;

/// A row of an answer.
pub(crate) trait Found {
    /// What stands at a place, counted from 0.
    fn value(&self, at: usize, kind: Type) -> Result<Value, Unreadable>;
}

impl dyn Found + '_ {
    /// The same as what it is here.
    pub(crate) fn get<F: Field>(&self, at: usize) -> Result<F, Unreadable> {
        F::from_value(self.value(at, F::TYPE)?)
    }

    /// A position.
    pub(crate) fn position(&self, at: usize) -> Result<Position, Unreadable> {
        self.get(at).map(Position)
    }

    /// The values of `columns`, which stand in the row from `first` on.
    pub(crate) fn values<'c>(
        &self,
        first: usize,
        columns: impl IntoIterator<Item = &'c ColumnSpec>,
    ) -> Result<Vec<Value>, Unreadable> {
        let read = |(at, column): (usize, &ColumnSpec)| self.value(first + at, column.kind);
        columns.into_iter().enumerate().map(read).collect()
    }
}

/// The rows of an answer that is read little by little.
pub(crate) trait Rows {
    /// The next one.
    fn next(&mut self) -> Result<Option<&dyn Found>, ReadError>;
}

/// A connection. It blocks. In an answer `each` is called for row after row, and its error ends it.
pub(crate) trait Session {
    /// How this database has things spelled.
    fn dialect(&self) -> &'static dyn Dialect;

    /// Carries out a statement and says how many rows it touched.
    fn execute(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, ReadError>;

    /// Carries out a question whose answer fits into memory.
    fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        each: &mut dyn FnMut(&dyn Found) -> Result<(), ReadError>,
    ) -> Result<(), ReadError>;

    /// Carries out a question of whatever size, and hands `look` its rows. Several may be read side by side.
    fn scan(
        &self,
        sql: &str,
        look: &mut dyn FnMut(&mut dyn Rows) -> Result<(), ReadError>,
    ) -> Result<(), ReadError>;

    /// Carries out statements without parameters.
    fn batch(&self, sql: &str) -> Result<(), ReadError>;

    /// Does what the database may refuse. Where it fails, the transaction goes on, and what the work has done up to there
    /// may be there or not.
    fn attempt(&self, work: &mut dyn FnMut() -> Result<(), ReadError>) -> Result<(), ReadError>;
}

impl dyn Session + '_ {
    /// What `read` makes of each row of an answer.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        mut read: impl FnMut(&dyn Found) -> Result<T, ReadError>,
    ) -> Result<Vec<T>, ReadError> {
        let mut rows = Vec::new();
        self.query(sql, parameters, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// The value of an answer of one row at most.
    pub(crate) fn one<F: Field>(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<F>, ReadError> {
        Ok(self.all(sql, parameters, |row| Ok(row.get(0)?))?.pop())
    }
}
