//! Where a vendor is in its life, and what that allows.

use super::{Event, KycStatus, Rejection};
use crate::aggregate::unless;
use serde::{Deserialize, Serialize};

/// Where a vendor is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// They asked to sell.
    Applied,
    /// They were asked to sell.
    Invited,
    /// They are giving what is needed.
    Onboarding,
    /// Everything is there to be looked at.
    ReadyForReview,
    /// They may sell.
    Approved,
    /// They may not sell for now.
    Suspended,
    /// They may not sell, but apply again.
    Rejected,
    /// They will never sell again.
    Terminated,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Stage::Applied => "applying",
            Stage::Invited => "invited",
            Stage::Onboarding => "onboarding",
            Stage::ReadyForReview => "ready for review",
            Stage::Approved => "approved",
            Stage::Suspended => "suspended",
            Stage::Rejected => "rejected",
            Stage::Terminated => "terminated",
        }
    }

    /// Why a vendor may not sell, if it may not.
    pub fn can_sell(self) -> Result<(), Rejection> {
        if self == Stage::Approved { Ok(()) } else { Err(Rejection::CannotSell(self)) }
    }

    /// Why a vendor cannot be paid, if it cannot: who they are must be proven, an account be there, and no
    /// suspension hold the payout.
    pub fn can_be_paid(self, kyc: KycStatus, payout_account: Option<&str>) -> Result<(), Rejection> {
        if matches!(self, Stage::Suspended | Stage::Rejected | Stage::Terminated) {
            return Err(Rejection::PayoutsHeld(self));
        }
        if kyc != KycStatus::Verified {
            return Err(Rejection::KycNotVerified);
        }
        payout_account.map(|_| ()).ok_or(Rejection::PayoutAccountMissing)
    }

    pub(super) fn refusal(self) -> Rejection {
        if self == Stage::Terminated { Rejection::Terminated } else { Rejection::WrongStage(self) }
    }

    /// The step from one of `from` to `to`, unless the vendor is there already.
    pub(super) fn step(self, from: &[Stage], to: Stage, event: Event) -> Result<Vec<Event>, Rejection> {
        if self == to || from.contains(&self) { Ok(unless(self == to, event)) } else { Err(self.refusal()) }
    }
}
