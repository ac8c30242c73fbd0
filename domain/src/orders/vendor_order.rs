//! One vendor's part of an order: its lines with everything frozen at placement, and what becomes of them.
//! What that does to payment, stock and ledger is in the intentions beside this file.

use crate::calendar::BusinessDate;
use crate::commission::calculation::Commission;
use crate::foundation::tenant::CaptureMoment;
use crate::ids::{CustomerId, OfferId, OrderId, PaymentId, ProductId, ReservationId, StoreId, VendorId};
use crate::ledger::book::LedgerOf;
use crate::money::allocation::next_share;
use crate::money::{Currency, Rate};
use crate::orders::order::{Bearer, Totals};
use crate::rejection::Reject;
use crate::text::Code;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod progress;

pub use progress::{LineLeft, Part, VendorOrder};

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

impl Line {
    /// What the line amounts to.
    pub fn totals(&self) -> Totals {
        self.sum(|minor| minor)
    }

    /// What `units` more of it amount to, when `before` of them were taken out already.
    fn share(&self, before: u32, units: u32) -> Totals {
        self.sum(|minor| next_share(minor, self.quantity, before, units))
    }

    fn sum(&self, of: impl Fn(i64) -> i64) -> Totals {
        let discount_minor = of(self.discount_minor);
        Totals {
            goods_minor: of(self.net_minor),
            tax_minor: of(self.tax_minor) + of(self.freight_tax_minor),
            freight_minor: of(self.freight_net_minor),
            discount_minor,
            marketplace_discount_minor: match self.discount_bearer {
                Some(Bearer::Marketplace) => discount_minor,
                Some(Bearer::Vendor) | None => 0,
            },
            commission_minor: of(self.commission.minor),
        }
    }
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

impl Belongs {
    /// The ledger its earnings go into.
    pub fn ledger(&self) -> LedgerOf {
        LedgerOf { vendor: self.vendor, currency: self.currency }
    }
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

/// What a part begins with.
#[derive(Clone, PartialEq, Debug)]
pub struct Placement {
    /// Order, vendor and currency.
    pub belongs: Belongs,
    /// Where.
    pub store: StoreId,
    /// Who buys.
    pub customer: CustomerId,
    /// How it is paid.
    pub payment: PaymentId,
    /// The day in the tenant's zone.
    pub date: BusinessDate,
    /// When it is captured.
    pub capture: CaptureMoment,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Placement {
    /// What its lines amount to.
    pub fn totals(&self) -> Totals {
        self.lines.iter().map(Line::totals).fold(Totals::default(), Totals::plus)
    }
}

/// What may be asked of a part.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Be there to be shipped.
    Place(Placement),
    /// Leave out units of a line; `None`: all that are left. Nothing left of it: already so.
    CancelUnits {
        /// The line's number.
        line: u32,
        /// How many units.
        quantity: Option<u32>,
        /// The day in the tenant's zone.
        date: BusinessDate,
        /// Why.
        cause: CancelCause,
    },
    /// Leave out all that is left.
    Cancel {
        /// The day in the tenant's zone.
        date: BusinessDate,
        /// Why.
        cause: CancelCause,
    },
    /// It was sent.
    Ship {
        /// How it may be followed.
        tracking: Option<String>,
    },
    /// The money was taken.
    Capture {
        /// The provider's reference.
        reference: String,
        /// How much, in minor units: all that is left of the part.
        minor: i64,
        /// The day in the tenant's zone.
        date: BusinessDate,
    },
    /// The money could not be taken.
    FailCapture {
        /// Why.
        reason: String,
    },
    /// The customer has it.
    Deliver {
        /// When the earnings become available.
        available_at: DateTime<Utc>,
    },
    /// Make the earnings available.
    ReleaseEarnings,
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
        /// When it is captured: now, unless it was to be at placement.
        #[serde(default)]
        capture: CaptureMoment,
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

impl Event {
    /// What every event of a part says about it.
    pub fn belongs(&self) -> Belongs {
        match self {
            Event::Placed { belongs, .. }
            | Event::UnitsCanceled { belongs, .. }
            | Event::Canceled { belongs, .. }
            | Event::Shipped { belongs, .. }
            | Event::Captured { belongs, .. }
            | Event::CaptureFailed { belongs, .. }
            | Event::Delivered { belongs, .. }
            | Event::EarningsReleased { belongs } => *belongs,
        }
    }
}

/// Why a part says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// There is none.
    #[error("there is no such part of an order")]
    Unknown,
    /// There is another under this id.
    #[error("the part exists already")]
    Exists,
    /// It has no such line.
    #[error("the part has no line {0}")]
    LineUnknown(u32),
    /// Not so many are left.
    #[error("{left} units are left of line {line}: 1 to as many can be canceled")]
    QuantityOutsideLimits {
        /// The line.
        line: u32,
        /// How many are left.
        left: u32,
    },
    /// It will not be shipped.
    #[error("the part is canceled")]
    Canceled,
    /// It is on its way.
    #[error("the part is shipped")]
    Shipped,
    /// It is not on its way.
    #[error("the part is not shipped")]
    NotShipped,
    /// Its money is taken.
    #[error("the part is captured")]
    Captured,
    /// Its money is being taken.
    #[error("the part is being captured since it was placed")]
    BeingCaptured,
    /// The money taken is not for what is left of it.
    #[error("{minor} minor units were taken for this part, and it comes to {left_minor}")]
    CapturedOtherwise {
        /// What was taken.
        minor: i64,
        /// What it comes to.
        left_minor: i64,
    },
    /// Its money could not be taken.
    #[error("the money for this part could not be taken")]
    Unpaid,
    /// The vendor must wait.
    #[error("the earnings of this part are not due: it is not both captured and delivered long enough")]
    EarningsNotDue,
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "PART_UNKNOWN",
            Rejection::Exists => "PART_EXISTS",
            Rejection::LineUnknown(_) => "PART_LINE_UNKNOWN",
            Rejection::QuantityOutsideLimits { .. } => "PART_QUANTITY_OUTSIDE_LIMITS",
            Rejection::Canceled => "PART_CANCELED",
            Rejection::Shipped => "PART_SHIPPED",
            Rejection::NotShipped => "PART_NOT_SHIPPED",
            Rejection::Captured => "PART_CAPTURED",
            Rejection::BeingCaptured => "PART_BEING_CAPTURED",
            Rejection::CapturedOtherwise { .. } => "PART_CAPTURED_OTHERWISE",
            Rejection::Unpaid => "PART_UNPAID",
            Rejection::EarningsNotDue => "PART_EARNINGS_NOT_DUE",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::LineUnknown(_) => Some("line"),
            Rejection::QuantityOutsideLimits { .. } => Some("quantity"),
            Rejection::Unknown
            | Rejection::Exists
            | Rejection::Canceled
            | Rejection::Shipped
            | Rejection::NotShipped
            | Rejection::Captured
            | Rejection::BeingCaptured
            | Rejection::CapturedOtherwise { .. }
            | Rejection::Unpaid
            | Rejection::EarningsNotDue => None,
        }
    }
}
