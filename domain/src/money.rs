//! Money in integer minor units, rates in millionths, and the rounding between them. No floats anywhere.

use crate::rejection::Rejected;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

pub mod allocation;

/// The largest amount accepted from outside, in minor units: sums of a billion of them still fit an `i64`.
pub const AMOUNT_MINOR_MAX: i64 = 9_000_000_000;

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of an ISO 4217 alphabetic code, upper case. Codes that no price is in, such as those of metals,
    /// tests and no currency at all, are refused.
    pub fn parse(field: &str, code: &str) -> Result<Self, Rejected> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| !currency.is_special())
            .map(Currency)
            .ok_or_else(|| Rejected::invalid(field, format!("`{code}` is not an ISO 4217 currency code")))
    }

    /// The alphabetic code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal digits its minor unit stands for: 0 for JPY, 2 for EUR, 3 for KWD. Currencies
    /// without minor units (gold, say) count whole units.
    pub fn exponent(self) -> u32 {
        self.0.exponent().unwrap_or(0).into()
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = Cow::<str>::deserialize(deserializer)?;
        let known = iso_currency::Currency::from_code(&code).map(Currency);
        known.ok_or_else(|| de::Error::custom(format!("`{code}` is not an ISO 4217 currency code")))
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217" })
    }
}

/// An amount in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// In minor units of the currency.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// Reads a decimal such as `10.05`: digits, at most one point, at most as many decimals as the currency
    /// has, an optional leading minus, and no more than [`AMOUNT_MINOR_MAX`].
    pub fn parse(field: &str, decimal: &str, currency: Currency) -> Result<Self, Rejected> {
        let wrong = |rule: String| Rejected::invalid(field, format!("`{decimal}` {rule}"));
        let (negative, digits) = match decimal.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, decimal),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent = currency.exponent() as usize;
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
            return Err(wrong("is not a decimal number such as 10.05".into()));
        }
        if fraction.len() > exponent {
            return Err(wrong(format!("has more than the {exponent} decimals of {currency}")));
        }
        let minor = format!("{whole}{fraction:0<exponent$}")
            .parse::<i64>()
            .ok()
            .filter(|minor| *minor <= AMOUNT_MINOR_MAX)
            .ok_or_else(|| wrong(format!("is more than {AMOUNT_MINOR_MAX} minor units")))?;
        Ok(Money { minor: if negative { -minor } else { minor }, currency })
    }

    /// The amount as a decimal with exactly the currency's number of decimals.
    pub fn decimal(self) -> String {
        decimal(self.minor.into(), self.currency)
    }
}

/// An amount, or a sum of any number of them, as a decimal with exactly the currency's number of decimals.
pub fn decimal(minor: i128, currency: Currency) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let exponent = currency.exponent() as usize;
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// A rate in millionths: 12.5 % is 125,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Rate {
    /// Millionths of one.
    pub millionths: u32,
}

impl Rate {
    /// Reads a percentage such as `12.5`: between 0 and 100 with at most four decimals.
    pub fn parse_percent(field: &str, percent: &str) -> Result<Self, Rejected> {
        let wrong = || {
            let rule = "is not a percentage between 0 and 100 with at most four decimals";
            Rejected::invalid(field, format!("`{percent}` {rule}"))
        };
        let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 4 || !all_digits(whole) || !all_digits(fraction) {
            return Err(wrong());
        }
        let millionths = format!("{whole}{fraction:0<4}").parse::<u32>().map_err(|_| wrong())?;
        if millionths > 1_000_000 { Err(wrong()) } else { Ok(Rate { millionths }) }
    }

    /// The rate as a percentage without trailing zeros.
    pub fn percent(self) -> String {
        let text = format!("{}.{:04}", self.millionths / 10_000, self.millionths % 10_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// `amount × numerator / denominator`, rounded half away from zero. The denominator must be positive.
pub fn scale_half_up(amount_minor: i64, numerator: i64, denominator: i64) -> i64 {
    divide_half_up(i128::from(amount_minor) * i128::from(numerator), denominator)
}

/// `dividend / divisor`, rounded half away from zero. The divisor must be positive and the quotient an amount.
pub fn divide_half_up(dividend: i128, divisor: i64) -> i64 {
    assert!(divisor > 0, "a share is of something");
    let divisor = i128::from(divisor);
    let magnitude = (2 * dividend.abs() + divisor) / (2 * divisor);
    i64::try_from(magnitude * dividend.signum()).expect("a share of bounded amounts fits")
}
