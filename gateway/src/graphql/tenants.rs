//! Tenants: their life in the city, and what they decide for themselves.

use crate::access::{self, Action, Own};
use crate::graphql::answer::{Changed, Mutation, answers, inputs, mutations};
use crate::graphql::connection::{Node, filter, find, lists, one, ordering};
use crate::graphql::history::wait_for;
use crate::graphql::ids::Id;
use crate::graphql::order_parts::open_parts;
use crate::graphql::places::Place;
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Scope, reading, request};
use crate::graphql::staleness::stale;
use crate::graphql::stores::Store;
use crate::graphql::values::{
    LocalTextInput, LocalTextOut, MoneyInput, MoneyOut, amounts, local_texts, money, parse_texts, reason,
};
use async_graphql::{Context, Enum, InputObject, Object};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::calendar::Zone;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration, Tenancy};
use cityos_domain::foundation::tenant::{self, CloseTenant, Command};
use cityos_domain::ids::{PlaceId, TenantId};
use cityos_domain::log::{Envelope, Partition, StreamId, Version};
use cityos_domain::money::Currency;
use cityos_domain::rejection::Rejected;
use cityos_domain::text::{Locale, Slug};
use cityos_domain::workspace::Tell;
use cityos_eventstore::executor::Executed;
use cityos_projections::models::tenants::{self, Tenants};
use cityos_projections::models::vendor_balances::{VendorBalance, VendorBalances};
use cityos_projections::{Filter, Query};

/// Where a tenant stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "tenant::Stage")]
pub enum TenantStatus {
    /// Registered, not trading yet.
    Provisioning,
    /// Trading.
    Active,
    /// May not trade for now.
    Suspended,
    /// Takes no new orders and winds up.
    Closing,
    /// Over.
    Closed,
}

/// Subscription tiers.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "TenantTier", remote = "tenant::Tier")]
pub enum Tier {
    /// To begin with.
    Basic,
    /// For more.
    Professional,
    /// For the largest.
    Enterprise,
}

/// When a vendor's part of an order is captured.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "tenant::CaptureMoment")]
pub enum CaptureMoment {
    /// When the vendor ships it.
    AtShipment,
    /// As soon as the order is placed.
    AtPlacement,
}

/// What a tenant decided for itself.
pub struct Policies(tenant::Policies);

#[Object(name = "TenantPolicies")]
impl Policies {
    /// Days between delivery and a vendor's earnings becoming available.
    async fn hold_days(&self) -> u16 {
        self.0.hold_days
    }

    /// When a part is captured.
    async fn capture(&self) -> CaptureMoment {
        self.0.capture.into()
    }

    /// The smallest payout, in currencies where one is named.
    async fn payout_minimums(&self) -> Vec<MoneyOut> {
        self.0.payout_minimum_minor.iter().map(|(currency, minor)| money(*minor, *currency)).collect()
    }

    /// The local hour at which payouts run every day; null: an operator runs them.
    async fn daily_payout_hour(&self) -> Option<u8> {
        match self.0.payouts {
            tenant::PayoutSchedule::Manual => None,
            tenant::PayoutSchedule::Daily { hour } => Some(hour),
        }
    }

    /// Hours until an authorisation that was not captured is given back.
    async fn authorisation_hours(&self) -> u32 {
        self.0.authorisation_hours
    }

    /// Minutes a checkout holds stock.
    async fn reservation_minutes(&self) -> u32 {
        self.0.reservation_minutes
    }
}

/// A tenant: one marketplace of the city.
pub struct Tenant {
    scope: Scope,
    row: tenants::Tenant,
}

impl Node for Tenant {
    type Model = Tenants;

    fn visible(own: Own) -> Option<Filter<tenants::Tenant>> {
        match own {
            // Listed for admins of the city alone; everyone else looks up the tenant of their token.
            Own::All | Own::Vendor(_) | Own::Customer(_) => None,
        }
    }

    fn show(scope: Scope, row: tenants::Tenant) -> Self {
        Tenant { scope, row }
    }
}

#[Object]
impl Tenant {
    /// Its id.
    async fn id(&self) -> Id<TenantId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means. 0 until its partition is provisioned.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Unique in the city.
    async fn slug(&self) -> &str {
        self.row.slug.as_str()
    }

