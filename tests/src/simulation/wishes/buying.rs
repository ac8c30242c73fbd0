//! Buying, sending, receiving, and doing without.

use super::wish;
use crate::simulation::dice::Dice;
use crate::simulation::market::{Asked, Market, code};
use cityos_domain::ids::{CustomerId, OrderId};
use cityos_domain::marketplace::customer::RegisterCustomer;
use cityos_domain::money::Money;
use cityos_domain::orders::canceling::{CancelPart, CancelUnits};
use cityos_domain::orders::order::{Bearer, Cart, Discount, RequestedLine, part_id};
use cityos_domain::orders::requesting::RequestOrder;
use cityos_domain::orders::shipping::{DeliverPart, ShipPart};
use cityos_domain::orders::vendor_order::CancelCause;
use cityos_domain::workspace::Intention;
use std::sync::Arc;

pub fn buy(market: &mut Market, dice: &mut Dice) -> Option<(Arc<dyn Intention>, Asked)> {
    let order: OrderId = market.new_id("order");
    let currency = market.currency(dice);
    let (mut lines, mut vendors) = (Vec::new(), Vec::new());
    for _ in 0..dice.between(1, 4) {
        let (offer, vendor) = market.offer(dice)?;
        // A buyer who insists on a price sees it refused where it is another.
        let insists = dice.falls(30).then(|| Money { minor: dice.between(1, 9_000), currency });
        let quantity = u32::try_from(dice.between(1, 4)).ok()?;
        let freight_minor = dice.falls(100).then(|| dice.between(0, 900));
        lines.push(RequestedLine {
            offer,
            quantity,
            expected_unit: insists,
            freight_minor,
            includes_tax: None,
        });
        if !vendors.contains(&vendor) {
            vendors.push(vendor);
        }
    }
    let discount = dice.falls(200).then(|| Discount {
        minor: dice.between(1, 3_000),
        bearer: if dice.falls(500) { Bearer::Marketplace } else { Bearer::Vendor },
    });
    // Few names for many orders: some are taken.
    let reference = dice.falls(100).then(|| code(&format!("reference-{}", dice.below(8))));
    let asked = Asked { order, vendors, lines: u32::try_from(lines.len()).ok()? };
    let customer = *dice.pick(&market.customers)?;
    let cart = Cart { store: market.store, customer, currency, lines, discount, reference };
    Some((wish(RequestOrder { order, cart }), asked))
}

pub fn register_customer(market: &mut Market) -> Arc<dyn Intention> {
    let id: CustomerId = market.new_id("customer");
    market.customers.push(id);
    wish(RegisterCustomer { id, guest: true, contact: None })
}

pub fn ship(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let tracking = dice.falls(300).then(|| format!("track-{}", dice.below(1_000)));
    Some(wish(ShipPart { part: market.part(dice)?, tracking }))
}

pub fn deliver(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    Some(wish(DeliverPart { part: market.part(dice)? }))
}

pub fn cancel_units(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let asked = market.order(dice)?;
    let part = part_id(asked.order, *dice.pick(&asked.vendors)?);
    let line = u32::try_from(dice.between(1, i64::from(asked.lines))).ok()?;
    let quantity = if dice.falls(700) { Some(u32::try_from(dice.between(1, 2)).ok()?) } else { None };
    Some(wish(CancelUnits { part, line, quantity, cause: cause(dice) }))
}

pub fn cancel_part(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    Some(wish(CancelPart { part: market.part(dice)?, cause: cause(dice) }))
}

pub fn cancel_order(market: &mut Market, dice: &mut Dice) -> Option<Vec<Arc<dyn Intention>>> {
    let asked = market.order(dice)?;
    let cause = cause(dice);
    let parts = asked.vendors.iter().map(|vendor| part_id(asked.order, *vendor));
    Some(parts.map(|part| wish(CancelPart { part, cause })).collect())
}

fn cause(dice: &mut Dice) -> CancelCause {
    dice.weighed(&[(1, CancelCause::Customer), (1, CancelCause::Vendor), (1, CancelCause::Operator)])
}
