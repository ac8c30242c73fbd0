//! What the orders stand on: the tenant with its store and commission, the product categories and products.

use super::commands::{Commands, done_or_refused};
use super::files::Product;
use super::plan::Plan;
use super::rejects::{Reject, Wrong};
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use cityos_domain::calendar::Zone;
use cityos_domain::commission::rules::{self, CommissionRules, Fee, Listed};
use cityos_domain::foundation::reservation::{self, Scope};
use cityos_domain::foundation::store::{OpenStore, Opening, StoreKind};
use cityos_domain::foundation::tenancy::{RegisterTenant, Registration, Tenancy};
use cityos_domain::foundation::tenant::{self, ProvisionTenant, Tenant, Tier};
use cityos_domain::ids::{ProductCategoryId, ProductId, StoreId, TenantId, derive};
use cityos_domain::log::Partition;
use cityos_domain::marketplace::product::CreateProduct;
use cityos_domain::marketplace::product_category::CreateCategory;
use cityos_domain::money::{Currency, Rate};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::{Code, LocalText, Locale, Slug};
use cityos_domain::workspace::{Intention, Stop, Workspace};
use cityos_eventstore::executor::Executed;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

/// How many products go in at once: they do not depend on each other.
const PRODUCTS_AT_ONCE: usize = 32;

/// The locale of names that come without one.
const LOCALE: &str = "en";

/// Into which tenant things are brought.
#[derive(Clone, Debug)]
pub struct Target {
    /// The tenant's slug; the tenant is made if there is none.
    pub slug: Slug,
    /// Its time zone: one that is there must have it.
    pub zone: Zone,
    /// Its currency: one that is there must have it.
    pub currency: Currency,
    /// What the marketplace takes of all goods: a tenant that has decided about its commission must take it.
    pub commission: Option<Rate>,
}

/// What the orders need to know of the tenant.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The tenant.
    pub tenant: TenantId,
    /// The store orders go to.
    pub store: StoreId,
    /// Whether it was made just now: then nothing in it is younger than what is imported.
    pub is_new: bool,
    /// Ids by code.
    pub products: BTreeMap<Code, ProductId>,
}

/// Makes the tenant, its store, categories and products, as far as they are not there; what is there stays as it
/// is. Products that were refused go to `rejects`.
pub async fn make(
    commands: &Commands,
    target: &Target,
    plan: &Plan,
    at: DateTime<Utc>,
    rejects: &mut Vec<Reject>,
    made: impl Fn(&Executed),
) -> anyhow::Result<Catalog> {
    let (tenant, store, is_new) = make_tenant(commands, target, at).await?;
    let partition = Partition::Tenant(tenant);
    let slugs: BTreeSet<&Slug> =
        plan.products.values().filter_map(|(_, product)| product.category.as_ref()).collect();
    let mut categories = BTreeMap::new();
    for slug in slugs {
        categories.insert(slug, make_category(commands, partition, slug, at).await?);
    }
    let making = stream::iter(plan.products.values()).map(|(line, product)| {
        let category = product.category.as_ref().map(|slug| categories[slug].clone()).transpose();
        async move {
            let made = match category {
                Ok(category) => make_product(commands, partition, product, category, at).await?,
                Err(wrong) => Err(wrong),
            };
            anyhow::Ok((*line, product, made))
        }
    });
    let mut making = pin!(making.buffer_unordered(PRODUCTS_AT_ONCE));
    let mut products = BTreeMap::new();
    while let Some((line, product, outcome)) = making.try_next().await? {
        match outcome {
            Ok((executed, id)) => {
                made(&executed);
                products.insert(product.id.clone(), id);
            }
            Err(Wrong { field, reason }) => {
                rejects.push(Reject { file: "products", line, order: String::new(), field, reason });
            }
        }
    }
    Ok(Catalog { tenant, store, is_new, products })
}

