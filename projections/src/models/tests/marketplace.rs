//! Vendors, customers, catalogue, stock and commission rules.

use super::super::commission_rules::CommissionRules;
use super::super::customers::Customers;
use super::super::offers::Offers;
use super::super::product_categories::ProductCategories;
use super::super::products::Products;
use super::super::vendors::Vendors;
use super::{row, rows, steps, text_in, told};
use crate::history::{id, partition};
use crate::model::Unfit;
use cityos_domain::commission::rules::{self, catch_all};
use cityos_domain::ids::*;
use cityos_domain::marketplace::stock;
use cityos_domain::marketplace::vendor::{self, KycStatus, Stage};

#[test]
fn vendors_go_through_their_life() {
    use Stage::*;
    let life = |name: &str| steps::<Vendors, _>(id(name), |vendor| vendor.status);
    assert_eq!(life("lamp maker"), [Applied, Onboarding, ReadyForReview, Approved]);
    assert_eq!(life("carver"), [Invited, Onboarding, ReadyForReview, Rejected, Applied]);
    assert_eq!(
        life("smith"),
        [Invited, Onboarding, ReadyForReview, Approved, Suspended, Approved, Terminated]
    );
}

#[test]
fn selling_and_being_paid_are_two_things() {
    let can = |name: &str| {
        let vendor = row::<Vendors>(id::<VendorId>(name));
        (vendor.can_sell(), vendor.can_be_paid())
    };
    assert_eq!(can("lamp maker"), (true, true));
    assert_eq!(can("weaver"), (false, false), "suspended");
    assert_eq!(can("smith"), (false, false), "terminated, without an account");
    let with_account_and = |then: vendor::Event| {
        let told = told::<Vendors>(|history| {
            let vendor: VendorId = id("lamp maker");
            let own = partition("bazaar");
            let known = row::<Vendors>(vendor);
            let (handle, name, contact) = (known.handle, known.name, known.contact);
            history.happens(own, vendor, vendor::Event::Applied { handle, name, contact, application: 0 });
            history.happens(own, vendor, vendor::Event::PayoutAccountOpened { account: "a".into() });
            history.happens(own, vendor, then);
        });
        let vendor = told.unwrap().into_values().next().unwrap();
        (vendor.can_sell(), vendor.can_be_paid())
    };
    let proven = vendor::Event::KycChanged { status: KycStatus::Verified, reason: "papers".into() };
    assert_eq!(with_account_and(vendor::Event::Approved { evidence: 1 }), (true, false), "not proven");
    assert_eq!(with_account_and(proven), (false, true), "what was earned before a new application is theirs");
}

#[test]
fn who_applies_again_keeps_what_is_known_of_them() {
    let again = row::<Vendors>(id::<VendorId>("carver"));
    assert_eq!((again.evidence, again.reason), (1, None));
    assert!(again.known_since <= row::<Vendors>(id::<VendorId>("smith")).known_since);
}

#[test]
fn contacts_stay_sealed() {
    let customer = row::<Customers>(id::<CustomerId>("customer"));
    assert!(customer.guest);
    assert_eq!(customer.contact.unwrap().person, id("buyer"));
}

#[test]
fn products_and_categories_change_and_are_archived() {
    let candle = row::<Products>(id::<ProductId>("candle"));
    assert_eq!((text_in("pt-BR", &candle.title), candle.category, candle.archived), ("vela", None, true));
    let below = row::<ProductCategories>(id::<ProductCategoryId>("candles"));
    assert_eq!((below.parent, below.archived), (Some(id("lighting")), true));
    let above = row::<ProductCategories>(id::<ProductCategoryId>("lighting"));
    assert_eq!(text_in("pt-BR", &above.name), "Iluminação");
}

#[test]
fn an_offer_shows_its_newest_price_and_whether_it_is_on_sale() {
    let on_sale = steps::<Offers, _>(id("vase offer"), |offer| (offer.on_sale, offer.prices[0].unit.minor));
    assert_eq!(on_sale, [(true, 4_000), (false, 4_000), (true, 4_000), (true, 5_000)]);
    let vase = row::<Offers>(id::<OfferId>("vase offer"));
    assert_eq!((vase.prices.len(), vase.version), (1, 4), "events of the stock do not count");
    assert_eq!(vase.stock_version, 5);
}

#[test]
fn stock_is_held_allocated_and_given_back() {
    let of_vase = steps::<Offers, _>(id("vase offer"), |offer| (offer.on_hand, offer.held));
    assert_eq!(of_vase, [(0, 0), (20, 0), (19, 0), (19, 1), (18, 0), (19, 0)]);
    assert_eq!(row::<Offers>(id::<OfferId>("vase offer")).available(), Some(19));
    let lamp = row::<Offers>(id::<OfferId>("lamp offer"));
    assert_eq!((lamp.on_hand, lamp.held), (17, 0), "three of four were sold, one of them canceled again");
}

#[test]
fn more_units_than_there_are_do_not_fit() {
    let offer = crate::history::History::of_everything();
    let listed = offer.events().iter().find(|event| event.event.encode().type_name == "offer.listed");
    let listed = listed.unwrap();
    let oversold = told::<Offers>(|history| {
        history.happens(listed.stream.partition, listed.stream.id, listed.event.clone());
        let (reservation, expires_at) = (id("r"), history.now());
        let held = stock::Event::Reserved { reservation, quantity: 1, expires_at };
        history.happens(listed.stream.partition, listed.stream.id, held);
    });
    assert!(matches!(oversold, Err(Unfit::Contradiction(_))));
}

#[test]
fn rules_are_ranked_from_the_top_down_to_the_catch_all() {
    let mut rules: Vec<_> = rows::<CommissionRules>().into_values().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.rank));
    let shown: Vec<_> = rules.iter().map(|rule| (rule.name.as_str(), rule.enabled)).collect();
    assert_eq!(shown, [("pottery", false), ("lamps", true), ("catch-all", true)]);
}

#[test]
fn the_catch_all_is_there_before_anybody_touches_it() {
    let mut seeded = steps::<CommissionRules, _>(catch_all(), |rule| (rule.rank, rule.enabled));
    seeded.dedup();
    assert_eq!(seeded, [(0, false), (0, true)]);
    let removed = told::<CommissionRules>(|history| {
        history.happens(
            partition("bazaar"),
            id::<TenantId>("bazaar"),
            rules::Event::Removed { rule: id("none") },
        );
    });
    let left: Vec<_> = removed.unwrap().into_values().map(|rule| (rule.id, rule.list_version)).collect();
    assert_eq!(left, [(catch_all(), 1)]);
}

#[test]
fn every_change_of_a_rule_is_counted_with_the_catch_all() {
    let versions = steps::<CommissionRules, _>(catch_all(), |rule| rule.list_version);
    assert_eq!(versions, (0..versions.len() as u64).collect::<Vec<_>>());
    assert!(versions.len() > 4, "{versions:?}");
}
