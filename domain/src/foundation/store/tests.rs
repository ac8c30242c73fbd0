//! Opening, changing and closing stores, and which one is the default.

use super::*;
use crate::foundation::tenant::Profile;
use crate::rehearsal::scene::{currency, reason, slug, text};
use crate::rehearsal::{City, id};
use crate::workspace::Tell;

fn open(name: &str) -> OpenStore {
    let opening = Opening {
        slug: slug(name),
        name: text(name),
        brand: "Souq".into(),
        kind: StoreKind::Marketplace,
        currencies: vec![currency("EUR"), currency("SAR")],
        locales: vec![Locale::parse("locale", "en").unwrap()],
        regions: vec![region("gulf", &["SA", "AE"], "SAR")],
    };
    OpenStore { id: id(name), opening }
}

fn region(name: &str, countries: &[&str], code: &str) -> Region {
    Region {
        slug: slug(name),
        countries: countries.iter().map(|country| (*country).to_owned()).collect(),
        currency: currency(code),
        prices_include_tax: true,
    }
}

fn tell(name: &str, command: Command) -> Tell<Store> {
    Tell { id: id(name), command }
}

fn theme(name: &str, value: &str) -> Command {
    Command::ChangeTheme { tokens: BTreeMap::from([(name.to_owned(), value.to_owned())]) }
}

fn default_store(city: &City) -> Option<StoreId> {
    match city.state::<Tenant>(id("market")) {
        Tenant::Unknown => None,
        Tenant::Known { profile, .. } => Profile::clone(&profile).default_store,
    }
}

#[test]
fn what_a_store_opens_with_lies_within_limits() {
    let mut city = City::market();
    let mut check = |change: &dyn Fn(&mut Opening)| {
        let mut store = open("souq");
        change(&mut store.opening);
        assert_eq!(city.refusal(&store), "STORE_OUTSIDE_LIMITS");
    };
    check(&|opening| opening.brand = " ".into());
    check(&|opening| opening.currencies.clear());
    check(&|opening| opening.currencies.push(currency("EUR")));
    check(&|opening| opening.locales.clear());
    check(&|opening| opening.regions[0].currency = currency("USD"));
    check(&|opening| opening.regions[0].countries.clear());
    check(&|opening| opening.regions[0].countries.push("ZZ".into()));
    check(&|opening| opening.regions.push(region("other", &["AE"], "EUR")));
    check(&|opening| opening.regions.push(region("gulf", &["DE"], "EUR")));
}

#[test]
fn only_a_trading_tenant_opens_stores_and_each_slug_once() {
    let mut city = City::of_tenant(id("nobody"));
    assert_eq!(city.refusal(&open("souq")), "TENANT_UNKNOWN");
    let mut city = City::market();
    let (one, mut other) = (open("souq"), open("other"));
    other.opening.slug = slug("souq");
    let results = city.race(&[&one, &other]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "STORE_SLUG_TAKEN"));
    assert_eq!(city.refusal(&one), "STORE_EXISTS");
}

#[test]
fn the_first_store_is_the_default_until_another_is_chosen() {
    let mut city = City::market();
    let stores = [open("first"), open("second")];
    for result in city.race(&[&stores[0], &stores[1]]) {
        assert!(result.is_ok());
    }
    assert_eq!(default_store(&city), Some(id("first")), "opened at once, one of them is the default");

    let close = CloseStore { id: id("first"), reason: reason() };
    assert_eq!(city.refusal(&close), "STORE_IS_DEFAULT");
    city.must(&ChooseDefaultStore { id: id("second") }).must(&close);
    assert_eq!(default_store(&city), Some(id("second")));
    assert_eq!(city.refusal(&ChooseDefaultStore { id: id("first") }), "STORE_CLOSED");
    assert_eq!(city.refusal(&ChooseDefaultStore { id: id("nowhere") }), "STORE_UNKNOWN");
}

#[test]
fn a_store_sells_in_its_currencies_only() {
    let mut city = City::market();
    assert_eq!(city.state::<Store>(id("souq")).sells_in(currency("EUR")), Err(Rejection::Unknown));
    city.must(&open("souq"));
    let store = city.state::<Store>(id("souq"));
    assert_eq!(store.sells_in(currency("SAR")), Ok(()));
    assert_eq!(store.sells_in(currency("USD")), Err(Rejection::CurrencyNotTaken(currency("USD"))));
}

#[test]
fn a_theme_is_data_and_never_code() {
    let mut city = City::market();
    city.must(&open("souq"));
    for (name, value) in [
        ("colour", "url(https://elsewhere.example)"),
        ("colour", "<script>"),
        ("colour", "expression(1);"),
        ("colour: red; x", "red"),
        ("", "red"),
        ("colour", ""),
    ] {
        assert_eq!(city.refusal(&tell("souq", theme(name, value))), "STORE_OUTSIDE_LIMITS");
    }
    let red = tell("souq", theme("colour.primary", "#aa0000"));
    assert_eq!(city.when(&red).unwrap().len(), 1);
    assert_eq!(city.when(&red), Ok(Vec::new()), "already so");
    let happened = city.when(&tell("souq", theme("colour.primary", "#bb0000"))).unwrap();
    assert!(matches!(&happened[..], [crate::event::Event::Store(Event::ThemeChanged { revision: 2, .. })]));
}

#[test]
fn a_closed_store_stays_closed() {
    let mut city = City::market();
    city.must(&open("souq")).must(&open("bazaar"));
    let close = CloseStore { id: id("bazaar"), reason: reason() };
    let regions =
        |name: &str| tell(name, Command::ChangeRegions { regions: vec![region(name, &["DE"], "EUR")] });
    city.must(&regions("bazaar")).must(&close);
    assert_eq!(city.when(&close), Ok(Vec::new()), "already so");
    assert_eq!(city.refusal(&regions("bazaar")), "STORE_CLOSED");
    assert_eq!(city.refusal(&tell("bazaar", theme("a", "b"))), "STORE_CLOSED");
    assert_eq!(city.refusal(&regions("nowhere")), "STORE_UNKNOWN");
    let closed = city.state::<Store>(id("bazaar")).sells_in(currency("EUR"));
    assert_eq!(closed, Err(Rejection::Closed));
}
