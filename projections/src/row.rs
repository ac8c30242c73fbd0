//! Rows: typed columns declared once with [`table!`], and the few kinds of values every database has
//! natively.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::marker::PhantomData;
use uuid::Uuid;

/// A value in a column.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Text, or JSON as text.
    Text(String),
    /// An id.
    Uuid(Uuid),
    /// A moment, in whole microseconds.
    Instant(DateTime<Utc>),
    /// A local date.
    Date(NaiveDate),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("nothing"),
            Value::Bool(yes) => write!(f, "{yes}"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Uuid(id) => write!(f, "{id}"),
            Value::Instant(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Value::Date(date) => write!(f, "{date}"),
        }
    }
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// Yes or no.
    Bool,
    /// A whole number of 64 bits.
    Integer,
    /// Text, ordered byte by byte.
    Text,
    /// An id.
    Uuid,
    /// A moment.
    Instant,
    /// A local date.
    Date,
    /// A JSON document.
    Json,
}

impl Type {
    /// Its name in fingerprints. It changes with how values are stored.
    pub(crate) fn stored(self) -> &'static str {
        match self {
            Type::Bool => "Bool",
            Type::Integer => "Integer",
            Type::Text => "Text",
            Type::Uuid => "Uuid",
            Type::Instant => "Instant",
            Type::Date => "Date",
            Type::Json => "Json by keys",
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "a yes or no",
            Type::Integer => "a whole number",
            Type::Text => "a text",
            Type::Uuid => "an id",
            Type::Instant => "a moment",
            Type::Date => "a date",
            Type::Json => "a document",
        }
    }

    /// Whether `value` may stand in a column of this type. Null is the column's own question.
    pub fn admits(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Bool(_) => self == Type::Bool,
            Value::Integer(_) => self == Type::Integer,
            Value::Text(_) => matches!(self, Type::Text | Type::Json),
            Value::Uuid(_) => self == Type::Uuid,
            Value::Instant(_) => self == Type::Instant,
            Value::Date(_) => self == Type::Date,
        }
    }
}

/// What a column is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Part of the key.
    Key,
    /// May be filtered and sorted by: it has an index within each partition.
    Indexed,
    /// May be filtered and sorted by, and is looked for over all partitions at once.
    Across,
    /// Only shown and summed.
    Plain,
}

/// A column as declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ColumnSpec {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// Whether it may hold nothing.
    pub nullable: bool,
    /// What it is there for.
    pub role: Role,
}

/// A Rust type that may be a column.
pub trait Field: Sized {
    /// What the column holds.
    const TYPE: Type;
    /// Whether it may hold nothing.
    const NULLABLE: bool = false;

    /// As stored.
    fn into_value(self) -> Value;

    /// The inverse of [`Field::into_value`].
    fn from_value(value: Value) -> Result<Self, Unreadable>;
}

/// A stored value that its column's type cannot be read from: the table was written by something else.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{value}` is not {wanted}")]
pub struct Unreadable {
    /// What the type is called.
    pub wanted: &'static str,
    /// What was found.
    pub value: Value,
}

impl Unreadable {
    /// `value` is not a `T`.
    pub fn not<T>(value: Value) -> Self {
        Unreadable { wanted: std::any::type_name::<T>(), value }
    }
}

/// A column of `R` holding a `T`. Only an `INDEXED` one can be filtered and sorted by.
pub struct Column<R, T, const INDEXED: bool> {
    /// Its name.
    pub(crate) name: &'static str,
    types: PhantomData<fn() -> (R, T)>,
}

impl<R, T, const INDEXED: bool> Column<R, T, INDEXED> {
    /// For [`table!`] alone.
    #[doc(hidden)]
    pub const fn named(name: &'static str) -> Self {
        Column { name, types: PhantomData }
    }
}

impl<R, T, const INDEXED: bool> Clone for Column<R, T, INDEXED> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T, const INDEXED: bool> Copy for Column<R, T, INDEXED> {}

/// What names a row within its partition: one field, or a pair of fields.
pub trait RowKey: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static {
    /// As stored, in the order of the key columns.
    fn into_values(self) -> Vec<Value>;

    /// The inverse of [`RowKey::into_values`].
    fn from_values(values: impl IntoIterator<Item = Value>) -> Result<Self, Unreadable>;
}

impl<F: Field + Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static> RowKey for F {
    fn into_values(self) -> Vec<Value> {
        vec![self.into_value()]
    }

    fn from_values(values: impl IntoIterator<Item = Value>) -> Result<Self, Unreadable> {
        F::from_value(values.into_iter().next().unwrap_or(Value::Null))
    }
}

