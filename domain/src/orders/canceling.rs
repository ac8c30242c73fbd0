//! Leaving out units, lines or a vendor's whole part before it ships: what was frozen is reversed at the frozen
//! rates, the money held for it is given back, and its units are on hand again.

use super::payment::{Command as Pay, Payment, ReleaseCause};
use super::vendor_order::{CancelCause, Command, VendorOrder};
use crate::foundation::tenant;
use crate::ids::{OfferId, PaymentId, VendorOrderId};
use crate::marketplace::stock::{self, Stock};
use crate::workspace::{Intention, Stop, Workspace};

/// Leaves out units of a line. The part is canceled with the last unit of its last line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelUnits {
    /// Of which part.
    pub part: VendorOrderId,
    /// The line's number.
    pub line: u32,
    /// How many units; `None`: all that are left.
    pub quantity: Option<u32>,
    /// Why.
    pub cause: CancelCause,
}

impl Intention for CancelUnits {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let CancelUnits { part, line, quantity, cause } = *self;
        let date = tenant::today(city)?;
        cancel(city, part, &Command::CancelUnits { line, quantity, date, cause }, ReleaseCause::Canceled)
    }
}

/// Leaves out all that is left of a vendor's part. May be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelPart {
    /// Which part.
    pub part: VendorOrderId,
    /// Why.
    pub cause: CancelCause,
}

impl Intention for CancelPart {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let CancelPart { part, cause } = *self;
        let date = tenant::today(city)?;
        cancel(city, part, &Command::Cancel { date, cause }, ReleaseCause::Canceled)
    }
}

/// Ends an authorisation whose time is up: every part that is neither shipped nor being captured is canceled.
/// May be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpireAuthorisation {
    /// Of which payment.
    pub payment: PaymentId,
}

impl Intention for ExpireAuthorisation {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.send::<Payment>(self.payment, &Pay::Expire)?;
        let payment = city.see::<Payment>(self.payment)?;
        let parts: Vec<VendorOrderId> = payment.remaining()?.iter().map(|split| split.part).collect();
        city.see_all::<VendorOrder>(&parts)?;
        parts.into_iter().try_for_each(|part| expire(city, part))
    }
}

/// Cancels a part whose authorisation has run out, unless it is shipped or being captured.
pub(super) fn expire(city: &mut Workspace, part: VendorOrderId) -> Result<(), Stop> {
    if city.see::<VendorOrder>(part)?.known()?.cancelable().is_err() {
        return Ok(());
    }
    let (date, cause) = (tenant::today(city)?, CancelCause::AuthorisationExpired);
    cancel(city, part, &Command::Cancel { date, cause }, ReleaseCause::Expired)
}

/// Gives the part a command that leaves something out, and follows what that means for stock and payment.
fn cancel(
    city: &mut Workspace,
    id: VendorOrderId,
    command: &Command,
    cause: ReleaseCause,
) -> Result<(), Stop> {
    let before = city.see::<VendorOrder>(id)?;
    city.send::<VendorOrder>(id, command)?;
    let after = city.see::<VendorOrder>(id)?;
    let (before, after) = (before.known()?, after.known()?);

    let units = before.lines.iter().zip(&after.lines).map(|(before, after)| before.units - after.units);
    let counted =
        before.lines.iter().zip(units).filter(|(left, units)| left.line.reservation.is_some() && *units > 0);
    let returned: Vec<(OfferId, u32)> = counted.map(|(left, units)| (left.line.offer, units)).collect();
    let offers: Vec<OfferId> = returned.iter().map(|(offer, _)| *offer).collect();
    city.see_all::<Stock>(&offers)?;
    for (offer, quantity) in returned {
        city.send::<Stock>(offer, &stock::Command::Return { quantity, part: id })?;
    }

    let minor = before.totals.minus(after.totals).payable_minor();
    city.send::<Payment>(before.payment, &Pay::Release { part: id, minor, cause })
}
