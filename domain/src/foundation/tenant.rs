//! A tenant in its own partition: lifecycle `provisioning → active ⇄ suspended → closing → closed`, tier and
//! policies. What begins something new asks [`trading`] first, what moves money out asks [`paying`], and so
//! relies on this stream; what winds up existing orders asks neither.

mod closing;
mod policies;

pub use closing::CloseTenant;
pub use policies::{CaptureMoment, PayoutSchedule, Policies};

use crate::aggregate::{Aggregate, shared, unless};
use crate::calendar::{BusinessDate, Zone};
use crate::foundation::tenancy::Registration;
use crate::ids::{PlaceId, StoreId, TenantId};
use crate::money::Currency;
use crate::rejection::Reject;
use crate::text::{LocalText, Locale, Reason, Slug};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Subscription tiers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// To begin with.
    #[default]
    Basic,
    /// For more.
    Professional,
    /// For the largest.
    Enterprise,
}

/// What may be asked of a tenant.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Open its partition with default policies.
    Provision(Registration),
    /// Let it trade.
    Activate,
    /// Stop it trading for now.
    Suspend {
        /// Why.
        reason: Reason,
    },
    /// Let it trade again.
    Resume {
        /// Why.
        reason: Reason,
    },
    /// Take no new orders and wind up.
    StartClosing {
        /// Why.
        reason: Reason,
    },
    /// Be over, for good: part of [`CloseTenant`], which asks whether it has wound up.
    Close,
    /// Have another tier.
    ChangeTier {
        /// The new tier.
        tier: Tier,
    },
    /// Have other policies.
    ChangePolicies(Policies),
    /// Mean this store where none is named. Whether it is open is for the sender to see.
    ChooseDefaultStore {
        /// The store.
        store: StoreId,
    },
    /// The payouts that were due are asked for: be due again when the schedule says. May be repeated.
    SchedulePayouts {
        /// When they were due.
        due: DateTime<Utc>,
    },
}

/// What can have happened to a tenant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Its partition exists, with default policies.
    Provisioned {
        /// Its slug.
        slug: Slug,
        /// Its name.
        name: LocalText,
        /// The subcategory it belongs to.
        subcategory: Option<PlaceId>,
        /// Its time zone.
        zone: Zone,
        /// Its default locale.
        locale: Locale,
        /// Its main currency.
        currency: Currency,
        /// Its tier.
        tier: Tier,
    },
    /// It may trade.
    Activated {},
    /// It may not trade for now.
    Suspended {
        /// Why.
        reason: String,
    },
    /// It may trade again.
    Resumed {
        /// Why.
        reason: String,
    },
    /// It takes no new orders and winds up.
    ClosingStarted {
        /// Why.
        reason: String,
    },
    /// It is over. Nothing is deleted.
    Closed {},
    /// It has another tier.
    TierChanged {
        /// The new tier.
        tier: Tier,
    },
    /// It has other policies.
    PoliciesChanged {
        /// All of them.
        policies: Policies,
        /// When payouts run next by themselves, if they do.
        payouts_next_at: Option<DateTime<Utc>>,
    },
    /// Which store is meant where none is named.
    DefaultStoreChosen {
        /// The store.
        store: StoreId,
    },
    /// It is time for the scheduled payouts.
    PayoutsDue {
        /// When they are due after this.
        next_at: Option<DateTime<Utc>>,
    },
}

/// Why a tenant says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such tenant")]
    Unknown,
    /// It was not activated yet.
    #[error("the tenant is being provisioned and not active yet")]
    NotActive,
    /// It may not trade for now.
    #[error("the tenant is suspended")]
    Suspended,
    /// It takes nothing new any more.
    #[error("the tenant is {}", .0.name())]
    Closed(Stage),
    /// A policy lies outside its limits.
    #[error("{field} {rule}")]
    PolicyOutsideLimits {
        /// Which.
        field: &'static str,
        /// The limit.
        rule: String,
    },
    /// It is to wind up before it can be over.
    #[error("the tenant is {}: it must be closing first", .0.name())]
    NotClosing(Stage),
    /// Its vendors have orders to fulfil.
    #[error("the tenant's vendors have {0} parts of orders to ship or deliver, or to cancel")]
    OrdersOpen(u64),
    /// Something is owed to a vendor, or by one.
    #[error("what vendors have earned or owe in {0} must be paid or written off first")]
    NotSettled(Currency),
    /// The scheduled payouts are not due yet.
    #[error("the scheduled payouts are due at {0}")]
    PayoutsNotDue(DateTime<Utc>),
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "TENANT_UNKNOWN",
            Rejection::NotActive => "TENANT_NOT_ACTIVE",
            Rejection::Suspended => "TENANT_SUSPENDED",
            Rejection::Closed(_) => "TENANT_CLOSED",
            Rejection::PolicyOutsideLimits { .. } => "TENANT_POLICY_OUTSIDE_LIMITS",
            Rejection::NotClosing(_) => "TENANT_NOT_CLOSING",
            Rejection::OrdersOpen(_) => "TENANT_ORDERS_OPEN",
            Rejection::NotSettled(_) => "TENANT_NOT_SETTLED",
            Rejection::PayoutsNotDue(_) => "TENANT_PAYOUTS_NOT_DUE",
        }
    }

    fn field(&self) -> Option<&'static str> {
        if let Rejection::PolicyOutsideLimits { field, .. } = self { Some(field) } else { None }
    }
}

