//! A name that only one owner may have. The stream's id derives from scope and name, so two who want the same
//! name meet in one stream, and the append of the second conflicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What can have happened to a name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Someone has it.
    Taken {
        /// What kind of name, within what: `tenant_slug`, `sku`, ….
        scope: String,
        /// The name.
        name: String,
        /// Whose it is.
        owner: Uuid,
    },
    /// Nobody has it any more.
    Freed {},
}