impl<A: RowKey + Field, B: RowKey + Field> RowKey for (A, B) {
    fn into_values(self) -> Vec<Value> {
        vec![self.0.into_value(), self.1.into_value()]
    }

    fn from_values(values: impl IntoIterator<Item = Value>) -> Result<Self, Unreadable> {
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or(Value::Null);
        Ok((A::from_value(next())?, B::from_value(next())?))
    }
}

/// A row. Declared with [`table!`], never by hand.
pub trait Row: Clone + PartialEq + Debug + Send + Sync + 'static {
    /// What names it within its partition.
    type Key: RowKey;

    /// Its columns, those of the key first.
    const COLUMNS: &'static [ColumnSpec];

    /// Its key.
    fn key(&self) -> Self::Key;

    /// As stored, in the order of the columns.
    fn into_values(self) -> Vec<Value>;

    /// The inverse of [`Row::into_values`].
    fn from_values(values: impl IntoIterator<Item = Value>) -> Result<Self, Unreadable>;
}

/// Declares a row: its key, the columns it may be found and sorted by (`across` those for which all
/// partitions are searched at once), and the rest. Each column gets a function of its name that stands for it
/// in queries; what is plain can only be summed.
macro_rules! table {
    (
        $(#[$doc:meta])*
        pub struct $row:ident {
            key { $($(#[$key_doc:meta])* $key:ident: $key_type:ty,)+ }
            $(across { $($(#[$across_doc:meta])* $across:ident: $across_type:ty,)+ })?
            indexed { $($(#[$indexed_doc:meta])* $indexed:ident: $indexed_type:ty,)* }
            plain { $($(#[$plain_doc:meta])* $plain:ident: $plain_type:ty,)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $row {
            $($(#[$key_doc])* pub $key: $key_type,)+
            $($($(#[$across_doc])* pub $across: $across_type,)+)?
            $($(#[$indexed_doc])* pub $indexed: $indexed_type,)*
            $($(#[$plain_doc])* pub $plain: $plain_type,)*
        }

        impl $row {
            $($(#[$key_doc])*
            pub const fn $key() -> $crate::row::Column<$row, $key_type, true> {
                $crate::row::Column::named(stringify!($key))
            })+
            $($($(#[$across_doc])*
            pub const fn $across() -> $crate::row::Column<$row, $across_type, true> {
                $crate::row::Column::named(stringify!($across))
            })+)?
            $($(#[$indexed_doc])*
            pub const fn $indexed() -> $crate::row::Column<$row, $indexed_type, true> {
                $crate::row::Column::named(stringify!($indexed))
            })*
            $($(#[$plain_doc])*
            pub const fn $plain() -> $crate::row::Column<$row, $plain_type, false> {
                $crate::row::Column::named(stringify!($plain))
            })*
        }

        impl $crate::row::Row for $row {
            #[allow(unused_parens, reason = "a pair needs them, a single field does not")]
            type Key = ($($key_type),+);

            const COLUMNS: &'static [$crate::row::ColumnSpec] = &[
                $($crate::row::column_spec!($key, $key_type, Key),)+
                $($($crate::row::column_spec!($across, $across_type, Across),)+)?
                $($crate::row::column_spec!($indexed, $indexed_type, Indexed),)*
                $($crate::row::column_spec!($plain, $plain_type, Plain),)*
            ];

            fn key(&self) -> Self::Key {
                ($(self.$key.clone()),+)
            }

            fn into_values(self) -> Vec<$crate::row::Value> {
                use $crate::row::Field;
                vec![
                    $(self.$key.into_value(),)+
                    $($(self.$across.into_value(),)+)?
                    $(self.$indexed.into_value(),)*
                    $(self.$plain.into_value(),)*
                ]
            }

            fn from_values(
                values: impl IntoIterator<Item = $crate::row::Value>,
            ) -> Result<Self, $crate::row::Unreadable> {
                let mut values = values.into_iter();
                let mut next = || values.next().unwrap_or($crate::row::Value::Null);
                Ok($row {
                    $($key: $crate::row::Field::from_value(next())?,)+
                    $($($across: $crate::row::Field::from_value(next())?,)+)?
                    $($indexed: $crate::row::Field::from_value(next())?,)*
                    $($plain: $crate::row::Field::from_value(next())?,)*
                })
            }
        }
    };
}

macro_rules! column_spec {
    ($name:ident, $type:ty, $role:ident) => {
        $crate::row::ColumnSpec {
            name: stringify!($name),
            kind: <$type as $crate::row::Field>::TYPE,
            nullable: <$type as $crate::row::Field>::NULLABLE,
            role: $crate::row::Role::$role,
        }
    };
}

pub(crate) use {column_spec, table};
