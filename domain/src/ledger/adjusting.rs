//! Adjusting what is owed to a vendor: by an operator, with a reason, against a named account.

use super::book::LedgerOf;
use super::month::Account;
use super::posting::{post, standing};
use super::transactions;
use crate::foundation::tenant;
use crate::ids::TransactionId;
use crate::ids::VendorId;
use crate::marketplace::vendor::{self, Stage, Vendor};
use crate::money::{AMOUNT_MINOR_MAX, Money};
use crate::rejection::Rejected;
use crate::text::Reason;
use crate::workspace::{Intention, Stop, Workspace};

/// Where an adjustment comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Against {
    /// The marketplace bears it.
    Adjustments,
    /// It is taken from, or given to, the credit of customers.
    CustomerCredit,
}

/// Gives a vendor an available amount, or takes one where it is negative. The balance may become negative:
/// it is made up from what is earned next. A vendor who is terminated is never paid and earns no more: only what is
/// still owed, there by whatever came late, can be written off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostAdjustment {
    /// The transaction's id, derived from the command.
    pub transaction: TransactionId,
    /// To whom, or from whom.
    pub vendor: VendorId,
    /// How much; not nothing.
    pub amount: Money,
    /// Out of what.
    pub against: Against,
    /// Why.
    pub reason: Reason,
}

impl Intention for PostAdjustment {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let Money { minor, currency } = self.amount;
        if minor == 0 || !(-AMOUNT_MINOR_MAX..=AMOUNT_MINOR_MAX).contains(&minor) {
            let rule = format!("must be between 1 and {AMOUNT_MINOR_MAX} minor units, given or taken");
            return Err(Rejected::invalid("amount", rule).into());
        }
        let to = LedgerOf { vendor: self.vendor, currency };
        let stage = city.see::<Vendor>(self.vendor)?.known()?.stage;
        if stage == Stage::Terminated && standing(city, to)?.is_settled() {
            return Err(vendor::Rejection::Terminated.into());
        }
        let against = match self.against {
            Against::Adjustments => Account::Adjustments,
            Against::CustomerCredit => Account::CustomerCredit,
        };
        let date = tenant::today(city)?;
        let reason = String::from(&self.reason);
        let transaction = transactions::adjusted(self.transaction, reason, date, against, minor);
        post(city, to, transaction)
    }
}
