//! Sending a part and handing it over. A suspended tenant's orders go on.

use super::earning::release_if_due;
use super::vendor_order::{Command, VendorOrder};
use crate::foundation::tenant;
use crate::ids::VendorOrderId;
use crate::text::{NAME_CHARS_MAX, line};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::TimeDelta;

/// Sends what is left of a part. May be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShipPart {
    /// Which part.
    pub part: VendorOrderId,
    /// How it may be followed.
    pub tracking: Option<String>,
}

impl Intention for ShipPart {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let tracking = match &self.tracking {
            Some(tracking) => Some(line("tracking", tracking, NAME_CHARS_MAX)?),
            None => None,
        };
        city.send::<VendorOrder>(self.part, &Command::Ship { tracking })
    }
}

/// The customer has a part: its earnings become available after the tenant's hold days, at once where there are
/// none. May be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeliverPart {
    /// Which part.
    pub part: VendorOrderId,
}

impl Intention for DeliverPart {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let (_, tenant) = tenant::known(city)?;
        let available_at = city.at() + TimeDelta::days(tenant.policies.hold_days.into());
        city.send::<VendorOrder>(self.part, &Command::Deliver { available_at })?;
        release_if_due(city, self.part)
    }
}
