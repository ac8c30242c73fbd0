//! Paying vendors, and correcting what they are owed.

use super::wish;
use crate::simulation::dice::Dice;
use crate::simulation::market::{Market, reason};
use cityos_domain::foundation::tenant;
use cityos_domain::ids::TransactionId;
use cityos_domain::ledger::adjusting::{Against, PostAdjustment};
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::Trigger;
use cityos_domain::money::Money;
use cityos_domain::workspace::{Intention, Stop, Workspace};
use std::sync::Arc;

pub fn request(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let (vendor, currency) = (market.vendor(dice)?, market.currency(dice));
    Some(wish(RequestPayout { vendor, currency, trigger: Trigger::Manual }))
}

pub fn adjust(
    market: &mut Market,
    dice: &mut Dice,
    transaction: TransactionId,
) -> Option<Arc<dyn Intention>> {
    let vendor = market.vendor(dice)?;
    let minor = if dice.falls(500) { dice.between(1, 5_000) } else { dice.between(-5_000, -1) };
    let amount = Money { minor, currency: market.currency(dice) };
    let against = dice.weighed(&[(2, Against::Adjustments), (1, Against::CustomerCredit)]);
    Some(wish(PostAdjustment { transaction, vendor, amount, against, reason: reason() }))
}

/// Nothing, in a tenant that may pay: what stands behind the payouts asked for one by one before it.
pub struct PayEverybody;

impl Intention for PayEverybody {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        tenant::paying(city).map(drop)
    }
}
