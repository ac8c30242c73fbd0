//! Old shapes of events, lifted to today's. Functions on JSON, one per step, each with a stored sample.

use serde_json::Value;

/// Lifts a body stored as `schema_version` of `type_name` to the current version. An unknown version is an
/// error, never a guess.
pub fn upcast(type_name: &str, schema_version: u16, body: Value) -> Result<Value, UnknownVersion> {
    if schema_version == 1 {
        Ok(body)
    } else {
        Err(UnknownVersion { type_name: type_name.into(), schema_version })
    }
}

/// The version new events of this type are stored with.
pub fn current_version(_type_name: &str) -> u16 {
    1
}

/// An event of a version this program does not know: it was written by a newer one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{type_name}` version {schema_version} is not known to this program")]
pub struct UnknownVersion {
    /// The event's type.
    pub type_name: String,
    /// Its version.
    pub schema_version: u16,
}
