//! The event everything is measured with: a cart of three lines, about 350 bytes of JSON, and about 150 of meta.

use chrono::DateTime;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Event;
use cityos_domain::ids::{CommandId, CustomerId, OfferId, OrderId, StoreId, TenantId, derive};
use cityos_domain::log::{Actor, Meta, Origin, Partition, StreamId, Version};
use cityos_domain::money::Currency;
use cityos_domain::orders::order::{self, Cart, Order, RequestedLine};
use cityos_eventstore::store::{Append, InputHash, NewEvent};
use uuid::Uuid;

/// Its body, as whoever decodes it by hand reads it.
#[derive(serde::Deserialize)]
pub struct Requested {
    /// What was ordered.
    pub cart: Cart,
}

/// The partition everything is measured in.
pub fn partition() -> Partition {
    Partition::Tenant(TenantId(derive(&["bench"])))
}

/// The `n`th stream.
pub fn stream(n: u64) -> StreamId {
    Order::stream(partition(), OrderId(derive(&["bench", "order", &n.to_string()])))
}

/// The event of the `n`th stream.
fn event(n: u64) -> Event {
    let id = |what: &str| derive(&["bench", what, &n.to_string()]);
    let line = |what| RequestedLine {
        offer: OfferId(id(what)),
        quantity: 2,
        expected_unit: None,
        freight_minor: None,
        includes_tax: None,
    };
    let currency = Currency::parse("currency", "EUR").expect("EUR is a currency");
    let cart = Cart {
        store: StoreId(id("store")),
        customer: CustomerId(id("customer")),
        currency,
        lines: vec![line("a"), line("b"), line("c")],
        discount: None,
        reference: None,
    };
    order::Event::Requested { cart }.into()
}

/// A command that appends these events: (stream, the version it is at).
pub fn append(n: u64, streams: &[(u64, Version)]) -> Append {
    let command = CommandId(Uuid::from_u128(u128::from(n) + 1));
    let meta = Meta::of(command, Actor::user("b3a1c0de"), Origin::Live);
    let at = DateTime::from_timestamp_micros(1_760_000_000_000_000 + n as i64).expect("a year within range");
    let events = streams.iter().enumerate().map(|(index, (n, _))| NewEvent {
        id: command.event(index),
        stream: stream(*n),
        at,
        event: event(*n),
    });
    Append {
        partition: partition(),
        relies_on: streams.iter().map(|(n, version)| (stream(*n), *version)).collect(),
        events: events.collect(),
        meta,
        input: InputHash([7; 32]),
    }
}
