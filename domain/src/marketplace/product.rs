//! A product, whoever sells it.

use crate::ids::ProductCategoryId;
use crate::text::{Code, LocalText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can have happened to a product.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It exists.
    Created {
        /// Unique in the tenant.
        code: Code,
        /// Its title.
        title: LocalText,
        /// Where it belongs.
        category: Option<ProductCategoryId>,
        /// Its weight in grams, where known.
        weight_g: Option<u32>,
    },
    /// It has another title.
    Retitled {
        /// The new title.
        title: LocalText,
    },
    /// It belongs elsewhere.
    Recategorised {
        /// The new category.
        category: Option<ProductCategoryId>,
    },
    /// It is no longer offered anew.
    Archived {},
}
