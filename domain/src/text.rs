//! Words from outside, made fit: slugs, and names shown to people by locale.

use crate::rejection::Rejected;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The longest name shown to people, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// The longest reason or note, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// The longest slug, SKU, handle or external reference, in bytes.
pub const CODE_BYTES_MAX: usize = 64;

/// The most locales one name is given in.
pub const NAME_LOCALES_MAX: usize = 50;

/// The longest locale tag, in bytes: what RFC 5646 advises to have room for.
pub const LOCALE_BYTES_MAX: usize = 35;

/// Takes `text` without the space around it, if 1 to `chars_max` characters are left and none of them is a
/// control character.
pub fn line(field: &str, text: &str, chars_max: usize) -> Result<String, Rejected> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > chars_max || text.chars().any(char::is_control) {
        let rule = format!("must be 1 to {chars_max} characters without control characters");
        return Err(Rejected::invalid(field, rule));
    }
    Ok(text.to_owned())
}

/// Why something was done, in the words of who did it. Never about a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason(String);

impl Reason {
    /// Takes `text` if it is one [`line`] of at most [`REASON_CHARS_MAX`] characters.
    pub fn parse(field: &str, text: &str) -> Result<Self, Rejected> {
        line(field, text, REASON_CHARS_MAX).map(Reason)
    }

    /// The reason.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Reason> for String {
    fn from(reason: &Reason) -> String {
        reason.0.clone()
    }
}

/// A name in an address: lower-case letters, digits, `-` and `_`, never a dot (policy scopes are dotted).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Takes `text`, lower-cased, if it is made of `[a-z0-9_-]`, starts with a letter or digit and is 1 to
    /// [`CODE_BYTES_MAX`] long.
    pub fn parse(field: &str, text: &str) -> Result<Self, Rejected> {
        let slug = text.to_lowercase();
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let starts_well = slug.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if slug.len() <= CODE_BYTES_MAX && starts_well && slug.bytes().all(fits) {
            Ok(Slug(slug))
        } else {
            let rule = format!(
                "must be 1 to {CODE_BYTES_MAX} of a-z, 0-9, - and _, starting with a letter or digit"
            );
            Err(Rejected::invalid(field, rule))
        }
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A code given by people or other systems (a SKU, a reference): compared byte by byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Code(String);

impl Code {
    /// Takes `text` if it is 1 to [`CODE_BYTES_MAX`] bytes of printable ASCII without spaces.
    pub fn parse(field: &str, text: &str) -> Result<Self, Rejected> {
        if !text.is_empty()
            && text.len() <= CODE_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            Ok(Code(text.to_owned()))
        } else {
            let rule = format!("must be 1 to {CODE_BYTES_MAX} printable ASCII characters without spaces");
            Err(Rejected::invalid(field, rule))
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A BCP 47 locale tag, checked for form only, in the letters RFC 5646 section 2.1.1 writes it in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Locale(String);

impl Locale {
    /// Takes a tag such as `en`, `pt-BR` or `ar-SA`, whatever the case of its letters.
    pub fn parse(field: &str, tag: &str) -> Result<Self, Rejected> {
        let (language, rest) =
            tag.split_once('-').map_or((tag, None), |(language, rest)| (language, Some(rest)));
        let language_fits =
            (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        let rest_fits = rest.is_none_or(|rest| {
            rest.split('-')
                .all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        });
        if language_fits && rest_fits && tag.len() <= LOCALE_BYTES_MAX {
            let parts: Vec<String> =
                tag.split('-').enumerate().map(|(place, part)| cased(place, part)).collect();
            Ok(Locale(parts.join("-")))
        } else {
            Err(Rejected::invalid(field, format!("`{tag}` is not a BCP 47 language tag such as pt-BR")))
        }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part of a locale tag in its usual letters: regions as in `BR`, scripts as in `Latn`, anything else as in `en`.
fn cased(place: usize, part: &str) -> String {
    match part.len() {
        2 if place > 0 => part.to_ascii_uppercase(),
        4 if place > 0 => part[..1].to_ascii_uppercase() + &part[1..].to_ascii_lowercase(),
        _ => part.to_ascii_lowercase(),
    }
}

/// A name shown to people, by locale. Never about a person: those are [sealed](crate::sealed::Sealed).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LocalText(BTreeMap<Locale, String>);

impl LocalText {
    /// Takes one text per locale: 1 to [`NAME_LOCALES_MAX`], none blank, none longer than [`NAME_CHARS_MAX`].
    pub fn parse(field: &str, texts: impl IntoIterator<Item = (Locale, String)>) -> Result<Self, Rejected> {
        let mut by_locale = BTreeMap::new();
        for (locale, text) in texts {
            let text = line(field, &text, NAME_CHARS_MAX)?;
            if by_locale.insert(locale.clone(), text).is_some() {
                return Err(Rejected::invalid(field, format!("names `{}` twice", locale.as_str())));
            }
        }
        if !(1..=NAME_LOCALES_MAX).contains(&by_locale.len()) {
            return Err(Rejected::invalid(
                field,
                format!("must have a text in 1 to {NAME_LOCALES_MAX} locales"),
            ));
        }
        Ok(LocalText(by_locale))
    }

    /// All texts, by locale.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(locale, text)| (locale.as_str(), text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_text_for_each_of_a_few_locales() {
        let locale = |tag: &str| Locale::parse("locale", tag).unwrap();
        let named = |locales: &[String]| {
            LocalText::parse("name", locales.iter().map(|tag| (locale(tag), "Lamps".to_owned())))
        };
        let tags = |count: usize| Vec::from_iter((0..count).map(|number| format!("en-{number:03}")));
        for refused in [tags(0), tags(NAME_LOCALES_MAX + 1), vec!["en".into(), "en".into()]] {
            assert_eq!(named(&refused).unwrap_err().field.as_deref(), Some("name"), "{refused:?}");
        }
        assert_eq!(named(&tags(NAME_LOCALES_MAX)).unwrap().iter().count(), NAME_LOCALES_MAX);
        assert!(LocalText::parse("name", [(locale("en"), " \n".into())]).is_err());
    }

    #[test]
    fn a_locale_is_the_same_whatever_the_case_of_its_letters() {
        for tag in ["pt-BR", "pt-br", "PT-Br"] {
            assert_eq!(Locale::parse("locale", tag).unwrap().as_str(), "pt-BR");
        }
        assert_eq!(Locale::parse("locale", "ZH-hant-tw").unwrap().as_str(), "zh-Hant-TW");
        for tag in ["", "e", "en-", "-en", "en_US", "englisch", "ens-1"] {
            assert!(Locale::parse("locale", tag).is_err(), "{tag}");
        }
    }
}
