//! A customer's order: what was asked for, and the vendors' parts it became. What happens to a part afterwards
//! is the part's own story: see [`vendor_order`](super::vendor_order).

use crate::aggregate::{Aggregate, shared, unless};
use crate::calendar::BusinessDate;
use crate::ids::{
    CustomerId, OfferId, OrderId, PaymentId, ReservationId, StoreId, VendorId, VendorOrderId, derive,
};
use crate::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::rejection::Reject;
use crate::text::Code;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most lines an order may have.
pub const LINES_MAX: usize = 100;

/// The most units of one line.
pub const QUANTITY_MAX: u32 = 10_000;

/// The payment of an order.
pub fn payment_id(order: OrderId) -> PaymentId {
    PaymentId(derive(&["payment", &order.to_string()]))
}

/// A vendor's part of an order.
pub fn part_id(order: OrderId, vendor: VendorId) -> VendorOrderId {
    VendorOrderId(derive(&["vendor_order", &order.to_string(), &vendor.to_string()]))
}

/// The claim on stock of an order's line, by the line's number from 1.
pub fn reservation_id(order: OrderId, line: u32) -> ReservationId {
    ReservationId(derive(&["stock_reservation", &order.to_string(), &line.to_string()]))
}

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
    /// The unit price the buyer saw: the order is refused if it has changed. `None`: any price. Once the order
    /// is requested it is the price agreed, whatever becomes of the offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_unit: Option<Money>,
    /// Freight for the whole line, where it was agreed elsewhere (an import); else the offer's own. Once the
    /// order is requested it is the freight agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freight_minor: Option<i64>,
    /// Whether the agreed price includes tax; nothing before the order is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub includes_tax: Option<bool>,
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

impl Cart {
    /// What the customer pays for the cart of a requested order.
    pub fn payable(&self) -> Money {
        let lines = self.lines.iter().map(|line| line.goods_minor() + line.freight_minor.unwrap_or(0));
        let discount = self.discount.map_or(0, |discount| discount.minor);
        Money { minor: lines.sum::<i64>() - discount, currency: self.currency }
    }
}

impl RequestedLine {
    /// The agreed price of one unit. Only of a line whose price is agreed: anything else is a bug, and panics.
    pub fn agreed_unit_minor(&self) -> i64 {
        self.expected_unit.expect("prices are agreed before anything is counted with them").minor
    }

    /// The line's goods before discount, at the agreed price.
    pub fn goods_minor(&self) -> i64 {
        self.agreed_unit_minor() * i64::from(self.quantity)
    }
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
    fn with(self, other: Totals, join: impl Fn(i64, i64) -> i64) -> Totals {
        Totals {
            goods_minor: join(self.goods_minor, other.goods_minor),
            tax_minor: join(self.tax_minor, other.tax_minor),
            freight_minor: join(self.freight_minor, other.freight_minor),
            discount_minor: join(self.discount_minor, other.discount_minor),
            marketplace_discount_minor: join(
                self.marketplace_discount_minor,
                other.marketplace_discount_minor,
            ),
            commission_minor: join(self.commission_minor, other.commission_minor),
        }
    }

    /// Both together.
    pub fn plus(self, other: Totals) -> Totals {
        self.with(other, |ours, theirs| ours + theirs)
    }

    /// What is left without `other`.
    pub fn minus(self, other: Totals) -> Totals {
        self.with(other, |ours, theirs| ours - theirs)
    }

    /// What the customer pays.
    pub fn payable_minor(&self) -> i64 {
        self.goods_minor + self.tax_minor + self.freight_minor
    }

    /// What the vendor earns: goods and freight, plus the discount the marketplace bears, less commission.
    pub fn earnings_minor(&self) -> i64 {
        self.goods_minor + self.freight_minor + self.marketplace_discount_minor - self.commission_minor
    }
}

/// What a requested order became when it was placed.
#[derive(Clone, PartialEq, Debug)]
pub struct Placement {
    /// The day in the tenant's zone.
    pub date: BusinessDate,
    /// The vendors' parts.
    pub parts: Vec<Part>,
    /// Over all parts.
    pub totals: Totals,
}

/// What may be asked of an order. What must be looked up for it is in [`requesting`](super::requesting) and
/// [`placing`](super::placing).
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Begin the checkout of a cart whose prices are agreed.
    Request {
        /// What is wanted.
        cart: Arc<Cart>,
    },
    /// Buy.
    Place {
        /// Which order this is.
        order: OrderId,
        /// What it becomes.
        placement: Placement,
    },
    /// End the checkout without buying.
    Decline {
        /// The stable code of the reason.
        code: String,
        /// The reason.
        message: String,
    },
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

