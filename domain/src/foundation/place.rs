//! A node of the city's geography: Country → Scope → Category → Subcategory. Tenants hang below subcategories.
//!
//! Paths are not stored: every node names its parent, and its level says what kind of parent that must be.

use crate::aggregate::{Aggregate, unless};
use crate::foundation::reservation::{self, Scope};
use crate::ids::PlaceId;
use crate::rejection::Reject;
use crate::text::{LocalText, Slug};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The levels of the tree, from the top.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A country; its slug is its ISO 3166-1 alpha-2 code in lower case.
    Country,
    /// A region or field within a country.
    Scope,
    /// A category within a scope.
    Category,
    /// A subcategory: where tenants are.
    Subcategory,
}

impl Level {
    /// The level a place of this one lies below; none for a country.
    pub fn above(self) -> Option<Level> {
        match self {
            Level::Country => None,
            Level::Scope => Some(Level::Country),
            Level::Category => Some(Level::Scope),
            Level::Subcategory => Some(Level::Category),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Country => "country",
            Level::Scope => "scope",
            Level::Category => "category",
            Level::Subcategory => "subcategory",
        }
    }
}

/// What may be asked of a place. Creating, changing the slug and archiving are [intentions](CreatePlace): they
/// concern the place above, or the slug's other possible owners, too.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Begin to exist.
    Create {
        /// Its level.
        level: Level,
        /// The node above.
        parent: Option<PlaceId>,
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
    /// Have another slug.
    ChangeSlug {
        /// The new slug.
        slug: Slug,
    },
    /// Have a place or tenant below it.
    AddChild {
        /// Its id.
        child: Uuid,
    },
    /// Have a place or tenant below it no more.
    RemoveChild {
        /// Its id.
        child: Uuid,
    },
    /// No longer be used.
    Archive,
}

/// What can have happened to a place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It exists.
    Created {
        /// Its level.
        level: Level,
        /// The node above; none for a country.
        parent: Option<PlaceId>,
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
    /// It has another slug; the old one stays an alias and is not free.
    SlugChanged {
        /// The new slug.
        slug: Slug,
        /// The slug it had.
        alias: Slug,
    },
    /// A place or tenant was put below it.
    ChildAdded {
        /// The place's or tenant's id.
        child: Uuid,
    },
    /// A place or tenant below it is gone.
    ChildRemoved {
        /// The place's or tenant's id.
        child: Uuid,
    },
    /// It is no longer used.
    Archived {},
}

/// Why a place says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such place")]
    Unknown,
    /// It exists already.
    #[error("the place exists already")]
    Exists,
    /// It is no longer used.
    #[error("the place is archived")]
    Archived,
    /// Something is still below it.
    #[error("{0} places or tenants are still below the place")]
    HasChildren(usize),
    /// The node above is not of the level above.
    #[error("must lie below {}", .wanted.map_or("nothing", Level::name))]
    WrongParent {
        /// The level the node above must have.
        wanted: Option<Level>,
    },
    /// A country's slug is its code.
    #[error("`{0}` is not an assigned ISO 3166-1 alpha-2 code")]
    NotACountry(Slug),
    /// A country keeps its code.
    #[error("a country's slug is its code and stays")]
    SlugFixed,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "PLACE_UNKNOWN",
            Rejection::Exists => "PLACE_EXISTS",
            Rejection::Archived => "PLACE_ARCHIVED",
            Rejection::HasChildren(_) => "PLACE_HAS_CHILDREN",
            Rejection::WrongParent { .. } => "PLACE_WRONG_PARENT",
            Rejection::NotACountry(_) => "PLACE_NOT_A_COUNTRY",
            Rejection::SlugFixed => "PLACE_SLUG_FIXED",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::Unknown | Rejection::Exists | Rejection::Archived | Rejection::HasChildren(_) => None,
            // Only tenants lie below a subcategory, and call it that.
            Rejection::WrongParent { wanted: Some(Level::Subcategory) } => Some("subcategory"),
            Rejection::WrongParent { .. } => Some("parent"),
            Rejection::NotACountry(_) | Rejection::SlugFixed => Some("slug"),
        }
    }
}

/// What other rules want to know of a place.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Node {
    /// Its level.
    pub level: Level,
    /// The node above.
    pub parent: Option<PlaceId>,
    /// Its slug.
    pub slug: Slug,
    name: LocalText,
    children: BTreeSet<Uuid>,
}

/// A place.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// It does not exist.
    #[default]
    Unknown,
    /// It is used.
    Live(Node),
    /// It is no longer used.
    Archived,
}

impl Place {
    /// The place, if it is used.
    pub fn live(&self) -> Result<&Node, Rejection> {
        match self {
            Place::Unknown => Err(Rejection::Unknown),
            Place::Live(node) => Ok(node),
            Place::Archived => Err(Rejection::Archived),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Node)) -> Self {
        if let Place::Live(node) = &mut self {
            change(node);
        }
        self
    }
}

