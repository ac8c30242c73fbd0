//! The city: its geography, and tenants that come and go.

use super::{History, brl, id, locale, name, partition, slug};
use chrono::TimeDelta;
use cityos_domain::calendar::Zone;
use cityos_domain::foundation::place::{self, Level};
use cityos_domain::foundation::store::{self, Region, StoreKind};
use cityos_domain::foundation::tenant::{self, PayoutSchedule, Policies, Tier};
use cityos_domain::foundation::{reservation, tenancy};
use cityos_domain::ids::{PlaceId, TenantId};
use cityos_domain::log::Partition::{self, Platform};
use std::collections::BTreeMap;

/// A country with everything below it, and a scope that is moved out again.
pub(super) fn geography(history: &mut History) {
    let mut above: Option<PlaceId> = None;
    let tree = [
        (Level::Country, "br"),
        (Level::Scope, "crafts"),
        (Level::Category, "home"),
        (Level::Subcategory, "lamps"),
    ];
    for (level, place) in tree {
        add_place(history, level, above, place);
        above = Some(id(place));
    }
    add_place(history, Level::Scope, Some(id("br")), "trades");
    let spare: PlaceId = id("trades");
    history.happens(Platform, spare, place::Event::Renamed { name: name("Ofícios") });
    let (new, old) = (slug("oficios"), slug("trades"));
    history.happens(Platform, spare, place::Event::SlugChanged { slug: new, alias: old });
    history.happens(Platform, spare, place::Event::Archived {});
    history.happens(Platform, id::<PlaceId>("br"), place::Event::ChildRemoved { child: spare.0 });
}

fn add_place(history: &mut History, level: Level, parent: Option<PlaceId>, place: &str) {
    let created = place::Event::Created { level, parent, slug: slug(place), name: name(place) };
    history.happens(Platform, id::<PlaceId>(place), created);
    if let Some(parent) = parent {
        history.happens(Platform, parent, place::Event::ChildAdded { child: id::<PlaceId>(place).0 });
    }
}

fn register(history: &mut History, called: &str) -> (TenantId, Partition) {
    let (tenant, own): (TenantId, Partition) = (id(called), partition(called));
    let (zone, currency, tier) = (Zone::UTC, brl(), Tier::Basic);
    let (taken, subcategory) = (slug(called), Some(id("lamps")));
    let reserved: uuid::Uuid = id(&format!("slug {called}"));
    let owner = tenant.0;
    let scope = "tenant_slug".to_owned();
    history.happens(Platform, reserved, reservation::Event::Taken { scope, name: called.into(), owner });
    history.happens(
        Platform,
        tenant,
        tenancy::Event::Registered {
            slug: taken.clone(),
            name: name(called),
            subcategory,
            zone,
            locale: locale(),
            currency,
            tier,
        },
    );
    history.wait(1);
    history.happens(
        own,
        tenant,
        tenant::Event::Provisioned {
            slug: taken,
            name: name(called),
            subcategory,
            zone,
            locale: locale(),
            currency,
            tier,
        },
    );
    history.happens(own, tenant, tenant::Event::Activated {});
    (tenant, own)
}

/// A tenant with an open store and a closed one, which was suspended for a while and pays out every day.
pub(super) fn tenant(history: &mut History, called: &str) -> Partition {
    let (tenant, own) = register(history, called);
    for store in ["main store", "closed store"] {
        let kind = StoreKind::Marketplace;
        let (currencies, locales, regions) = (vec![brl()], vec![locale()], Vec::new());
        let (slug, name) = (slug(&store.replace(' ', "-")), name(store));
        let brand = called.to_owned();
        let opened = store::Event::Opened { slug, name, brand, kind, currencies, locales, regions };
        history.happens(own, id::<uuid::Uuid>(store), opened);
    }
    history.happens(own, tenant, tenant::Event::DefaultStoreChosen { store: id("main store") });
    let region = Region {
        slug: slug("south"),
        countries: vec!["BR".into()],
        currency: brl(),
        prices_include_tax: true,
    };
    let main: uuid::Uuid = id("main store");
    history.happens(own, main, store::Event::RegionsChanged { regions: vec![region] });
    let tokens = BTreeMap::from([("accent".to_owned(), "teal".to_owned())]);
    history.happens(own, main, store::Event::ThemeChanged { revision: 1, tokens });
    let reason = "moved".to_owned();
    history.happens(own, id::<uuid::Uuid>("closed store"), store::Event::Closed { reason });
    history.happens(own, tenant, tenant::Event::TierChanged { tier: Tier::Professional });
    let policies =
        Policies { hold_days: 7, payouts: PayoutSchedule::Daily { hour: 6 }, ..Policies::default() };
    let payouts_next_at = Some(history.now() + TimeDelta::hours(6));
    history.happens(own, tenant, tenant::Event::PoliciesChanged { policies, payouts_next_at });
    history.happens(own, tenant, tenant::Event::Suspended { reason: "papers missing".into() });
    history.happens(own, tenant, tenant::Event::Resumed { reason: "papers found".into() });
    history.wait(6 * 60);
    let next_at = Some(history.now() + TimeDelta::days(1));
    history.happens(own, tenant, tenant::Event::PayoutsDue { next_at });
    own
}

/// A tenant that is wound up; its slug is free again.
pub(super) fn tenant_leaves(history: &mut History) {
    let (tenant, own) = register(history, "gone");
    history.happens(own, tenant, tenant::Event::ClosingStarted { reason: "retired".into() });
    history.happens(own, tenant, tenant::Event::Closed {});
    history.happens(Platform, id::<uuid::Uuid>("slug gone"), reservation::Event::Freed {});
}
