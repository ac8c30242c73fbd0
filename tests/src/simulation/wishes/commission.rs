//! What the marketplace keeps.

use super::{tell, wish};
use crate::simulation::dice::Dice;
use crate::simulation::market::Market;
use cityos_domain::commission::adding::AddRule;
use cityos_domain::commission::rules::{
    Basis, Command, CommissionRules, Conditions, Fee, Rule, Tier, TierMode, catch_all,
};
use cityos_domain::ids::RuleId;
use cityos_domain::money::Rate;
use cityos_domain::workspace::Intention;
use std::sync::Arc;

pub fn add(market: &mut Market, dice: &mut Dice) -> Arc<dyn Intention> {
    let id: RuleId = market.new_id("rule");
    market.rules.push(id);
    let mut conditions = Conditions::default();
    if dice.falls(500) {
        conditions.vendors.extend(dice.pick(&market.vendors));
    }
    if dice.falls(300) {
        conditions.products.extend(dice.pick(&market.products));
    }
    let rule = Rule { id, name: market.new_word("rule"), conditions, fee: fee(market, dice) };
    wish(AddRule { rule })
}

pub fn switch(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let rule = any(market, dice);
    let command = if dice.falls(600) { Command::Enable { rule } } else { Command::Disable { rule } };
    Some(tell::<CommissionRules>(market.tenant, command))
}

pub fn remove(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let rule = any(market, dice);
    Some(tell::<CommissionRules>(market.tenant, Command::Remove { rule }))
}

pub fn change_catch_all(market: &Market, dice: &mut Dice) -> Arc<dyn Intention> {
    tell::<CommissionRules>(market.tenant, Command::ChangeCatchAll { fee: fee(market, dice) })
}

fn any(market: &Market, dice: &mut Dice) -> RuleId {
    let named = if dice.falls(700) { dice.pick(&market.rules).copied() } else { None };
    named.unwrap_or_else(catch_all)
}

fn fee(market: &Market, dice: &mut Dice) -> Fee {
    let basis = if dice.falls(500) { Basis::Net } else { Basis::Gross };
    let currencies = || market.currencies.iter().copied();
    match dice.below(4) {
        0 => Fee::Percent {
            rate: rate(dice),
            basis,
            floor_minor: currencies().take(1).map(|currency| (currency, dice.between(0, 60))).collect(),
            cap_minor: currencies().take(1).map(|currency| (currency, dice.between(60, 2_000))).collect(),
            includes_freight: dice.falls(500),
        },
        1 => Fee::PerUnit {
            amount_minor: currencies().map(|currency| (currency, dice.between(0, 90))).collect(),
        },
        _ => {
            let mode = if dice.falls(500) { TierMode::Marginal } else { TierMode::Whole };
            let mut tiers = |_| {
                let first = dice.between(1_000, 30_000);
                let bounds = [0, first, first * 3];
                bounds.map(|above_minor| Tier { above_minor, rate: rate(dice) }).into()
            };
            let tiers = currencies().map(|currency| (currency, tiers(currency))).collect();
            Fee::Tiered { mode, basis, tiers }
        }
    }
}

fn rate(dice: &mut Dice) -> Rate {
    Rate { millionths: u32::try_from(dice.between(0, 300_000)).expect("it is less than one") }
}