    /// Its name.
    async fn name(&self) -> Vec<LocalTextOut> {
        local_texts(&self.row.name)
    }

    /// Where it stands.
    async fn status(&self) -> TenantStatus {
        self.row.status.into()
    }

    /// Why it is suspended, was resumed, or closes. Null for vendors and buyers.
    async fn reason(&self) -> Option<&str> {
        self.row.reason.as_deref().filter(|_| self.scope.own == Own::All)
    }

    /// Its IANA time zone.
    async fn time_zone(&self) -> &'static str {
        self.row.zone.name()
    }

    /// The locale used where none is asked for: BCP 47.
    async fn locale(&self) -> &str {
        self.row.locale.as_str()
    }

    /// Its main currency: ISO 4217.
    async fn currency(&self) -> &'static str {
        self.row.currency.code()
    }

    /// Its subscription tier.
    async fn tier(&self) -> Tier {
        self.row.tier.into()
    }

    /// What it decided for itself.
    async fn policies(&self) -> Policies {
        Policies(self.row.policies.clone())
    }

    /// When payouts run next by themselves, if they do.
    async fn payouts_next_at(&self) -> Option<DateTime<Utc>> {
        self.row.payouts_next_at
    }

    /// When it was registered.
    async fn registered_at(&self) -> DateTime<Utc> {
        self.row.registered_at
    }

    /// The subcategory of the city it belongs to.
    async fn subcategory(&self, ctx: &Context<'_>) -> Result<Option<Place>, Refusal> {
        let Some(subcategory) = self.row.subcategory else { return Ok(None) };
        let scope = Scope { partition: Partition::Platform, own: self.scope.own };
        one(ctx, scope, subcategory).await
    }

    /// The store meant where none is named. Null for an admin of the city who has no token of this tenant.
    async fn default_store(&self, ctx: &Context<'_>) -> Result<Option<Store>, Refusal> {
        let theirs = request(ctx).caller.as_ref().is_ok_and(|caller| caller.tenant == Some(self.row.id));
        let Some(store) = self.row.default_store.filter(|_| theirs) else { return Ok(None) };
        let scope = Scope { partition: Partition::Tenant(self.row.id), own: self.scope.own };
        one(ctx, scope, store).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Tenants>(ctx, Partition::Platform, self.row.id).await
    }
}

filter! {
    /// Which tenants.
    TenantFilter for Tenants {
        /// Whose slug begins so.
        slug_prefix: String => |slug: String| tenants::Tenant::slug().starts_with(&slug);
        /// Standing there.
        status: TenantStatus => |status: TenantStatus| tenants::Tenant::status().is(status.into());
        /// In this subcategory.
        subcategory: Id<PlaceId> => |place: Id<PlaceId>| tenants::Tenant::subcategory().is(Some(place.0));
    }
}

ordering! {
    /// In which order.
    TenantSort for Tenants {
        /// By slug.
        Slug => tenants::Tenant::slug().ascending();
        /// The latest first.
        Newest => tenants::Tenant::registered_at().descending();
    }
}

lists! {
    /// The city's tenants.
    TenantList { tenants: Tenant, Action::Tenants, TenantFilter, TenantSort }
}

/// Looking up one tenant.
#[derive(Default)]
pub struct TenantLookup;

#[Object]
impl TenantLookup {
    /// The tenant of the token; an admin of the city may name any.
    async fn tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id; null: the tenant of the token.")] id: Option<Id<TenantId>>,
        #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
        at_least: Option<PositionToken>,
    ) -> Result<Option<Tenant>, Refusal> {
        let (scope, wanted) = match id {
            Some(Id(id)) if access::admit(request(ctx), Action::Tenants).is_ok() => {
                (reading(ctx, Action::Tenants, at_least.as_ref()).await?, Some(id))
            }
            id => {
                let scope = reading(ctx, Action::Tenant, at_least.as_ref()).await?;
                let own = scope.partition.tenant();
                (scope, own.filter(|own| id.is_none_or(|Id(id)| id == *own)))
            }
        };
        let Some(id) = wanted else { return Ok(None) };
        let register = Scope { partition: Partition::Platform, own: scope.own };
        find(ctx, register, tenants::Tenant::id().is(id)).await
    }
}

answers! {
    /// What became of a tenant.
    TenantResult, TenantChanged { tenant: Tenant }
}

