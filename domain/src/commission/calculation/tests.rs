//! What the fees take, to the minor unit.

use super::*;
use crate::rehearsal::id;
use crate::rehearsal::scene::currency;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn sale(code: &str, minor: i64, quantity: u32) -> Sale<'static> {
    Sale {
        vendor: id("vendor"),
        product: id("product"),
        categories: &[],
        currency: currency(code),
        quantity,
        net_minor: minor,
        gross_minor: minor + 300,
        freight_net_minor: 500,
        freight_gross_minor: 600,
    }
}

fn percent(percent: &str) -> Rate {
    Rate::parse_percent("rate", percent).unwrap()
}

fn share(rate: &str) -> Fee {
    Fee::percent(percent(rate))
}

fn tiered(mode: TierMode) -> Fee {
    let tiers = [(0, "15"), (100_000, "12"), (500_000, "10")];
    let tiers = tiers.map(|(above_minor, rate)| Tier { above_minor, rate: percent(rate) });
    Fee::Tiered { mode, basis: Basis::Net, tiers: BTreeMap::from([(currency("EUR"), tiers.to_vec())]) }
}

#[test]
fn s09_a_percentage_is_rounded_half_up_in_the_currencys_own_minor_unit() {
    let fee = share("12.5");
    assert_eq!(fee.of(&sale("EUR", 1005, 1), 0).minor, 126);
    assert_eq!(fee.of(&sale("JPY", 1005, 1), 0).minor, 126);
    assert_eq!(fee.of(&sale("KWD", 10055, 1), 0).minor, 1257);
    assert_eq!(fee.of(&sale("EUR", 3015, 3), 0).minor, 377);
}

#[test]
fn s10_a_sale_that_crosses_a_bound_pays_slice_by_slice_or_as_a_whole() {
    let marginal = tiered(TierMode::Marginal);
    let whole = tiered(TierMode::Whole);
    assert_eq!(marginal.of(&sale("EUR", 2000, 1), 99_000).minor, 270);
    assert_eq!(marginal.of(&sale("EUR", 2000, 1), 99_000).rate, None);
    assert_eq!(whole.of(&sale("EUR", 2000, 1), 99_000).minor, 240);
    assert_eq!(whole.of(&sale("EUR", 2000, 1), 99_000).rate, Some(percent("12")));
}

#[test]
fn s10_a_sale_that_lands_on_a_bound_is_in_the_lower_tier() {
    for mode in [TierMode::Marginal, TierMode::Whole] {
        let taken = tiered(mode).of(&sale("EUR", 1000, 1), 99_000);
        assert_eq!((taken.minor, taken.rate), (150, Some(percent("15"))));
    }
}

#[test]
fn s11_a_cap_holds_only_in_the_currency_it_names() {
    let mut fee = share("10");
    if let Fee::Percent { cap_minor, .. } = &mut fee {
        cap_minor.insert(currency("USD"), 500);
    }
    assert_eq!(fee.of(&sale("USD", 10_000, 1), 0).minor, 500);
    assert_eq!(fee.of(&sale("EUR", 10_000, 1), 0).minor, 1000);
}

#[test]
fn a_floor_raises_what_a_percentage_takes_of_little() {
    let mut fee = share("10");
    if let Fee::Percent { floor_minor, .. } = &mut fee {
        floor_minor.insert(currency("EUR"), 50);
    }
    assert_eq!(fee.of(&sale("EUR", 100, 1), 0).minor, 50);
}

#[test]
fn a_gross_percentage_with_freight_is_taken_of_all_the_customer_pays() {
    let mut fee = share("10");
    if let Fee::Percent { basis, includes_freight, .. } = &mut fee {
        (*basis, *includes_freight) = (Basis::Gross, true);
    }
    let taken = fee.of(&sale("EUR", 1000, 1), 0);
    assert_eq!((taken.base_minor, taken.minor), (1900, 190));
}

proptest! {
    #[test]
    fn s10_marginal_slices_cost_the_same_however_sales_are_cut(
        sales in prop::collection::vec(1_i64..400_000, 1..20),
    ) {
        let fee = tiered(TierMode::Marginal);
        let mut counted = 0;
        let mut sum = 0;
        for minor in &sales {
            sum += fee.of(&sale("EUR", *minor, 1), counted).minor;
            counted += minor;
        }
        let at_once = fee.of(&sale("EUR", counted, 1), 0).minor;
        prop_assert!((sum - at_once).unsigned_abs() <= sales.len() as u64, "one rounding a sale at most");
    }
}
