//! What may be put into the list, and what may not.

use super::*;
use crate::rehearsal::scene::currency;
use crate::rehearsal::{beginning, id};

fn rule(name: &str, fee: Fee) -> Rule {
    Rule { id: id(name), name: name.into(), conditions: Conditions::default(), fee }
}

fn flat(minor: i64) -> Fee {
    Fee::PerUnit { amount_minor: BTreeMap::from([(currency("EUR"), minor)]) }
}

fn tiered(bounds: &[i64]) -> Fee {
    let rate = Rate { millionths: 100_000 };
    let tiers = bounds.iter().map(|above_minor| Tier { above_minor: *above_minor, rate }).collect();
    Fee::Tiered {
        mode: TierMode::Whole,
        basis: Basis::Net,
        tiers: BTreeMap::from([(currency("EUR"), tiers)]),
    }
}

fn percent(millionths: u32, floor: i64, cap: i64) -> Fee {
    Fee::Percent {
        rate: Rate { millionths },
        basis: Basis::Net,
        floor_minor: BTreeMap::from([(currency("EUR"), floor)]),
        cap_minor: BTreeMap::from([(currency("EUR"), cap)]),
        includes_freight: false,
    }
}

fn try_to(list: &CommissionRules, command: Command) -> Result<Vec<Event>, Rejection> {
    list.decide(&command, beginning())
}

#[test]
fn a_fee_that_makes_no_sense_is_refused() {
    let refused = [
        (percent(1_000_001, 0, 0), Rejection::Rate),
        (percent(1, -1, 0), Rejection::Amount),
        (percent(1, 0, AMOUNT_MINOR_MAX + 1), Rejection::Amount),
        (percent(1, 5, 4), Rejection::FloorAboveCap),
        (flat(-1), Rejection::Amount),
        (Fee::PerUnit { amount_minor: BTreeMap::new() }, Rejection::NoCurrency),
        (tiered(&[]), Rejection::Tiers),
        (tiered(&[1]), Rejection::Tiers),
        (tiered(&[0, 5, 5]), Rejection::Tiers),
        (tiered(&(0..=20).collect::<Vec<_>>()), Rejection::Tiers),
    ];
    for (fee, rejection) in refused {
        let list = CommissionRules::default();
        let added = try_to(&list, Command::Add { rule: rule("r", fee.clone()) });
        assert_eq!(added, Err(rejection.clone()), "{fee:?}");
        assert_eq!(try_to(&list, Command::ChangeCatchAll { fee }), Err(rejection));
    }
}

#[test]
fn a_rule_needs_a_name_and_a_bounded_number_of_conditions() {
    let list = CommissionRules::default();
    assert_eq!(try_to(&list, Command::Add { rule: rule(" ", flat(1)) }), Err(Rejection::Name));
    let mut wide = rule("wide", flat(1));
    wide.conditions.vendors = (0..=CONDITION_VALUES_MAX).map(|n| id(&n.to_string())).collect();
    assert_eq!(try_to(&list, Command::Add { rule: wide }), Err(Rejection::ConditionsTooMany("vendors")));
}

#[test]
fn the_list_has_an_end() {
    let full = (0..RULES_MAX)
        .map(|n| Event::Added { rule: rule(&n.to_string(), flat(1)) })
        .fold(CommissionRules::default(), |list, event| list.evolve(&event));
    assert_eq!(try_to(&full, Command::Add { rule: rule("more", flat(1)) }), Err(Rejection::TooMany));
}

#[test]
fn a_rule_added_twice_is_there_once_and_its_id_is_not_given_again() {
    let list = CommissionRules::default().evolve(&Event::Added { rule: rule("r", flat(1)) });
    assert_eq!(try_to(&list, Command::Add { rule: rule("r", flat(1)) }), Ok(vec![]));
    let again = try_to(&list, Command::Add { rule: rule("r", flat(2)) });
    assert_eq!(again, Err(Rejection::Exists));
}

#[test]
fn unknown_rules_are_named_and_the_catch_all_stays() {
    let list = CommissionRules::default();
    for command in [
        Command::Enable { rule: id("ghost") },
        Command::Disable { rule: id("ghost") },
        Command::Remove { rule: id("ghost") },
    ] {
        assert_eq!(try_to(&list, command), Err(Rejection::Unknown));
    }
    assert_eq!(try_to(&list, Command::Remove { rule: catch_all() }), Err(Rejection::CatchAllStays));
}

#[test]
fn the_catch_all_is_disabled_until_it_is_enabled() {
    let list = CommissionRules::default();
    assert_eq!(try_to(&list, Command::Disable { rule: catch_all() }), Ok(vec![]));
    let enabled = try_to(&list, Command::Enable { rule: catch_all() }).unwrap();
    assert_eq!(enabled, [Event::Enabled { rule: catch_all() }]);
    let list = list.evolve(&enabled[0]);
    assert_eq!(list.version(), 1);
    assert_eq!(try_to(&list, Command::Enable { rule: catch_all() }), Ok(vec![]));
}

#[test]
fn a_removed_rule_is_gone_and_the_others_keep_their_order() {
    let list = ["a", "b", "c"]
        .iter()
        .map(|name| Event::Added { rule: rule(name, flat(1)) })
        .chain([Event::Removed { rule: id("b") }])
        .fold(CommissionRules::default(), |list, event| list.evolve(&event));
    let order: Vec<RuleId> = list.in_order().map(|listed| listed.rule.id).collect();
    assert_eq!(order, [id("c"), id("a"), catch_all()]);
}
