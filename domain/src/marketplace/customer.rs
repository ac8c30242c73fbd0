//! Someone who buys. What is known about the person is sealed.

use crate::sealed::Sealed;
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
