//! Intentions of callers bound to one vendor or customer: they go ahead only on what is theirs. What is another's
//! is answered exactly as if it did not exist.

use crate::access::Own;
use cityos_domain::ids::{CustomerId, OfferId, VendorId, VendorOrderId};
use cityos_domain::marketplace::customer;
use cityos_domain::marketplace::offer::{self, Offer};
use cityos_domain::marketplace::vendor::{self, Vendor};
use cityos_domain::orders::vendor_order::{self, VendorOrder};
use cityos_domain::workspace::{Intention, Stop, Workspace};

/// What an intention is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thing {
    /// A vendor.
    Vendor(VendorId),
    /// A customer.
    Customer(CustomerId),
    /// An offer: its vendor's.
    Offer(OfferId),
    /// A part of an order: its vendor's.
    Part(VendorOrderId),
}

impl Thing {
    /// Looks at what is there whatever version the caller expects: a conflict would tell of what is another's.
    fn is_of(self, own: Own, city: &mut Workspace) -> Result<bool, Stop> {
        Ok(match (own, self) {
            (Own::All, _) => true,
            (Own::Vendor(own), Thing::Vendor(vendor)) => own == vendor,
            (Own::Vendor(own), Thing::Offer(offer)) => {
                city.see_at_any_version::<Offer>(offer)?.known()?.vendor == own
            }
            (Own::Vendor(own), Thing::Part(part)) => {
                city.see_at_any_version::<VendorOrder>(part)?.known()?.belongs.vendor == own
            }
            (Own::Customer(own), Thing::Customer(customer)) => own == customer,
            (Own::Vendor(_), Thing::Customer(_))
            | (Own::Customer(_), Thing::Vendor(_) | Thing::Offer(_) | Thing::Part(_)) => false,
        })
    }

    fn unknown(self) -> Stop {
        match self {
            Thing::Vendor(_) => vendor::Rejection::Unknown.into(),
            Thing::Customer(_) => customer::Rejection::Unknown.into(),
            Thing::Offer(_) => offer::Rejection::Unknown.into(),
            Thing::Part(_) => vendor_order::Rejection::Unknown.into(),
        }
    }
}

/// An intention that goes ahead only if `thing` is the caller's.
pub struct OnlyOwn<I> {
    /// What is the caller's.
    pub own: Own,
    /// What the intention is about.
    pub thing: Thing,
    /// The intention.
    pub then: I,
}

impl<I: Intention> Intention for OnlyOwn<I> {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        if !self.thing.is_of(self.own, city)? {
            return Err(self.thing.unknown());
        }
        self.then.decide(city)
    }
}

/// An intention that goes ahead for a vendor only if it may sell.
pub struct IfSelling<I> {
    /// What is the caller's.
    pub own: Own,
    /// The intention.
    pub then: I,
}

impl<I: Intention> Intention for IfSelling<I> {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        if let Some(vendor) = self.own.vendor() {
            city.see::<Vendor>(vendor)?.can_sell()?;
        }
        self.then.decide(city)
    }
}