/// Where a tenant is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its partition is being set up.
    Provisioning,
    /// It trades.
    Active,
    /// It may not trade for now.
    Suspended,
    /// It winds up.
    Closing,
    /// It is over.
    Closed,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Provisioning => "being provisioned",
            Stage::Active => "active",
            Stage::Suspended => "suspended",
            Stage::Closing => "closing",
            Stage::Closed => "closed",
        }
    }

    /// Why a tenant in this stage may not trade, if it may not.
    fn trades(self) -> Result<(), Rejection> {
        match self {
            Stage::Active => Ok(()),
            Stage::Provisioning => Err(Rejection::NotActive),
            Stage::Suspended => Err(Rejection::Suspended),
            Stage::Closing | Stage::Closed => Err(Rejection::Closed(self)),
        }
    }

    /// Why a tenant in this stage cannot be changed, if it cannot.
    fn open(self) -> Result<(), Rejection> {
        if self == Stage::Closed { Err(Rejection::Closed(self)) } else { Ok(()) }
    }
}

/// What other rules want to know of a tenant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Profile {
    /// Where its days begin and end.
    pub zone: Zone,
    /// Its main currency.
    pub currency: Currency,
    /// Its tier.
    pub tier: Tier,
    /// What it decided for itself.
    pub policies: Policies,
    /// When payouts run next by themselves.
    pub payouts_next_at: Option<DateTime<Utc>>,
    /// The store meant where none is named.
    pub default_store: Option<StoreId>,
}

/// A tenant.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenant {
    /// It does not exist.
    #[default]
    Unknown,
    /// It exists.
    Known {
        /// Where it is in its life.
        stage: Stage,
        /// What is known of it.
        #[serde(serialize_with = "shared")]
        profile: Arc<Profile>,
    },
}

/// The tenant whose partition this is, if it may begin new business. Called first by every intention that does.
pub fn trading(city: &mut Workspace) -> Result<Arc<Profile>, Stop> {
    let (stage, profile) = known(city)?;
    stage.trades()?;
    Ok(profile)
}

/// The tenant whose partition this is, unless a suspension holds its payouts or it is over.
pub fn paying(city: &mut Workspace) -> Result<Arc<Profile>, Stop> {
    match known(city)? {
        (Stage::Suspended, _) => Err(Rejection::Suspended.into()),
        (stage @ Stage::Closed, _) => Err(Rejection::Closed(stage).into()),
        (Stage::Provisioning | Stage::Active | Stage::Closing, profile) => Ok(profile),
    }
}

/// The tenant whose partition this is, in whatever stage: for what goes on although it may not trade.
pub fn known(city: &mut Workspace) -> Result<(Stage, Arc<Profile>), Stop> {
    let tenant = city.partition().tenant().ok_or(Rejection::Unknown)?;
    let tenant = city.see::<Tenant>(tenant)?;
    let (stage, profile) = tenant.known()?;
    Ok((stage, profile.clone()))
}

/// An intention that changes nothing where the tenant is over, or never was. What changes nothing anyway may be
/// repeated there.
pub struct UnlessClosed<I>(pub I);

impl<I: Intention> Intention for UnlessClosed<I> {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let open = match city.partition().tenant() {
            Some(tenant) => {
                let tenant = city.see_at_any_version::<Tenant>(tenant)?;
                tenant.known().and_then(|(stage, _)| stage.open())
            }
            None => Ok(()),
        };
        self.0.decide(city)?;
        if city.has_decided() { Ok(open?) } else { Ok(()) }
    }
}

/// The date where the tenant lives, at business time.
pub fn today(city: &mut Workspace) -> Result<BusinessDate, Stop> {
    let (_, profile) = known(city)?;
    Ok(profile.zone.date(city.at()))
}

/// Opens a tenant's partition with what its [registration](super::tenancy) says. May be repeated.
#[derive(Clone, PartialEq, Debug)]
pub struct ProvisionTenant {
    /// The entry in the city's register.
    pub registration: Registration,
}

impl Intention for ProvisionTenant {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let tenant = city.partition().tenant().ok_or(Rejection::Unknown)?;
        city.send::<Tenant>(tenant, &Command::Provision(self.registration.clone()))
    }
}

