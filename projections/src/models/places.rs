//! The city's geography, node by node.

use crate::fields::named;
use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use cityos_domain::event::Event;
use cityos_domain::foundation::place::{self, Level};
use cityos_domain::ids::PlaceId;
use cityos_domain::log::Envelope;
use cityos_domain::text::{LocalText, Slug};

named!(Level);

table! {
    /// A country, scope, category or subcategory.
    pub struct Place {
        key {
            /// Its id.
            id: PlaceId,
        }
        indexed {
            /// The node above; none for a country.
            parent: Option<PlaceId>,
            /// Its level.
            level: Level,
            /// Unique below its parent.
            slug: Slug,
        }
        plain {
            /// Slugs it had before.
            aliases: Vec<Slug>,
            /// Its name.
            name: LocalText,
            /// How many places or tenants are below it.
            children: u32,
            /// Whether it is no longer used.
            archived: bool,
            /// The version of its stream.
            version: u64,
        }
    }
}

/// The geography.
pub struct Places;

impl ReadModel for Places {
    const NAME: &'static str = "places";
    const VERSION: u32 = 1;
    type Row = Place;

    fn keys(event: &Envelope) -> Keys<PlaceId> {
        let Event::Place(_) = &event.event else { return Keys::None };
        Keys::One(PlaceId(event.stream.id))
    }

    fn evolve(row: Option<Place>, id: &PlaceId, event: &Envelope) -> Result<Option<Place>, Unfit> {
        let Event::Place(happened) = &event.event else { return Ok(row) };
        use place::Event as E;
        let mut place = match happened {
            E::Created { level, parent, slug, name } => Place {
                id: *id,
                parent: *parent,
                level: *level,
                slug: slug.clone(),
                aliases: Vec::new(),
                name: name.clone(),
                children: 0,
                archived: false,
                version: 0,
            },
            E::Renamed { name } => Place { name: name.clone(), ..existing(row)? },
            E::SlugChanged { slug, alias } => {
                let mut place = Place { slug: slug.clone(), ..existing(row)? };
                place.aliases.retain(|old| old != slug && old != alias);
                place.aliases.push(alias.clone());
                place
            }
            E::ChildAdded { .. } => {
                let place = existing(row)?;
                Place { children: place.children + 1, ..place }
            }
            E::ChildRemoved { .. } => {
                let place = existing(row)?;
                let children = place.children.checked_sub(1);
                let children = children.ok_or(Unfit::Contradiction("it has no child to remove"))?;
                Place { children, ..place }
            }
            E::Archived {} => Place { archived: true, ..existing(row)? },
        };
        place.version = event.version.0;
        Ok(Some(place))
    }
}
