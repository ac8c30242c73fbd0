//! A node of a tenant's own tree of product categories. Its parent never changes, so a category's ancestors
//! may be read without a guard.

use crate::ids::ProductCategoryId;
use crate::text::{LocalText, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can have happened to a category.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It exists.
    Created {
        /// The category above.
        parent: Option<ProductCategoryId>,
        /// Unique below its parent.
        slug: Slug,
        /// Its name.
        name: LocalText,
    },
    /// It has another name.
    Renamed {
        /// The new name.
        name: LocalText,
    },
    /// Nothing new is put into it.
    Archived {},
}
