//! Products, whoever sells them.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, answers, mutations};
use crate::graphql::connection::{Node, below_where, filter, lists, lookups, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::loading::relation;
use crate::graphql::offers::Offer;
use crate::graphql::product_categories::ProductCategory;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{LocalTextInput, LocalTextOut, local_texts, parse_texts};
use crate::ownership::IfSelling;
use async_graphql::{Context, InputObject, Object};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{ProductCategoryId, ProductId};
use cityos_domain::marketplace::product::{self, Command, CreateProduct, RecategoriseProduct};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Code;
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::Filter;
use cityos_projections::models::offers::{self, Offers};
use cityos_projections::models::products::{self, Products};

/// A product, whoever sells it.
pub struct Product {
    scope: Scope,
    row: products::Product,
}

impl Node for Product {
    type Model = Products;

    fn visible(own: Own) -> Option<Filter<products::Product>> {
        match own {
            // The catalogue is everyone's in the tenant.
            Own::All | Own::Vendor(_) | Own::Customer(_) => None,
        }
    }

    fn show(scope: Scope, row: products::Product) -> Self {
        Product { scope, row }
    }
}

relation! {
    /// Who sells a product.
    OffersOfProduct: Offers, ProductId, offers::Offer => product
}

#[Object]
impl Product {
    /// Its id.
    async fn id(&self) -> Id<ProductId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Unique in the tenant.
    async fn code(&self) -> &str {
        self.row.code.as_str()
    }

    /// Its title.
    async fn title(&self) -> Vec<LocalTextOut> {
        local_texts(&self.row.title)
    }

    /// Its weight in grams, where known.
    async fn weight_g(&self) -> Option<u32> {
        self.row.weight_g
    }

    /// Whether it is no longer offered anew.
    async fn archived(&self) -> bool {
        self.row.archived
    }

    /// Since when it exists.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// Where it belongs.
    async fn category(&self, ctx: &Context<'_>) -> Result<Option<ProductCategory>, Refusal> {
        let Some(category) = self.row.category else { return Ok(None) };
        one(ctx, self.scope, category).await
    }

    /// Who sells it. A vendor sees its own offers.
    async fn offers(&self, ctx: &Context<'_>) -> Result<Vec<Offer>, Refusal> {
        let shown = |row: &_| Offer::is_shown(self.scope.own, row);
        below_where::<_, OffersOfProduct>(ctx, self.scope, self.row.id, shown).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Products>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which products.
    ProductFilter for Products {
        /// Whose code begins so.
        code_prefix: String => |code: String| products::Product::code().starts_with(&code);
        /// In this category.
        category: Id<ProductCategoryId> => |category: Id<ProductCategoryId>| {
            products::Product::category().is(Some(category.0))
        };
        /// No longer offered anew, or still.
        archived: bool => |archived| products::Product::archived().is(archived);
    }
}

ordering! {
    /// In which order.
    ProductSort for Products {
        /// By code.
        Code => products::Product::code().ascending();
        /// The latest first.
        Newest => products::Product::created_at().descending();
    }
}

lists! {
    /// The tenant's products.
    ProductList { products: Product, Action::Products, ProductFilter, ProductSort }
}

lookups! {
    /// One product.
    ProductLookup { product: Product, Action::Product, ProductId => products::Product::id() }
}

answers! {
    /// What became of a product.
    ProductResult, ProductChanged { product: Product }
}

/// A new product.
#[derive(InputObject)]
pub struct CreateProductInput {
    /// Unique in the tenant.
    code: String,
    /// Its title.
    title: Vec<LocalTextInput>,
    /// Where it belongs.
    category: Option<Id<ProductCategoryId>>,
    /// Its weight in grams.
    weight_g: Option<u32>,
}

/// Which product, and its new title.
#[derive(InputObject)]
pub struct RetitleProductInput {
    /// The product.
    product: Id<ProductId>,
    /// The new title.
    title: Vec<LocalTextInput>,
}

/// Which product, and where it belongs from now on.
#[derive(InputObject)]
pub struct RecategoriseProductInput {
    /// The product.
    product: Id<ProductId>,
    /// The new category.
    category: Option<Id<ProductCategoryId>>,
}

/// Which product.
#[derive(InputObject)]
pub struct ArchiveProductInput {
    /// The product.
    product: Id<ProductId>,
}

mutations! {
    /// Mutations of products.
    ProductMutations {
        /// Creates a product, which vendors may then offer. A vendor creates some only while it may sell.
        create_product = CreateProduct(mutation, input: CreateProductInput, expected) -> ProductResult {
            let id = mutation.command().creates("product");
            let create = || {
                let category = input.category.map(|Id(category)| category);
                let code = Code::parse("code", &input.code)?;
                let title = parse_texts("title", &input.title)?;
                Ok(CreateProduct { id, code, title, category, weight_g: input.weight_g })
            };
            let own = mutation.own();
            answer(mutation, id, create().map(|then| IfSelling { own, then }), expected).await
        }

        /// Gives a product another title.
        retitle_product = RetitleProduct(mutation, input: RetitleProductInput, expected) -> ProductResult {
            let Id(id) = input.product;
            let retitle = parse_texts("title", &input.title)
                .map(|title| Tell::<product::Product> { id, command: Command::Retitle { title } });
            answer(mutation, id, retitle, expected).await
        }

        /// Puts a product into another category, or none.
        recategorise_product
            = RecategoriseProduct(mutation, input: RecategoriseProductInput, expected) -> ProductResult {
            let Id(id) = input.product;
            let category = input.category.map(|Id(category)| category);
            answer(mutation, id, Ok(RecategoriseProduct { id, category }), expected).await
        }

        /// Offers a product no longer anew.
        archive_product = ArchiveProduct(mutation, input: ArchiveProductInput, expected) -> ProductResult {
            let Id(id) = input.product;
            answer(mutation, id, Ok(Tell::<product::Product> { id, command: Command::Archive }), expected).await
        }
    }
}

async fn answer(
    mutation: &Mutation<'_>,
    id: ProductId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<ProductResult, Refusal> {
    let streams = [product::Product::stream(mutation.partition(), id)];
    let outcome = mutation.answer::<Product, _>(intention, expected, id, &streams).await?;
    Ok(ProductResult::of(mutation.services, outcome))
}
