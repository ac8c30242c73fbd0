//! Places, tenants, stores.

use super::super::places::Places;
use super::super::stores::Stores;
use super::super::tenants::Tenants;
use super::{row, text_in, told};
use crate::history::{History, id, partition};
use crate::model::Unfit;
use crate::replay::replay;
use cityos_domain::event::Event;
use cityos_domain::foundation::place;
use cityos_domain::foundation::tenant::{PayoutSchedule, Stage, Tier};
use cityos_domain::ids::{PlaceId, StoreId, TenantId};
use cityos_domain::log::Partition::Platform;

#[test]
fn places_know_their_children_their_old_slugs_and_their_end() {
    let places = replay::<Places>(History::of_everything().events()).unwrap();
    let place = |name: &str| &places[&(Platform, id::<PlaceId>(name))];
    assert_eq!(place("br").children, 1, "two scopes were added and one removed");
    assert_eq!(place("lamps").parent, Some(id("home")));
    let moved = place("trades");
    assert_eq!((moved.slug.as_str(), moved.archived), ("oficios", true));
    assert_eq!(moved.aliases.iter().map(|alias| alias.as_str()).collect::<Vec<_>>(), ["trades"]);
    assert_eq!(text_in("pt-BR", &moved.name), "Ofícios");
    assert_eq!(moved.version, 4);
}

#[test]
fn a_place_cannot_lose_a_child_it_does_not_have() {
    let told = told::<Places>(|history| {
        let removed = place::Event::ChildRemoved { child: uuid::Uuid::nil() };
        let (level, parent) = (place::Level::Country, None);
        let everything = History::of_everything();
        let Event::Place(place::Event::Created { slug, name, .. }) = &everything.events()[0].event else {
            panic!("the history begins with a place")
        };
        let (slug, name) = (slug.clone(), name.clone());
        history.happens(Platform, id::<PlaceId>("br"), place::Event::Created { level, parent, slug, name });
        history.happens(Platform, id::<PlaceId>("br"), removed);
    });
    assert!(matches!(told, Err(Unfit::Contradiction(_))));
}

#[test]
fn tenants_are_listed_in_the_platforms_partition_with_where_they_stand() {
    let tenants = replay::<Tenants>(History::of_everything().events()).unwrap();
    assert_eq!(tenants.len(), 3);
    let bazaar = &tenants[&(Platform, id::<TenantId>("bazaar"))];
    assert_eq!((bazaar.status, bazaar.tier), (Stage::Active, Tier::Professional));
    assert_eq!(bazaar.default_store, Some(id("main store")));
    assert_eq!(bazaar.policies.payouts, PayoutSchedule::Daily { hour: 6 });
    assert!(bazaar.payouts_next_at > Some(bazaar.registered_at));
    assert_eq!(bazaar.reason.as_deref(), Some("papers found"));
    let gone = &tenants[&(Platform, id::<TenantId>("gone"))];
    assert_eq!((gone.status, gone.payouts_next_at), (Stage::Closed, None));
}

#[test]
fn a_tenants_own_stream_is_enough_for_its_row() {
    let history = History::of_everything();
    let own = history.events().iter().filter(|event| {
        event.stream.partition == partition("bazaar") && matches!(event.event, Event::Tenant(_))
    });
    let rows = replay::<Tenants>(own).unwrap();
    assert_eq!(rows.values().next().unwrap().version, 8);
}

#[test]
fn stores_open_change_and_close() {
    let main = row::<Stores>(id::<StoreId>("main store"));
    assert!(main.open);
    assert_eq!((main.regions.len(), main.theme_revision), (1, 1));
    assert_eq!(main.theme["accent"], "teal");
    let closed = row::<Stores>(id::<StoreId>("closed store"));
    assert_eq!((closed.open, closed.closed_reason.as_deref()), (false, Some("moved")));
}
