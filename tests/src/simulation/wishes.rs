//! What people want of a city: the list of actions, each with how often it is wanted. What exactly is wanted is
//! drawn in the files below, one for each part of the business.

pub mod buying;
pub mod catalogue;
pub mod commission;
pub mod operating;
pub mod paying;
pub mod tenants;
pub mod vendors;

use super::city::Process;
use super::dice::Dice;
use super::market::{Asked, Market};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::foundation::tenant::UnlessClosed;
use cityos_domain::ids::{OfferId, TransactionId, VendorId};
use cityos_domain::log::Partition;
use cityos_domain::saga_run::Measure;
use cityos_domain::workspace::{Intention, Tell};
use serde_json::Map;
use std::sync::Arc;

/// What may be wanted, and how often in comparison.
pub const ACTIONS: &[(u16, Action)] = &[
    (200, Action::Buy),
    (110, Action::Ship),
    (100, Action::Deliver),
    (25, Action::CancelUnits),
    (25, Action::CancelPart),
    (10, Action::CancelOrder),
    (30, Action::ChangePrice),
    (5, Action::WithdrawOffer),
    (14, Action::RelistOffer),
    (10, Action::ListOffer),
    (40, Action::ReceiveStock),
    (8, Action::AdjustStock),
    (10, Action::AddRule),
    (10, Action::SwitchRule),
    (4, Action::RemoveRule),
    (6, Action::ChangeCatchAll),
    (8, Action::ApplyAsVendor),
    (5, Action::InviteVendor),
    (12, Action::SubmitForReview),
    (12, Action::Approve),
    (5, Action::Reject),
    (7, Action::SuspendVendor),
    (24, Action::ResumeVendor),
    (10, Action::TerminateVendor),
    (14, Action::ChangeKyc),
    (5, Action::SuspendTenant),
    (14, Action::ResumeTenant),
    (1, Action::StartClosingTenant),
    (3, Action::CloseTenant),
    (12, Action::ChangePolicies),
    (2, Action::RegisterTenant),
    (8, Action::RegisterCustomer),
    (30, Action::RequestPayout),
    (16, Action::PayEverybody),
    (20, Action::PostAdjustment),
    (12, Action::RetryRun),
    (6, Action::CompensateRun),
    (4, Action::SkipStep),
    (3, Action::AbandonRun),
    (8, Action::StartDrill),
];

/// What may be wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// An order of 1 to 4 lines, of as many vendors.
    Buy,
    /// A part is sent.
    Ship,
    /// A part has arrived.
    Deliver,
    /// Some units of a line are left out.
    CancelUnits,
    /// A whole part is.
    CancelPart,
    /// All parts of an order are, one after the other.
    CancelOrder,
    /// Another price.
    ChangePrice,
    /// No longer for sale.
    WithdrawOffer,
    /// For sale again.
    RelistOffer,
    /// Something new is for sale.
    ListOffer,
    /// More units are there.
    ReceiveStock,
    /// Someone counted.
    AdjustStock,
    /// A commission rule: percent, per unit, or tiered either way.
    AddRule,
    /// A rule is switched on or off.
    SwitchRule,
    /// A rule goes.
    RemoveRule,
    /// The catch-all takes something else.
    ChangeCatchAll,
    /// Someone wants to sell, for the first time or again.
    ApplyAsVendor,
    /// Someone is asked to sell.
    InviteVendor,
    /// A vendor has given all that is needed.
    SubmitForReview,
    /// They may sell.
    Approve,
    /// They may not.
    Reject,
    /// They may not for now.
    SuspendVendor,
    /// They may again.
    ResumeVendor,
    /// They never will again.
    TerminateVendor,
    /// Who they are is known better, or worse.
    ChangeKyc,
    /// A tenant may not trade for now.
    SuspendTenant,
    /// It may again.
    ResumeTenant,
    /// It winds up.
    StartClosingTenant,
    /// It is over.
    CloseTenant,
    /// It decides otherwise about holds, captures, payouts and how long money and stock are held.
    ChangePolicies,
    /// The city gets another tenant.
    RegisterTenant,
    /// Somebody new will buy.
    RegisterCustomer,
    /// One vendor is to be paid.
    RequestPayout,
    /// Every vendor is.
    PayEverybody,
    /// An operator gives a vendor something, or takes it.
    PostAdjustment,
    /// An operator has a run try again.
    RetryRun,
    /// An operator turns a run back.
    CompensateRun,
    /// An operator answers for a step.
    SkipStep,
    /// An operator gives a run up.
    AbandonRun,
    /// An operator practises.
    StartDrill,
}

/// What is wanted.
#[derive(Clone)]
pub struct Wish {
    /// In which partition.
    pub partition: Partition,
    /// What.
    pub intention: Arc<dyn Intention>,
    /// Whether all vendors of the partition are paid first.
    pub pays_everybody: bool,
    /// What can be acted on once it is done.
    pub makes: Makes,
}

