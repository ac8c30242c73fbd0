//! A tenant's commission rules: an explicit order, the first that matches wins. A new rule goes on top; at the
//! bottom lies a catch-all, disabled until the tenant enables it.

use crate::ids::{ProductCategoryId, ProductId, RuleId, VendorId};
use crate::money::{Currency, Rate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a percentage is taken of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Discounted goods without consumer tax.
    #[default]
    Net,
    /// Discounted goods with consumer tax.
    Gross,
}

/// How a tiered rate applies to a sale that crosses a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TierMode {
    /// Each slice at its tier's rate.
    Marginal,
    /// All of it at the rate of the tier the month's total reaches with it.
    Whole,
}

/// From just above `above_minor` on, this rate. An amount that lands exactly on a bound is in the lower tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tier {
    /// The lower bound in minor units, exclusive; 0 for the first.
    pub above_minor: i64,
    /// The rate.
    pub rate: Rate,
}

/// How much a rule takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fee {
    /// A share of the goods, in any currency.
    Percent {
        /// The share.
        rate: Rate,
        /// Of what.
        basis: Basis,
        /// Never less than this per line, in currencies named.
        floor_minor: BTreeMap<Currency, i64>,
        /// Never more than this per line, in currencies named.
        cap_minor: BTreeMap<Currency, i64>,
        /// Whether freight is part of the goods here.
        includes_freight: bool,
    },
    /// An amount per unit. The rule is skipped in currencies not named.
    PerUnit {
        /// Minor units per currency.
        amount_minor: BTreeMap<Currency, i64>,
    },
    /// Rates by what the vendor sold under this rule in the calendar month of the tenant's zone. Skipped in
    /// currencies not named.
    Tiered {
        /// What happens to a sale that crosses a bound.
        mode: TierMode,
        /// Of what.
        basis: Basis,
        /// Ascending bounds per currency, the first 0.
        tiers: BTreeMap<Currency, Vec<Tier>>,
    },
}

/// Which lines a rule is for: all dimensions must match, each by any of its values; an empty one matches all.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Sold by one of these.
    pub vendors: Vec<VendorId>,
    /// One of these products.
    pub products: Vec<ProductId>,
    /// In one of these categories or below.
    pub categories: Vec<ProductCategoryId>,
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What people call it.
    pub name: String,
    /// Which lines it is for.
    pub conditions: Conditions,
    /// How much it takes.
    pub fee: Fee,
}

/// What can have happened to the list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A rule was put on top.
    Added {
        /// The rule.
        rule: Rule,
    },
    /// A rule takes part.
    Enabled {
        /// Which.
        rule: RuleId,
    },
    /// A rule stays in the list but takes no part.
    Disabled {
        /// Which.
        rule: RuleId,
    },
    /// A rule is gone from the list.
    Removed {
        /// Which.
        rule: RuleId,
    },
    /// The catch-all at the bottom has another fee.
    CatchAllChanged {
        /// The fee.
        fee: Fee,
    },
}
