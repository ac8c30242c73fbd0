//! What a rule takes of a line: pure arithmetic, rounded half up once per line.

use super::rules::{Basis, Fee, Tier, TierMode};
use crate::ids::{ProductCategoryId, ProductId, RuleId, VendorId};
use crate::money::{Currency, Rate, divide_half_up, scale_half_up};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The commission of a line, with everything needed to explain it later.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Commission {
    /// In minor units.
    pub minor: i64,
    /// The rule that was applied; none where no rule matched.
    pub rule: Option<RuleId>,
    /// The version of the rule list it was applied from.
    pub rules_version: u64,
    /// What it was taken of, in minor units.
    pub base_minor: i64,
    /// The rate, where one rate applied to all of it.
    pub rate: Option<Rate>,
    /// What had been counted in the month before this line, for a tiered rule.
    pub counted_before_minor: Option<i64>,
}

/// One line as the rules look at it. Amounts are for the whole line, in minor units of its currency, after
/// discounts the vendor bears and before those the marketplace bears.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    /// Who sells.
    pub vendor: VendorId,
    /// What.
    pub product: ProductId,
    /// Its category and all above.
    pub categories: &'a [ProductCategoryId],
    /// The currency.
    pub currency: Currency,
    /// How many units.
    pub quantity: u32,
    /// Goods without tax.
    pub net_minor: i64,
    /// Goods with tax.
    pub gross_minor: i64,
    /// Freight without tax.
    pub freight_net_minor: i64,
    /// Freight with tax.
    pub freight_gross_minor: i64,
}

/// What a fee takes of a sale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// In minor units.
    pub minor: i64,
    /// Of what, in minor units.
    pub base_minor: i64,
    /// The rate, where one applied to all of it.
    pub rate: Option<Rate>,
}

impl Sale<'_> {
    fn goods_minor(&self, basis: Basis) -> i64 {
        match basis {
            Basis::Net => self.net_minor,
            Basis::Gross => self.gross_minor,
        }
    }

    fn freight_minor(&self, basis: Basis) -> i64 {
        match basis {
            Basis::Net => self.freight_net_minor,
            Basis::Gross => self.freight_gross_minor,
        }
    }
}

impl Fee {
    /// Whether the fee says anything about sales in `currency`. Where it does not, its rule is skipped.
    pub fn applies_in(&self, currency: Currency) -> bool {
        match self {
            Fee::Percent { .. } => true,
            Fee::PerUnit { amount_minor } => amount_minor.contains_key(&currency),
            Fee::Tiered { tiers, .. } => tiers.contains_key(&currency),
        }
    }

    /// What the fee takes of `sale`; `counted_minor` is what the vendor sold under it in the month before,
    /// which only tiers look at. Nothing in a currency the fee does not [apply in](Fee::applies_in).
    pub fn of(&self, sale: &Sale<'_>, counted_minor: i64) -> Taken {
        match self {
            Fee::Percent { rate, basis, floor_minor, cap_minor, includes_freight } => {
                let freight = if *includes_freight { sale.freight_minor(*basis) } else { 0 };
                let base_minor = sale.goods_minor(*basis) + freight;
                let share = scale_half_up(base_minor, rate.millionths.into(), 1_000_000);
                let raised = floor_minor.get(&sale.currency).map_or(share, |floor| share.max(*floor));
                let minor = cap_minor.get(&sale.currency).map_or(raised, |cap| raised.min(*cap));
                Taken { minor, base_minor, rate: Some(*rate) }
            }
            Fee::PerUnit { amount_minor } => {
                let each = amount_minor.get(&sale.currency).copied().unwrap_or(0);
                Taken { minor: each * i64::from(sale.quantity), base_minor: sale.net_minor, rate: None }
            }
            Fee::Tiered { mode, basis, tiers } => {
                let base_minor = sale.goods_minor(*basis);
                let tiers = tiers.get(&sale.currency).map_or(&[][..], Vec::as_slice);
                match mode {
                    TierMode::Marginal => marginal(tiers, counted_minor, base_minor),
                    TierMode::Whole => whole(tiers, counted_minor, base_minor),
                }
            }
        }
    }
}

/// Each slice at its tier's rate: the slices are summed exactly and rounded together.
fn marginal(tiers: &[Tier], counted_minor: i64, base_minor: i64) -> Taken {
    let reached = counted_minor + base_minor;
    let mut millionths = 0;
    let mut rates = Vec::new();
    for (index, tier) in tiers.iter().enumerate() {
        let upper = tiers.get(index + 1).map_or(i64::MAX, |next| next.above_minor);
        let slice = reached.min(upper) - counted_minor.max(tier.above_minor);
        if slice > 0 {
            millionths += i128::from(slice) * i128::from(tier.rate.millionths);
            rates.push(tier.rate);
        }
    }
    let rate = if let [only] = rates[..] { Some(only) } else { None };
    Taken { minor: divide_half_up(millionths, 1_000_000), base_minor, rate }
}

/// All of it at the rate of the tier the month's total reaches with it.
fn whole(tiers: &[Tier], counted_minor: i64, base_minor: i64) -> Taken {
    let reached = counted_minor + base_minor;
    let rate = tiers.iter().rev().find(|tier| tier.above_minor < reached).map(|tier| tier.rate);
    let millionths = rate.map_or(0, |rate| i64::from(rate.millionths));
    Taken { minor: scale_half_up(base_minor, millionths, 1_000_000), base_minor, rate }
}

#[cfg(test)]
mod tests;
