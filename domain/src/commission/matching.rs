//! Which rule a line falls under, and which rules another would keep from ever being reached.

use super::calculation::Sale;
use super::rules::{CommissionRules, Conditions, Fee, Rule};
use crate::ids::{ProductCategoryId, RuleId};
use std::collections::BTreeMap;

/// The category of each product category asked about, and all above it.
pub type CategoryPaths = BTreeMap<ProductCategoryId, Vec<ProductCategoryId>>;

impl CommissionRules {
    /// The first enabled rule that is for this sale and says something about its currency.
    pub fn rule_for(&self, sale: &Sale<'_>) -> Option<&Rule> {
        self.in_order()
            .filter(|listed| listed.enabled)
            .map(|listed| &listed.rule)
            .find(|rule| rule.conditions.match_sale(sale) && rule.fee.applies_in(sale.currency))
    }

    /// The enabled rules that no sale would reach if `rule` were on top, in order; of a rule that is in the
    /// list already, those below it. `paths` holds the categories that rules name: for one that is absent only
    /// the category itself is compared.
    pub fn unreachable_after_adding(&self, rule: &Rule, paths: &CategoryPaths) -> Vec<RuleId> {
        let below = self.in_order().position(|listed| listed.rule.id == rule.id).map_or(0, |index| index + 1);
        self.in_order()
            .skip(below)
            .filter(|listed| listed.enabled && rule.covers(&listed.rule, paths))
            .map(|listed| listed.rule.id)
            .collect()
    }
}

impl Rule {
    fn covers(&self, other: &Rule, paths: &CategoryPaths) -> bool {
        self.conditions.cover(&other.conditions, paths) && self.fee.covers_currencies_of(&other.fee)
    }
}

impl Conditions {
    fn match_sale(&self, sale: &Sale<'_>) -> bool {
        let vendor = self.vendors.is_empty() || self.vendors.contains(&sale.vendor);
        let product = self.products.is_empty() || self.products.contains(&sale.product);
        let category = self.categories.is_empty()
            || sale.categories.iter().any(|category| self.categories.contains(category));
        vendor && product && category
    }

    /// Whether every sale that matches `other` matches these, too.
    fn cover(&self, other: &Conditions, paths: &CategoryPaths) -> bool {
        let below_ours = |category: &ProductCategoryId| {
            let path = paths.get(category).map_or(std::slice::from_ref(category), Vec::as_slice);
            path.iter().any(|above| self.categories.contains(above))
        };
        covers(&self.vendors, &other.vendors, |vendor| self.vendors.contains(vendor))
            && covers(&self.products, &other.products, |product| self.products.contains(product))
            && covers(&self.categories, &other.categories, below_ours)
    }
}

/// An empty dimension covers all; a filled one covers a filled one of which it covers every value.
fn covers<T>(ours: &[T], theirs: &[T], is_ours: impl Fn(&T) -> bool) -> bool {
    ours.is_empty() || (!theirs.is_empty() && theirs.iter().all(is_ours))
}

impl Fee {
    fn covers_currencies_of(&self, other: &Fee) -> bool {
        match other {
            Fee::Percent { .. } => matches!(self, Fee::Percent { .. }),
            Fee::PerUnit { amount_minor } => amount_minor.keys().all(|currency| self.applies_in(*currency)),
            Fee::Tiered { tiers, .. } => tiers.keys().all(|currency| self.applies_in(*currency)),
        }
    }
}

#[cfg(test)]
mod tests;
