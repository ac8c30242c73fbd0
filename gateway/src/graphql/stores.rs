//! Stores: a tenant's shop fronts.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, answers, mutations};
use crate::graphql::connection::{Node, filter, lists, lookups, ordering};
use crate::graphql::ids::Id;
use crate::graphql::loading::ByKey;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Scope, load};
use crate::graphql::staleness::stale;
use crate::graphql::values::{LocalTextInput, LocalTextOut, each_once, local_texts, parse_texts, reason};
use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::foundation::store::{
    self, ChooseDefaultStore, CloseStore, Command, OpenStore, Opening, Region,
};
use cityos_domain::ids::StoreId;
use cityos_domain::log::Partition;
use cityos_domain::money::Currency;
use cityos_domain::rejection::Rejected;
use cityos_domain::text::{Locale, Slug};
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::Filter;
use cityos_projections::models::stores::{self, Stores};
use cityos_projections::models::tenants::Tenants;

/// What kind of shop a store is.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "store::StoreKind")]
pub enum StoreKind {
    /// Many vendors.
    Marketplace,
    /// One brand.
    Brand,
    /// For businesses.
    Wholesale,
}

/// Where a store sells and in what currency.
#[derive(SimpleObject)]
#[graphql(name = "Region")]
pub struct RegionOut {
    /// Unique in the store.
    slug: String,
    /// ISO 3166-1 alpha-2 codes.
    countries: Vec<String>,
    /// ISO 4217.
    currency: &'static str,
    /// Whether prices shown include tax.
    prices_include_tax: bool,
}

/// A value of a store's theme: data, never code.
#[derive(SimpleObject, InputObject)]
#[graphql(name = "ThemeToken", input_name = "ThemeTokenInput")]
pub struct ThemeToken {
    /// The token's name, such as `color-accent`.
    name: String,
    /// Its value.
    value: String,
}

/// A tenant's shop front.
pub struct Store {
    scope: Scope,
    row: stores::Store,
}

impl Node for Store {
    type Model = Stores;

    fn visible(own: Own) -> Option<Filter<stores::Store>> {
        match own {
            // Shop fronts are everyone's in the tenant.
            Own::All | Own::Vendor(_) | Own::Customer(_) => None,
        }
    }

    fn show(scope: Scope, row: stores::Store) -> Self {
        Store { scope, row }
    }
}

#[Object]
impl Store {
    /// Its id.
    async fn id(&self) -> Id<StoreId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Unique in the tenant.
    async fn slug(&self) -> &str {
        self.row.slug.as_str()
    }

    /// Its name.
    async fn name(&self) -> Vec<LocalTextOut> {
        local_texts(&self.row.name)
    }

    /// The brand it shows.
    async fn brand(&self) -> &str {
        &self.row.brand
    }

    /// What kind of shop it is.
    async fn kind(&self) -> StoreKind {
        self.row.kind.into()
    }

    /// The currencies it takes: ISO 4217.
    async fn currencies(&self) -> Vec<&'static str> {
        self.row.currencies.iter().map(|currency| currency.code()).collect()
    }

    /// The locales it speaks: BCP 47.
    async fn locales(&self) -> Vec<&str> {
        self.row.locales.iter().map(|locale| locale.as_str()).collect()
    }

    /// Where it sells; empty: anywhere.
    async fn regions(&self) -> Vec<RegionOut> {
        let shown = |region: &Region| RegionOut {
            slug: region.slug.to_string(),
            countries: region.countries.clone(),
            currency: region.currency.code(),
            prices_include_tax: region.prices_include_tax,
        };
        self.row.regions.iter().map(shown).collect()
    }

    /// How it looks.
    async fn theme(&self) -> Vec<ThemeToken> {
        let shown =
            |(name, value): (&String, &String)| ThemeToken { name: name.clone(), value: value.clone() };
        self.row.theme.iter().map(shown).collect()
    }

    /// Counts the changes of its theme.
    async fn theme_revision(&self) -> u32 {
        self.row.theme_revision
    }

    /// Whether it is, by now, the tenant's default: the one meant where none is named.
    async fn is_default(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        let Some(tenant) = self.scope.partition.tenant() else { return Ok(false) };
        let tenant = load(ctx, ByKey::<Tenants>::new(Partition::Platform, tenant)).await?;
        Ok(tenant.is_some_and(|tenant| tenant.default_store == Some(self.row.id)))
    }

    /// Whether it sells.
    async fn open(&self) -> bool {
        self.row.open
    }

    /// Since when.
    async fn opened_at(&self) -> DateTime<Utc> {
        self.row.opened_at
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Stores>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which stores.
    StoreFilter for Stores {
        /// That sell, or do no more.
        open: bool => |open| stores::Store::open().is(open);
    }
}

ordering! {
    /// In which order.
    StoreSort for Stores {
        /// By slug.
        Slug => stores::Store::slug().ascending();
    }
}

lists! {
    /// The tenant's stores.
    StoreList { stores: Store, Action::Stores, StoreFilter, StoreSort }
}

lookups! {
    /// One store.
    StoreLookup { store: Store, Action::Store, StoreId => stores::Store::id() }
}

answers! {
    /// What became of a store.
    StoreResult, StoreChanged { store: Store }
}

