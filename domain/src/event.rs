//! Every aggregate there is, and the one enum of everything that can happen.
//!
//! An event is stored as a type name (`order.placed`), a schema version and a JSON body. Adding an aggregate
//! is one line in the table below; adding an event is a variant of its aggregate's own enum.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! aggregates {
    ($($(#[$doc:meta])* $variant:ident = $name:literal: $event:path;)*) => {
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
            $($(#[$doc])* #[serde(rename = $name)] $variant($event),)*
        }

        impl Event {
            /// The kind of aggregate it happened to.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Event::$variant(_) => Kind::$variant,)*
                }
            }
        }

        $(impl From<$event> for Event {
            fn from(event: $event) -> Event {
                Event::$variant(event)
            }
        }

        impl AggregateEvent for $event {
            const KIND: Kind = Kind::$variant;

            fn of(event: &Event) -> Option<&Self> {
                if let Event::$variant(own) = event { Some(own) } else { None }
            }
        })*
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
    Place = "place": crate::foundation::place::Event;
    /// A name that only one owner may have.
    Reservation = "reservation": crate::foundation::reservation::Event;
    /// A tenant's entry in the city's register.
    Tenancy = "tenancy": crate::foundation::tenancy::Event;
    /// A tenant: its lifecycle and policies.
    Tenant = "tenant": crate::foundation::tenant::Event;
    /// A tenant's shop front.
    Store = "store": crate::foundation::store::Event;
    /// A seller.
    Vendor = "vendor": crate::marketplace::vendor::Event;
    /// A buyer.
    Customer = "customer": crate::marketplace::customer::Event;
    /// A node of the tenant's own category tree.
    ProductCategory = "product_category": crate::marketplace::product_category::Event;
    /// A product.
    Product = "product": crate::marketplace::product::Event;
    /// A vendor selling a product.
    Offer = "offer": crate::marketplace::offer::Event;
    /// The units of an offer.
    Stock = "stock": crate::marketplace::stock::Event;
    /// A tenant's ordered list of commission rules.
    CommissionRules = "commission_rules": crate::commission::rules::Event;
    /// How far a vendor has come in a tiered rule's month.
    CommissionTier = "commission_tier": crate::commission::tier::Event;
    /// A customer's order.
    Order = "order": crate::orders::order::Event;
    /// One vendor's part of an order.
    VendorOrder = "vendor_order": crate::orders::vendor_order::Event;
    /// The payment of an order.
    Payment = "payment": crate::orders::payment::Event;
    /// Which months a vendor's ledgers have.
    LedgerBook = "ledger_book": crate::ledger::book::Event;
    /// One month of a vendor's ledger in one currency.
    Ledger = "ledger": crate::ledger::month::Event;
    /// A payout.
    Payout = "payout": crate::ledger::payout::Event;
    /// Something that goes wrong on purpose.
    Drill = "drill": crate::drill::Event;
    /// A run of a saga.
    SagaRun = "saga_run": crate::saga_run::Event;
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