/// A new tenant.
#[derive(InputObject)]
pub struct CreateTenantInput {
    /// Unique in the city.
    slug: String,
    /// Its name.
    name: Vec<LocalTextInput>,
    /// The subcategory of the city it belongs to.
    subcategory: Option<Id<PlaceId>>,
    /// Its IANA time zone.
    time_zone: String,
    /// The locale used where none is asked for: BCP 47.
    locale: String,
    /// Its main currency: ISO 4217.
    currency: String,
    /// Its subscription tier.
    tier: Option<Tier>,
}

/// Which tenant.
#[derive(InputObject)]
pub struct CloseTenantInput {
    /// The tenant.
    tenant: Id<TenantId>,
}

inputs! {
    "Which tenant, and why."
    [SuspendTenantInput, ResumeTenantInput, StartClosingTenantInput] {
        /// The tenant.
        tenant: Id<TenantId>,
        /// Why.
        reason: String,
    }
}

/// Which tenant, and its tier from now on.
#[derive(InputObject)]
pub struct ChangeTenantTierInput {
    /// The tenant.
    tenant: Id<TenantId>,
    /// The new tier.
    tier: Tier,
}

/// What the tenant of the token decides for itself: all of it.
#[derive(InputObject)]
pub struct ChangeTenantPoliciesInput {
    /// Days between delivery and a vendor's earnings becoming available.
    hold_days: u16,
    /// When a part is captured.
    capture: CaptureMoment,
    /// The smallest payout, in currencies where it is not the smallest unit.
    payout_minimums: Vec<MoneyInput>,
    /// The local hour at which payouts run every day, 0 to 23; null: an operator runs them.
    daily_payout_hour: Option<u8>,
    /// Hours until an authorisation that was not captured is given back.
    authorisation_hours: u32,
    /// Minutes a checkout holds stock.
    reservation_minutes: u32,
}

mutations! {
    /// Mutations of tenants.
    TenantMutations {
        /// Registers a tenant and opens its marketplace. Waits shortly for the opening; where that takes longer the
        /// tenant is answered as it is then, `PROVISIONING`.
        create_tenant = CreateTenant(mutation, input: CreateTenantInput, expected) -> TenantResult {
            let id = mutation.command().creates("tenant");
            let register = registration(&input).map(|registration| RegisterTenant { id, registration });
            let expected = expected.map(|version| (Tenancy::stream(Partition::Platform, id), Version(version)));
            let outcome = match mutation.give(register, expected).await? {
                Ok(reached) => Ok(opened(mutation, id, reached).await?),
                Err(denied) => Err(denied),
            };
            Ok(TenantResult::of(mutation.services, outcome))
        }

        /// Stops a tenant's trade for now: what is under way is finished, nothing new begins, payouts are held. A key
        /// counts within the tenant named.
        suspend_tenant = SuspendTenant(mutation, input: SuspendTenantInput, expected) -> TenantResult {
            let command = reason(&input.reason).map(|reason| Command::Suspend { reason });
            tell(&mutation.on_tenant(input.tenant.0), input.tenant, command, expected).await
        }

        /// Lets a suspended tenant trade again. A key counts within the tenant named.
        resume_tenant = ResumeTenant(mutation, input: ResumeTenantInput, expected) -> TenantResult {
            let command = reason(&input.reason).map(|reason| Command::Resume { reason });
            tell(&mutation.on_tenant(input.tenant.0), input.tenant, command, expected).await
        }

        /// Lets a tenant wind up: no new orders. A key counts within the tenant named.
        start_closing_tenant = StartClosingTenant(mutation, input: StartClosingTenantInput, expected) -> TenantResult {
            let command = reason(&input.reason).map(|reason| Command::StartClosing { reason });
            tell(&mutation.on_tenant(input.tenant.0), input.tenant, command, expected).await
        }

        /// Closes a tenant that has wound up, for good. Refused while there are orders to fulfil, or anything is owed
        /// to a vendor or by one. Nothing is deleted. A key counts within the tenant named.
        close_tenant = CloseTenant(mutation, input: CloseTenantInput, expected) -> TenantResult {
            let (Id(id), mutation) = (input.tenant, &mutation.on_tenant(input.tenant.0));
            let close = wound_up(mutation).await?;
            let outcome = mutation.answer::<Tenant, _>(Ok(close), expected, id, &streams(id)).await?;
            Ok(TenantResult::of(mutation.services, outcome))
        }

        /// Gives a tenant another tier. A key counts within the tenant named.
        change_tenant_tier = ChangeTenantTier(mutation, input: ChangeTenantTierInput, expected) -> TenantResult {
            let command = Command::ChangeTier { tier: input.tier.into() };
            tell(&mutation.on_tenant(input.tenant.0), input.tenant, Ok(command), expected).await
        }

        /// Changes what the tenant of the token decides for itself.
        change_tenant_policies
            = ChangeTenantPolicies(mutation, input: ChangeTenantPoliciesInput, expected) -> TenantResult {
            let tenant = mutation.partition().tenant().ok_or(Refusal::NoTenant)?;
            tell(mutation, Id(tenant), policies(&input).map(Command::ChangePolicies), expected).await
        }
    }
}

