//! Why a request is not executed: errors of GraphQL with a stable `extensions.code`. What the rules of the
//! domain refuse is no error but an answer: see [`answer`](super::answer).

use crate::context::Unauthenticated;
use async_graphql::{ErrorExtensionValues, Response, ServerError};
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
    /// The log could not be written: its disk is full, say. Logged where the answer leaves.
    #[error("this could not be taken down now: repeat it later with the same idempotency key")]
    Unavailable(Arc<dyn Error + Send + Sync>),
    /// Something broke that the caller has no part in. Logged once, where the answer leaves; never told.
    #[error("something went wrong: whoever runs this finds more under the correlation id")]
    Internal(Arc<dyn Error + Send + Sync>),
}

impl Refusal {
    /// Something broke that the caller has no part in.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Refusal::Internal(Arc::from(cause.into()))
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
            | ReadError::Stopped => Refusal::internal(error),
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

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
