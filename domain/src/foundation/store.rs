//! A shop front of a tenant: brand, kind, theme, regions, currencies and locales.

use crate::money::Currency;
use crate::text::{LocalText, Locale, Slug};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of shop it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Many vendors.
    Marketplace,
    /// One brand.
    Brand,
    /// For businesses.
    Wholesale,
}

/// Where a store sells and in what currency. A country is in at most one region of a store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Region {
    /// Unique in the store.
    pub slug: Slug,
    /// ISO 3166-1 alpha-2 codes.
    pub countries: Vec<String>,
    /// The region's currency.
    pub currency: Currency,
    /// Whether prices shown include tax.
    pub prices_include_tax: bool,
}

/// What can have happened to a store.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It sells.
    Opened {
        /// Unique in the tenant.
        slug: Slug,
        /// Its name.
        name: LocalText,
        /// The brand it shows.
        brand: String,
        /// What kind of shop it is.
        kind: StoreKind,
        /// The currencies it takes.
        currencies: Vec<Currency>,
        /// The locales it speaks.
        locales: Vec<Locale>,
        /// Where it sells.
        regions: Vec<Region>,
    },
    /// It has other regions.
    RegionsChanged {
        /// All of them.
        regions: Vec<Region>,
    },
    /// It looks different: named design tokens, data and never code.
    ThemeChanged {
        /// Counts up.
        revision: u32,
        /// Token names and values.
        tokens: BTreeMap<String, String>,
    },
    /// It sells no more.
    Closed {
        /// Why.
        reason: String,
    },
}
