//! The tenants of the city. The rows lie in the platform's partition: it is the city's list of them, and a
//! tenant finds itself in it by its own id.

use crate::fields::{json, named};
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::calendar::Zone;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant::{self, Policies, Stage, Tier};
use cityos_domain::foundation::tenancy;
use cityos_domain::ids::{PlaceId, StoreId, TenantId};
use cityos_domain::log::{Envelope, Partition};
use cityos_domain::money::Currency;
use cityos_domain::text::{LocalText, Locale, Slug};

named!(Stage, Tier);
json!(Policies);

table! {
    /// A tenant.
    pub struct Tenant {
        key {
            /// Its id.
            id: TenantId,
        }
        indexed {
            /// Unique in the city.
            slug: Slug,
            /// Where it stands.
            status: Stage,
            /// The subcategory it belongs to.
            subcategory: Option<PlaceId>,
            /// When it was registered.
            registered_at: DateTime<Utc>,
        }
        plain {
            /// Its name.
            name: LocalText,
            /// Where its days begin and end.
            zone: Zone,
            /// The locale used where none is asked for.
            locale: Locale,
            /// Its main currency.
            currency: Currency,
            /// Its subscription tier.
            tier: Tier,
            /// What it decided for itself.
            policies: Policies,
            /// When payouts run next by themselves, if they do.
            payouts_next_at: Option<DateTime<Utc>>,
            /// The store that is meant where none is named.
            default_store: Option<StoreId>,
            /// Why it is suspended, was resumed, or closes.
            reason: Option<String>,
            /// The version of the tenant's stream; 0 until its partition is provisioned.
            version: u64,
        }
    }
}

/// The tenants.
pub struct Tenants;

impl ReadModel for Tenants {
    const NAME: &'static str = "tenants";
    const VERSION: u32 = 1;
    type Row = Tenant;

    fn partition(_: &Envelope) -> Partition {
        Partition::Platform
    }

    fn keys(event: &Envelope) -> Keys<TenantId> {
        let (Event::Tenancy(_) | Event::Tenant(_)) = &event.event else { return Keys::None };
        Keys::One(TenantId(event.stream.id))
    }

    fn evolve(row: Option<Tenant>, id: &TenantId, event: &Envelope) -> Result<Option<Tenant>, Unfit> {
        // Either of the two makes the row, so that an answer may be folded from the tenant's own stream alone.
        let row = if let Event::Tenancy(tenancy::Event::Registered {
            slug,
            name,
            subcategory,
            zone,
            locale,
            currency,
            tier,
        })
        | Event::Tenant(tenant::Event::Provisioned {
            slug,
            name,
            subcategory,
            zone,
            locale,
            currency,
            tier,
        }) = &event.event
        {
            Some(Tenant {
                id: *id,
                slug: slug.clone(),
                status: Stage::Provisioning,
                subcategory: *subcategory,
                registered_at: row.map_or(event.at, |row| row.registered_at),
                name: name.clone(),
                zone: *zone,
                locale: locale.clone(),
                currency: *currency,
                tier: *tier,
                policies: Policies::default(),
                payouts_next_at: None,
                default_store: None,
                reason: None,
                version: 0,
            })
        } else {
            row
        };
        let Event::Tenant(happened) = &event.event else { return Ok(row) };
        use tenant::Event as E;
        let mut tenant = match happened {
            E::Provisioned { .. } => existing(row)?,
            E::Activated {} => Tenant { status: Stage::Active, ..existing(row)? },
            E::Suspended { reason } => decided(row, Stage::Suspended, reason)?,
            E::Resumed { reason } => decided(row, Stage::Active, reason)?,
            E::ClosingStarted { reason } => decided(row, Stage::Closing, reason)?,
            E::Closed {} => {
                Tenant { status: Stage::Closed, payouts_next_at: None, ..existing(row)? }
            }
            E::TierChanged { tier } => Tenant { tier: *tier, ..existing(row)? },
            E::PoliciesChanged { policies, payouts_next_at } => Tenant {
                policies: policies.clone(),
                payouts_next_at: *payouts_next_at,
                ..existing(row)?
            },
            E::DefaultStoreChosen { store } => Tenant { default_store: Some(*store), ..existing(row)? },
            E::PayoutsDue { next_at } => Tenant { payouts_next_at: *next_at, ..existing(row)? },
        };
        tenant.version = event.version.0;
        Ok(Some(tenant))
    }
}

fn decided(row: Option<Tenant>, status: Stage, reason: &str) -> Result<Tenant, Unfit> {
    Ok(Tenant { status, reason: Some(reason.to_owned()), ..existing(row)? })
}
