//! Typed identifiers. Every id is a UUID; ids of new things are derived (UUIDv5), never drawn at random,
//! so that repeating a command names the same things again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> $name {
                $name(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A country, scope, category or subcategory of the city's tree.
    PlaceId;
    /// A tenant. Its partition of the log carries the same id.
    TenantId;
    /// A shop front of a tenant.
    StoreId;
    /// A seller in one tenant's marketplace.
    VendorId;
    /// Someone who buys from one tenant.
    CustomerId;
    /// The person whose key opens a [`Sealed`](crate::sealed::Sealed) value.
    PersonId;
    /// A node of a tenant's own tree of product categories.
    ProductCategoryId;
    /// A product, whoever sells it.
    ProductId;
    /// One vendor selling one product.
    OfferId;
    /// A customer's order: the group of its vendors' parts.
    OrderId;
    /// One vendor's part of an order.
    VendorOrderId;
    /// The one payment of an order.
    PaymentId;
    /// A claim on units of an offer's stock.
    ReservationId;
    /// A commission rule.
    RuleId;
    /// A payout to one vendor in one currency.
    PayoutId;
    /// A ledger transaction.
    TransactionId;
    /// Something that goes wrong on purpose, to practise on.
    DrillId;
    /// One run of a saga.
    RunId;
    /// A command. Derived from partition, actor, mutation and idempotency key.
    CommandId;
    /// An event. Derived from its command and its place in it.
    EventId;
}

/// The namespace below which every derived id of CityOS lies.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_1c0e_7a5b_4f0e_9d3a_c17e_05c1_7005);

/// The id that belongs to these parts. The same parts always give the same id; parts are length-prefixed,
/// so that `["ab", "c"]` and `["a", "bc"]` differ.
pub fn derive(parts: &[&str]) -> Uuid {
    let mut name = Vec::new();
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

impl CommandId {
    /// The id of the `index`th event this command leads to.
    pub fn event(self, index: usize) -> EventId {
        EventId(derive(&["event", &self.0.to_string(), &index.to_string()]))
    }

    /// The id of something this command creates; `what` tells several apart.
    pub fn creates<Id: From<Uuid>>(self, what: &str) -> Id {
        derive(&["created", &self.0.to_string(), what]).into()
    }
}
