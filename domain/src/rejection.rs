//! How the rules say no: a stable code, a sentence, and the field it is about.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an aggregate refused a command. One enum per aggregate implements this.
pub trait Reject: fmt::Display {
    /// A stable code such as `ORDER_CLOSED`. Clients depend on it: it never changes its meaning.
    fn code(&self) -> &'static str;

    /// The input field the refusal is about, in the caller's spelling, when it is about one.
    fn field(&self) -> Option<&'static str> {
        None
    }
}

/// A refusal as it leaves the domain: what any aggregate's `Rejection` becomes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// The stable code.
    pub code: String,
    /// One sentence for the person who asked; names the value and the rule, never a secret.
    pub message: String,
    /// The input field, when the refusal is about one.
    pub field: Option<String>,
}

impl Rejected {
    /// A refusal of a value that breaks the rule stated in `message`.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Rejected { code: "INVALID_INPUT".into(), message: message.into(), field: Some(field.into()) }
    }
}

impl<R: Reject> From<R> for Rejected {
    fn from(rejection: R) -> Self {
        Rejected {
            code: rejection.code().into(),
            message: rejection.to_string(),
            field: rejection.field().map(Into::into),
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Rejected {}