/// Where a store sells and in what currency.
#[derive(InputObject)]
pub struct RegionInput {
    /// Unique in the store.
    slug: String,
    /// ISO 3166-1 alpha-2 codes; a country is in at most one region of a store.
    countries: Vec<String>,
    /// ISO 4217.
    currency: String,
    /// Whether prices shown include tax.
    #[graphql(default)]
    prices_include_tax: bool,
}

/// A new store.
#[derive(InputObject)]
pub struct OpenStoreInput {
    /// Unique in the tenant.
    slug: String,
    /// Its name.
    name: Vec<LocalTextInput>,
    /// The brand it shows.
    brand: String,
    /// What kind of shop it is.
    kind: StoreKind,
    /// The currencies it takes: ISO 4217.
    currencies: Vec<String>,
    /// The locales it speaks: BCP 47.
    locales: Vec<String>,
    /// Where it sells; empty: anywhere.
    #[graphql(default)]
    regions: Vec<RegionInput>,
}

/// Which store.
#[derive(InputObject)]
pub struct ChooseDefaultStoreInput {
    /// The store.
    store: Id<StoreId>,
}

/// Which store, and where it sells from now on.
#[derive(InputObject)]
pub struct ChangeStoreRegionsInput {
    /// The store.
    store: Id<StoreId>,
    /// All regions.
    regions: Vec<RegionInput>,
}

/// Which store, and how it looks from now on.
#[derive(InputObject)]
pub struct ChangeStoreThemeInput {
    /// The store.
    store: Id<StoreId>,
    /// All tokens.
    tokens: Vec<ThemeToken>,
}

/// Which store, and why.
#[derive(InputObject)]
pub struct CloseStoreInput {
    /// The store.
    store: Id<StoreId>,
    /// Why.
    reason: String,
}

mutations! {
    /// Mutations of stores.
    StoreMutations {
        /// Opens a store. The first one becomes the tenant's default.
        open_store = OpenStore(mutation, input: OpenStoreInput, expected) -> StoreResult {
            let id = mutation.command().creates("store");
            let open = opening(&input).map(|opening| OpenStore { id, opening });
            answer(mutation, id, open, expected).await
        }

        /// Makes a store the one meant where none is named.
        choose_default_store = ChooseDefaultStore(mutation, input: ChooseDefaultStoreInput, expected) -> StoreResult {
            let Id(id) = input.store;
            answer(mutation, id, Ok(ChooseDefaultStore { id }), expected).await
        }

        /// Lets a store sell elsewhere.
        change_store_regions = ChangeStoreRegions(mutation, input: ChangeStoreRegionsInput, expected) -> StoreResult {
            let command = regions(&input.regions).map(|regions| Command::ChangeRegions { regions });
            tell(mutation, input.store, command, expected).await
        }

        /// Lets a store look different.
        change_store_theme = ChangeStoreTheme(mutation, input: ChangeStoreThemeInput, expected) -> StoreResult {
            let tokens = each_once("tokens", input.tokens.into_iter().map(|token| Ok((token.name, token.value))));
            let command = tokens.map(|tokens| Command::ChangeTheme { tokens });
            tell(mutation, input.store, command, expected).await
        }

        /// Closes a store that is not the tenant's default.
        close_store = CloseStore(mutation, input: CloseStoreInput, expected) -> StoreResult {
            let Id(id) = input.store;
            answer(mutation, id, reason(&input.reason).map(|reason| CloseStore { id, reason }), expected).await
        }
    }
}

fn opening(input: &OpenStoreInput) -> Result<Opening, Rejected> {
    let currency = |code: &String| Currency::parse("currencies", code);
    let locale = |tag: &String| Locale::parse("locales", tag);
    Ok(Opening {
        slug: Slug::parse("slug", &input.slug)?,
        name: parse_texts("name", &input.name)?,
        brand: input.brand.clone(),
        kind: input.kind.into(),
        currencies: input.currencies.iter().map(currency).collect::<Result<_, _>>()?,
        locales: input.locales.iter().map(locale).collect::<Result<_, _>>()?,
        regions: regions(&input.regions)?,
    })
}

fn regions(inputs: &[RegionInput]) -> Result<Vec<Region>, Rejected> {
    let region = |input: &RegionInput| {
        Ok(Region {
            slug: Slug::parse("regions.slug", &input.slug)?,
            countries: input.countries.clone(),
            currency: Currency::parse("regions.currency", &input.currency)?,
            prices_include_tax: input.prices_include_tax,
        })
    };
    inputs.iter().map(region).collect()
}

async fn tell(
    mutation: &Mutation<'_>,
    Id(id): Id<StoreId>,
    command: Result<Command, Rejected>,
    expected: Option<u64>,
) -> Result<StoreResult, Refusal> {
    answer(mutation, id, command.map(|command| Tell::<store::Store> { id, command }), expected).await
}

async fn answer(
    mutation: &Mutation<'_>,
    id: StoreId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<StoreResult, Refusal> {
    let streams = [store::Store::stream(mutation.partition(), id)];
    let outcome = mutation.answer::<Store, _>(intention, expected, id, &streams).await?;
    Ok(StoreResult::of(mutation.services, outcome))
}
