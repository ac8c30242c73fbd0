//! How a tenant ends: wound up, with no order to fulfil and nothing owed.

use super::{Command, Rejection, Stage, Tenant, known};
use crate::money::Currency;
use crate::workspace::{Intention, Stop, Workspace};

/// Closes a tenant that has wound up. No stream counts its orders and balances: whoever asks has looked, and where a
/// tenant is closing neither begins anew. May be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseTenant {
    /// How many parts of orders are still to be shipped or to reach their customers.
    pub open_parts: u64,
    /// A currency in which something is owed to a vendor or by one.
    pub owed: Option<Currency>,
}

impl Intention for CloseTenant {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let (before, _) = known(city)?;
        let id = city.partition().tenant().ok_or(Rejection::Unknown)?;
        city.send::<Tenant>(id, &Command::Close)?;
        if before == Stage::Closed {
            return Ok(());
        }
        if self.open_parts > 0 {
            return Err(Rejection::OrdersOpen(self.open_parts).into());
        }
        match self.owed {
            Some(currency) => Err(Rejection::NotSettled(currency).into()),
            None => Ok(()),
        }
    }
}
