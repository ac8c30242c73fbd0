//! Sellers who come, wait, sell, are stopped, and go.

use super::{tell, wish};
use crate::simulation::city::Process;
use crate::simulation::dice::Dice;
use crate::simulation::market::{Market, code, reason, text};
use cityos_domain::ids::VendorId;
use cityos_domain::log::Partition;
use cityos_domain::marketplace::vendor::{
    ApplyAsVendor, Command, Introduction, InviteVendor, KycStatus, TerminateVendor, Vendor,
};
use cityos_domain::workspace::Intention;
use cityos_projections::Query;
use cityos_projections::models::order_parts::{OrderPart, OrderParts, PartStatus};
use std::sync::Arc;

/// A seller nobody knew before.
pub fn new_vendor(market: &mut Market) -> ApplyAsVendor {
    let id: VendorId = market.new_id("vendor");
    market.vendors.push(id);
    ApplyAsVendor { id, introduction: introduction(market) }
}

fn introduction(market: &mut Market) -> Introduction {
    let word = market.new_word("vendor");
    Introduction { handle: code(&word), name: text(&word), contact: None }
}

pub fn apply(market: &mut Market, dice: &mut Dice) -> Arc<dyn Intention> {
    // Who was refused may apply again; who was not is refused that.
    let again = if dice.falls(500) { market.vendor(dice) } else { None };
    match again {
        Some(id) => wish(ApplyAsVendor { id, introduction: introduction(market) }),
        None => wish(new_vendor(market)),
    }
}

pub fn invite(market: &mut Market) -> Arc<dyn Intention> {
    let ApplyAsVendor { id, introduction } = new_vendor(market);
    wish(InviteVendor { id, introduction })
}

fn tell_one(market: &mut Market, dice: &mut Dice, command: Command) -> Option<Arc<dyn Intention>> {
    Some(tell::<Vendor>(market.vendor(dice)?, command))
}

pub fn submit(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    tell_one(market, dice, Command::SubmitForReview)
}

pub fn approve(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let evidence = u32::try_from(dice.between(1, 2)).ok()?;
    tell_one(market, dice, Command::Approve { evidence })
}

pub fn reject(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let evidence = u32::try_from(dice.between(0, 1)).ok()?;
    tell_one(market, dice, Command::Reject { reason: reason(), evidence })
}

pub fn suspend(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    tell_one(market, dice, Command::Suspend { reason: reason() })
}

pub fn resume(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    tell_one(market, dice, Command::Resume { reason: reason() })
}

pub fn change_kyc(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let status = dice.weighed(&[
        (3, KycStatus::Pending),
        (6, KycStatus::Verified),
        (1, KycStatus::ActionRequired),
        (1, KycStatus::Rejected),
    ]);
    tell_one(market, dice, Command::ChangeKyc { status, reason: reason() })
}

pub async fn terminate(
    market: &mut Market,
    dice: &mut Dice,
    process: &Process,
) -> Option<Arc<dyn Intention>> {
    let id = market.vendor(dice)?;
    let open_parts = open_parts(market.partition(), Some(id), process).await?;
    Some(wish(TerminateVendor { id, reason: reason(), open_parts }))
}

/// How many parts have still to be shipped or to arrive, as the API counts them.
pub async fn open_parts(partition: Partition, vendor: Option<VendorId>, process: &Process) -> Option<u64> {
    process.projector.catch_up().await.ok()?;
    let open = [PartStatus::Placed, PartStatus::Shipped];
    let mut parts = Query::<OrderParts>::new(partition).filter(OrderPart::status().is_in(open));
    if let Some(vendor) = vendor {
        parts = parts.filter(OrderPart::vendor().is(vendor));
    }
    parts.count(&process.reads).await.ok()
}
