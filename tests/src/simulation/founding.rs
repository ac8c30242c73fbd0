//! What there is to begin with: tenants in several time zones and currencies, each with vendors who may sell and be
//! paid, things in stock, rules and customers.

use super::dice::Dice;
use super::market::{Market, locale, reason, slug, text};
use super::run::Simulation;
use super::wishes::{Makes, Wish, buying, catalogue, commission, tell, tenants, vendors, wish};
use anyhow::{Context, Result};
use cityos_domain::commission::rules::{Command as Rules, CommissionRules, catch_all};
use cityos_domain::foundation::store::{OpenStore, Opening, StoreKind};
use cityos_domain::foundation::tenancy::RegisterTenant;
use cityos_domain::log::Partition;
use cityos_domain::marketplace::vendor::{Command, KycStatus, Vendor};
use cityos_domain::workspace::Intention;
use std::sync::Arc;

/// Where tenants are, and what things cost there: with two, no and three decimals, on both sides of the date line,
/// and where clocks change.
const PLACES: &[(&str, &[&str])] = &[
    ("Europe/Berlin", &["EUR", "USD"]),
    ("Asia/Tokyo", &["JPY"]),
    ("Asia/Kuwait", &["KWD", "USD"]),
    ("America/Sao_Paulo", &["BRL", "EUR"]),
    ("Pacific/Apia", &["USD"]),
    ("Australia/Lord_Howe", &["EUR", "JPY"]),
];

/// Founds another tenant. Nothing goes wrong meanwhile.
pub(super) async fn found(simulation: &mut Simulation, dice: &mut Dice) -> Result<()> {
    let (zone, currencies) = *dice.pick(PLACES).context("there are places")?;
    let market = Market::new(simulation.markets(), zone, currencies);
    let market = open(simulation, market, dice).await?;
    simulation.add_market(market);
    Ok(())
}

async fn open(simulation: &mut Simulation, mut market: Market, dice: &mut Dice) -> Result<Market> {
    let registration = tenants::registration(&market, &format!("market-{}", market.tenant));
    let register = wish(RegisterTenant { id: market.tenant, registration });
    simulation.must("registering", Wish::of(Partition::Platform, register)).await?;
    simulation.settle().await?;

    let mut wanted: Vec<Arc<dyn Intention>> = Vec::new();
    wanted.push(tenants::change_policies(&market, dice));
    wanted.push(wish(OpenStore {
        id: market.store,
        opening: Opening {
            slug: slug("main"),
            name: text("Main"),
            brand: "Main".into(),
            kind: StoreKind::Marketplace,
            currencies: market.currencies.clone(),
            locales: vec![locale()],
            regions: vec![],
        },
    }));
    for _ in 0..dice.between(2, 4) {
        wanted.push(wish(vendors::new_vendor(&mut market)));
    }
    want(simulation, &market, wanted).await?;
    simulation.settle().await?;

    let submit = |vendor| tell::<Vendor>(vendor, Command::SubmitForReview);
    want(simulation, &market, market.vendors.iter().copied().map(submit)).await?;
    simulation.settle().await?;
    let seen = |status| Command::ChangeKyc { status, reason: reason() };
    let admit = [Command::Approve { evidence: 1 }, seen(KycStatus::Pending), seen(KycStatus::Verified)];
    for command in admit {
        let tell_all = market.vendors.iter().map(|vendor| tell::<Vendor>(*vendor, command.clone()));
        want(simulation, &market, tell_all).await?;
    }

    let mut wanted: Vec<Arc<dyn Intention>> = Vec::new();
    for _ in 0..3 {
        wanted.push(wish(catalogue::new_product(&mut market)));
    }
    for vendor in market.vendors.clone() {
        for _ in 0..dice.between(1, 3) {
            let offer = catalogue::new_offer(&mut market, vendor, dice).context("there are products")?;
            market.learn(&Makes::Offer(offer.id, vendor));
            wanted.push(wish(offer));
        }
    }
    for _ in 0..2 {
        wanted.push(buying::register_customer(&mut market));
    }
    wanted.push(commission::change_catch_all(&market, dice));
    wanted.push(tell::<CommissionRules>(market.tenant, Rules::Enable { rule: catch_all() }));
    for _ in 0..dice.below(3) {
        wanted.push(commission::add(&mut market, dice));
    }
    want(simulation, &market, wanted).await?;
    for _ in 0..market.offers.len() {
        let received = catalogue::receive(&market, dice).context("there are offers")?;
        let wish = Wish::of(market.partition(), received);
        // Units that are not counted cannot be received.
        simulation.give(wish).await?;
    }
    simulation.settle().await?;
    Ok(market)
}

async fn want(
    simulation: &mut Simulation,
    market: &Market,
    wanted: impl IntoIterator<Item = Arc<dyn Intention>>,
) -> Result<()> {
    for intention in wanted {
        simulation.must("founding", Wish::of(market.partition(), intention)).await?;
    }
    Ok(())
}
