//! Values as callers write and read them: money, rates, names by locale, contacts. Parsing is the domain's; what
//! it refuses becomes a [`Rejection`](super::answer::Rejection) that names the input field.

use async_graphql::{
    InputObject, InputValueError, InputValueResult, NewType, Scalar, ScalarType, SimpleObject, Value,
};
use chrono::NaiveDate;
use cityos_domain::marketplace::customer::Contact;
use cityos_domain::money::{Currency, Money};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::{LocalText, Locale, Reason, line};
use std::collections::BTreeMap;
use std::fmt::Display;

/// The most characters of a line about a person.
const PERSONAL_CHARS_MAX: usize = 200;

/// The most lines of an address.
const ADDRESS_LINES_MAX: usize = 8;

/// A day, such as `2030-06-03`.
#[derive(Clone, Copy, NewType)]
#[graphql(name = "Date")]
pub struct Date(pub NaiveDate);

/// An amount of money.
#[derive(SimpleObject)]
#[graphql(name = "Money")]
pub struct MoneyOut {
    /// A decimal with as many decimals as the currency has, such as `10.05`.
    amount: String,
    /// ISO 4217.
    currency: &'static str,
}

impl From<Money> for MoneyOut {
    fn from(money: Money) -> Self {
        MoneyOut { amount: money.decimal(), currency: money.currency.code() }
    }
}

/// An amount in minor units, shown.
pub fn money(minor: i64, currency: Currency) -> MoneyOut {
    Money { minor, currency }.into()
}

/// An amount of money.
#[derive(InputObject)]
pub struct MoneyInput {
    /// A decimal with at most as many decimals as the currency has, such as `10.05`.
    amount: String,
    /// ISO 4217.
    currency: String,
}

impl MoneyInput {
    /// The amount, if it is one.
    pub fn parse(&self, field: &str) -> Result<Money, Rejected> {
        let currency = Currency::parse(&format!("{field}.currency"), &self.currency)?;
        Money::parse(&format!("{field}.amount"), &self.amount, currency)
    }
}

/// One amount per currency.
pub fn amounts(field: &str, inputs: &[MoneyInput]) -> Result<BTreeMap<Currency, i64>, Rejected> {
    let amount = |input: &MoneyInput| input.parse(field).map(|money| (money.currency, money.minor));
    each_once(field, inputs.iter().map(amount))
}

/// What is named, if nothing is named twice.
pub fn each_once<K: Ord + Display, V>(
    field: &str,
    named: impl Iterator<Item = Result<(K, V), Rejected>>,
) -> Result<BTreeMap<K, V>, Rejected> {
    let mut all = BTreeMap::new();
    for entry in named {
        let (key, value) = entry?;
        if all.contains_key(&key) {
            return Err(Rejected::invalid(field, format!("names {key} twice")));
        }
        all.insert(key, value);
    }
    Ok(all)
}

/// A currency to look for: ISO 4217.
#[derive(Clone, Copy)]
pub struct CurrencyCode(pub Currency);

#[Scalar]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(code) = &value else { return Err(InputValueError::expected_type(value)) };
        let currency = Currency::parse("currency", code);
        currency.map(CurrencyCode).map_err(|rejected| InputValueError::custom(rejected.message))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.code().into())
    }
}

/// A text in one locale.
#[derive(SimpleObject)]
#[graphql(name = "LocalText")]
pub struct LocalTextOut {
    /// BCP 47.
    locale: String,
    /// The text.
    text: String,
}

/// The texts of all locales.
pub fn local_texts(texts: &LocalText) -> Vec<LocalTextOut> {
    texts.iter().map(|(locale, text)| LocalTextOut { locale: locale.into(), text: text.into() }).collect()
}

/// A text in one locale.
#[derive(InputObject)]
pub struct LocalTextInput {
    /// BCP 47, such as `pt-BR`.
    locale: String,
    /// The text.
    text: String,
}

/// The texts, if they are a name shown to people.
pub fn parse_texts(field: &str, texts: &[LocalTextInput]) -> Result<LocalText, Rejected> {
    let texts = texts
        .iter()
        .map(|text| Ok((Locale::parse(&format!("{field}.locale"), &text.locale)?, text.text.clone())))
        .collect::<Result<Vec<_>, Rejected>>()?;
    LocalText::parse(field, texts)
}

/// How to reach a person. Kept sealed: only who may see it gets it opened.
#[derive(InputObject)]
pub struct ContactInput {
    /// The person's name.
    name: String,
    /// Their e-mail address.
    email: Option<String>,
    /// Their phone number.
    phone: Option<String>,
    /// Their postal address, one line each.
    #[graphql(default)]
    address: Vec<String>,
}

impl ContactInput {
    /// The contact, if it is one.
    pub fn parse(&self) -> Result<Contact, Rejected> {
        let said = |field: &str, text: &str| line(&format!("contact.{field}"), text, PERSONAL_CHARS_MAX);
        let optional =
            |field: &str, text: &Option<String>| text.as_deref().map(|text| said(field, text)).transpose();
        if self.address.len() > ADDRESS_LINES_MAX {
            let rule = format!("must have at most {ADDRESS_LINES_MAX} lines");
            return Err(Rejected::invalid("contact.address", rule));
        }
        let email = optional("email", &self.email)?;
        if email.as_ref().is_some_and(|email| !email.contains('@')) {
            return Err(Rejected::invalid("contact.email", "must be an e-mail address"));
        }
        Ok(Contact {
            name: said("name", &self.name)?,
            email,
            phone: optional("phone", &self.phone)?,
            address: self.address.iter().map(|text| said("address", text)).collect::<Result<_, _>>()?,
        })
    }
}

/// How to reach a person.
#[derive(SimpleObject)]
#[graphql(name = "Contact")]
pub struct ContactOut {
    /// The person's name.
    name: String,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their phone number.
    phone: Option<String>,
    /// Their postal address, one line each.
    address: Vec<String>,
}

impl From<Contact> for ContactOut {
    fn from(contact: Contact) -> Self {
        let Contact { name, email, phone, address } = contact;
        ContactOut { name, email, phone, address }
    }
}

/// Why something is done, if it can be a reason.
pub fn reason(text: &str) -> Result<Reason, Rejected> {
    Reason::parse("reason", text)
}
