//! How a seller leaves a marketplace for good: with nothing owed to them or by them.

use super::{Command, Rejection, Stage, Vendor};
use crate::ids::VendorId;
use crate::ledger::posting::unsettled;
use crate::text::Reason;
use crate::workspace::{Intention, Stop, Workspace};

/// Ends a vendor for good, unless something it earned is pending, available or on its way, or it owes something:
/// a payout, or an adjustment that writes it off, comes first. Orders that were placed and not captured are not
/// looked for, as no stream counts them: they go on, and what they earn is held. May be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TerminateVendor {
    /// The vendor.
    pub id: VendorId,
    /// Why.
    pub reason: Reason,
}

impl Intention for TerminateVendor {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let before = city.see::<Vendor>(self.id)?.known()?.stage;
        city.send::<Vendor>(self.id, &Command::Terminate { reason: self.reason.clone() })?;
        match unsettled(city, self.id)? {
            Some(currency) if before != Stage::Terminated => Err(Rejection::NotSettled(currency).into()),
            Some(_) | None => Ok(()),
        }
    }
}
