//! The city's geography: countries, and what lies below them down to where tenants are.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, answers, mutations};
use crate::graphql::connection::{Node, below, filter, lists, lookups, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::loading::relation;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{LocalTextInput, LocalTextOut, local_texts, parse_texts};
use async_graphql::{Context, Enum, InputObject, Object};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::foundation::place::{self, ArchivePlace, ChangePlaceSlug, Command, CreatePlace};
use cityos_domain::ids::PlaceId;
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Slug;
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::Filter;
use cityos_projections::models::places::{self, Places};

/// The levels of the geography, from the top.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "PlaceLevel", remote = "place::Level")]
pub enum Level {
    /// A country.
    Country,
    /// A region or field within a country.
    Scope,
    /// A category within a scope.
    Category,
    /// A subcategory: where tenants are.
    Subcategory,
}

/// A node of the city's geography.
pub struct Place {
    scope: Scope,
    row: places::Place,
}

impl Node for Place {
    type Model = Places;

    fn visible(own: Own) -> Option<Filter<places::Place>> {
        match own {
            // The geography is everyone's.
            Own::All | Own::Vendor(_) | Own::Customer(_) => None,
        }
    }

    fn show(scope: Scope, row: places::Place) -> Self {
        Place { scope, row }
    }
}

relation! {
    /// Places below their parent.
    PlacesBelow: Places, Option<PlaceId>, places::Place => parent
}

#[Object]
impl Place {
    /// Its id.
    async fn id(&self) -> Id<PlaceId> {
        self.row.id.into()
    }

    /// Its level.
    async fn level(&self) -> Level {
        self.row.level.into()
    }

    /// Unique below its parent; a country's is its ISO 3166-1 alpha-2 code in lower case.
    async fn slug(&self) -> &str {
        self.row.slug.as_str()
    }

    /// Slugs it had before; no other place below its parent may take them.
    async fn aliases(&self) -> Vec<&str> {
        self.row.aliases.iter().map(|slug| slug.as_str()).collect()
    }

    /// Its name.
    async fn name(&self) -> Vec<LocalTextOut> {
        local_texts(&self.row.name)
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Whether it is no longer used.
    async fn archived(&self) -> bool {
        self.row.archived
    }

    /// The place above; none for a country.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Place>, Refusal> {
        let Some(parent) = self.row.parent else { return Ok(None) };
        one(ctx, self.scope, parent).await
    }

    /// The places directly below.
    async fn children(&self, ctx: &Context<'_>) -> Result<Vec<Place>, Refusal> {
        below::<_, PlacesBelow>(ctx, self.scope, Some(self.row.id)).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Places>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which places.
    PlaceFilter for Places {
        /// Directly below this place.
        parent: Id<PlaceId> => |parent: Id<PlaceId>| places::Place::parent().is(Some(parent.0));
        /// Of this level.
        level: Level => |level: Level| places::Place::level().is(level.into());
    }
}

ordering! {
    /// In which order.
    PlaceSort for Places {
        /// By slug.
        Slug => places::Place::slug().ascending();
    }
}

lists! {
    /// The city's geography.
    PlaceList { places: Place, Action::Places, PlaceFilter, PlaceSort }
}

lookups! {
    /// One place.
    PlaceLookup { place: Place, Action::Place, PlaceId => places::Place::id() }
}

answers! {
    /// What became of a place.
    PlaceResult, PlaceChanged { place: Place }
}

/// A new place.
#[derive(InputObject)]
pub struct CreatePlaceInput {
    /// Its level.
    level: Level,
    /// The place above, of the level above; none for a country.
    parent: Option<Id<PlaceId>>,
    /// Unique below its parent; a country's is its ISO 3166-1 alpha-2 code.
    slug: String,
    /// Its name.
    name: Vec<LocalTextInput>,
}

/// Which place, and its new name.
#[derive(InputObject)]
pub struct RenamePlaceInput {
    /// The place.
    place: Id<PlaceId>,
    /// The new name.
    name: Vec<LocalTextInput>,
}

/// Which place, and its new slug.
#[derive(InputObject)]
pub struct ChangePlaceSlugInput {
    /// The place.
    place: Id<PlaceId>,
    /// The new slug.
    slug: String,
}

/// Which place.
#[derive(InputObject)]
pub struct ArchivePlaceInput {
    /// The place.
    place: Id<PlaceId>,
}

mutations! {
    /// Mutations of the geography.
    PlaceMutations {
        /// Creates a country, or a place below one of the level above.
        create_place = CreatePlace(mutation, input: CreatePlaceInput, expected) -> PlaceResult {
            let id = mutation.command().creates("place");
            let create = || {
                let parent = input.parent.map(|Id(parent)| parent);
                let slug = Slug::parse("slug", &input.slug)?;
                let name = parse_texts("name", &input.name)?;
                Ok(CreatePlace { id, level: input.level.into(), parent, slug, name })
            };
            answer(mutation, id, create(), expected).await
        }

        /// Gives a place another name.
        rename_place = RenamePlace(mutation, input: RenamePlaceInput, expected) -> PlaceResult {
            let Id(id) = input.place;
            let rename = parse_texts("name", &input.name)
                .map(|name| Tell::<place::Place> { id, command: Command::Rename { name } });
            answer(mutation, id, rename, expected).await
        }

        /// Gives a place another slug; no other place below its parent may take the old one.
        change_place_slug = ChangePlaceSlug(mutation, input: ChangePlaceSlugInput, expected) -> PlaceResult {
            let Id(id) = input.place;
            let change = Slug::parse("slug", &input.slug).map(|slug| ChangePlaceSlug { id, slug });
            answer(mutation, id, change, expected).await
        }

        /// Archives a place with nothing below it.
        archive_place = ArchivePlace(mutation, input: ArchivePlaceInput, expected) -> PlaceResult {
            let Id(id) = input.place;
            answer(mutation, id, Ok(ArchivePlace { id }), expected).await
        }
    }
}

async fn answer(
    mutation: &Mutation<'_>,
    id: PlaceId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<PlaceResult, Refusal> {
    let streams = [place::Place::stream(mutation.partition(), id)];
    let outcome = mutation.answer::<Place, _>(intention, expected, id, &streams).await?;
    Ok(PlaceResult::of(mutation.services, outcome))
}
