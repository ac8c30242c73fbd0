//! Products, whoever sells them.

use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{ProductCategoryId, ProductId};
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::product;
use cityos_domain::text::{Code, LocalText};

table! {
    /// A product.
    pub struct Product {
        key {
            /// Its id.
            id: ProductId,
        }
        indexed {
            /// Unique in the tenant.
            code: Code,
            /// Where it belongs.
            category: Option<ProductCategoryId>,
            /// Whether it is no longer offered anew.
            archived: bool,
            /// When it was created.
            created_at: DateTime<Utc>,
        }
        plain {
            /// Its title.
            title: LocalText,
            /// Its weight in grams, where known.
            weight_g: Option<u32>,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The products.
pub struct Products;

impl ReadModel for Products {
    const NAME: &'static str = "products";
    const VERSION: u32 = 1;
    type Row = Product;

    fn keys(event: &Envelope) -> Keys<ProductId> {
        let Event::Product(_) = &event.event else { return Keys::None };
        Keys::One(ProductId(event.stream.id))
    }

    fn evolve(row: Option<Product>, id: &ProductId, event: &Envelope) -> Result<Option<Product>, Unfit> {
        let Event::Product(happened) = &event.event else { return Ok(row) };
        use product::Event as E;
        let version = event.version.0;
        Ok(Some(match happened {
            E::Created { code, title, category, weight_g } => Product {
                id: *id,
                code: code.clone(),
                category: *category,
                created_at: event.at,
                title: title.clone(),
                weight_g: *weight_g,
                archived: false,
                version,
            },
            E::Retitled { title } => Product { title: title.clone(), version, ..existing(row)? },
            E::Recategorised { category } => Product { category: *category, version, ..existing(row)? },
            E::Archived {} => Product { archived: true, version, ..existing(row)? },
        }))
    }
}