fn registration(input: &CreateTenantInput) -> Result<Registration, Rejected> {
    Ok(Registration {
        slug: Slug::parse("slug", &input.slug)?,
        name: parse_texts("name", &input.name)?,
        subcategory: input.subcategory.map(|Id(subcategory)| subcategory),
        zone: Zone::parse("timeZone", &input.time_zone)?,
        locale: Locale::parse("locale", &input.locale)?,
        currency: Currency::parse("currency", &input.currency)?,
        tier: input.tier.map(Into::into).unwrap_or_default(),
    })
}

fn policies(input: &ChangeTenantPoliciesInput) -> Result<tenant::Policies, Rejected> {
    Ok(tenant::Policies {
        hold_days: input.hold_days,
        capture: input.capture.into(),
        payout_minimum_minor: amounts("payoutMinimums", &input.payout_minimums)?,
        payouts: match input.daily_payout_hour {
            None => tenant::PayoutSchedule::Manual,
            Some(hour) => tenant::PayoutSchedule::Daily { hour },
        },
        authorisation_hours: input.authorisation_hours,
        reservation_minutes: input.reservation_minutes,
    })
}

/// The streams a tenant's row is folded from, its own first.
fn streams(id: TenantId) -> [StreamId; 2] {
    [tenant::Tenant::stream(Partition::Tenant(id), id), Tenancy::stream(Partition::Platform, id)]
}

/// The tenant as its opening left it, or as it is where the opening takes longer than we wait.
async fn opened(
    mutation: &Mutation<'_>,
    id: TenantId,
    reached: Executed,
) -> Result<Changed<Tenant>, Refusal> {
    let [own, _] = streams(id);
    let activated = |event: &Envelope| matches!(event.event, Event::Tenant(tenant::Event::Activated {}));
    let activated = wait_for(mutation.services, own, activated).await?;
    let position = activated.map_or(reached.position, |event| event.position);
    mutation.shown(id, &streams(id), Executed { position, ..reached }).await
}

/// The closing of a tenant, with what is left of its orders and balances. Nothing pending or in transit is ever
/// negative, so that their sums are zero only where all of them are.
async fn wound_up(mutation: &Mutation<'_>) -> Result<CloseTenant, Refusal> {
    let open_parts = open_parts(mutation, None).await?;
    let reads = mutation.reads_now().await?;
    let balances = || Query::<VendorBalances>::new(mutation.partition());
    let moving = [VendorBalance::pending_minor(), VendorBalance::in_transit_minor()];
    let moving = balances().sums_by(reads, VendorBalance::currency(), moving).await?;
    let mut owed = moving.into_iter().find(|(_, sums)| *sums != [0, 0]).map(|(currency, _)| currency);
    let available = VendorBalance::available_minor;
    for due in [available().from(1), available().below(0)] {
        let found = balances().filter(due).first(1).fetch(reads).await?;
        owed = owed.or(found.first().map(|balance| balance.currency));
    }
    Ok(CloseTenant { open_parts, owed })
}

async fn tell(
    mutation: &Mutation<'_>,
    Id(id): Id<TenantId>,
    command: Result<Command, Rejected>,
    expected: Option<u64>,
) -> Result<TenantResult, Refusal> {
    let tell = command.map(|command| Tell::<tenant::Tenant> { id, command });
    let outcome = mutation.answer::<Tenant, _>(tell, expected, id, &streams(id)).await?;
    Ok(TenantResult::of(mutation.services, outcome))
}
