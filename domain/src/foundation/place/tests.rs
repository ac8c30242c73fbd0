//! The tree of the city: what may lie where, under which slug, and for how long.

use super::*;
use crate::calendar::Zone;
use crate::foundation::tenancy::RegisterTenant;
use crate::ids::TenantId;
use crate::rehearsal::scene::{registration, slug, text};
use crate::rehearsal::{City, id};
use crate::workspace::Tell;

fn create(name: &str, level: Level, parent: Option<&str>) -> CreatePlace {
    CreatePlace { id: id(name), level, parent: parent.map(id), slug: slug(name), name: text(name) }
}

/// A country, a scope, a category and a subcategory, each below the other.
fn grown() -> City {
    let mut city = City::platform();
    city.must(&create("sa", Level::Country, None))
        .must(&create("riyadh", Level::Scope, Some("sa")))
        .must(&create("food", Level::Category, Some("riyadh")))
        .must(&create("bakeries", Level::Subcategory, Some("food")));
    city
}

fn tell(name: &str, command: Command) -> Tell<Place> {
    Tell { id: id(name), command }
}

#[test]
fn a_place_lies_only_below_a_live_one_of_the_level_above() {
    let mut city = grown();
    assert_eq!(city.refusal(&create("x", Level::Category, Some("sa"))), "PLACE_WRONG_PARENT");
    assert_eq!(city.refusal(&create("x", Level::Scope, Some("food"))), "PLACE_WRONG_PARENT");
    assert_eq!(city.refusal(&create("x", Level::Scope, None)), "PLACE_WRONG_PARENT");
    assert_eq!(city.refusal(&create("de", Level::Country, Some("sa"))), "PLACE_WRONG_PARENT");
    assert_eq!(city.refusal(&create("x", Level::Scope, Some("nowhere"))), "PLACE_UNKNOWN");
    assert_eq!(city.refusal(&create("sa", Level::Country, None)), "PLACE_EXISTS");

    city.must(&create("old", Level::Subcategory, Some("food"))).must(&ArchivePlace { id: id("old") });
    let mut newcomer = registration("newcomer");
    newcomer.subcategory = Some(id("old"));
    let register = RegisterTenant { id: id("newcomer"), registration: newcomer };
    assert_eq!(city.refusal(&register), "PLACE_ARCHIVED");
}

#[test]
fn a_country_carries_an_assigned_code_and_keeps_it() {
    let mut city = grown();
    assert_eq!(city.refusal(&create("zz", Level::Country, None)), "PLACE_NOT_A_COUNTRY");
    assert_eq!(city.refusal(&create("sau", Level::Country, None)), "PLACE_NOT_A_COUNTRY");
    let change = ChangePlaceSlug { id: id("sa"), slug: slug("de") };
    assert_eq!(city.refusal(&change), "PLACE_SLUG_FIXED");
}

#[test]
fn a_slug_is_unique_below_its_parent_and_an_old_one_is_never_anothers() {
    let mut city = grown();
    let mut twin = create("twin", Level::Category, Some("riyadh"));
    twin.slug = slug("food");
    assert_eq!(city.refusal(&twin), "PLACE_SLUG_TAKEN");

    city.must(&ChangePlaceSlug { id: id("food"), slug: slug("eating") });
    assert_eq!(city.refusal(&twin), "PLACE_SLUG_TAKEN", "the old slug is an alias");
    city.must(&ChangePlaceSlug { id: id("food"), slug: slug("food") });
    assert_eq!(city.state::<Place>(id("food")).live().unwrap().slug, slug("food"), "it may have it back");

    city.must(&create("jeddah", Level::Scope, Some("sa")));
    twin.parent = Some(id("jeddah"));
    city.must(&twin);
}

#[test]
fn two_places_that_want_one_slug_at_once_do_not_both_get_it() {
    let mut city = grown();
    let [mut one, mut other] = ["one", "other"].map(|name| create(name, Level::Category, Some("riyadh")));
    one.slug = slug("crafts");
    other.slug = slug("crafts");
    let results = city.race(&[&one, &other]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "PLACE_SLUG_TAKEN"));
}

#[test]
fn a_place_with_something_below_it_is_not_archived() {
    let mut city = grown();
    let tenant: TenantId = id("baker");
    let mut baker = registration("baker");
    baker.subcategory = Some(id("bakeries"));
    city.must(&RegisterTenant { id: tenant, registration: baker });

    assert_eq!(city.refusal(&ArchivePlace { id: id("food") }), "PLACE_HAS_CHILDREN");
    assert_eq!(city.refusal(&ArchivePlace { id: id("bakeries") }), "PLACE_HAS_CHILDREN");
    city.must(&tell("bakeries", Command::RemoveChild { child: tenant.into() }))
        .must(&ArchivePlace { id: id("bakeries") })
        .must(&ArchivePlace { id: id("food") });
    assert_eq!(city.when(&ArchivePlace { id: id("food") }), Ok(Vec::new()), "already so");
    assert_eq!(city.refusal(&ArchivePlace { id: id("nowhere") }), "PLACE_UNKNOWN");
}

#[test]
fn a_place_is_not_archived_while_something_is_put_below_it() {
    let mut city = grown();
    let archive = ArchivePlace { id: id("bakeries") };
    let mut baker = registration("baker");
    baker.subcategory = Some(id("bakeries"));
    let register = RegisterTenant { id: id("baker"), registration: baker };
    let results = city.race(&[&archive, &register]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "PLACE_ARCHIVED"));
}

#[test]
fn an_archived_place_stays_as_it_was() {
    let mut city = grown();
    city.must(&ArchivePlace { id: id("bakeries") });
    for command in [
        Command::Rename { name: text("Bakers") },
        Command::ChangeSlug { slug: slug("bakers") },
        Command::AddChild { child: id("x") },
    ] {
        assert_eq!(city.refusal(&tell("bakeries", command)), "PLACE_ARCHIVED");
    }
    let remove = tell("bakeries", Command::RemoveChild { child: id("x") });
    assert_eq!(city.when(&remove), Ok(Vec::new()), "nothing is below it");
    let mut heir = create("heir", Level::Subcategory, Some("food"));
    heir.slug = slug("bakeries");
    assert_eq!(city.refusal(&heir), "PLACE_SLUG_TAKEN");
}

#[test]
fn renaming_twice_happens_once() {
    let mut city = grown();
    let rename = tell("food", Command::Rename { name: text("Food and drink") });
    assert_eq!(city.when(&rename).unwrap().len(), 1);
    assert_eq!(city.when(&rename), Ok(Vec::new()));
}

#[test]
fn tenants_belong_to_subcategories_under_a_slug_of_their_own() {
    let mut city = grown();
    let register = |name: &str, place: Option<&str>| {
        let mut registration = registration("baker");
        registration.subcategory = place.map(id);
        registration.zone = Zone::UTC;
        RegisterTenant { id: id(name), registration }
    };
    assert_eq!(city.refusal(&register("one", Some("food"))), "PLACE_WRONG_PARENT");
    let [one, other] = ["one", "other"].map(|name| register(name, None));
    let results = city.race(&[&one, &other]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "TENANT_SLUG_TAKEN"));
    assert_eq!(city.refusal(&one), "TENANCY_EXISTS");
}
