//! Precedence, and rules that hide others.

use super::*;
use crate::aggregate::Aggregate;
use crate::commission::rules::{Event, catch_all};
use crate::ids::{ProductId, VendorId};
use crate::money::Rate;
use crate::rehearsal::id;
use crate::rehearsal::scene::currency;

fn percent(percent: &str) -> Fee {
    Fee::percent(Rate::parse_percent("rate", percent).unwrap())
}

fn rule(name: &str, conditions: Conditions, fee: Fee) -> Rule {
    Rule { id: id(name), name: name.into(), conditions, fee }
}

fn of_product(name: &str) -> Conditions {
    Conditions { products: vec![id(name)], ..Conditions::default() }
}

fn of_category(name: &str) -> Conditions {
    Conditions { categories: vec![id(name)], ..Conditions::default() }
}

/// From the top: product P 5 %, Electronics 8 %, 2.00 USD a unit, and 10 % of everything else.
fn list() -> CommissionRules {
    let flat = Fee::PerUnit { amount_minor: BTreeMap::from([(currency("USD"), 200)]) };
    [
        Event::CatchAllChanged { fee: percent("10") },
        Event::Enabled { rule: catch_all() },
        Event::Added { rule: rule("flat", Conditions::default(), flat) },
        Event::Added { rule: rule("electronics", of_category("electronics"), percent("8")) },
        Event::Added { rule: rule("product", of_product("P"), percent("5")) },
    ]
    .iter()
    .fold(CommissionRules::default(), CommissionRules::evolve)
}

fn takes(list: &CommissionRules, product: &str, categories: &[&str], code: &str) -> Option<i64> {
    let categories: Vec<ProductCategoryId> = categories.iter().map(|name| id(name)).collect();
    let sale = Sale {
        vendor: id::<VendorId>("vendor"),
        product: id::<ProductId>(product),
        categories: &categories,
        currency: currency(code),
        quantity: 3,
        net_minor: 10_000,
        gross_minor: 10_000,
        freight_net_minor: 0,
        freight_gross_minor: 0,
    };
    list.rule_for(&sale).map(|rule| rule.fee.of(&sale, 0).minor)
}

#[test]
fn s11_the_first_rule_that_matches_and_knows_the_currency_wins() {
    let list = list();
    assert_eq!(takes(&list, "P", &["electronics"], "EUR"), Some(500));
    assert_eq!(takes(&list, "camera", &["cameras", "electronics"], "EUR"), Some(800));
    assert_eq!(takes(&list, "chair", &["furniture"], "USD"), Some(600));
    assert_eq!(takes(&list, "chair", &["furniture"], "EUR"), Some(1000));
}

#[test]
fn a_disabled_rule_is_passed_over_and_a_fresh_list_takes_nothing() {
    let list = list().evolve(&Event::Disabled { rule: id("product") });
    assert_eq!(takes(&list, "P", &["electronics"], "EUR"), Some(800));
    assert_eq!(takes(&CommissionRules::default(), "P", &[], "EUR"), None);
}

#[test]
fn dimensions_are_joined_by_and_their_values_by_or() {
    let conditions = Conditions {
        vendors: vec![id("vendor")],
        products: vec![id("A"), id("B")],
        categories: vec![id("toys")],
    };
    let list = CommissionRules::default().evolve(&Event::Added { rule: rule("r", conditions, percent("1")) });
    assert_eq!(takes(&list, "B", &["toys"], "EUR"), Some(100));
    assert_eq!(takes(&list, "B", &["books"], "EUR"), None);
    assert_eq!(takes(&list, "C", &["toys"], "EUR"), None);
}

#[test]
fn s11_a_rule_for_everything_on_top_hides_all_others() {
    let on_top = rule("all", Conditions::default(), percent("1"));
    let hidden = list().unreachable_after_adding(&on_top, &CategoryPaths::new());
    assert_eq!(hidden, [id("product"), id("electronics"), id("flat"), catch_all()]);
    let listed = list().evolve(&Event::Added { rule: on_top.clone() });
    assert_eq!(listed.unreachable_after_adding(&on_top, &CategoryPaths::new()), hidden);
}

#[test]
fn a_rule_hides_only_what_it_covers_entirely() {
    let list = list().evolve(&Event::Added { rule: rule("cameras", of_category("cameras"), percent("3")) });
    let in_dollars = Fee::PerUnit { amount_minor: BTreeMap::from([(currency("USD"), 100)]) };
    let flat_on_top = rule("top", Conditions::default(), in_dollars);
    assert_eq!(list.unreachable_after_adding(&flat_on_top, &CategoryPaths::new()), [id("flat")]);

    let electronics = rule("top", of_category("electronics"), percent("7"));
    let paths = CategoryPaths::from([(id("cameras"), vec![id("cameras"), id("electronics")])]);
    assert_eq!(list.unreachable_after_adding(&electronics, &paths), [id("cameras"), id("electronics")]);
    assert_eq!(list.unreachable_after_adding(&electronics, &CategoryPaths::new()), [id("electronics")]);
}