async fn make_category(
    commands: &Commands,
    partition: Partition,
    slug: &Slug,
    at: DateTime<Utc>,
) -> anyhow::Result<Result<ProductCategoryId, Wrong>> {
    let name = slug.as_str();
    let intention = EnsureCategory { slug: slug.clone() };
    let given = commands.give(partition, ("category", name), name, at, &intention).await;
    match done_or_refused(given, "category").with_context(|| format!("creating the category {name}"))? {
        Ok(_) => {
            let id = owner(commands, partition, Scope::ProductCategorySlug(None), name).await?;
            Ok(Ok(ProductCategoryId(id)))
        }
        Err(wrong) => Ok(Err(wrong)),
    }
}

async fn make_product(
    commands: &Commands,
    partition: Partition,
    product: &Product,
    category: Option<ProductCategoryId>,
    at: DateTime<Utc>,
) -> anyhow::Result<Result<(Executed, ProductId), Wrong>> {
    let name = product.id.as_str();
    let intention = EnsureProduct { product: product.clone(), category };
    // Only the id: a product that is there stays as it is, whatever else its row says by now.
    let given = commands.give(partition, ("product", name), name, at, &intention).await;
    match done_or_refused(given, "product_id").with_context(|| format!("creating the product {name}"))? {
        Ok(executed) => {
            let id = owner(commands, partition, Scope::ProductCode, name).await?;
            Ok(Ok((executed, ProductId(id))))
        }
        Err(wrong) => Ok(Err(wrong)),
    }
}

async fn make_tenant(
    commands: &Commands,
    target: &Target,
    at: DateTime<Utc>,
) -> anyhow::Result<(TenantId, StoreId, bool)> {
    let Target { slug, commission, .. } = target;
    let name = slug.as_str();
    let known = owner_if_any(commands, Partition::Platform, Scope::TenantSlug, name).await?.map(TenantId);
    let (tenant, registration) = match known {
        Some(tenant) => (tenant, fitting(commands, target, tenant).await?),
        None => register(commands, target, at).await?,
    };
    let partition = Partition::Tenant(tenant);
    let opening = Opening {
        slug: slug.clone(),
        name: named(name)?,
        brand: name.to_owned(),
        kind: StoreKind::Marketplace,
        currencies: vec![registration.currency],
        locales: vec![locale()],
        regions: Vec::new(),
    };
    let store = StoreId(derive(&["import", "store", &tenant.to_string()]));
    let open = OpenImported { registration, store, opening };
    let executed = commands.give(partition, ("opening", name), name, at, &open).await;
    executed.with_context(|| format!("opening the tenant {name}"))?;
    if let Some(rate) = *commission {
        let percent = rate.percent();
        let take = TakeByDefault { rate };
        let executed = commands.give(partition, ("commission", &percent), &percent, at, &take).await;
        executed.context("setting the commission")?;
    }
    let (state, _) = commands.executor().load::<Tenant>(partition, tenant).await?;
    let Tenant::Known { profile, .. } = &*state else { bail!("the tenant {name} is not there") };
    let store = profile.default_store.with_context(|| format!("the tenant {name} has no store"))?;
    Ok((tenant, store, known.is_none()))
}

async fn register(
    commands: &Commands,
    target: &Target,
    at: DateTime<Utc>,
) -> anyhow::Result<(TenantId, Registration)> {
    let name = target.slug.as_str();
    let registration = Registration {
        slug: target.slug.clone(),
        name: named(name)?,
        subcategory: None,
        zone: target.zone,
        locale: locale(),
        currency: target.currency,
        tier: Tier::default(),
    };
    let id = TenantId(derive(&["import", "tenant", name]));
    let register = RegisterTenant { id, registration: registration.clone() };
    let executed = commands.give(Partition::Platform, ("tenant", name), name, at, &register).await;
    executed.with_context(|| format!("registering the tenant {name}"))?;
    Ok((id, registration))
}

