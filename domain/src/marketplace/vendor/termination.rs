//! How a seller leaves a marketplace for good: with nothing owed to them or by them.

use super::{Command, Rejection, Stage, Vendor};
use crate::ids::VendorId;
use crate::ledger::posting::unsettled;
use crate::text::Reason;
use crate::workspace::{Intention, Stop, Workspace};

/// Ends a vendor for good, unless it has orders to fulfil, something it earned is pending, available or on its way,
/// or it owes something: a payout, or an adjustment that writes it off, comes first. No stream counts orders: whoever
/// asks has counted them, and who sells is suspended first, so that none is added to them. May be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TerminateVendor {
    /// The vendor.
    pub id: VendorId,
    /// Why.
    pub reason: Reason,
    /// How many parts of orders it has still to ship or to bring to their customers.
    pub open_parts: u64,
}

impl Intention for TerminateVendor {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let before = city.see::<Vendor>(self.id)?.known()?.stage;
        city.send::<Vendor>(self.id, &Command::Terminate { reason: self.reason.clone() })?;
        if before == Stage::Terminated {
            return Ok(());
        }
        if self.open_parts > 0 {
            return Err(Rejection::OrdersOpen(self.open_parts).into());
        }
        match unsettled(city, self.id)? {
            Some(currency) => Err(Rejection::NotSettled(currency).into()),
            None => Ok(()),
        }
    }
}
