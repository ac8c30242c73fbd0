//! Those who buy. What is known about the person stays sealed here too.

use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::CustomerId;
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::customer::{self, Contact};
use cityos_domain::sealed::Sealed;

table! {
    /// Someone who buys.
    pub struct Customer {
        key {
            /// Their id.
            id: CustomerId,
        }
        indexed {
            /// When they were first known.
            known_since: DateTime<Utc>,
        }
        plain {
            /// Whether they bought without an account.
            guest: bool,
            /// How to reach them.
            contact: Option<Sealed<Contact>>,
            /// The version of their stream.
            version: u64,
        }
    }
}

/// The customers.
pub struct Customers;

impl ReadModel for Customers {
    const NAME: &'static str = "customers";
    const VERSION: u32 = 1;
    type Row = Customer;

    fn keys(event: &Envelope) -> Keys<CustomerId> {
        let Event::Customer(_) = &event.event else { return Keys::None };
        Keys::One(CustomerId(event.stream.id))
    }

    fn evolve(row: Option<Customer>, id: &CustomerId, event: &Envelope) -> Result<Option<Customer>, Unfit> {
        let Event::Customer(happened) = &event.event else { return Ok(row) };
        use customer::Event as E;
        let version = event.version.0;
        Ok(Some(match happened {
            E::Registered { guest, contact } => Customer {
                id: *id,
                known_since: event.at,
                guest: *guest,
                contact: contact.clone(),
                version,
            },
            E::ContactChanged { contact } => {
                Customer { contact: Some(contact.clone()), version, ..existing(row)? }
            }
        }))
    }
}
