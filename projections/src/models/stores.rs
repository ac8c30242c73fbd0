//! A tenant's shop fronts. Which of them is the default stands with the tenant.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::foundation::store::{self, Region, StoreKind};
use cityos_domain::ids::StoreId;
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use cityos_domain::text::{LocalText, Locale, Slug};
use std::collections::BTreeMap;

named!(StoreKind);

table! {
    /// A shop front.
    pub struct Store {
        key {
            /// Its id.
            id: StoreId,
        }
        indexed {
            /// Unique in the tenant.
            slug: Slug,
            /// Whether it sells.
            open: bool,
            /// Since when.
            opened_at: DateTime<Utc>,
        }
        plain {
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
            /// Counts the themes; 0 before the first.
            theme_revision: u32,
            /// Names and values of its design tokens.
            theme: BTreeMap<String, String>,
            /// Why it was closed.
            closed_reason: Option<String>,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The stores.
pub struct Stores;

impl ReadModel for Stores {
    const NAME: &'static str = "stores";
    const VERSION: u32 = 1;
    type Row = Store;

    fn keys(event: &Envelope) -> Keys<StoreId> {
        let Event::Store(_) = &event.event else { return Keys::None };
        Keys::One(StoreId(event.stream.id))
    }

    fn evolve(row: Option<Store>, id: &StoreId, event: &Envelope) -> Result<Option<Store>, Unfit> {
        let Event::Store(happened) = &event.event else { return Ok(row) };
        use store::Event as E;
        let mut store = match happened {
            E::Opened { slug, name, brand, kind, currencies, locales, regions } => Store {
                id: *id,
                slug: slug.clone(),
                open: true,
                opened_at: event.at,
                name: name.clone(),
                brand: brand.clone(),
                kind: *kind,
                currencies: currencies.clone(),
                locales: locales.clone(),
                regions: regions.clone(),
                theme_revision: 0,
                theme: BTreeMap::new(),
                closed_reason: None,
                version: 0,
            },
            E::RegionsChanged { regions } => Store { regions: regions.clone(), ..existing(row)? },
            E::ThemeChanged { revision, tokens } => {
                Store { theme_revision: *revision, theme: tokens.clone(), ..existing(row)? }
            }
            E::Closed { reason } => {
                Store { open: false, closed_reason: Some(reason.clone()), ..existing(row)? }
            }
        };
        store.version = event.version.0;
        Ok(Some(store))
    }
}
