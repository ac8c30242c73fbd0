//! A payout to one vendor in one currency: `requested → claimed → submitted → paid`, or `failed`, or `voided`
//! where there was nothing to claim. The claim and the payout are written in one append, so that no entry is
//! ever claimed without one.

use crate::ids::{TransactionId, VendorId};
use crate::money::{Currency, Money};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who wanted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An operator.
    Manual,
    /// The tenant's schedule.
    Schedule,
}

/// What can have happened to a payout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is to be made.
    Requested {
        /// To whom.
        vendor: VendorId,
        /// In what currency.
        currency: Currency,
        /// How many payouts the vendor had in that currency before.
        ordinal: u32,
        /// Who wanted it.
        trigger: Trigger,
    },
    /// It settles these entries.
    Claimed {
        /// To whom.
        vendor: VendorId,
        /// Their sum.
        amount: Money,
        /// The transactions whose available legs it settles.
        entries: Vec<TransactionId>,
    },
    /// The money is on its way.
    Submitted {
        /// To whom.
        vendor: VendorId,
        /// The provider's reference.
        reference: String,
    },
    /// The money arrived.
    Paid {
        /// To whom.
        vendor: VendorId,
    },
    /// It came to nothing; its entries are available again.
    Failed {
        /// To whom.
        vendor: VendorId,
        /// Why.
        reason: String,
    },
    /// There was nothing to pay, or too little.
    Voided {
        /// To whom.
        vendor: VendorId,
        /// Why.
        reason: String,
    },
}