impl Tenant {
    fn known(&self) -> Result<(Stage, &Arc<Profile>), Rejection> {
        match self {
            Tenant::Unknown => Err(Rejection::Unknown),
            Tenant::Known { stage, profile } => Ok((*stage, profile)),
        }
    }

    /// When payouts run next by themselves, if they do.
    pub fn payouts_next_at(&self) -> Option<DateTime<Utc>> {
        self.known().ok().and_then(|(_, profile)| profile.payouts_next_at)
    }

    fn at_stage(mut self, reached: Stage) -> Self {
        if let Tenant::Known { stage, .. } = &mut self {
            *stage = reached;
        }
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Profile)) -> Self {
        if let Tenant::Known { profile, .. } = &mut self {
            change(Arc::make_mut(profile));
        }
        self
    }
}

impl Aggregate for Tenant {
    type Id = TenantId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, at: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        if let (Tenant::Unknown, Command::Provision(registration)) = (self, command) {
            return Ok(vec![registration.provisioned()]);
        }
        let (stage, profile) = self.known()?;
        match command {
            Command::Provision(_) => Ok(Vec::new()),
            Command::Activate if stage == Stage::Provisioning => Ok(vec![Event::Activated {}]),
            Command::Suspend { .. } if stage == Stage::Suspended => Ok(Vec::new()),
            Command::Suspend { reason } => {
                stage.trades().map(|()| vec![Event::Suspended { reason: reason.into() }])
            }
            Command::Resume { reason } if stage == Stage::Suspended => {
                Ok(vec![Event::Resumed { reason: reason.into() }])
            }
            Command::Activate | Command::Resume { .. } => stage.trades().map(|()| Vec::new()),
            Command::StartClosing { reason } => match stage {
                Stage::Active | Stage::Suspended => Ok(vec![Event::ClosingStarted { reason: reason.into() }]),
                Stage::Closing => Ok(Vec::new()),
                Stage::Provisioning => Err(Rejection::NotActive),
                Stage::Closed => Err(Rejection::Closed(stage)),
            },
            Command::Close => match stage {
                Stage::Closing => Ok(vec![Event::Closed {}]),
                Stage::Closed => Ok(Vec::new()),
                Stage::Provisioning | Stage::Active | Stage::Suspended => Err(Rejection::NotClosing(stage)),
            },
            Command::ChangeTier { tier } => {
                stage.open().map(|()| unless(profile.tier == *tier, Event::TierChanged { tier: *tier }))
            }
            Command::ChangePolicies(policies) => {
                policies.check()?;
                // What is due by a schedule that stays stays due.
                let payouts_next_at = if policies.payouts == profile.policies.payouts {
                    profile.payouts_next_at
                } else {
                    policies.payouts.next_after(at, profile.zone)
                };
                let event = Event::PoliciesChanged { policies: policies.clone(), payouts_next_at };
                stage.open().map(|()| unless(profile.policies == *policies, event))
            }
            Command::ChooseDefaultStore { store } => {
                let event = Event::DefaultStoreChosen { store: *store };
                stage.open().map(|()| unless(profile.default_store == Some(*store), event))
            }
            Command::SchedulePayouts { due } => match profile.payouts_next_at {
                Some(next) if next == *due && at < next => Err(Rejection::PayoutsNotDue(next)),
                Some(next) if next == *due => {
                    // A server that was down for days pays once, not once a day: what is due is all there is.
                    let next_at = profile.policies.payouts.next_after(at, profile.zone);
                    Ok(vec![Event::PayoutsDue { next_at }])
                }
                Some(_) | None => Ok(Vec::new()),
            },
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Provisioned { zone, currency, tier, .. } => {
                let profile = Profile {
                    zone: *zone,
                    currency: *currency,
                    tier: *tier,
                    policies: Policies::default(),
                    payouts_next_at: None,
                    default_store: None,
                };
                Tenant::Known { stage: Stage::Provisioning, profile: Arc::new(profile) }
            }
            Event::Activated {} | Event::Resumed { .. } => self.at_stage(Stage::Active),
            Event::Suspended { .. } => self.at_stage(Stage::Suspended),
            Event::ClosingStarted { .. } => self.at_stage(Stage::Closing),
            Event::Closed {} => self.at_stage(Stage::Closed).with(|profile| profile.payouts_next_at = None),
            Event::TierChanged { tier } => self.with(|profile| profile.tier = *tier),
            Event::PoliciesChanged { policies, payouts_next_at } => self.with(|profile| {
                profile.policies = policies.clone();
                profile.payouts_next_at = *payouts_next_at;
            }),
            Event::DefaultStoreChosen { store } => self.with(|profile| profile.default_store = Some(*store)),
            Event::PayoutsDue { next_at } => self.with(|profile| profile.payouts_next_at = *next_at),
        }
    }
}

#[cfg(test)]
mod tests;
