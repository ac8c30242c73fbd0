//! Adding a rule: what it names must exist.

use super::rules::{Command, CommissionRules, Rule};
use crate::foundation::tenant;
use crate::marketplace::product::Product;
use crate::marketplace::product_category::ProductCategory;
use crate::marketplace::vendor::Vendor;
use crate::workspace::{Intention, Stop, Workspace};

/// Puts a rule on top of the tenant's list, enabled. May be repeated with the same rule.
#[derive(Clone, PartialEq, Debug)]
pub struct AddRule {
    /// The rule; its id is new.
    pub rule: Rule,
}

impl Intention for AddRule {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let tenant = city.partition().tenant().ok_or(tenant::Rejection::Unknown)?;
        city.send::<CommissionRules>(tenant, &Command::Add { rule: self.rule.clone() })?;
        let conditions = &self.rule.conditions;
        for vendor in city.see_all::<Vendor>(&conditions.vendors)? {
            vendor.known()?;
        }
        for product in city.see_all::<Product>(&conditions.products)? {
            product.known()?;
        }
        for category in city.see_all::<ProductCategory>(&conditions.categories)? {
            category.takes_more()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commission::rules::{Conditions, Fee};
    use crate::rehearsal::id;
    use crate::rehearsal::market::Market;
    use crate::rehearsal::scene::currency;
    use std::collections::BTreeMap;

    fn add(conditions: Conditions) -> AddRule {
        let fee = Fee::PerUnit { amount_minor: BTreeMap::from([(currency("EUR"), 1)]) };
        AddRule { rule: Rule { id: id("rule"), name: "rule".into(), conditions, fee } }
    }

    #[test]
    fn a_rule_names_only_what_exists() {
        let mut market = Market::open().with_vendor("ann").with_offer("ann", "cup", 100);
        let known = Conditions { vendors: vec![id("ann")], products: vec![id("cup")], categories: vec![] };
        let vendors = vec![id("ann"), id("ghost")];
        assert_eq!(market.city.refusal(&add(Conditions { vendors, ..known.clone() })), "VENDOR_UNKNOWN");
        let products = vec![id("ghost")];
        assert_eq!(market.city.refusal(&add(Conditions { products, ..known.clone() })), "PRODUCT_UNKNOWN");
        let categories = vec![id("ghost")];
        let code = market.city.refusal(&add(Conditions { categories, ..known.clone() }));
        assert_eq!(code, "PRODUCT_CATEGORY_UNKNOWN");
        assert_eq!(market.city.when(&add(known.clone())).unwrap().len(), 1);
        assert_eq!(market.city.when(&add(known)).unwrap(), []);
    }
}
