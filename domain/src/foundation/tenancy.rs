//! A tenant's entry in the city's register (platform partition): its slug and its place in the geography.
//! The tenant's own life is in its own partition: see [`tenant`](super::tenant).

use crate::aggregate::Aggregate;
use crate::calendar::Zone;
use crate::foundation::place::{self, Place};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::tenant::{self, Tier};
use crate::ids::{PlaceId, TenantId};
use crate::money::Currency;
use crate::rejection::Reject;
use crate::text::{LocalText, Locale, Slug};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may be asked of the entry.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Be made.
    Register(Registration),
}

/// What a tenant begins with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// Unique in the city.
    pub slug: Slug,
    /// Its name.
    pub name: LocalText,
    /// The subcategory it belongs to, if any.
    pub subcategory: Option<PlaceId>,
    /// Where its days begin and end.
    pub zone: Zone,
    /// The locale its clients show where they are asked for no other.
    pub locale: Locale,
    /// Its main currency.
    pub currency: Currency,
    /// Its subscription tier.
    pub tier: Tier,
}

impl Registration {
    /// The registration `event` tells of.
    pub fn of(event: &Event) -> Self {
        let Event::Registered { slug, name, subcategory, zone, locale, currency, tier } = event.clone();
        Registration { slug, name, subcategory, zone, locale, currency, tier }
    }

    fn registered(&self) -> Event {
        let Registration { slug, name, subcategory, zone, locale, currency, tier } = self.clone();
        Event::Registered { slug, name, subcategory, zone, locale, currency, tier }
    }

    /// The event that opens the tenant's partition with it.
    pub(super) fn provisioned(&self) -> tenant::Event {
        let Registration { slug, name, subcategory, zone, locale, currency, tier } = self.clone();
        tenant::Event::Provisioned { slug, name, subcategory, zone, locale, currency, tier }
    }
}

/// What can have happened to the entry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The tenant is registered; its partition is opened next.
    Registered {
        /// Unique in the city.
        slug: Slug,
        /// Its name.
        name: LocalText,
        /// The subcategory it belongs to; none where it is not in the geography.
        subcategory: Option<PlaceId>,
        /// Where its days begin and end.
        zone: Zone,
        /// The locale its clients show where they are asked for no other.
        locale: Locale,
        /// Its main currency.
        currency: Currency,
        /// Its subscription tier.
        tier: Tier,
    },
}

/// Why the entry is not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It is there already.
    #[error("the tenant is registered already")]
    Exists,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Exists => "TENANCY_EXISTS",
        }
    }
}

/// A tenant's entry in the city's register.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenancy {
    /// It does not exist.
    #[default]
    Unknown,
    /// It is made.
    Registered(Registration),
}

/// Enters a tenant in the register: its slug is unique in the city, its subcategory live.
#[derive(Clone, PartialEq, Debug)]
pub struct RegisterTenant {
    /// The new tenant.
    pub id: TenantId,
    /// What it begins with.
    pub registration: Registration,
}

impl Intention for RegisterTenant {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let subcategory = self.registration.subcategory;
        if subcategory.is_some() {
            place::put_below(city, subcategory, Some(place::Level::Subcategory), self.id.into())?;
        }
        reservation::take(city, Scope::TenantSlug, self.registration.slug.as_str(), self.id.into())?;
        city.send::<Tenancy>(self.id, &Command::Register(self.registration.clone()))
    }
}

/// A tenant that is over leaves its subcategory, which may then be archived. Its slug stays taken: an address never
/// comes to mean another tenant. May be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaveSubcategory {
    /// The tenant.
    pub id: TenantId,
}

impl Intention for LeaveSubcategory {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let subcategory = match &*city.see::<Tenancy>(self.id)? {
            Tenancy::Unknown => None,
            Tenancy::Registered(registration) => registration.subcategory,
        };
        let child = self.id.into();
        subcategory.map_or(Ok(()), |above| city.send::<Place>(above, &place::Command::RemoveChild { child }))
    }
}

impl Aggregate for Tenancy {
    type Id = TenantId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (self, command) {
            (Tenancy::Unknown, Command::Register(registration)) => Ok(vec![registration.registered()]),
            (Tenancy::Registered(_), Command::Register(_)) => Err(Rejection::Exists),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        Tenancy::Registered(Registration::of(event))
    }
}
