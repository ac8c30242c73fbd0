//! Someone who buys. What is known about the person is sealed.

use crate::aggregate::{Aggregate, unless};
use crate::foundation::tenant;
use crate::ids::CustomerId;
use crate::rejection::Reject;
use crate::sealed::Sealed;
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach a person. Only ever stored sealed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Contact {
    /// The person's name.
    pub name: String,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their phone number.
    pub phone: Option<String>,
    /// Their postal address, one line each.
    pub address: Vec<String>,
}

impl Contact {
    /// To which field a sealed contact is bound.
    pub const FIELD: &str = "contact";
}

/// What may be asked of a customer.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Be known.
    Register {
        /// Whether they buy without an account.
        guest: bool,
        /// How to reach them.
        contact: Option<Sealed<Contact>>,
    },
    /// Be reached in another way.
    ChangeContact {
        /// How to reach them.
        contact: Sealed<Contact>,
    },
}

/// What can have happened to a customer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// They are known.
    Registered {
        /// Whether they bought without an account.
        guest: bool,
        /// How to reach them.
        contact: Option<Sealed<Contact>>,
    },
    /// They are reached in another way.
    ContactChanged {
        /// How to reach them.
        contact: Sealed<Contact>,
    },
}

/// Why a customer says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// They do not exist.
    #[error("there is no such customer")]
    Unknown,
    /// They exist already.
    #[error("the customer is registered already")]
    Exists,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "CUSTOMER_UNKNOWN",
            Rejection::Exists => "CUSTOMER_EXISTS",
        }
    }
}

/// A customer.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Customer {
    /// They do not exist.
    #[default]
    Unknown,
    /// They are known.
    Registered {
        /// How to reach them.
        contact: Option<Sealed<Contact>>,
    },
}

impl Customer {
    /// Why they cannot buy, if they cannot.
    pub fn can_buy(&self) -> Result<(), Rejection> {
        match self {
            Customer::Unknown => Err(Rejection::Unknown),
            Customer::Registered { .. } => Ok(()),
        }
    }
}

/// Someone who will buy becomes known.
#[derive(Clone, PartialEq, Debug)]
pub struct RegisterCustomer {
    /// The new customer.
    pub id: CustomerId,
    /// Whether they buy without an account.
    pub guest: bool,
    /// How to reach them.
    pub contact: Option<Sealed<Contact>>,
}

impl Intention for RegisterCustomer {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        tenant::trading(city)?;
        let register = Command::Register { guest: self.guest, contact: self.contact.clone() };
        city.send::<Customer>(self.id, &register)
    }
}

impl Aggregate for Customer {
    type Id = CustomerId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (command, self) {
            (Command::Register { guest, contact }, Customer::Unknown) => {
                Ok(vec![Event::Registered { guest: *guest, contact: contact.clone() }])
            }
            (Command::Register { .. }, Customer::Registered { .. }) => Err(Rejection::Exists),
            (Command::ChangeContact { .. }, Customer::Unknown) => Err(Rejection::Unknown),
            (Command::ChangeContact { contact }, Customer::Registered { contact: has }) => {
                let already_so = has.as_ref() == Some(contact);
                Ok(unless(already_so, Event::ContactChanged { contact: contact.clone() }))
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Registered { contact, .. } => Customer::Registered { contact: contact.clone() },
            Event::ContactChanged { contact } => Customer::Registered { contact: Some(contact.clone()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{City, id};
    use crate::workspace::Tell;

    #[test]
    fn a_customer_is_registered_once_and_reached_as_they_said_last() {
        let mut city = City::market();
        let customer: CustomerId = id("someone");
        let change = |ciphertext: &str| {
            let contact = Sealed::new(id("a person"), ciphertext.into());
            Tell::<Customer> { id: customer, command: Command::ChangeContact { contact } }
        };
        assert_eq!(city.refusal(&change("aaaa")), "CUSTOMER_UNKNOWN");
        assert_eq!(Customer::Unknown.can_buy(), Err(Rejection::Unknown));
        let register = RegisterCustomer { id: customer, guest: true, contact: None };
        city.must(&register).must(&change("aaaa"));
        assert_eq!(city.refusal(&register), "CUSTOMER_EXISTS");
        assert_eq!(city.when(&change("aaaa")), Ok(Vec::new()), "already so");
        assert_eq!(city.state::<Customer>(customer).can_buy(), Ok(()));
    }
}
