//! One vendor's part of an order: its lines with everything frozen at placement, and what becomes of them.

use crate::calendar::BusinessDate;
use crate::commission::calculation::Commission;
use crate::foundation::tenant::CaptureMoment;
use crate::ids::{CustomerId, OfferId, OrderId, PaymentId, ProductId, ReservationId, StoreId, VendorId};
use crate::money::{Currency, Rate};
use crate::orders::order::{Bearer, Totals};
use crate::text::Code;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a line's tax came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaxSource {
    /// No tax was worked out.
    #[default]
    None,
}

/// One line, frozen when it was placed. Amounts are for the whole line, in minor units of the part's currency.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Its number in the order, from 1.
    pub number: u32,
    /// What was bought.
    pub offer: OfferId,
    /// The product.
    pub product: ProductId,
    /// The vendor's name for it.
    pub sku: Code,
    /// How many.
    pub quantity: u32,
    /// The price of one.
    pub unit_minor: i64,
    /// Whether that price includes tax.
    pub includes_tax: bool,
    /// Taken off.
    pub discount_minor: i64,
    /// Who pays for what is taken off.
    pub discount_bearer: Option<Bearer>,
    /// Goods after discount, without tax.
    pub net_minor: i64,
    /// Tax on the goods.
    pub tax_minor: i64,
    /// Its rate.
    pub tax_rate: Rate,
    /// Where it came from.
    pub tax_source: TaxSource,
    /// Freight without tax.
    pub freight_net_minor: i64,
    /// Tax on the freight.
    pub freight_tax_minor: i64,
    /// What the marketplace keeps, and why.
    pub commission: Commission,
    /// The claim on stock the line was served from, where units are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<ReservationId>,
}

/// What every event of a part says about it, so that any fold finds its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Belongs {
    /// The order.
    pub order: OrderId,
    /// The vendor.
    pub vendor: VendorId,
    /// The currency.
    pub currency: Currency,
}

/// Why units, or a whole part, will not be shipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    /// The customer does not want them.
    Customer,
    /// The vendor cannot send them.
    Vendor,
    /// The marketplace decided.
    Operator,
    /// The payment's authorisation ran out.
    AuthorisationExpired,
}

/// What can have happened to a part.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It is to be shipped.
    Placed {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// Where.
        store: StoreId,
        /// Who buys.
        customer: CustomerId,
        /// How it is paid.
        payment: PaymentId,
        /// The day in the tenant's zone.
        date: BusinessDate,
        /// When it is captured.
        capture: CaptureMoment,
        /// Its lines.
        lines: Vec<Line>,
        /// Over its lines.
        totals: Totals,
    },
    /// Some units of a line will not be shipped.
    UnitsCanceled {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// The line's number.
        line: u32,
        /// How many units.
        quantity: u32,
        /// What they amounted to: the reversal, at the frozen rates.
        totals: Totals,
        /// The day in the tenant's zone.
        date: BusinessDate,
        /// Why.
        cause: CancelCause,
    },
    /// Nothing of it is left to ship.
    Canceled {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// Why.
        cause: CancelCause,
    },
    /// The vendor sent it.
    Shipped {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// How it may be followed.
        tracking: Option<String>,
    },
    /// The money was taken.
    Captured {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// The payment.
        payment: PaymentId,
        /// The provider's reference.
        reference: String,
        /// The day in the tenant's zone.
        date: BusinessDate,
        /// The numbers of the lines that had units left.
        lines: Vec<u32>,
        /// What was captured.
        totals: Totals,
    },
    /// The money could not be taken.
    CaptureFailed {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// Why.
        reason: String,
    },
    /// The customer has it.
    Delivered {
        /// Order, vendor and currency.
        belongs: Belongs,
        /// When the vendor's earnings become available, if they are captured by then.
        available_at: DateTime<Utc>,
    },
    /// The vendor's earnings became available.
    EarningsReleased {
        /// Order, vendor and currency.
        belongs: Belongs,
    },
}
