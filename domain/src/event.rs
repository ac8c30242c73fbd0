//! Every aggregate there is, and the one enum of everything that can happen.
//!
//! An event is stored as a type name (`order.placed`), a schema version and a JSON body. Adding an aggregate
//! is one line in the table below; adding an event is a variant of its aggregate's own enum.

use crate::aggregate::Aggregate;
use crate::workspace::fold_events;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! aggregates {
    ($($(#[$doc:meta])* $variant:ident = $name:literal: $aggregate:path;)*) => {
        /// The kinds of aggregates.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$variant),*];

            /// The name under which streams of this kind are stored.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$variant => $name,)*
                }
            }

            /// The kind stored under `name`.
            pub fn from_name(name: &str) -> Option<Kind> {
                match name {
                    $($name => Some(Kind::$variant),)*
                    _ => None,
                }
            }
        }

        /// Everything that can happen.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $variant(<$aggregate as Aggregate>::Event),)*
        }

        impl Event {
            /// The kind of aggregate it happened to.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Event::$variant(_) => Kind::$variant,)*
                }
            }
        }

        $(impl From<<$aggregate as Aggregate>::Event> for Event {
            fn from(event: <$aggregate as Aggregate>::Event) -> Event {
                Event::$variant(event)
            }
        }

        impl AggregateEvent for <$aggregate as Aggregate>::Event {
            const KIND: Kind = Kind::$variant;

            fn of(event: &Event) -> Option<&Self> {
                if let Event::$variant(own) = event { Some(own) } else { None }
            }
        })*

        /// The state of any aggregate. What is sealed in it stays sealed.
        #[derive(Clone, PartialEq, Debug, Serialize)]
        #[serde(untagged)]
        pub enum State {
            $($(#[$doc])* $variant($aggregate),)*
        }

        impl State {
            /// What an aggregate of this kind is before anything has happened to it.
            pub fn before(kind: Kind) -> State {
                match kind {
                    $(Kind::$variant => State::$variant(<$aggregate>::default()),)*
                }
            }

            /// What it becomes with these events of its stream. Those of other kinds are a bug of the caller.
            pub fn after<'a>(self, events: impl Iterator<Item = &'a Event>) -> State {
                match self {
                    $(State::$variant(state) => State::$variant(fold_events(state, events)),)*
                }
            }
        }
    };
}

/// The events of one aggregate.
pub trait AggregateEvent: Into<Event> + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// The aggregate's kind.
    const KIND: Kind;

    /// The aggregate's own event, if `event` is one.
    fn of(event: &Event) -> Option<&Self>;
}

aggregates! {
    /// A country, scope, category or subcategory of the city.
    Place = "place": crate::foundation::place::Place;
    /// A name that only one owner may have.
    Reservation = "reservation": crate::foundation::reservation::Reservation;
    /// A tenant's entry in the city's register.
    Tenancy = "tenancy": crate::foundation::tenancy::Tenancy;
    /// A tenant: its lifecycle and policies.
    Tenant = "tenant": crate::foundation::tenant::Tenant;
    /// A tenant's shop front.
    Store = "store": crate::foundation::store::Store;
    /// A seller.
    Vendor = "vendor": crate::marketplace::vendor::Vendor;
    /// A buyer.
    Customer = "customer": crate::marketplace::customer::Customer;
    /// A node of the tenant's own category tree.
    ProductCategory = "product_category": crate::marketplace::product_category::ProductCategory;
    /// A product.
    Product = "product": crate::marketplace::product::Product;
    /// A vendor selling a product.
    Offer = "offer": crate::marketplace::offer::Offer;
    /// The units of an offer.
    Stock = "stock": crate::marketplace::stock::Stock;
    /// A tenant's ordered list of commission rules.
    CommissionRules = "commission_rules": crate::commission::rules::CommissionRules;
    /// How far a vendor has come in a tiered rule's month.
    CommissionTier = "commission_tier": crate::commission::tier::CommissionTier;
    /// A customer's order.
    Order = "order": crate::orders::order::Order;
    /// One vendor's part of an order.
    VendorOrder = "vendor_order": crate::orders::vendor_order::VendorOrder;
    /// The payment of an order.
    Payment = "payment": crate::orders::payment::Payment;
    /// Which months a vendor's ledgers have.
    LedgerBook = "ledger_book": crate::ledger::book::LedgerBook;
    /// One month of a vendor's ledger in one currency.
    Ledger = "ledger": crate::ledger::month::LedgerMonth;
    /// A payout.
    Payout = "payout": crate::ledger::payout::Payout;
    /// Something that goes wrong on purpose.
    Drill = "drill": crate::drill::Drill;
    /// A run of a saga.
    SagaRun = "saga_run": crate::saga_run::SagaRun;
}

/// The name a type of event is stored under, and its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// Such as `order.placed`.
    pub type_name: String,
    /// A JSON object.
    pub body: String,
}

impl Event {
    /// The stored form.
    pub fn encode(&self) -> Encoded {
        // Serde writes the nested enums as {"order":{"placed":BODY}}: the names are cut off and stored apart.
        let json = serde_json::to_string(self).expect("events hold only what JSON can");
        let mut quotes = json.match_indices('"').map(|(at, _)| at);
        let mut next = || quotes.next().expect("an event is two nested objects");
        let (kind_from, kind_to, name_from, name_to) = (next() + 1, next(), next() + 1, next());
        Encoded {
            type_name: format!("{}.{}", &json[kind_from..kind_to], &json[name_from..name_to]),
            body: json[name_to + 2..json.len() - 2].to_owned(),
        }
    }

    /// Reads the current form of an event. Older forms go through [`upcast`](crate::upcast::upcast) first.
    pub fn decode(type_name: &str, body: &str) -> Result<Event, serde_json::Error> {
        let (kind, name) = type_name.split_once('.').unwrap_or((type_name, ""));
        let mut json = String::with_capacity(body.len() + type_name.len() + 10);
        for part in ["{\"", kind, "\":{\"", name, "\":", body, "}}"] {
            json.push_str(part);
        }
        serde_json::from_str(&json)
    }
}