/// What a tenant that is there began with, if it is as the target says: asked before anything is changed.
async fn fitting(commands: &Commands, target: &Target, tenant: TenantId) -> anyhow::Result<Registration> {
    let Target { slug, zone, currency, commission } = target;
    let executor = commands.executor();
    let (tenancy, _) = executor.load::<Tenancy>(Partition::Platform, tenant).await?;
    let Tenancy::Registered(registration) = &*tenancy else { bail!("the tenant {slug} is not registered") };
    if registration.zone != *zone || registration.currency != *currency {
        bail!(
            "the tenant {slug} has the time zone {} and the currency {}, not {} and {currency}",
            registration.zone.name(),
            registration.currency,
            zone.name(),
        );
    }
    let (rules, _) = executor.load::<CommissionRules>(Partition::Tenant(tenant), tenant).await?;
    if let Some(rate) = *commission
        && rules.version() > 0
        && !rules.in_order().any(|listed| takes(listed, rate))
    {
        let percent = rate.percent();
        bail!(
            "the tenant {slug} has a commission of its own, which does not take {percent} % of all goods: leave out \
             --commission-percent, or change the commission first"
        );
    }
    Ok(registration.clone())
}

/// Whether this is the rule for all other goods, and takes this share of them.
fn takes(listed: &Listed, rate: Rate) -> bool {
    listed.rule.id == rules::catch_all() && listed.enabled && listed.rule.fee == Fee::percent(rate)
}

/// A tenant that trades, with a store; whatever of it is there already stays as it is.
struct OpenImported {
    registration: Registration,
    store: StoreId,
    opening: Opening,
}

impl Intention for OpenImported {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let id = city.partition().tenant().expect("this is told to a tenant's partition");
        if matches!(*city.see::<Tenant>(id)?, Tenant::Unknown) {
            ProvisionTenant { registration: self.registration.clone() }.decide(city)?;
            city.send::<Tenant>(id, &tenant::Command::Activate)?;
        }
        if tenant::trading(city)?.default_store.is_none() {
            OpenStore { id: self.store, opening: self.opening.clone() }.decide(city)?;
        }
        Ok(())
    }
}

/// A share of all goods, unless the tenant has decided about its commission before.
struct TakeByDefault {
    rate: Rate,
}

impl Intention for TakeByDefault {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let id = city.partition().tenant().expect("this is told to a tenant's partition");
        if city.see::<CommissionRules>(id)?.version() > 0 {
            return Ok(());
        }
        let fee = Fee::percent(self.rate);
        city.send::<CommissionRules>(id, &rules::Command::ChangeCatchAll { fee })?;
        city.send::<CommissionRules>(id, &rules::Command::Enable { rule: rules::catch_all() })
    }
}

struct EnsureCategory {
    slug: Slug,
}

impl Intention for EnsureCategory {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let slug = self.slug.as_str();
        if reservation::owner(city, Scope::ProductCategorySlug(None), slug)?.is_some() {
            return Ok(());
        }
        let id = city.command().creates("category");
        let name = named(&slug.replace(['_', '-'], " "))?;
        CreateCategory { id, parent: None, slug: self.slug.clone(), name }.decide(city)
    }
}

struct EnsureProduct {
    product: Product,
    category: Option<ProductCategoryId>,
}

impl Intention for EnsureProduct {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let code = &self.product.id;
        if reservation::owner(city, Scope::ProductCode, code.as_str())?.is_some() {
            return Ok(());
        }
        let create = CreateProduct {
            id: city.command().creates("product"),
            code: code.clone(),
            title: named(code.as_str())?,
            category: self.category,
            weight_g: self.product.weight_g,
        };
        create.decide(city)
    }
}

/// A name for what came without one.
pub fn named(text: &str) -> Result<LocalText, Rejected> {
    LocalText::parse("name", [(locale(), text.to_owned())])
}

fn locale() -> Locale {
    Locale::parse("locale", LOCALE).expect("the constant is a locale")
}

/// Whom a name belongs to, if anyone.
pub async fn owner_if_any(
    commands: &Commands,
    partition: Partition,
    scope: Scope,
    name: &str,
) -> anyhow::Result<Option<uuid::Uuid>> {
    let (state, _) =
        commands.executor().load::<reservation::Reservation>(partition, reservation::id(scope, name)).await?;
    Ok(match &*state {
        reservation::Reservation::Free => None,
        reservation::Reservation::Taken { owner } => Some(*owner),
    })
}

async fn owner(
    commands: &Commands,
    partition: Partition,
    scope: Scope,
    name: &str,
) -> anyhow::Result<uuid::Uuid> {
    owner_if_any(commands, partition, scope, name).await?.with_context(|| format!("`{name}` was just made"))
}
