//! A tenant's commission rules: an explicit order, the first that matches wins. A new rule goes on top; at the
//! bottom lies a catch-all, disabled until the tenant enables it.

use super::limits::{CONDITION_VALUES_MAX, RULES_MAX, TIERS_MAX};
use crate::aggregate::{Aggregate, unless};
use crate::ids::{ProductCategoryId, ProductId, RuleId, TenantId, VendorId, derive};
use crate::money::{AMOUNT_MINOR_MAX, Currency, Rate};
use crate::rejection::Reject;
use crate::text::NAME_CHARS_MAX;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a percentage is taken of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Goods less what the vendor takes off, without consumer tax.
    #[default]
    Net,
    /// Goods less what the vendor takes off, with consumer tax.
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

impl Fee {
    /// A plain share of the goods without tax.
    pub fn percent(rate: Rate) -> Self {
        Fee::Percent {
            rate,
            basis: Basis::Net,
            floor_minor: BTreeMap::new(),
            cap_minor: BTreeMap::new(),
            includes_freight: false,
        }
    }
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

/// What may be asked of the list. Its stream carries the tenant's id.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Put a rule on top, enabled.
    Add {
        /// The rule.
        rule: Rule,
    },
    /// Let a rule take part.
    Enable {
        /// Which.
        rule: RuleId,
    },
    /// Keep a rule in the list, but out of use.
    Disable {
        /// Which.
        rule: RuleId,
    },
    /// Take a rule out of the list. What it took of past sales stays as it is.
    Remove {
        /// Which.
        rule: RuleId,
    },
    /// Give the catch-all another fee. It stays enabled or disabled as it was.
    ChangeCatchAll {
        /// The fee.
        fee: Fee,
    },
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

/// Why the list may say no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The name does not fit.
    #[error("a rule's name must be 1 to {NAME_CHARS_MAX} characters without control characters")]
    Name,
    /// Too many conditions of this kind.
    #[error("a rule may name at most {CONDITION_VALUES_MAX} vendors, products and categories each")]
    ConditionsTooMany(&'static str),
    /// A rate above one.
    #[error("a rate must be between 0 and 100 percent")]
    Rate,
    /// An amount that is none.
    #[error("an amount must be between 0 and {AMOUNT_MINOR_MAX} minor units")]
    Amount,
    /// The fee cannot be both.
    #[error("the least a rule takes must not be more than the most it takes in the same currency")]
    FloorAboveCap,
    /// The fee says nothing.
    #[error("the fee must name at least one currency")]
    NoCurrency,
    /// The tiers are no tiers.
    #[error("tiers must begin at 0, ascend, and be at most {TIERS_MAX} in each currency")]
    Tiers,
    /// The list is full.
    #[error("there may be at most {RULES_MAX} rules: remove one first")]
    TooMany,
    /// The id is taken by another rule.
    #[error("another rule has this id")]
    Exists,
    /// No such rule.
    #[error("there is no such rule in the list")]
    Unknown,
    /// The bottom of the list stays.
    #[error("the catch-all can be disabled, but not removed")]
    CatchAllStays,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Name => "COMMISSION_RULE_NAME_INVALID",
            Rejection::ConditionsTooMany(_) => "COMMISSION_RULE_CONDITIONS_TOO_MANY",
            Rejection::Rate => "COMMISSION_RULE_RATE_INVALID",
            Rejection::Amount => "COMMISSION_RULE_AMOUNT_INVALID",
            Rejection::FloorAboveCap => "COMMISSION_RULE_FLOOR_ABOVE_CAP",
            Rejection::NoCurrency => "COMMISSION_RULE_NO_CURRENCY",
            Rejection::Tiers => "COMMISSION_RULE_TIERS_INVALID",
            Rejection::TooMany => "COMMISSION_RULES_TOO_MANY",
            Rejection::Exists => "COMMISSION_RULE_EXISTS",
            Rejection::Unknown => "COMMISSION_RULE_UNKNOWN",
            Rejection::CatchAllStays => "COMMISSION_RULE_CATCH_ALL_STAYS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::Name => Some("name"),
            Rejection::ConditionsTooMany(conditions) => Some(conditions),
            Rejection::Rate
            | Rejection::Amount
            | Rejection::FloorAboveCap
            | Rejection::NoCurrency
            | Rejection::Tiers => Some("fee"),
            Rejection::Exists | Rejection::Unknown | Rejection::CatchAllStays => Some("rule"),
            Rejection::TooMany => None,
        }
    }
}

