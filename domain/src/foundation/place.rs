//! A node of the city's geography: Country → Scope → Category → Subcategory. Tenants hang below subcategories.
//!
//! Paths are not stored: every node names its parent, and its level says what kind of parent that must be.

use crate::ids::PlaceId;
use crate::text::{LocalText, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The levels of the tree, from the top.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A country; its slug is its ISO 3166-1 alpha-2 code in lower case.
    Country,
    /// A region or field within a country.
    Scope,
    /// A category within a scope.
    Category,
    /// A subcategory: where tenants are.
    Subcategory,
}

/// What can have happened to a place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It exists.
    Created {
        /// Its level.
        level: Level,
        /// The node above; none for a country.
        parent: Option<PlaceId>,
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
    /// It has another slug; the old one stays an alias and is not free.
    SlugChanged {
        /// The new slug.
        slug: Slug,
        /// The slug it had.
        alias: Slug,
    },
    /// A place or tenant was put below it.
    ChildAdded {
        /// The place's or tenant's id.
        child: Uuid,
    },
    /// A place or tenant below it is gone.
    ChildRemoved {
        /// The place's or tenant's id.
        child: Uuid,
    },
    /// It is no longer used.
    Archived {},
}
