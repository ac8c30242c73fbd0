//! How a seller comes into a marketplace: by applying or by invitation, under a handle nobody else has.

use super::{Command, Event, Vendor};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::tenant;
use crate::ids::VendorId;
use crate::marketplace::customer::Contact;
use crate::sealed::Sealed;
use crate::text::{Code, LocalText};
use crate::workspace::{Intention, Stop, Workspace};

/// How a vendor introduces itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Introduction {
    /// Unique in the tenant, whatever the case of its letters.
    pub handle: Code,
    /// The business's name.
    pub name: LocalText,
    /// Whom to talk to.
    pub contact: Option<Sealed<Contact>>,
}

impl Introduction {
    pub(super) fn applied(&self, application: u32) -> Event {
        let Introduction { handle, name, contact } = self.clone();
        Event::Applied { handle, name, contact, application }
    }

    pub(super) fn invited(&self) -> Event {
        let Introduction { handle, name, contact } = self.clone();
        Event::Invited { handle, name, contact }
    }
}

/// A seller asks to sell: for the first time, or again after a refusal.
#[derive(Clone, PartialEq, Debug)]
pub struct ApplyAsVendor {
    /// The vendor.
    pub id: VendorId,
    /// How it introduces itself.
    pub introduction: Introduction,
}

impl Intention for ApplyAsVendor {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        introduce(city, self.id, &self.introduction.handle, &Command::Apply(self.introduction.clone()))
    }
}

/// A seller is asked to sell.
#[derive(Clone, PartialEq, Debug)]
pub struct InviteVendor {
    /// The vendor.
    pub id: VendorId,
    /// How it is introduced.
    pub introduction: Introduction,
}

impl Intention for InviteVendor {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        introduce(city, self.id, &self.introduction.handle, &Command::Invite(self.introduction.clone()))
    }
}

fn introduce(city: &mut Workspace, id: VendorId, handle: &Code, command: &Command) -> Result<(), Stop> {
    tenant::trading(city)?;
    let before = city.see::<Vendor>(id)?;
    city.send::<Vendor>(id, command)?;
    let folded = |handle: &Code| handle.as_str().to_lowercase();
    if let Vendor::Known(before) = &*before
        && folded(&before.handle) != folded(handle)
    {
        reservation::free(city, Scope::VendorHandle, &folded(&before.handle), id.into())?;
    }
    reservation::take(city, Scope::VendorHandle, &folded(handle), id.into())
}
