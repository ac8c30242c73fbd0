//! A tenant's own tree of product categories, node by node.

use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use cityos_domain::event::Event;
use cityos_domain::ids::ProductCategoryId;
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::product_category;
use cityos_domain::text::{LocalText, Slug};

table! {
    /// A category.
    pub struct ProductCategory {
        key {
            /// Its id.
            id: ProductCategoryId,
        }
        indexed {
            /// The category above.
            parent: Option<ProductCategoryId>,
            /// Unique below its parent.
            slug: Slug,
        }
        plain {
            /// Its name.
            name: LocalText,
            /// Whether nothing new is put into it.
            archived: bool,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The categories.
pub struct ProductCategories;

impl ReadModel for ProductCategories {
    const NAME: &'static str = "product_categories";
    const VERSION: u32 = 1;
    type Row = ProductCategory;

    fn keys(event: &Envelope) -> Keys<ProductCategoryId> {
        let Event::ProductCategory(_) = &event.event else { return Keys::None };
        Keys::One(ProductCategoryId(event.stream.id))
    }

    fn evolve(
        row: Option<ProductCategory>,
        id: &ProductCategoryId,
        event: &Envelope,
    ) -> Result<Option<ProductCategory>, Unfit> {
        let Event::ProductCategory(happened) = &event.event else { return Ok(row) };
        use product_category::Event as E;
        let version = event.version.0;
        Ok(Some(match happened {
            E::Created { parent, slug, name } => ProductCategory {
                id: *id,
                parent: *parent,
                slug: slug.clone(),
                name: name.clone(),
                archived: false,
                version,
            },
            E::Renamed { name } => ProductCategory { name: name.clone(), version, ..existing(row)? },
            E::Archived {} => ProductCategory { archived: true, version, ..existing(row)? },
        }))
    }
}