/// Why an order says no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// There is none.
    #[error("there is no such order")]
    Unknown,
    /// There is another under this id.
    #[error("the order exists already")]
    Exists,
    /// Its checkout is over.
    #[error("the order is placed already")]
    Placed,
    /// Its checkout is over.
    #[error("the order was declined")]
    Declined,
    /// An order has lines.
    #[error("an order has 1 to {LINES_MAX} lines")]
    LinesOutsideLimits,
    /// A line has units.
    #[error("line {0}: a quantity is 1 to {QUANTITY_MAX}")]
    QuantityOutsideLimits(u32),
    /// Freight is not less than nothing.
    #[error("line {0}: freight is 0 to {AMOUNT_MINOR_MAX} minor units")]
    FreightOutsideLimits(u32),
    /// Prices are in the order's currency.
    #[error("line {0}: the expected price is not in the order's currency")]
    CurrenciesDiffer(u32),
    /// The buyer saw another price.
    #[error("line {line}: the price of one is {now}")]
    PriceChanged {
        /// The line's number.
        line: u32,
        /// What one costs now.
        now: Money,
    },
    /// More is taken off than there is.
    #[error("a discount is 1 to {0} minor units, the price of the goods")]
    DiscountOutsideLimits(i64),
    /// More than can be counted with.
    #[error("an order comes to at most {AMOUNT_MINOR_MAX} minor units")]
    TooLarge,
    /// Another amount was authorised.
    #[error("{authorised} is authorised, and the order comes to {payable}")]
    AmountDiffers {
        /// What is held.
        authorised: Money,
        /// What is to be paid.
        payable: Money,
    },
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "ORDER_UNKNOWN",
            Rejection::Exists => "ORDER_EXISTS",
            Rejection::Placed => "ORDER_PLACED",
            Rejection::Declined => "ORDER_DECLINED",
            Rejection::LinesOutsideLimits => "ORDER_LINES_OUTSIDE_LIMITS",
            Rejection::QuantityOutsideLimits(_) => "ORDER_QUANTITY_OUTSIDE_LIMITS",
            Rejection::FreightOutsideLimits(_) => "ORDER_FREIGHT_OUTSIDE_LIMITS",
            Rejection::CurrenciesDiffer(_) => "ORDER_CURRENCIES_DIFFER",
            Rejection::PriceChanged { .. } => "ORDER_PRICE_CHANGED",
            Rejection::DiscountOutsideLimits(_) => "ORDER_DISCOUNT_OUTSIDE_LIMITS",
            Rejection::TooLarge => "ORDER_TOO_LARGE",
            Rejection::AmountDiffers { .. } => "ORDER_AMOUNT_DIFFERS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::LinesOutsideLimits
            | Rejection::QuantityOutsideLimits(_)
            | Rejection::FreightOutsideLimits(_)
            | Rejection::CurrenciesDiffer(_)
            | Rejection::PriceChanged { .. }
            | Rejection::TooLarge => Some("lines"),
            Rejection::DiscountOutsideLimits(_) => Some("discount"),
            Rejection::Unknown
            | Rejection::Exists
            | Rejection::Placed
            | Rejection::Declined
            | Rejection::AmountDiffers { .. } => None,
        }
    }
}

/// An order.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// It does not exist.
    #[default]
    Unknown,
    /// Its checkout is under way.
    Requested(#[serde(serialize_with = "shared")] Arc<Cart>),
    /// The customer has bought.
    Placed {
        /// The vendors' parts.
        parts: Vec<Part>,
    },
    /// Its checkout came to nothing.
    Declined(#[serde(serialize_with = "shared")] Arc<Cart>),
}

impl Order {
    /// The cart of a checkout under way.
    pub fn requested(&self) -> Result<&Arc<Cart>, Rejection> {
        match self {
            Order::Unknown => Err(Rejection::Unknown),
            Order::Requested(cart) => Ok(cart),
            Order::Placed { .. } => Err(Rejection::Placed),
            Order::Declined(_) => Err(Rejection::Declined),
        }
    }
}

impl Aggregate for Order {
    type Id = OrderId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Request { cart } => match self {
                Order::Unknown => Ok(vec![Event::Requested { cart: Cart::clone(cart) }]),
                Order::Requested(_) | Order::Placed { .. } | Order::Declined(_) => Err(Rejection::Exists),
            },
            Command::Place { order, placement } => {
                let cart = self.requested()?;
                Ok(vec![Event::Placed {
                    store: cart.store,
                    customer: cart.customer,
                    reference: cart.reference.clone(),
                    currency: cart.currency,
                    payment: payment_id(*order),
                    date: placement.date,
                    parts: placement.parts.clone(),
                    lines: u32::try_from(cart.lines.len()).expect("a cart has few lines"),
                    totals: placement.totals,
                }])
            }
            Command::Decline { code, message } => {
                let already_so = matches!(self, Order::Declined(_));
                if !already_so {
                    self.requested()?;
                }
                let declined = Event::Declined { code: code.clone(), message: message.clone() };
                Ok(unless(already_so, declined))
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match (event, self) {
            (Event::Requested { cart }, _) => Order::Requested(Arc::new(cart.clone())),
            (Event::Placed { parts, .. }, _) => Order::Placed { parts: parts.clone() },
            (Event::Declined { .. }, Order::Requested(cart)) => Order::Declined(cart),
            (Event::Declined { .. }, state) => state,
        }
    }
}
