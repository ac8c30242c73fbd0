//! A tenant's entry in the city's register (platform partition): its slug and its place in the geography.
//! The tenant's own life is in its own partition: see [`tenant`](super::tenant).

use crate::calendar::Zone;
use crate::foundation::tenant::Tier;
use crate::ids::PlaceId;
use crate::money::Currency;
use crate::text::{LocalText, Locale, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can have happened to the entry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The tenant is registered; its partition is opened next.
    Registered {
        /// Unique in the city.
        slug: Slug,
        /// Its name.
        name: LocalText,
        /// The subcategory it belongs to; none for a tenant made by an import without one.
        subcategory: Option<PlaceId>,
        /// Where its days begin and end.
        zone: Zone,
        /// The locale used where none is asked for.
        locale: Locale,
        /// Its main currency.
        currency: Currency,
        /// Its subscription tier.
        tier: Tier,
    },
}
