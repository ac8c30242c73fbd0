//! Which Rust types may be columns, and as what they are stored: the plain ones, ids, text forms of the
//! domain's own words, enums by name, and JSON for what is only ever shown whole.

use crate::row::{Field, Type, Unreadable, Value};
use chrono::{DateTime, NaiveDate, Utc};
use cityos_domain::calendar::Zone;
use cityos_domain::ids::*;
use cityos_domain::money::{Currency, Rate};
use cityos_domain::sealed::Sealed;
use cityos_domain::text::{Code, LocalText, Locale, Slug};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use uuid::Uuid;

macro_rules! native {
    ($($type:ty = $variant:ident;)*) => {$(
        impl Field for $type {
            const TYPE: Type = Type::$variant;

            fn into_value(self) -> Value {
                Value::$variant(self)
            }

            fn from_value(value: Value) -> Result<Self, Unreadable> {
                if let Value::$variant(own) = value { Ok(own) } else { Err(Unreadable::not::<Self>(value)) }
            }
        }
    )*};
}

native! {
    bool = Bool;
    i64 = Integer;
    Uuid = Uuid;
    DateTime<Utc> = Instant;
    NaiveDate = Date;
    String = Text;
}

/// Whole numbers that fit an `i64`. A counter past that is a bug.
macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Field for $type {
            const TYPE: Type = Type::Integer;

            fn into_value(self) -> Value {
                Value::Integer(i64::try_from(self).expect("counters stay far below 2^63"))
            }

            fn from_value(value: Value) -> Result<Self, Unreadable> {
                if let Value::Integer(number) = value
                    && let Ok(own) = number.try_into()
                {
                    return Ok(own);
                }
                Err(Unreadable::not::<Self>(value))
            }
        }
    )*};
}

integers!(u32, u64);

macro_rules! ids {
    ($($type:ty),* $(,)?) => {$(
        impl Field for $type {
            const TYPE: Type = Type::Uuid;

            fn into_value(self) -> Value {
                Value::Uuid(self.0)
            }

            fn from_value(value: Value) -> Result<Self, Unreadable> {
                Uuid::from_value(value).map(Self::from)
            }
        }
    )*};
}

ids!(
    PlaceId,
    TenantId,
    StoreId,
    VendorId,
    CustomerId,
    PersonId,
    ProductCategoryId,
    ProductId,
    OfferId,
    OrderId,
    VendorOrderId,
    PaymentId,
    ReservationId,
    RuleId,
    PayoutId,
    TransactionId,
    RunId,
    EventId,
);

impl<T: Field> Field for Option<T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = true;

    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }

    fn from_value(value: Value) -> Result<Self, Unreadable> {
        if value == Value::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

/// Types whose serde form is a JSON string: stored as that string, so that they sort and compare as such.
macro_rules! named {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::row::Field for $type {
            const TYPE: $crate::row::Type = $crate::row::Type::Text;

            fn into_value(self) -> $crate::row::Value {
                $crate::fields::name_of(&self)
            }

            fn from_value(value: $crate::row::Value) -> Result<Self, $crate::row::Unreadable> {
                $crate::fields::by_name(value)
            }
        }
    )*};
}

/// Types stored as JSON documents.
macro_rules! json {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::row::Field for $type {
            const TYPE: $crate::row::Type = $crate::row::Type::Json;

            fn into_value(self) -> $crate::row::Value {
                $crate::fields::to_json(&self)
            }

            fn from_value(value: $crate::row::Value) -> Result<Self, $crate::row::Unreadable> {
                $crate::fields::from_json(value)
            }
        }
    )*};
}

pub(crate) use {json, named};

named!(Currency, Slug, Code, Locale, Zone);
json!(LocalText, Rate, serde_json::Value, BTreeMap<String, String>);

impl<T: Serialize + DeserializeOwned> Field for Vec<T> {
    const TYPE: Type = Type::Json;

    fn into_value(self) -> Value {
        to_json(&self)
    }

    fn from_value(value: Value) -> Result<Self, Unreadable> {
        from_json(value)
    }
}

impl<T> Field for Sealed<T> {
    const TYPE: Type = Type::Json;

    fn into_value(self) -> Value {
        to_json(&self)
    }

    fn from_value(value: Value) -> Result<Self, Unreadable> {
        from_json(value)
    }
}

pub(crate) fn name_of<T: Serialize>(named: &T) -> Value {
    let json = serde_json::to_value(named).expect("columns hold only what JSON can");
    if let serde_json::Value::String(name) = json {
        Value::Text(name)
    } else {
        unreachable!("{json} is not a name")
    }
}

pub(crate) fn by_name<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    if let Value::Text(name) = &value
        && let Ok(named) = serde_json::from_value(serde_json::Value::String(name.clone()))
    {
        return Ok(named);
    }
    Err(Unreadable::not::<T>(value))
}

pub(crate) fn to_json<T: Serialize>(document: &T) -> Value {
    let document = serde_json::to_value(document).expect("columns hold only what JSON can");
    Value::Text(canonical_json(&document))
}

/// The one text of a document, whatever a database has made of it: without spaces, each object by its keys.
pub(crate) fn canonical_json(document: &serde_json::Value) -> String {
    // A `serde_json::Map` is sorted, unless somebody asks serde_json to preserve the order: a test would find that out.
    document.to_string()
}

pub(crate) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    if let Value::Text(json) = &value
        && let Ok(document) = serde_json::from_str(json)
    {
        return Ok(document);
    }
    Err(Unreadable::not::<T>(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_one_text_whatever_the_order_of_its_keys() {
        let texts =
            [r#"{"b":[1,{"d":2,"c":null}],"a":"x"}"#, r#"{ "a": "x", "b": [1, {"c": null, "d": 2}] }"#];
        for text in texts {
            let document: serde_json::Value = serde_json::from_str(text).unwrap();
            let one = Value::Text(r#"{"a":"x","b":[1,{"c":null,"d":2}]}"#.into());
            assert_eq!(document.into_value(), one);
        }
    }
}
