//! A part's earnings becoming available: once it is captured and was delivered long enough ago.

use super::vendor_order::{Command, VendorOrder};
use crate::foundation::tenant;
use crate::ids::VendorOrderId;
use crate::ledger::posting::post;
use crate::ledger::transactions;
use crate::workspace::{Intention, Stop, Workspace};

/// Makes a part's earnings available. Refused before they are due; released already: nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseEarnings {
    /// Of which part.
    pub part: VendorOrderId,
}

impl Intention for ReleaseEarnings {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        release_if_due(city, self.part)?;
        city.send::<VendorOrder>(self.part, &Command::ReleaseEarnings)
    }
}

/// Makes a part's earnings available where they are due now.
pub(super) fn release_if_due(city: &mut Workspace, id: VendorOrderId) -> Result<(), Stop> {
    let part = city.see::<VendorOrder>(id)?;
    let part = part.known()?;
    if !part.earnings_due(city.at()) {
        return Ok(());
    }
    city.send::<VendorOrder>(id, &Command::ReleaseEarnings)?;
    let date = tenant::today(city)?;
    let transaction = transactions::released(part.belongs.order, id, date, part.totals.earnings_minor());
    post(city, part.belongs.ledger(), transaction)
}
