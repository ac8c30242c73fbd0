//! One vendor selling one product: at a price per currency, under the vendor's own SKU.

use crate::ids::{ProductId, VendorId};
use crate::money::{Currency, Money};
use crate::text::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one unit costs in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// The price of one unit.
    pub unit: Money,
    /// What sending one unit costs, in minor units of the same currency.
    pub freight_minor: i64,
    /// Whether the price includes tax.
    pub includes_tax: bool,
}

impl Price {
    /// The currency it is in.
    pub fn currency(&self) -> Currency {
        self.unit.currency
    }
}

/// What can have happened to an offer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It can be bought.
    Listed {
        /// Who sells.
        vendor: VendorId,
        /// What.
        product: ProductId,
        /// Unique per vendor.
        sku: Code,
        /// One price per currency.
        prices: Vec<Price>,
        /// Whether its units are counted.
        stock_tracked: bool,
    },
    /// It has another price in one currency.
    PriceChanged {
        /// Who sells.
        vendor: VendorId,
        /// The new price.
        price: Price,
    },
    /// It can no longer be bought.
    Withdrawn {
        /// Who sells.
        vendor: VendorId,
        /// Why.
        reason: String,
    },
    /// It can be bought again.
    Relisted {
        /// Who sells.
        vendor: VendorId,
    },
}
