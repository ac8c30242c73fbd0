//! A product, whoever sells it.

use crate::aggregate::{Aggregate, unless};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::tenant;
use crate::ids::{ProductCategoryId, ProductId};
use crate::marketplace::product_category::ProductCategory;
use crate::rejection::Reject;
use crate::text::{Code, LocalText};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The heaviest product, in grams: 100 tonnes.
pub const WEIGHT_G_MAX: u32 = 100_000_000;

/// What may be asked of a product. What names a category is an [intention](CreateProduct): it must be live.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Begin to exist.
    Create {
        /// Its code.
        code: Code,
        /// Its title.
        title: LocalText,
        /// Where it belongs.
        category: Option<ProductCategoryId>,
        /// Its weight in grams, where known.
        weight_g: Option<u32>,
    },
    /// Have another title.
    Retitle {
        /// The new title.
        title: LocalText,
    },
    /// Belong elsewhere.
    Recategorise {
        /// The new category.
        category: Option<ProductCategoryId>,
    },
    /// No longer be offered anew.
    Archive,
}

/// What can have happened to a product.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It exists.
    Created {
        /// Unique in the tenant.
        code: Code,
        /// Its title.
        title: LocalText,
        /// Where it belongs.
        category: Option<ProductCategoryId>,
        /// Its weight in grams, where known.
        weight_g: Option<u32>,
    },
    /// It has another title.
    Retitled {
        /// The new title.
        title: LocalText,
    },
    /// It belongs elsewhere.
    Recategorised {
        /// The new category.
        category: Option<ProductCategoryId>,
    },
    /// It is no longer offered anew.
    Archived {},
}

/// Why a product says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such product")]
    Unknown,
    /// It exists already.
    #[error("the product exists already")]
    Exists,
    /// It is no longer offered anew.
    #[error("the product is archived")]
    Archived,
    /// Nothing weighs that much.
    #[error("a weight is at most {WEIGHT_G_MAX} grams")]
    WeightOutsideLimits,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "PRODUCT_UNKNOWN",
            Rejection::Exists => "PRODUCT_EXISTS",
            Rejection::Archived => "PRODUCT_ARCHIVED",
            Rejection::WeightOutsideLimits => "PRODUCT_WEIGHT_OUTSIDE_LIMITS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::WeightOutsideLimits => Some("weightG"),
            Rejection::Unknown | Rejection::Exists | Rejection::Archived => None,
        }
    }
}

/// What other rules want to know of a product.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Profile {
    /// Where it belongs.
    pub category: Option<ProductCategoryId>,
    title: LocalText,
    archived: bool,
}

/// A product.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// It does not exist.
    #[default]
    Unknown,
    /// It exists.
    Known(Profile),
}

impl Product {
    /// The product, archived or not.
    pub fn known(&self) -> Result<&Profile, Rejection> {
        match self {
            Product::Unknown => Err(Rejection::Unknown),
            Product::Known(profile) => Ok(profile),
        }
    }

    /// The product, unless it is archived.
    pub fn live(&self) -> Result<&Profile, Rejection> {
        let profile = self.known()?;
        if profile.archived { Err(Rejection::Archived) } else { Ok(profile) }
    }

    fn with(mut self, change: impl FnOnce(&mut Profile)) -> Self {
        if let Product::Known(profile) = &mut self {
            change(profile);
        }
        self
    }
}

/// Creates a product in a category that takes more. Its code is unique in the tenant.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateProduct {
    /// The new product.
    pub id: ProductId,
    /// Its code.
    pub code: Code,
    /// Its title.
    pub title: LocalText,
    /// Where it belongs.
    pub category: Option<ProductCategoryId>,
    /// Its weight in grams, where known.
    pub weight_g: Option<u32>,
}

impl Intention for CreateProduct {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        tenant::trading(city)?;
        let CreateProduct { id, code, title, category, weight_g } = self.clone();
        check_category(city, category)?;
        reservation::take(city, Scope::ProductCode, code.as_str(), id.into())?;
        city.send::<Product>(id, &Command::Create { code, title, category, weight_g })
    }
}

/// Puts a product into another category that takes more, or into none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecategoriseProduct {
    /// The product.
    pub id: ProductId,
    /// The new category.
    pub category: Option<ProductCategoryId>,
}

impl Intention for RecategoriseProduct {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        check_category(city, self.category)?;
        city.send::<Product>(self.id, &Command::Recategorise { category: self.category })
    }
}

fn check_category(city: &mut Workspace, category: Option<ProductCategoryId>) -> Result<(), Stop> {
    match category {
        Some(category) => Ok(city.see::<ProductCategory>(category)?.takes_more()?),
        None => Ok(()),
    }
}

impl Aggregate for Product {
    type Id = ProductId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (command, self) {
            (Command::Create { code, title, category, weight_g }, Product::Unknown) => {
                if weight_g.is_some_and(|weight| weight > WEIGHT_G_MAX) {
                    return Err(Rejection::WeightOutsideLimits);
                }
                let (code, title, category, weight_g) = (code.clone(), title.clone(), *category, *weight_g);
                Ok(vec![Event::Created { code, title, category, weight_g }])
            }
            (Command::Create { .. }, Product::Known(_)) => Err(Rejection::Exists),
            (Command::Retitle { title }, _) => {
                Ok(unless(self.live()?.title == *title, Event::Retitled { title: title.clone() }))
            }
            (Command::Recategorise { category }, _) => {
                let event = Event::Recategorised { category: *category };
                Ok(unless(self.live()?.category == *category, event))
            }
            (Command::Archive, _) => Ok(unless(self.known()?.archived, Event::Archived {})),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Created { title, category, .. } => {
                Product::Known(Profile { category: *category, title: title.clone(), archived: false })
            }
            Event::Retitled { title } => self.with(|profile| profile.title = title.clone()),
            Event::Recategorised { category } => self.with(|profile| profile.category = *category),
            Event::Archived {} => self.with(|profile| profile.archived = true),
        }
    }
}

#[cfg(test)]
mod tests;
