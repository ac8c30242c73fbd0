//! A node of a tenant's own tree of product categories. Its parent never changes, so a category's ancestors
//! may be read without a guard.

use crate::aggregate::{Aggregate, unless};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::tenant;
use crate::ids::ProductCategoryId;
use crate::rejection::Reject;
use crate::text::{LocalText, Slug};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How deep the tree may be.
pub const DEPTH_MAX: usize = 8;

/// What may be asked of a category. Creating is an [intention](CreateCategory): it concerns the one above, too.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Begin to exist.
    Create {
        /// The category above.
        parent: Option<ProductCategoryId>,
        /// Its slug.
        slug: Slug,
        /// Its name.
        name: LocalText,
    },
    /// Have another name.
    Rename {
        /// The new name.
        name: LocalText,
    },
    /// Have nothing new put into it.
    Archive,
}

/// What can have happened to a category.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It exists.
    Created {
        /// The category above.
        parent: Option<ProductCategoryId>,
        /// Unique below its parent.
        slug: Slug,
        /// Its name.
        name: LocalText,
    },
    /// It has another name.
    Renamed {
        /// The new name.
        name: LocalText,
    },
    /// Nothing new is put into it.
    Archived {},
}

/// Why a category says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such product category")]
    Unknown,
    /// It exists already.
    #[error("the product category exists already")]
    Exists,
    /// Nothing new is put into it.
    #[error("the product category is archived")]
    Archived,
    /// The tree would be too deep.
    #[error("product categories are at most {DEPTH_MAX} levels deep")]
    TooDeep,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "PRODUCT_CATEGORY_UNKNOWN",
            Rejection::Exists => "PRODUCT_CATEGORY_EXISTS",
            Rejection::Archived => "PRODUCT_CATEGORY_ARCHIVED",
            Rejection::TooDeep => "PRODUCT_CATEGORY_TOO_DEEP",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::TooDeep => Some("parent"),
            Rejection::Unknown | Rejection::Exists | Rejection::Archived => None,
        }
    }
}

/// A category.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductCategory {
    /// It does not exist.
    #[default]
    Unknown,
    /// Products are put into it.
    Live {
        /// The category above.
        parent: Option<ProductCategoryId>,
        /// Its name.
        name: LocalText,
    },
    /// Nothing new is put into it.
    Archived {
        /// The category above.
        parent: Option<ProductCategoryId>,
    },
}

impl ProductCategory {
    /// Why nothing new may be put into it, if nothing may.
    pub fn takes_more(&self) -> Result<(), Rejection> {
        match self {
            ProductCategory::Unknown => Err(Rejection::Unknown),
            ProductCategory::Live { .. } => Ok(()),
            ProductCategory::Archived { .. } => Err(Rejection::Archived),
        }
    }

    fn parent(&self) -> Result<Option<ProductCategoryId>, Rejection> {
        match self {
            ProductCategory::Unknown => Err(Rejection::Unknown),
            ProductCategory::Live { parent, .. } | ProductCategory::Archived { parent } => Ok(*parent),
        }
    }
}

/// The category and all above it, from the category up. Nothing but an unknown category is refused.
pub fn ancestors(city: &mut Workspace, id: ProductCategoryId) -> Result<Vec<ProductCategoryId>, Stop> {
    let mut path = vec![id];
    let mut lowest = id;
    while let Some(parent) = city.see::<ProductCategory>(lowest)?.parent()? {
        path.push(parent);
        lowest = parent;
    }
    Ok(path)
}

/// Creates a category at the top of the tree or below another. Its slug is unique there.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateCategory {
    /// The new category.
    pub id: ProductCategoryId,
    /// The category above.
    pub parent: Option<ProductCategoryId>,
    /// Its slug.
    pub slug: Slug,
    /// Its name.
    pub name: LocalText,
}

impl Intention for CreateCategory {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        tenant::trading(city)?;
        let CreateCategory { id, parent, slug, name } = self.clone();
        if let Some(parent) = parent {
            city.see::<ProductCategory>(parent)?.takes_more()?;
            if ancestors(city, parent)?.len() >= DEPTH_MAX {
                return Err(Rejection::TooDeep.into());
            }
        }
        reservation::take(city, Scope::ProductCategorySlug(parent), slug.as_str(), id.into())?;
        city.send::<ProductCategory>(id, &Command::Create { parent, slug, name })
    }
}

impl Aggregate for ProductCategory {
    type Id = ProductCategoryId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (command, self) {
            (Command::Create { parent, slug, name }, ProductCategory::Unknown) => {
                Ok(vec![Event::Created { parent: *parent, slug: slug.clone(), name: name.clone() }])
            }
            (Command::Create { .. }, _) => Err(Rejection::Exists),
            (_, ProductCategory::Unknown) => Err(Rejection::Unknown),
            (Command::Rename { name }, ProductCategory::Live { name: has, .. }) => {
                Ok(unless(name == has, Event::Renamed { name: name.clone() }))
            }
            (Command::Rename { .. }, ProductCategory::Archived { .. }) => Err(Rejection::Archived),
            (Command::Archive, ProductCategory::Live { .. }) => Ok(vec![Event::Archived {}]),
            (Command::Archive, ProductCategory::Archived { .. }) => Ok(Vec::new()),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match (event, self) {
            (Event::Created { parent, name, .. }, _) => {
                ProductCategory::Live { parent: *parent, name: name.clone() }
            }
            (Event::Renamed { name }, ProductCategory::Live { parent, .. }) => {
                ProductCategory::Live { parent, name: name.clone() }
            }
            (Event::Archived {}, ProductCategory::Live { parent, .. }) => {
                ProductCategory::Archived { parent }
            }
            (Event::Renamed { .. } | Event::Archived {}, as_it_was) => as_it_was,
        }
    }
}
