//! Personal data as it may stand in the log: ciphertext under a key of that person.
//!
//! Nothing here can open or make one: keys live in a key store of their own, far from the domain. Folds carry
//! a sealed value along unopened, and destroying the person's key forgets the person.

use crate::ids::PersonId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// A `T` about a person, encrypted under that person's key and bound to tenant, person and field.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(bound = "")]
pub struct Sealed<T> {
    /// Whose key opens it.
    pub person: PersonId,
    /// The ciphertext with its nonce, base64url without padding.
    pub ciphertext: String,
    #[serde(skip)]
    #[schemars(skip)]
    clear: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    /// Wraps a ciphertext made elsewhere.
    pub fn new(person: PersonId, ciphertext: String) -> Self {
        Sealed { person, ciphertext, clear: PhantomData }
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed::new(self.person, self.ciphertext.clone())
    }
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.person == other.person && self.ciphertext == other.ciphertext
    }
}

impl<T> std::fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({})", self.person)
    }
}
