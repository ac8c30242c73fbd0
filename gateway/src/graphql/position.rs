//! Places in the log as callers see them: opaque tokens, so that nobody reads from them how much others do.

use crate::graphql::refusal::Refusal;
use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use cityos_domain::log::Position;
use cityos_eventstore::tokens::PositionTokens;

/// A place in the log, opaque. A mutation answers with the one it reached; a query told `atLeast` such a place
/// sees everything up to it.
pub struct PositionToken(String);

#[Scalar(name = "Position")]
impl ScalarType for PositionToken {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        Ok(PositionToken(text))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl PositionToken {
    /// The token of a place.
    pub fn of(tokens: &PositionTokens, position: Position) -> Self {
        PositionToken(tokens.encode(position))
    }

    /// The place, if the token was made here.
    pub fn open(&self, tokens: &PositionTokens) -> Result<Position, Refusal> {
        tokens.decode(&self.0).map_err(|_| Refusal::BadArgument("this is no position of this city".into()))
    }
}
