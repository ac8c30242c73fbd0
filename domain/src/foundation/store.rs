//! A shop front of a tenant: brand, kind, theme, regions, currencies and locales.

mod limits;

use crate::aggregate::{Aggregate, unless};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::tenant::{self, Tenant};
use crate::ids::StoreId;
use crate::money::Currency;
use crate::rejection::Reject;
use crate::text::{LocalText, Locale, Reason, Slug};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of shop it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Many vendors.
    Marketplace,
    /// One brand.
    Brand,
    /// For businesses.
    Wholesale,
}

/// Where a store sells and in what currency. A country is in at most one region of a store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Region {
    /// Unique in the store.
    pub slug: Slug,
    /// ISO 3166-1 alpha-2 codes.
    pub countries: Vec<String>,
    /// The region's currency.
    pub currency: Currency,
    /// Whether prices shown include tax.
    pub prices_include_tax: bool,
}

/// What a store begins with.
#[derive(Clone, PartialEq, Debug)]
pub struct Opening {
    /// Unique in the tenant.
    pub slug: Slug,
    /// Its name.
    pub name: LocalText,
    /// The brand it shows.
    pub brand: String,
    /// What kind of shop it is.
    pub kind: StoreKind,
    /// The currencies it takes: at least one.
    pub currencies: Vec<Currency>,
    /// The locales it speaks: at least one.
    pub locales: Vec<Locale>,
    /// Where it sells; none: anywhere.
    pub regions: Vec<Region>,
}

/// What may be asked of a store. Opening, closing and becoming the default are [intentions](OpenStore): the
/// tenant has a say.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Begin to sell.
    Open(Opening),
    /// Have other regions.
    ChangeRegions {
        /// All of them.
        regions: Vec<Region>,
    },
    /// Look different.
    ChangeTheme {
        /// Token names and values: all of them.
        tokens: BTreeMap<String, String>,
    },
    /// Sell no more.
    Close {
        /// Why.
        reason: Reason,
    },
}

/// What can have happened to a store.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It sells.
    Opened {
        /// Unique in the tenant.
        slug: Slug,
        /// Its name.
        name: LocalText,
        /// The brand it shows.
        brand: String,
        /// What kind of shop it is.
        kind: StoreKind,
        /// The currencies it takes.
        currencies: Vec<Currency>,
        /// The locales it speaks.
        locales: Vec<Locale>,
        /// Where it sells.
        regions: Vec<Region>,
    },
    /// It has other regions.
    RegionsChanged {
        /// All of them.
        regions: Vec<Region>,
    },
    /// It looks different: named design tokens, data and never code.
    ThemeChanged {
        /// Counts up.
        revision: u32,
        /// Token names and values.
        tokens: BTreeMap<String, String>,
    },
    /// It sells no more.
    Closed {
        /// Why.
        reason: String,
    },
}

/// Why a store says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such store")]
    Unknown,
    /// It exists already.
    #[error("the store exists already")]
    Exists,
    /// It sells no more.
    #[error("the store is closed")]
    Closed,
    /// It is the one meant where none is named.
    #[error("the store is the default store: choose another first")]
    IsDefault,
    /// It does not take that currency.
    #[error("the store does not take {0}")]
    CurrencyNotTaken(Currency),
    /// A value lies outside its limits.
    #[error("{rule}")]
    OutsideLimits {
        /// Of what.
        field: &'static str,
        /// The limit.
        rule: String,
    },
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "STORE_UNKNOWN",
            Rejection::Exists => "STORE_EXISTS",
            Rejection::Closed => "STORE_CLOSED",
            Rejection::IsDefault => "STORE_IS_DEFAULT",
            Rejection::CurrencyNotTaken(_) => "STORE_CURRENCY_NOT_TAKEN",
            Rejection::OutsideLimits { .. } => "STORE_OUTSIDE_LIMITS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::CurrencyNotTaken(_) => Some("currency"),
            Rejection::OutsideLimits { field, .. } => Some(field),
            Rejection::Unknown | Rejection::Exists | Rejection::Closed | Rejection::IsDefault => None,
        }
    }
}

/// What the rules know of a store.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Front {
    currencies: Vec<Currency>,
    regions: Vec<Region>,
    theme_revision: u32,
    theme: BTreeMap<String, String>,
}

