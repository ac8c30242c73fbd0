//! What a rule must be like to be taken into the list.

use super::rules::{Conditions, Fee, Rejection, Rule, Tier};
use crate::money::{AMOUNT_MINOR_MAX, Currency, Rate};
use crate::text::{NAME_CHARS_MAX, line};
use std::collections::BTreeMap;

/// The most rules one tenant may have, besides the catch-all.
pub const RULES_MAX: usize = 500;

/// The most values one dimension of a rule's conditions may name.
pub const CONDITION_VALUES_MAX: usize = 100;

/// The most tiers a rule may have in one currency.
pub const TIERS_MAX: usize = 20;

impl Rule {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        line("name", &self.name, NAME_CHARS_MAX).map_err(|_| Rejection::Name)?;
        self.conditions.check()?;
        self.fee.check()
    }
}

impl Conditions {
    fn check(&self) -> Result<(), Rejection> {
        let named = [
            ("vendors", self.vendors.len()),
            ("products", self.products.len()),
            ("productCategories", self.categories.len()),
        ];
        let longest = named.into_iter().find(|(_, values)| *values > CONDITION_VALUES_MAX);
        longest.map_or(Ok(()), |(conditions, _)| Err(Rejection::ConditionsTooMany(conditions)))
    }
}

impl Fee {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        match self {
            Fee::Percent { rate, floor_minor, cap_minor, .. } => {
                check_rate(*rate)?;
                check_amounts(floor_minor)?;
                check_amounts(cap_minor)?;
                let crossed = |(currency, floor): (&Currency, &i64)| {
                    cap_minor.get(currency).is_some_and(|cap| floor > cap)
                };
                if floor_minor.iter().any(crossed) { Err(Rejection::FloorAboveCap) } else { Ok(()) }
            }
            Fee::PerUnit { amount_minor } if amount_minor.is_empty() => Err(Rejection::NoCurrency),
            Fee::PerUnit { amount_minor } => check_amounts(amount_minor),
            Fee::Tiered { tiers, .. } if tiers.is_empty() => Err(Rejection::NoCurrency),
            Fee::Tiered { tiers, .. } => tiers.values().try_for_each(|tiers| check_tiers(tiers)),
        }
    }
}

fn check_rate(rate: Rate) -> Result<(), Rejection> {
    if rate.millionths > 1_000_000 { Err(Rejection::Rate) } else { Ok(()) }
}

fn check_amounts(amounts: &BTreeMap<Currency, i64>) -> Result<(), Rejection> {
    let fits = |minor: &i64| (0..=AMOUNT_MINOR_MAX).contains(minor);
    if amounts.values().all(fits) { Ok(()) } else { Err(Rejection::Amount) }
}

fn check_tiers(tiers: &[Tier]) -> Result<(), Rejection> {
    let begins_at_zero = tiers.first().is_some_and(|tier| tier.above_minor == 0);
    let ascends = tiers.windows(2).all(|pair| pair[0].above_minor < pair[1].above_minor);
    if tiers.len() > TIERS_MAX || !begins_at_zero || !ascends {
        return Err(Rejection::Tiers);
    }
    tiers.iter().try_for_each(|tier| check_rate(tier.rate))
}
