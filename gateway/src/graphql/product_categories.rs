//! A tenant's own tree of product categories.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, answers, mutations};
use crate::graphql::connection::{Node, below, filter, lists, lookups, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::loading::relation;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{LocalTextInput, LocalTextOut, local_texts, parse_texts};
use async_graphql::{Context, InputObject, Object};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::ProductCategoryId;
use cityos_domain::marketplace::product_category::{self, Command, CreateCategory};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Slug;
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::Filter;
use cityos_projections::models::product_categories::{self, ProductCategories};

/// A node of a tenant's tree of product categories.
pub struct ProductCategory {
    scope: Scope,
    row: product_categories::ProductCategory,
}

impl Node for ProductCategory {
    type Model = ProductCategories;

    fn visible(own: Own) -> Option<Filter<product_categories::ProductCategory>> {
        match own {
            // The catalogue is everyone's in the tenant.
            Own::All | Own::Vendor(_) | Own::Customer(_) => None,
        }
    }

    fn show(scope: Scope, row: product_categories::ProductCategory) -> Self {
        ProductCategory { scope, row }
    }
}

relation! {
    /// Categories below their parent.
    CategoriesBelow: ProductCategories, Option<ProductCategoryId>, product_categories::ProductCategory => parent
}

#[Object]
impl ProductCategory {
    /// Its id.
    async fn id(&self) -> Id<ProductCategoryId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Unique below its parent.
    async fn slug(&self) -> &str {
        self.row.slug.as_str()
    }

    /// Its name.
    async fn name(&self) -> Vec<LocalTextOut> {
        local_texts(&self.row.name)
    }

    /// Whether nothing new is put into it.
    async fn archived(&self) -> bool {
        self.row.archived
    }

    /// The category above.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<ProductCategory>, Refusal> {
        let Some(parent) = self.row.parent else { return Ok(None) };
        one(ctx, self.scope, parent).await
    }

    /// The categories directly below.
    async fn children(&self, ctx: &Context<'_>) -> Result<Vec<ProductCategory>, Refusal> {
        below::<_, CategoriesBelow>(ctx, self.scope, Some(self.row.id)).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<ProductCategories>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which categories.
    ProductCategoryFilter for ProductCategories {
        /// Directly below this one.
        parent: Id<ProductCategoryId> => |parent: Id<ProductCategoryId>| {
            product_categories::ProductCategory::parent().is(Some(parent.0))
        };
        /// At the top of the tree, or below another.
        top_level: bool => |top_level| match top_level {
            true => product_categories::ProductCategory::parent().is_null(),
            false => product_categories::ProductCategory::parent().is_set(),
        };
    }
}

ordering! {
    /// In which order.
    ProductCategorySort for ProductCategories {
        /// By slug.
        Slug => product_categories::ProductCategory::slug().ascending();
    }
}

lists! {
    /// The tenant's product categories.
    ProductCategoryList {
        product_categories: ProductCategory, Action::ProductCategories, ProductCategoryFilter, ProductCategorySort
    }
}

lookups! {
    /// One product category.
    ProductCategoryLookup { product_category: ProductCategory, Action::ProductCategory, ProductCategoryId => product_categories::ProductCategory::id() }
}

answers! {
    /// What became of a product category.
    ProductCategoryResult, ProductCategoryChanged { product_category: ProductCategory }
}

/// A new category.
#[derive(InputObject)]
pub struct CreateProductCategoryInput {
    /// The category above.
    parent: Option<Id<ProductCategoryId>>,
    /// Unique below its parent.
    slug: String,
    /// Its name.
    name: Vec<LocalTextInput>,
}

/// Which category, and its new name.
#[derive(InputObject)]
pub struct RenameProductCategoryInput {
    /// The category.
    product_category: Id<ProductCategoryId>,
    /// The new name.
    name: Vec<LocalTextInput>,
}

/// Which category.
#[derive(InputObject)]
pub struct ArchiveProductCategoryInput {
    /// The category.
    product_category: Id<ProductCategoryId>,
}

mutations! {
    /// Mutations of product categories.
    ProductCategoryMutations {
        /// Creates a category, at the top or below another.
        create_product_category
            = CreateProductCategory(mutation, input: CreateProductCategoryInput, expected) -> ProductCategoryResult {
            let id = mutation.command().creates("product category");
            let create = || {
                let parent = input.parent.map(|Id(parent)| parent);
                let slug = Slug::parse("slug", &input.slug)?;
                Ok(CreateCategory { id, parent, slug, name: parse_texts("name", &input.name)? })
            };
            answer(mutation, id, create(), expected).await
        }

        /// Gives a category another name.
        rename_product_category
            = RenameProductCategory(mutation, input: RenameProductCategoryInput, expected) -> ProductCategoryResult {
            let command = parse_texts("name", &input.name).map(|name| Command::Rename { name });
            tell(mutation, input.product_category, command, expected).await
        }

        /// Puts nothing new into a category.
        archive_product_category
            = ArchiveProductCategory(mutation, input: ArchiveProductCategoryInput, expected) -> ProductCategoryResult {
            tell(mutation, input.product_category, Ok(Command::Archive), expected).await
        }
    }
}

async fn tell(
    mutation: &Mutation<'_>,
    Id(id): Id<ProductCategoryId>,
    command: Result<Command, Rejected>,
    expected: Option<u64>,
) -> Result<ProductCategoryResult, Refusal> {
    let tell = command.map(|command| Tell::<product_category::ProductCategory> { id, command });
    answer(mutation, id, tell, expected).await
}

async fn answer(
    mutation: &Mutation<'_>,
    id: ProductCategoryId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<ProductCategoryResult, Refusal> {
    let streams = [product_category::ProductCategory::stream(mutation.partition(), id)];
    let outcome = mutation.answer::<ProductCategory, _>(intention, expected, id, &streams).await?;
    Ok(ProductCategoryResult::of(mutation.services, outcome))
}
