//! Opaque ids: what kind of thing an id names is part of it and checked, so that a product's id is no offer's.
//! Whose it is, is not: everything is looked up in the caller's own partition.

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextSelectionSet, ID, InputType, InputValueError, InputValueResult, OutputType, Positioned,
    ServerResult, Value,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cityos_domain::ids;
use std::borrow::Cow;
use uuid::Uuid;

/// Something that has an opaque id.
pub trait Named: From<Uuid> + Into<Uuid> + Copy + Send + Sync + 'static {
    /// What it is: part of the id, and so never changed.
    const WHAT: &'static str;
}

macro_rules! named {
    ($($id:ident $what:literal;)*) => {
        $(impl Named for ids::$id {
            const WHAT: &'static str = $what;
        })*
    };
}

named! {
    PlaceId "place";
    TenantId "tenant";
    StoreId "store";
    VendorId "vendor";
    CustomerId "customer";
    ProductCategoryId "product category";
    ProductId "product";
    OfferId "offer";
    OrderId "order";
    VendorOrderId "order part";
    RuleId "commission rule";
    PaymentId "payment";
    PayoutId "payout";
    TransactionId "transaction";
    RunId "saga run";
}

/// An id of a `T` as callers see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id<T>(pub T);

impl<T: Named> Id<T> {
    /// The opaque text.
    pub fn encode(self) -> String {
        let mut bytes = T::WHAT.as_bytes().to_vec();
        bytes.push(b':');
        bytes.extend_from_slice(self.0.into().as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an opaque text, if it names a `T`.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let uuid = bytes.strip_prefix(T::WHAT.as_bytes())?.strip_prefix(b":")?;
        Some(Id(T::from(Uuid::from_slice(uuid).ok()?)))
    }
}

/// What an opaque text names, and its id: for whoever takes any.
pub fn opaque(text: &str) -> Option<(String, Uuid)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (what, id) =
        (std::str::from_utf8(&bytes[..colon]).ok()?, Uuid::from_slice(&bytes[colon + 1..]).ok()?);
    Some((what.to_owned(), id))
}

impl<T> From<T> for Id<T> {
    fn from(id: T) -> Self {
        Id(id)
    }
}

impl<T: Named> InputType for Id<T> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <ID as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <ID as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let Some(Value::String(text)) = value else {
            return Err(InputValueError::expected_type(value.unwrap_or_default()));
        };
        Id::decode(&text).ok_or_else(|| {
            InputValueError::custom(format!("this is no id of a {}", T::WHAT))
                .with_extension("code", "BAD_ID")
        })
    }

    fn to_value(&self) -> Value {
        Value::String(self.encode())
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

impl<T: Named> OutputType for Id<T> {
    fn type_name() -> Cow<'static, str> {
        <ID as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <ID as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::String(self.encode()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_domain::ids::{OfferId, ProductId};

    #[test]
    fn an_id_reads_back_and_only_as_what_it_is() {
        let id = Id(OfferId(Uuid::from_u128(0x1234)));
        assert_eq!(Id::decode(&id.encode()), Some(id));
        assert_eq!(opaque(&id.encode()), Some(("offer".into(), id.0.0)));
        assert_eq!(Id::<ProductId>::decode(&id.encode()), None);
        for text in ["", "x", "!!", &id.encode()[1..], &id.0.0.to_string()] {
            assert_eq!(Id::<OfferId>::decode(text), None, "{text}");
            assert_eq!(opaque(text), None, "{text}");
        }
    }
}
