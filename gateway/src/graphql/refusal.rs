//! Why a request is not executed: errors of GraphQL with a stable `extensions.code`. What the rules of the
//! domain refuse is no error but an answer: see [`answer`](super::answer).

use crate::context::Unauthenticated;
use async_graphql::{ErrorExtensionValues, Response, ServerError};
use cityos_eventstore::store::StoreError;
use cityos_projections::ReadError;
use std::error::Error;
use std::sync::Arc;
use uuid::Uuid;

/// Why a request is not executed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody is known to ask.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// Somebody is, but may not.
    #[error("you may not do this")]
    Forbidden,
    /// The token is for no tenant, and this belongs to one.
    #[error("this belongs to a tenant: use a token that is for one")]
    NoTenant,
    /// An argument cannot be right.
    #[error("{0}")]
    BadArgument(String),
    /// The read models did not come up to the position in time.
    #[error("the read models have not reached that position yet: try again")]
    AtLeastTimeout,
    /// Too many others decided about the same things at once.
    #[error("too many changes to the same things at once: try again")]
    Contended,
    /// A database cannot do its work now: its disk is full, say, or nobody reaches it. Logged where the answer leaves.
    #[error("this cannot be done now: repeat it later, and a mutation with the same idempotency key")]
    Unavailable(Arc<dyn Error + Send + Sync>),
    /// Something broke that the caller has no part in. Logged once, where the answer leaves; never told.
    #[error("something went wrong: whoever runs this finds more under the correlation id")]
    Internal(Arc<dyn Error + Send + Sync>),
}

impl Refusal {
    /// Something went wrong that the caller has no part in: worth repeating where that is only a database that cannot do
    /// its work now, and a bug or a damage otherwise.
    pub fn failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause: Arc<dyn Error + Send + Sync> = Arc::from(cause.into());
        let passes =
            causes(cause.as_ref()).filter_map(|cause| cause.downcast_ref()).any(StoreError::may_pass);
        if passes { Refusal::Unavailable(cause) } else { Refusal::Internal(cause) }
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unauthenticated(_) => "UNAUTHENTICATED",
            Refusal::Forbidden => "FORBIDDEN",
            Refusal::NoTenant => "TENANT_REQUIRED",
            Refusal::BadArgument(_) => "BAD_REQUEST",
            Refusal::AtLeastTimeout => "AT_LEAST_TIMEOUT",
            Refusal::Contended => "CONTENDED",
            Refusal::Unavailable(_) => "UNAVAILABLE",
            Refusal::Internal(_) => "INTERNAL",
        }
    }
}

/// What a failed question to the read models means to whoever asked.
impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ForeignCursor => {
                Refusal::BadArgument("this cursor belongs to another list or order".into())
            }
            ReadError::TooManyValues => Refusal::BadArgument("too many values to look for at once".into()),
            ReadError::Database(_)
            | ReadError::Refused(_)
            | ReadError::NoBuild
            | ReadError::Open(_)
            | ReadError::Keys { .. }
            | ReadError::Unreadable(_)
            | ReadError::Overtaken
            | ReadError::Thread(_)
            | ReadError::Stopped => Refusal::failed(error),
        }
    }
}

/// Gives every error its code and, where something broke, the correlation id under which the log has it.
pub fn finish(mut response: Response, correlation: Uuid) -> Response {
    for error in &mut response.errors {
        let code = match error.source::<Refusal>() {
            Some(refusal) => {
                if let Refusal::Internal(cause) | Refusal::Unavailable(cause) = refusal {
                    tracing::error!(%correlation, cause = chain(cause.as_ref()), path = ?error.path, "a request broke");
                }
                refusal.code()
            }
            // What GraphQL itself refuses: syntax, unknown fields, values of the wrong type, limits.
            None => "BAD_REQUEST",
        };
        mark(error, code, correlation);
    }
    response
}

fn mark(error: &mut ServerError, code: &str, correlation: Uuid) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
    extensions.set("correlation", correlation.to_string());
}

/// An error and all that led to it.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(|cause| cause.to_string()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cityos_eventstore::store::Cause;
    use cityos_sagas::EngineError;

    #[test]
    fn what_a_database_cannot_do_now_is_worth_repeating_and_what_is_broken_is_not() {
        let broken = || StoreError::Database(Cause::new("broken"));
        for (error, code) in [
            (StoreError::Busy, "UNAVAILABLE"),
            (StoreError::Unreachable(Cause::new("away")), "UNAVAILABLE"),
            (StoreError::Full, "UNAVAILABLE"),
            (broken(), "INTERNAL"),
        ] {
            assert_eq!(Refusal::from(ReadError::Database(error.clone())).code(), code, "{error}");
            assert_eq!(
                Refusal::failed(EngineError::Reads(ReadError::Open(error.clone()))).code(),
                code,
                "{error}"
            );
            assert_eq!(Refusal::failed(error.clone()).code(), code, "{error}");
        }
        assert_eq!(Refusal::failed("a row is missing").code(), "INTERNAL");
    }

    #[test]
    fn all_that_led_to_an_error_is_logged_in_order() {
        let error = ReadError::Database(StoreError::Unreachable(Cause::new("nobody listens")));
        let chain = chain(&error);
        assert_eq!(chain, "the read database failed: the database server cannot be reached: nobody listens");
    }
}