/// What people know of once it is there.
#[derive(Clone, Debug)]
pub enum Makes {
    /// Nothing they would come back to.
    Nothing,
    /// An order.
    Order(Asked),
    /// Something a vendor sells.
    Offer(OfferId, VendorId),
}

impl Wish {
    /// A wish that makes nothing and needs nothing before it.
    pub fn of(partition: Partition, intention: Arc<dyn Intention>) -> Self {
        Wish { partition, intention, pays_everybody: false, makes: Makes::Nothing }
    }
}

impl Action {
    /// What exactly is wanted of this marketplace; `None` where there is nothing to want it of, or where what it
    /// takes to ask cannot be found out now.
    pub async fn wish(self, market: &mut Market, dice: &mut Dice, process: &Process) -> Option<Vec<Wish>> {
        let partition = market.partition();
        let one = |intention| Wish::of(partition, intention);
        let wanted = match self {
            Action::Buy => {
                let (intention, asked) = buying::buy(market, dice)?;
                return Some(vec![Wish { makes: Makes::Order(asked), ..one(intention) }]);
            }
            Action::Ship => buying::ship(market, dice)?,
            Action::Deliver => buying::deliver(market, dice)?,
            Action::CancelUnits => buying::cancel_units(market, dice)?,
            Action::CancelPart => buying::cancel_part(market, dice)?,
            Action::CancelOrder => {
                return Some(buying::cancel_order(market, dice)?.into_iter().map(one).collect());
            }
            Action::ChangePrice => catalogue::change_price(market, dice)?,
            Action::WithdrawOffer => catalogue::withdraw(market, dice)?,
            Action::RelistOffer => catalogue::relist(market, dice)?,
            Action::ListOffer => {
                let vendor = market.vendor(dice)?;
                let offer = catalogue::new_offer(market, vendor, dice)?;
                return Some(vec![Wish { makes: Makes::Offer(offer.id, vendor), ..one(wish(offer)) }]);
            }
            Action::ReceiveStock => catalogue::receive(market, dice)?,
            Action::AdjustStock => catalogue::adjust(market, dice)?,
            Action::AddRule => commission::add(market, dice),
            Action::SwitchRule => commission::switch(market, dice)?,
            Action::RemoveRule => commission::remove(market, dice)?,
            Action::ChangeCatchAll => commission::change_catch_all(market, dice),
            Action::ApplyAsVendor => vendors::apply(market, dice),
            Action::InviteVendor => vendors::invite(market),
            Action::SubmitForReview => vendors::submit(market, dice)?,
            Action::Approve => vendors::approve(market, dice)?,
            Action::Reject => vendors::reject(market, dice)?,
            Action::SuspendVendor => vendors::suspend(market, dice)?,
            Action::ResumeVendor => vendors::resume(market, dice)?,
            Action::TerminateVendor => vendors::terminate(market, dice, process).await?,
            Action::ChangeKyc => vendors::change_kyc(market, dice)?,
            Action::SuspendTenant => tenants::suspend(market),
            Action::ResumeTenant => tenants::resume(market),
            Action::StartClosingTenant => tenants::start_closing(market),
            Action::CloseTenant => tenants::close(market, process).await?,
            Action::ChangePolicies => tenants::change_policies(market, dice),
            Action::RegisterTenant => {
                let intention = tenants::register(market);
                return Some(vec![Wish { partition: Partition::Platform, ..one(intention) }]);
            }
            Action::RegisterCustomer => buying::register_customer(market),
            Action::RequestPayout => paying::request(market, dice)?,
            Action::PayEverybody => {
                return Some(vec![Wish { pays_everybody: true, ..one(wish(paying::PayEverybody)) }]);
            }
            Action::PostAdjustment => {
                let transaction: TransactionId = market.new_id("adjustment");
                paying::adjust(market, dice, transaction)?
            }
            Action::RetryRun => return operating::intervene(|_| Measure::Retry, dice, process).await,
            Action::CompensateRun => {
                return operating::intervene(|_| Measure::Compensate, dice, process).await;
            }
            Action::SkipStep => {
                let skip = |step| Measure::Skip { step, learned: Map::new() };
                return operating::intervene(skip, dice, process).await;
            }
            Action::StartDrill => operating::drill(market, dice),
            Action::AbandonRun => return operating::intervene(|_| Measure::Abandon, dice, process).await,
        };
        Some(vec![one(wanted)])
    }
}

/// An intention as the API gives it: not for a tenant that is over.
pub(super) fn wish(intention: impl Intention + 'static) -> Arc<dyn Intention> {
    Arc::new(UnlessClosed(intention))
}

/// The same for one that concerns a single aggregate.
pub(super) fn tell<A: Aggregate>(id: A::Id, command: A::Command) -> Arc<dyn Intention>
where
    A::Id: Send + Sync,
    A::Command: Send + Sync,
{
    wish(Tell::<A> { id, command })
}