/// A rule in its place.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Listed {
    /// The rule.
    pub rule: Rule,
    /// Whether it takes part.
    pub enabled: bool,
}

/// The list of one tenant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CommissionRules {
    version: u64,
    top_down: Vec<Listed>,
    catch_all: Listed,
}

/// The id of every tenant's catch-all.
pub fn catch_all() -> RuleId {
    RuleId(derive(&["commission_rule", "catch_all"]))
}

impl Default for CommissionRules {
    fn default() -> Self {
        let fee = Fee::percent(Rate { millionths: 0 });
        let rule = Rule { id: catch_all(), name: "catch-all".into(), conditions: Conditions::default(), fee };
        CommissionRules { version: 0, top_down: Vec::new(), catch_all: Listed { rule, enabled: false } }
    }
}

impl CommissionRules {
    /// How often the list was changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All rules, enabled or not, from the top down to the catch-all.
    pub fn in_order(&self) -> impl Iterator<Item = &Listed> {
        self.top_down.iter().chain(std::iter::once(&self.catch_all))
    }

    fn find(&self, rule: RuleId) -> Result<&Listed, Rejection> {
        self.in_order().find(|listed| listed.rule.id == rule).ok_or(Rejection::Unknown)
    }

    fn switch(&mut self, rule: RuleId, enabled: bool) {
        let all = self.top_down.iter_mut().chain(std::iter::once(&mut self.catch_all));
        all.filter(|listed| listed.rule.id == rule).for_each(|listed| listed.enabled = enabled);
    }
}

impl Aggregate for CommissionRules {
    type Id = TenantId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Add { rule } => {
                rule.check()?;
                match self.find(rule.id) {
                    Ok(listed) if listed.rule == *rule => Ok(vec![]),
                    Ok(_) => Err(Rejection::Exists),
                    Err(_) if self.top_down.len() >= RULES_MAX => Err(Rejection::TooMany),
                    Err(_) => Ok(vec![Event::Added { rule: rule.clone() }]),
                }
            }
            Command::Enable { rule } => Ok(unless(self.find(*rule)?.enabled, Event::Enabled { rule: *rule })),
            Command::Disable { rule } => {
                Ok(unless(!self.find(*rule)?.enabled, Event::Disabled { rule: *rule }))
            }
            Command::Remove { rule } if *rule == catch_all() => Err(Rejection::CatchAllStays),
            Command::Remove { rule } => self.find(*rule).map(|_| vec![Event::Removed { rule: *rule }]),
            Command::ChangeCatchAll { fee } => {
                fee.check()?;
                let same = self.catch_all.rule.fee == *fee;
                Ok(unless(same, Event::CatchAllChanged { fee: fee.clone() }))
            }
        }
    }

    fn evolve(mut self, event: &Event) -> Self {
        self.version += 1;
        match event {
            Event::Added { rule } => self.top_down.insert(0, Listed { rule: rule.clone(), enabled: true }),
            Event::Enabled { rule } => self.switch(*rule, true),
            Event::Disabled { rule } => self.switch(*rule, false),
            Event::Removed { rule } => self.top_down.retain(|listed| listed.rule.id != *rule),
            Event::CatchAllChanged { fee } => self.catch_all.rule.fee = fee.clone(),
        }
        self
    }
}

#[cfg(test)]
mod tests;