/// Creates a place below one of the level above it. Its slug is unique there.
#[derive(Clone, PartialEq, Debug)]
pub struct CreatePlace {
    /// The new place.
    pub id: PlaceId,
    /// Its level.
    pub level: Level,
    /// The node above; none for a country.
    pub parent: Option<PlaceId>,
    /// Its slug.
    pub slug: Slug,
    /// Its name.
    pub name: LocalText,
}

impl Intention for CreatePlace {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let CreatePlace { id, level, parent, slug, name } = self.clone();
        put_below(city, parent, level.above(), id.into())?;
        reservation::take(city, Scope::PlaceSlug(parent), slug.as_str(), id.into())?;
        city.send::<Place>(id, &Command::Create { level, parent, slug, name })
    }
}

/// Puts a place or tenant below `parent`, which must be live and of the level `wanted`.
pub(super) fn put_below(
    city: &mut Workspace,
    parent: Option<PlaceId>,
    wanted: Option<Level>,
    child: Uuid,
) -> Result<(), Stop> {
    let level = match parent {
        Some(parent) => Some(city.see::<Place>(parent)?.live()?.level),
        None => None,
    };
    if level != wanted {
        return Err(Rejection::WrongParent { wanted }.into());
    }
    parent.map_or(Ok(()), |parent| city.send::<Place>(parent, &Command::AddChild { child }))
}

/// Gives a place another slug. The old one stays an alias of it and is never another place's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangePlaceSlug {
    /// The place.
    pub id: PlaceId,
    /// The new slug.
    pub slug: Slug,
}

impl Intention for ChangePlaceSlug {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let parent = city.see::<Place>(self.id)?.live()?.parent;
        city.send::<Place>(self.id, &Command::ChangeSlug { slug: self.slug.clone() })?;
        reservation::take(city, Scope::PlaceSlug(parent), self.slug.as_str(), self.id.into())
    }
}

/// Archives a place with nothing below it. Its slugs stay taken: an address never comes to mean another place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArchivePlace {
    /// The place.
    pub id: PlaceId,
}

impl Intention for ArchivePlace {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let parent = city.see::<Place>(self.id)?.live().ok().and_then(|node| node.parent);
        city.send::<Place>(self.id, &Command::Archive)?;
        let child = self.id.into();
        parent.map_or(Ok(()), |parent| city.send::<Place>(parent, &Command::RemoveChild { child }))
    }
}

impl Aggregate for Place {
    type Id = PlaceId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (self, command) {
            (Place::Unknown, Command::Create { level, parent, slug, name }) => {
                let code = slug.as_str().to_uppercase();
                if *level == Level::Country && rust_iso3166::from_alpha2(&code).is_none() {
                    return Err(Rejection::NotACountry(slug.clone()));
                }
                let (level, parent, slug, name) = (*level, *parent, slug.clone(), name.clone());
                Ok(vec![Event::Created { level, parent, slug, name }])
            }
            (Place::Live(_) | Place::Archived, Command::Create { .. }) => Err(Rejection::Exists),
            (Place::Archived, Command::Archive | Command::RemoveChild { .. }) => Ok(Vec::new()),
            (_, Command::Rename { name }) => {
                Ok(unless(self.live()?.name == *name, Event::Renamed { name: name.clone() }))
            }
            (_, Command::ChangeSlug { slug }) => {
                let node = self.live()?;
                if node.level == Level::Country {
                    return Err(Rejection::SlugFixed);
                }
                let event = Event::SlugChanged { slug: slug.clone(), alias: node.slug.clone() };
                Ok(unless(node.slug == *slug, event))
            }
            (_, Command::AddChild { child }) => {
                Ok(unless(self.live()?.children.contains(child), Event::ChildAdded { child: *child }))
            }
            (_, Command::RemoveChild { child }) => {
                Ok(unless(!self.live()?.children.contains(child), Event::ChildRemoved { child: *child }))
            }
            (_, Command::Archive) => match self.live()?.children.len() {
                0 => Ok(vec![Event::Archived {}]),
                children => Err(Rejection::HasChildren(children)),
            },
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Created { level, parent, slug, name } => Place::Live(Node {
                level: *level,
                parent: *parent,
                slug: slug.clone(),
                name: name.clone(),
                children: BTreeSet::new(),
            }),
            Event::Renamed { name } => self.with(|node| node.name = name.clone()),
            Event::SlugChanged { slug, .. } => self.with(|node| node.slug = slug.clone()),
            Event::ChildAdded { child } => self.with(|node| {
                node.children.insert(*child);
            }),
            Event::ChildRemoved { child } => self.with(|node| {
                node.children.remove(child);
            }),
            Event::Archived {} => Place::Archived,
        }
    }
}

#[cfg(test)]
mod tests;
