//! What a store may be set to: its currencies, locales, regions and theme.

use super::{Opening, Region, Rejection};
use crate::money::Currency;
use crate::text::{NAME_CHARS_MAX, line};
use std::collections::{BTreeMap, BTreeSet};

/// The most currencies, and the most locales, of one store.
const CHOICES_MAX: usize = 50;
/// The most regions of one store.
const REGIONS_MAX: usize = 100;
/// The most design tokens of one theme.
const TOKENS_MAX: usize = 200;
/// The longest name of a design token, and its longest value, in bytes.
const TOKEN_BYTES_MAX: usize = 100;

fn outside(field: &'static str, rule: impl Into<String>) -> Rejection {
    Rejection::OutsideLimits { field, rule: rule.into() }
}

pub(super) fn brand(brand: &str) -> Result<String, Rejection> {
    line("brand", brand, NAME_CHARS_MAX).map_err(|rejected| outside("brand", rejected.message))
}

pub(super) fn check_opening(opening: &Opening) -> Result<(), Rejection> {
    check_choices("currencies", &opening.currencies)?;
    check_choices("locales", &opening.locales)?;
    check_regions(&opening.regions, &opening.currencies)
}

fn check_choices<T: Ord>(field: &'static str, choices: &[T]) -> Result<(), Rejection> {
    let distinct: BTreeSet<_> = choices.iter().collect();
    if (1..=CHOICES_MAX).contains(&choices.len()) && distinct.len() == choices.len() {
        Ok(())
    } else {
        Err(outside(field, format!("must be 1 to {CHOICES_MAX}, each once")))
    }
}

/// Each region has a slug and countries of its own, and sells in one of the store's currencies.
pub(super) fn check_regions(regions: &[Region], currencies: &[Currency]) -> Result<(), Rejection> {
    let wrong = |rule: String| Err(outside("regions", rule));
    if regions.len() > REGIONS_MAX {
        return wrong(format!("must be at most {REGIONS_MAX}"));
    }
    let mut slugs = BTreeSet::new();
    let mut countries = BTreeSet::new();
    for region in regions {
        if !slugs.insert(&region.slug) {
            return wrong(format!("two regions are called `{}`", region.slug));
        }
        if region.countries.is_empty() {
            return wrong(format!("the region `{}` has no country", region.slug));
        }
        if !currencies.contains(&region.currency) {
            return wrong(format!(
                "the store does not take {}, which `{}` has",
                region.currency, region.slug
            ));
        }
        for country in &region.countries {
            if rust_iso3166::from_alpha2(country).is_none() {
                return wrong(format!("`{country}` is not an assigned ISO 3166-1 alpha-2 code"));
            }
            if !countries.insert(country) {
                return wrong(format!("{country} is named twice: a country is in one region"));
            }
        }
    }
    Ok(())
}

/// Tokens are data: plain names, and values that cannot hold markup, a function or an address.
pub(super) fn check_theme(tokens: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let length_fits = |text: &str| (1..=TOKEN_BYTES_MAX).contains(&text.len());
    let name_fits =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let value_fits = |value: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" #%.,-_".contains(&byte);
        value.bytes().all(allowed)
    };
    if tokens.len() > TOKENS_MAX {
        return Err(outside("tokens", format!("must be at most {TOKENS_MAX}")));
    }
    for (name, value) in tokens {
        if !length_fits(name) || !name_fits(name) || !length_fits(value) || !value_fits(value) {
            let rule = format!(
                "a token's name is 1 to {TOKEN_BYTES_MAX} letters, digits, - and ., its value as many letters, \
                 digits, spaces and #%.,-_"
            );
            return Err(outside("tokens", rule));
        }
    }
    Ok(())
}
