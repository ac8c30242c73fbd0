//! How much a commission rule takes, as callers write and read it.

use crate::graphql::values::{MoneyInput, MoneyOut, amounts, money};
use async_graphql::{Enum, InputObject, OneofObject, SimpleObject, Union};
use cityos_domain::commission::rules::{self, Fee};
use cityos_domain::money::{Currency, Money, Rate};
use cityos_domain::rejection::Rejected;
use std::collections::BTreeMap;

/// What a percentage is taken of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(name = "CommissionBasis", remote = "rules::Basis")]
pub enum Basis {
    /// Discounted goods without consumer tax.
    #[default]
    Net,
    /// Discounted goods with consumer tax.
    Gross,
}

/// How a tiered rate applies to a sale that crosses a bound.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "CommissionTierMode", remote = "rules::TierMode")]
pub enum TierMode {
    /// Each slice at its tier's rate.
    Marginal,
    /// All of it at the rate of the tier the month's total reaches with it.
    Whole,
}

/// How much a rule takes.
#[derive(Union)]
pub enum CommissionFee {
    /// A share of the goods.
    Percent(PercentFee),
    /// An amount per unit.
    PerUnit(PerUnitFee),
    /// Rates by what the vendor sold in the month.
    Tiered(TieredFee),
}

/// A share of the goods, in any currency.
#[derive(SimpleObject)]
pub struct PercentFee {
    /// The share as a percentage, such as `12.5`.
    percent: String,
    /// Of what.
    basis: Basis,
    /// Never less than this per line, in currencies named.
    floors: Vec<MoneyOut>,
    /// Never more than this per line, in currencies named.
    caps: Vec<MoneyOut>,
    /// Whether freight is part of the goods here.
    includes_freight: bool,
}

/// An amount per unit; the rule is skipped in other currencies.
#[derive(SimpleObject)]
pub struct PerUnitFee {
    /// One amount per currency.
    amounts: Vec<MoneyOut>,
}

/// Rates by what the vendor sold under the rule in the calendar month of the tenant's zone.
#[derive(SimpleObject)]
pub struct TieredFee {
    /// What happens to a sale that crosses a bound.
    mode: TierMode,
    /// Of what.
    basis: Basis,
    /// Ascending within each currency.
    tiers: Vec<Tier>,
}

/// From just above a bound on, this rate. What lands exactly on it is in the tier below.
#[derive(SimpleObject)]
#[graphql(name = "CommissionTier")]
pub struct Tier {
    /// The lower bound, exclusive.
    above: MoneyOut,
    /// The rate as a percentage.
    percent: String,
}

impl From<&Fee> for CommissionFee {
    fn from(fee: &Fee) -> Self {
        let amounts = |by_currency: &BTreeMap<Currency, i64>| {
            by_currency.iter().map(|(currency, minor)| money(*minor, *currency)).collect::<Vec<_>>()
        };
        match fee {
            Fee::Percent { rate, basis, floor_minor, cap_minor, includes_freight } => {
                CommissionFee::Percent(PercentFee {
                    percent: rate.percent(),
                    basis: (*basis).into(),
                    floors: amounts(floor_minor),
                    caps: amounts(cap_minor),
                    includes_freight: *includes_freight,
                })
            }
            Fee::PerUnit { amount_minor } => {
                CommissionFee::PerUnit(PerUnitFee { amounts: amounts(amount_minor) })
            }
            Fee::Tiered { mode, basis, tiers } => {
                let tier = |currency: Currency, tier: &rules::Tier| Tier {
                    above: money(tier.above_minor, currency),
                    percent: tier.rate.percent(),
                };
                let all =
                    tiers.iter().flat_map(|(currency, tiers)| tiers.iter().map(|it| tier(*currency, it)));
                CommissionFee::Tiered(TieredFee {
                    mode: (*mode).into(),
                    basis: (*basis).into(),
                    tiers: all.collect(),
                })
            }
        }
    }
}

/// How much a rule takes: exactly one of these.
#[derive(OneofObject)]
pub enum CommissionFeeInput {
    /// A share of the goods.
    Percent(PercentFeeInput),
    /// An amount per unit.
    PerUnit(PerUnitFeeInput),
    /// Rates by what the vendor sold in the month.
    Tiered(TieredFeeInput),
}

/// A share of the goods, in any currency.
#[derive(InputObject)]
pub struct PercentFeeInput {
    /// The share as a percentage with at most four decimals, such as `12.5`.
    percent: String,
    /// Of what.
    #[graphql(default)]
    basis: Basis,
    /// Never less than this per line, in currencies named.
    #[graphql(default)]
    floors: Vec<MoneyInput>,
    /// Never more than this per line, in currencies named.
    #[graphql(default)]
    caps: Vec<MoneyInput>,
    /// Whether freight is part of the goods here.
    #[graphql(default)]
    includes_freight: bool,
}

/// An amount per unit; the rule is skipped in other currencies.
#[derive(InputObject)]
pub struct PerUnitFeeInput {
    /// One amount per currency.
    amounts: Vec<MoneyInput>,
}

/// Rates by what the vendor sold under the rule in the calendar month of the tenant's zone.
#[derive(InputObject)]
pub struct TieredFeeInput {
    /// What happens to a sale that crosses a bound.
    mode: TierMode,
    /// Of what.
    #[graphql(default)]
    basis: Basis,
    /// Ascending within each currency, the first above 0.
    tiers: Vec<TierInput>,
}

/// From just above a bound on, this rate.
#[derive(InputObject)]
#[graphql(name = "CommissionTierInput")]
pub struct TierInput {
    /// The lower bound, exclusive.
    above: MoneyInput,
    /// The rate as a percentage.
    percent: String,
}

impl CommissionFeeInput {
    /// The fee, if it is one.
    pub fn parse(&self, field: &str) -> Result<Fee, Rejected> {
        let named = |part: &str| format!("{field}.{part}");
        match self {
            CommissionFeeInput::Percent(input) => Ok(Fee::Percent {
                rate: Rate::parse_percent(&named("percent.percent"), &input.percent)?,
                basis: input.basis.into(),
                floor_minor: amounts(&named("percent.floors"), &input.floors)?,
                cap_minor: amounts(&named("percent.caps"), &input.caps)?,
                includes_freight: input.includes_freight,
            }),
            CommissionFeeInput::PerUnit(input) => {
                Ok(Fee::PerUnit { amount_minor: amounts(&named("perUnit.amounts"), &input.amounts)? })
            }
            CommissionFeeInput::Tiered(input) => {
                let mut tiers: BTreeMap<Currency, Vec<rules::Tier>> = BTreeMap::new();
                for tier in &input.tiers {
                    let Money { minor, currency } = tier.above.parse(&named("tiered.tiers.above"))?;
                    let rate = Rate::parse_percent(&named("tiered.tiers.percent"), &tier.percent)?;
                    tiers.entry(currency).or_default().push(rules::Tier { above_minor: minor, rate });
                }
                Ok(Fee::Tiered { mode: input.mode.into(), basis: input.basis.into(), tiers })
            }
        }
    }
}
