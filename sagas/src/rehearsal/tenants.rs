//! Tenants that come and go.

use super::market::{of_city, opened, reason, registration, registration_below, slug, tell, tenant, text};
use super::{Act, End, Rehearsal};
use cityos_domain::foundation::place::{CreatePlace, Level};
use cityos_domain::foundation::tenant::{Command, Tenant};
use cityos_domain::ids::PlaceId;
use cityos_domain::rehearsal::id;

/// For the opening of tenants.
pub fn openings() -> Vec<Rehearsal> {
    vec![Rehearsal {
        name: "a tenant is registered",
        setting: vec![],
        acts: vec![registration(), Act::Settle],
        end: End::Completed,
    }]
}

/// For the closing of tenants.
pub fn closings() -> Vec<Rehearsal> {
    let mut below = geography();
    below.extend([registration_below(Some(subcategory())), Act::Settle]);
    vec![
        Rehearsal {
            name: "the only tenant of a subcategory is over",
            setting: below,
            acts: over(),
            end: End::Completed,
        },
        Rehearsal {
            name: "a tenant outside the geography is over",
            setting: opened(),
            acts: over(),
            end: End::Completed,
        },
    ]
}

/// The one subcategory of the city.
pub fn subcategory() -> PlaceId {
    id("fish")
}

fn geography() -> Vec<Act> {
    let tree = [
        (Level::Country, "sa", None),
        (Level::Scope, "coast", Some("sa")),
        (Level::Category, "food", Some("coast")),
        (Level::Subcategory, "fish", Some("food")),
    ];
    let place = |(level, name, above): (Level, &str, Option<&str>)| {
        of_city(CreatePlace {
            id: id(name),
            level,
            parent: above.map(id),
            slug: slug(name),
            name: text(name),
        })
    };
    tree.map(place).into()
}

fn over() -> Vec<Act> {
    let reason = reason("moved away");
    vec![
        tell::<Tenant>(tenant(), Command::StartClosing { reason }),
        tell::<Tenant>(tenant(), Command::Close),
        Act::Settle,
    ]
}