/// A store.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// It does not exist.
    #[default]
    Unknown,
    /// It sells.
    Open(Front),
    /// It sells no more.
    Closed,
}

impl Store {
    /// Why nothing can be bought here in `currency`, if nothing can.
    pub fn sells_in(&self, currency: Currency) -> Result<(), Rejection> {
        if self.open()?.currencies.contains(&currency) {
            Ok(())
        } else {
            Err(Rejection::CurrencyNotTaken(currency))
        }
    }

    fn open(&self) -> Result<&Front, Rejection> {
        match self {
            Store::Unknown => Err(Rejection::Unknown),
            Store::Open(front) => Ok(front),
            Store::Closed => Err(Rejection::Closed),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Front)) -> Self {
        if let Store::Open(front) = &mut self {
            change(front);
        }
        self
    }
}

/// Opens a store. Its slug is unique in the tenant; the tenant's first store becomes its default.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenStore {
    /// The new store.
    pub id: StoreId,
    /// What it begins with.
    pub opening: Opening,
}

impl Intention for OpenStore {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let is_first = tenant::trading(city)?.default_store.is_none();
        reservation::take(city, Scope::StoreSlug, self.opening.slug.as_str(), self.id.into())?;
        city.send::<Store>(self.id, &Command::Open(self.opening.clone()))?;
        if is_first { choose_default(city, self.id) } else { Ok(()) }
    }
}

/// Makes an open store the one meant where none is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChooseDefaultStore {
    /// The store.
    pub id: StoreId,
}

impl Intention for ChooseDefaultStore {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.see::<Store>(self.id)?.open()?;
        choose_default(city, self.id)
    }
}

fn choose_default(city: &mut Workspace, store: StoreId) -> Result<(), Stop> {
    let tenant = city.partition().tenant().ok_or(tenant::Rejection::Unknown)?;
    city.send::<Tenant>(tenant, &tenant::Command::ChooseDefaultStore { store })
}

/// Closes a store that is not the default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseStore {
    /// The store.
    pub id: StoreId,
    /// Why.
    pub reason: Reason,
}

impl Intention for CloseStore {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let (_, tenant) = tenant::known(city)?;
        if tenant.default_store == Some(self.id) {
            return Err(Rejection::IsDefault.into());
        }
        city.send::<Store>(self.id, &Command::Close { reason: self.reason.clone() })
    }
}

impl Aggregate for Store {
    type Id = StoreId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (command, self) {
            (Command::Open(opening), Store::Unknown) => {
                limits::check_opening(opening)?;
                let Opening { slug, name, brand, kind, currencies, locales, regions } = opening.clone();
                let brand = limits::brand(&brand)?;
                Ok(vec![Event::Opened { slug, name, brand, kind, currencies, locales, regions }])
            }
            (Command::Open(_), Store::Open(_) | Store::Closed) => Err(Rejection::Exists),
            (Command::ChangeRegions { regions }, _) => {
                let front = self.open()?;
                limits::check_regions(regions, &front.currencies)?;
                let event = Event::RegionsChanged { regions: regions.clone() };
                Ok(unless(front.regions == *regions, event))
            }
            (Command::ChangeTheme { tokens }, _) => {
                let front = self.open()?;
                limits::check_theme(tokens)?;
                let event =
                    Event::ThemeChanged { revision: front.theme_revision + 1, tokens: tokens.clone() };
                Ok(unless(front.theme == *tokens, event))
            }
            (Command::Close { .. }, Store::Closed) => Ok(Vec::new()),
            (Command::Close { reason }, _) => {
                self.open()?;
                Ok(vec![Event::Closed { reason: reason.into() }])
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Opened { currencies, regions, .. } => Store::Open(Front {
                currencies: currencies.clone(),
                regions: regions.clone(),
                theme_revision: 0,
                theme: BTreeMap::new(),
            }),
            Event::RegionsChanged { regions } => self.with(|front| front.regions = regions.clone()),
            Event::ThemeChanged { revision, tokens } => self.with(|front| {
                front.theme_revision = *revision;
                front.theme = tokens.clone();
            }),
            Event::Closed { .. } => Store::Closed,
        }
    }
}

#[cfg(test)]
mod tests;
