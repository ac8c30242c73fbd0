//! A marketplace is set up: vendors of every standing, customers, a catalogue with stock, and commission
//! rules.

use super::{History, brl, code, id, name, slug};
use cityos_domain::calendar::Month;
use cityos_domain::commission::rules::{self, Basis, Conditions, Fee, Rule, catch_all};
use cityos_domain::commission::tier;
use cityos_domain::ids::*;
use cityos_domain::log::Partition;
use cityos_domain::marketplace::customer::{self, Contact};
use cityos_domain::marketplace::offer::{self, Price};
use cityos_domain::marketplace::vendor::{self, KycStatus};
use cityos_domain::marketplace::{product, product_category, stock};
use cityos_domain::money::{Money, Rate};
use cityos_domain::sealed::Sealed;
use std::collections::BTreeMap;

fn sealed(person: &str) -> Sealed<Contact> {
    Sealed::new(id(person), format!("ciphertext-about-{}", id::<PersonId>(person)))
}

pub(super) fn opens(history: &mut History, own: Partition) {
    vendors(history, own);
    let customer: CustomerId = id("customer");
    history.happens(own, customer, customer::Event::Registered { guest: true, contact: None });
    history.happens(own, customer, customer::Event::ContactChanged { contact: sealed("buyer") });
    catalogue(history, own);
    commission(history, own);
    history.wait(60);
}

fn vendors(history: &mut History, own: Partition) {
    use vendor::Event as E;
    for vendor in ["lamp maker", "potter"] {
        history.happens(
            own,
            id::<VendorId>(vendor),
            E::Applied {
                handle: code(&vendor.replace(' ', "-")),
                name: name(vendor),
                contact: Some(sealed(vendor)),
                application: 0,
            },
        );
        admitted(history, own, vendor);
        let (status, reason) = (KycStatus::Verified, "papers seen".into());
        history.happens(own, id::<VendorId>(vendor), E::KycChanged { status, reason });
    }
    let invited = |vendor: &str| E::Invited { handle: code(vendor), name: name(vendor), contact: None };
    history.happens(own, id::<VendorId>("weaver"), invited("weaver"));
    admitted(history, own, "weaver");
    history.happens(own, id::<VendorId>("weaver"), E::Suspended { reason: "complaints".into() });

    let again: VendorId = id("carver");
    history.happens(own, again, invited("carver"));
    history.happens(own, again, E::OnboardingStarted {});
    history.happens(own, again, E::SubmittedForReview { evidence: 1 });
    history.happens(own, again, E::Rejected { reason: "no papers".into(), evidence: 1 });
    let (handle, name) = (code("carver"), name("carver"));
    history.happens(own, again, E::Applied { handle, name, contact: None, application: 1 });

    let gone: VendorId = id("smith");
    history.happens(own, gone, invited("smith"));
    admitted(history, own, "smith");
    history.happens(own, gone, E::Suspended { reason: "holiday".into() });
    history.happens(own, gone, E::Resumed { reason: "back".into() });
    history.happens(own, gone, E::PayoutAccountClosed {});
    history.happens(own, gone, E::PayoutAccountRequested {});
    history.happens(own, gone, E::Terminated { reason: "retired".into() });
}

fn admitted(history: &mut History, own: Partition, vendor: &str) {
    use vendor::Event as E;
    let vendor_id: VendorId = id(vendor);
    history.happens(own, vendor_id, E::OnboardingStarted {});
    history.happens(own, vendor_id, E::PayoutAccountOpened { account: format!("acct-{vendor}") });
    history.happens(own, vendor_id, E::SubmittedForReview { evidence: 1 });
    history.happens(own, vendor_id, E::Approved { evidence: 1 });
}

pub(super) fn price(minor: i64) -> Price {
    Price { unit: Money { minor, currency: brl() }, freight_minor: 500, includes_tax: true }
}

fn catalogue(history: &mut History, own: Partition) {
    let category: ProductCategoryId = id("lighting");
    let created =
        product_category::Event::Created { parent: None, slug: slug("lighting"), name: name("Lighting") };
    history.happens(own, category, created);
    history.happens(own, category, product_category::Event::Renamed { name: name("Iluminação") });
    let below: ProductCategoryId = id("candles");
    let created = product_category::Event::Created {
        parent: Some(category),
        slug: slug("candles"),
        name: name("Candles"),
    };
    history.happens(own, below, created);
    history.happens(own, below, product_category::Event::Archived {});

    for product in ["lamp", "vase", "candle"] {
        let created = product::Event::Created {
            code: code(product),
            title: name(product),
            category: Some(category),
            weight_g: Some(900),
        };
        history.happens(own, id::<ProductId>(product), created);
    }
    let candle: ProductId = id("candle");
    history.happens(own, candle, product::Event::Retitled { title: name("vela") });
    history.happens(own, candle, product::Event::Recategorised { category: None });
    history.happens(own, candle, product::Event::Archived {});

    for (offer, vendor, product, minor) in
        [("lamp offer", "lamp maker", "lamp", 10_000), ("vase offer", "potter", "vase", 4_000)]
    {
        let listed = offer::Event::Listed {
            vendor: id(vendor),
            product: id(product),
            sku: code(product),
            prices: vec![price(minor)],
            stock_tracked: true,
        };
        history.happens(own, id::<OfferId>(offer), listed);
        history.happens(own, id::<OfferId>(offer), stock::Event::Received { quantity: 20 });
    }
    let (vase, vendor): (OfferId, VendorId) = (id("vase offer"), id("potter"));
    history.happens(own, vase, offer::Event::Withdrawn { vendor, reason: "kiln broken".into() });
    history.happens(own, vase, offer::Event::Relisted { vendor });
    history.happens(own, vase, offer::Event::PriceChanged { vendor, price: price(5_000) });
    history.happens(own, vase, stock::Event::Adjusted { by: -1, reason: "one broke".into() });
}

fn commission(history: &mut History, own: Partition) {
    use rules::Event as E;
    let list: TenantId = own.tenant().expect("rules are a tenant's");
    let fee = Fee::Percent {
        rate: Rate { millionths: 100_000 },
        basis: Basis::Net,
        floor_minor: BTreeMap::new(),
        cap_minor: BTreeMap::new(),
        includes_freight: false,
    };
    for rule in ["lamps", "pottery", "mistake"] {
        let conditions = Conditions::default();
        let rule = Rule { id: id(rule), name: rule.into(), conditions, fee: fee.clone() };
        history.happens(own, list, E::Added { rule });
    }
    history.happens(own, list, E::Disabled { rule: id("pottery") });
    history.happens(own, list, E::Removed { rule: id("mistake") });
    history.happens(own, list, E::CatchAllChanged { fee });
    history.happens(own, list, E::Enabled { rule: catch_all() });
    let advanced = tier::Event::Advanced {
        rule: id("lamps"),
        vendor: id("lamp maker"),
        month: Month { year: 2026, month: 1 },
        currency: brl(),
        by_minor: 20_000,
        total_minor: 20_000,
        part: id("first order, lamps"),
    };
    history.happens(own, id::<uuid::Uuid>("tier of the lamp maker"), advanced);
}
