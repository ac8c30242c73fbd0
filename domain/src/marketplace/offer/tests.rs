//! When something can be offered, for how much, and when it can be bought.

use super::*;
use crate::foundation::tenant::Tenant;
use crate::marketplace::{product, vendor};
use crate::rehearsal::scene::{currency, offer, price, reason};
use crate::rehearsal::{City, id};
use crate::workspace::Tell;

fn tell(command: Command) -> Tell<Offer> {
    Tell { id: id("lamp"), command }
}

fn withdraw() -> Tell<Offer> {
    tell(Command::Withdraw { reason: reason() })
}

/// A market with a vendor, a product, and no offer.
fn unlisted() -> (City, ListOffer) {
    let mut city = City::market();
    let (vendor, product) = (city.approved_vendor("ada"), city.product("desk-lamp"));
    (city, offer("lamp", vendor, product, price(1_000, "EUR"), false))
}

/// A market with that offer.
fn listed() -> City {
    let (mut city, lamp) = unlisted();
    city.must(&lamp);
    city
}

fn suspend_tenant() -> Tell<Tenant> {
    Tell { id: id("market"), command: tenant::Command::Suspend { reason: reason() } }
}

fn suspend_vendor() -> Tell<Vendor> {
    Tell { id: id("ada"), command: vendor::Command::Suspend { reason: reason() } }
}

fn archive_product() -> Tell<Product> {
    Tell { id: id("desk-lamp"), command: product::Command::Archive }
}

#[test]
fn listing_and_relisting_take_a_trading_tenant_a_selling_vendor_and_a_live_product() {
    let stops: [(&dyn Intention, &str); 3] = [
        (&suspend_tenant(), "TENANT_SUSPENDED"),
        (&suspend_vendor(), "VENDOR_CANNOT_SELL"),
        (&archive_product(), "PRODUCT_ARCHIVED"),
    ];
    for (stop, code) in stops {
        let (mut city, lamp) = unlisted();
        assert_eq!(city.must(stop).refusal(&lamp), code);
        let mut city = listed();
        assert_eq!(city.must(&withdraw()).must(stop).refusal(&RelistOffer { id: id("lamp") }), code);
    }
    let (mut city, lamp) = unlisted();
    let mut unknown = lamp.clone();
    unknown.listing.vendor = id("nobody");
    assert_eq!(city.refusal(&unknown), "VENDOR_UNKNOWN");
    unknown = lamp;
    unknown.listing.product = id("nothing");
    assert_eq!(city.refusal(&unknown), "PRODUCT_UNKNOWN");
    assert_eq!(city.refusal(&RelistOffer { id: id("nothing") }), "OFFER_UNKNOWN");
}

#[test]
fn an_offer_has_one_positive_price_in_each_of_its_currencies() {
    let (mut city, lamp) = unlisted();
    let mut refusal = |prices: Vec<Price>| {
        let mut lamp = lamp.clone();
        lamp.listing.prices = prices;
        city.refusal(&lamp)
    };
    assert_eq!(refusal(vec![]), "OFFER_NO_PRICE");
    assert_eq!(refusal(vec![price(0, "EUR")]), "OFFER_PRICE_OUTSIDE_LIMITS");
    assert_eq!(refusal(vec![price(-5, "EUR")]), "OFFER_PRICE_OUTSIDE_LIMITS");
    assert_eq!(refusal(vec![price(AMOUNT_MINOR_MAX + 1, "EUR")]), "OFFER_PRICE_OUTSIDE_LIMITS");
    let freight = Price { freight_minor: -1, ..price(5, "EUR") };
    assert_eq!(refusal(vec![freight]), "OFFER_PRICE_OUTSIDE_LIMITS");
    assert_eq!(refusal(vec![price(5, "EUR"), price(6, "EUR")]), "OFFER_PRICED_TWICE");
    let wrong = tell(Command::ChangePrice { price: price(0, "EUR") });
    assert_eq!(listed().refusal(&wrong), "OFFER_PRICE_OUTSIDE_LIMITS");
}

#[test]
fn a_sku_is_one_offer_of_a_vendor_but_other_vendors_may_use_it() {
    let (mut city, lamp) = unlisted();
    let mut twin = lamp.clone();
    twin.id = id("twin");
    let results = city.race(&[&lamp, &twin]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "OFFER_SKU_TAKEN"));
    assert_eq!(city.refusal(&lamp), "OFFER_EXISTS");
    twin.listing.vendor = city.approved_vendor("grace");
    city.must(&twin);
}

#[test]
fn an_offer_is_bought_at_the_price_of_the_currency_while_it_is_listed() {
    let mut city = listed();
    let (eur, sar) = (currency("EUR"), currency("SAR"));
    let buyable = |city: &City, currency| city.state::<Offer>(id("lamp")).buyable(currency);
    assert_eq!(buyable(&City::market(), eur), Err(Rejection::Unknown));
    assert_eq!(buyable(&city, sar), Err(Rejection::NotPriced(sar)));
    city.must(&tell(Command::ChangePrice { price: price(4_000, "SAR") }))
        .must(&tell(Command::ChangePrice { price: price(900, "EUR") }));
    assert_eq!(buyable(&city, sar), Ok(price(4_000, "SAR")));
    assert_eq!(buyable(&city, eur), Ok(price(900, "EUR")));
    city.must(&withdraw());
    assert_eq!(buyable(&city, eur), Err(Rejection::Withdrawn));
    city.must(&RelistOffer { id: id("lamp") });
    assert_eq!(buyable(&city, eur), Ok(price(900, "EUR")));
}

#[test]
fn what_is_already_so_does_not_happen_again() {
    let mut city = listed();
    let same = tell(Command::ChangePrice { price: price(1_000, "EUR") });
    assert_eq!(city.when(&same), Ok(Vec::new()));
    assert_eq!(city.when(&RelistOffer { id: id("lamp") }), Ok(Vec::new()));
    city.must(&withdraw());
    assert_eq!(city.when(&withdraw()), Ok(Vec::new()));
    assert_eq!(City::market().refusal(&withdraw()), "OFFER_UNKNOWN");
}
