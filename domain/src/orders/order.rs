//! A customer's order: what was asked for, and the vendors' parts it became. What happens to a part afterwards
//! is the part's own story: see [`vendor_order`](super::vendor_order).

use crate::calendar::BusinessDate;
use crate::ids::{CustomerId, OfferId, PaymentId, StoreId, VendorId, VendorOrderId};
use crate::money::{Currency, Money};
use crate::text::Code;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who pays for a discount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bearer {
    /// The vendor: their earnings are less by it.
    Vendor,
    /// The marketplace: the vendor earns as if there were none.
    Marketplace,
}

/// An amount off the goods of the whole order, spread over its lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Discount {
    /// In minor units of the order's currency.
    pub minor: i64,
    /// Who pays for it.
    pub bearer: Bearer,
}

/// One line as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RequestedLine {
    /// What is bought.
    pub offer: OfferId,
    /// How many.
    pub quantity: u32,
    /// The unit price the buyer saw: the order is refused if it has changed. `None`: any price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_unit: Option<Money>,
    /// Freight for the whole line, where it was agreed elsewhere (an import); else the offer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freight_minor: Option<i64>,
}

/// What a customer asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Cart {
    /// Where.
    pub store: StoreId,
    /// Who.
    pub customer: CustomerId,
    /// In what currency.
    pub currency: Currency,
    /// What.
    pub lines: Vec<RequestedLine>,
    /// Off the goods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Discount>,
    /// The order's name in another system; unique in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Code>,
}

/// A vendor's part, as the order knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// The part.
    pub id: VendorOrderId,
    /// Whose it is.
    pub vendor: VendorId,
}

/// Sums over some lines, in minor units. `goods` are what the customer pays for them, discount taken off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Goods after discount, without separate tax.
    pub goods_minor: i64,
    /// Tax on goods and freight that comes on top.
    pub tax_minor: i64,
    /// Freight without tax.
    pub freight_minor: i64,
    /// The discount already taken off the goods.
    pub discount_minor: i64,
    /// The part of the discount the marketplace bears.
    pub marketplace_discount_minor: i64,
    /// Commission frozen in the lines.
    pub commission_minor: i64,
}

impl Totals {
    /// What the customer pays.
    pub fn payable_minor(&self) -> i64 {
        self.goods_minor + self.tax_minor + self.freight_minor
    }

    /// What the vendor earns: goods and freight, plus the discount the marketplace bears, less commission.
    pub fn earnings_minor(&self) -> i64 {
        self.goods_minor + self.freight_minor + self.marketplace_discount_minor - self.commission_minor
    }
}

/// What can have happened to an order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A customer wants to buy: the checkout begins.
    Requested {
        /// What they want.
        cart: Cart,
    },
    /// The customer has bought.
    Placed {
        /// Where.
        store: StoreId,
        /// Who.
        customer: CustomerId,
        /// The order's name in another system.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Code>,
        /// In what currency.
        currency: Currency,
        /// The payment.
        payment: PaymentId,
        /// The day in the tenant's zone.
        date: BusinessDate,
        /// The vendors' parts.
        parts: Vec<Part>,
        /// How many lines all parts have.
        lines: u32,
        /// Over all parts.
        totals: Totals,
    },
    /// The checkout came to nothing.
    Declined {
        /// The stable code of the reason.
        code: String,
        /// The reason.
        message: String,
    },
}
