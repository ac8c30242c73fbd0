//! One vendor selling one product: at a price per currency, under the vendor's own SKU.

use crate::aggregate::{Aggregate, unless};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::tenant;
use crate::ids::{OfferId, ProductId, VendorId};
use crate::marketplace::product::Product;
use crate::marketplace::vendor::Vendor;
use crate::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::rejection::Reject;
use crate::text::{Code, Reason};
use crate::workspace::{Intention, Stop, Workspace};
use chrono::{DateTime, Utc};
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

/// What an offer begins with.
#[derive(Clone, PartialEq, Debug)]
pub struct Listing {
    /// Who sells.
    pub vendor: VendorId,
    /// What.
    pub product: ProductId,
    /// Unique per vendor.
    pub sku: Code,
    /// One price per currency: at least one.
    pub prices: Vec<Price>,
    /// Whether its units are counted.
    pub stock_tracked: bool,
}

/// What may be asked of an offer. Listing and relisting are [intentions](ListOffer): tenant, vendor and product
/// have a say.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Be there to be bought.
    List(Listing),
    /// Have another price in one currency, or a first one.
    ChangePrice {
        /// The new price.
        price: Price,
    },
    /// No longer be bought.
    Withdraw {
        /// Why.
        reason: Reason,
    },
    /// Be bought again.
    Relist,
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

/// Why an offer says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It does not exist.
    #[error("there is no such offer")]
    Unknown,
    /// It exists already.
    #[error("the offer exists already")]
    Exists,
    /// It can no longer be bought.
    #[error("the offer is withdrawn")]
    Withdrawn,
    /// It has no price in that currency.
    #[error("the offer has no price in {0}")]
    NotPriced(Currency),
    /// An offer has a price.
    #[error("an offer needs a price in at least one currency")]
    NoPrice,
    /// One currency, one price.
    #[error("there are two prices in {0}")]
    PricedTwice(Currency),
    /// A price is more than nothing, and freight not less.
    #[error("a price is 1 to {AMOUNT_MINOR_MAX} minor units, and freight 0 to as many")]
    PriceOutsideLimits {
        /// Of which input.
        field: &'static str,
    },
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::Unknown => "OFFER_UNKNOWN",
            Rejection::Exists => "OFFER_EXISTS",
            Rejection::Withdrawn => "OFFER_WITHDRAWN",
            Rejection::NotPriced(_) => "OFFER_NOT_PRICED",
            Rejection::NoPrice => "OFFER_NO_PRICE",
            Rejection::PricedTwice(_) => "OFFER_PRICED_TWICE",
            Rejection::PriceOutsideLimits { .. } => "OFFER_PRICE_OUTSIDE_LIMITS",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Rejection::NoPrice | Rejection::PricedTwice(_) => Some("prices"),
            Rejection::PriceOutsideLimits { field } => Some(field),
            Rejection::NotPriced(_) => Some("currency"),
            Rejection::Unknown | Rejection::Exists | Rejection::Withdrawn => None,
        }
    }
}

/// What other rules want to know of an offer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Profile {
    /// Who sells.
    pub vendor: VendorId,
    /// What.
    pub product: ProductId,
    /// The vendor's name for it.
    pub sku: Code,
    /// Whether its units are counted.
    pub stock_tracked: bool,
    prices: Vec<Price>,
    withdrawn: bool,
}

/// An offer.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// It does not exist.
    #[default]
    Unknown,
    /// It exists.
    Known(Profile),
}

impl Offer {
    /// The offer, whether it can be bought or not.
    pub fn known(&self) -> Result<&Profile, Rejection> {
        match self {
            Offer::Unknown => Err(Rejection::Unknown),
            Offer::Known(profile) => Ok(profile),
        }
    }

    /// What one unit costs in `currency`, if it can be bought. Whether the vendor may sell is the vendor's to say.
    pub fn buyable(&self, currency: Currency) -> Result<Price, Rejection> {
        let profile = self.known()?;
        if profile.withdrawn {
            return Err(Rejection::Withdrawn);
        }
        profile.price(currency).ok_or(Rejection::NotPriced(currency))
    }

    fn with(mut self, change: impl FnOnce(&mut Profile)) -> Self {
        if let Offer::Known(profile) = &mut self {
            change(profile);
        }
        self
    }
}

impl Profile {
    fn price(&self, currency: Currency) -> Option<Price> {
        self.prices.iter().find(|price| price.currency() == currency).copied()
    }
}

impl Price {
    fn check(&self, field: &'static str) -> Result<(), Rejection> {
        let fits = (1..=AMOUNT_MINOR_MAX).contains(&self.unit.minor)
            && (0..=AMOUNT_MINOR_MAX).contains(&self.freight_minor);
        if fits { Ok(()) } else { Err(Rejection::PriceOutsideLimits { field }) }
    }
}

fn check_prices(prices: &[Price]) -> Result<(), Rejection> {
    if prices.is_empty() {
        return Err(Rejection::NoPrice);
    }
    for (index, price) in prices.iter().enumerate() {
        price.check("prices")?;
        if prices[..index].iter().any(|earlier| earlier.currency() == price.currency()) {
            return Err(Rejection::PricedTwice(price.currency()));
        }
    }
    Ok(())
}

/// Offers a product for sale: the vendor may sell, the product is live, and the SKU is the vendor's only one.
#[derive(Clone, PartialEq, Debug)]
pub struct ListOffer {
    /// The new offer.
    pub id: OfferId,
    /// What it begins with.
    pub listing: Listing,
}

impl Intention for ListOffer {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let Listing { vendor, product, ref sku, .. } = self.listing;
        check_sale(city, vendor, product)?;
        reservation::take(city, Scope::Sku(vendor), sku.as_str(), self.id.into())?;
        city.send::<Offer>(self.id, &Command::List(self.listing.clone()))
    }
}

/// Offers a withdrawn offer again, under the conditions of a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelistOffer {
    /// The offer.
    pub id: OfferId,
}

impl Intention for RelistOffer {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let offer = city.see::<Offer>(self.id)?;
        let profile = offer.known()?;
        check_sale(city, profile.vendor, profile.product)?;
        city.send::<Offer>(self.id, &Command::Relist)
    }
}

fn check_sale(city: &mut Workspace, vendor: VendorId, product: ProductId) -> Result<(), Stop> {
    tenant::trading(city)?;
    city.see::<Vendor>(vendor)?.can_sell()?;
    city.see::<Product>(product)?.live()?;
    Ok(())
}

impl Aggregate for Offer {
    type Id = OfferId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        match (command, self) {
            (Command::List(listing), Offer::Unknown) => {
                check_prices(&listing.prices)?;
                let Listing { vendor, product, sku, prices, stock_tracked } = listing.clone();
                Ok(vec![Event::Listed { vendor, product, sku, prices, stock_tracked }])
            }
            (_, Offer::Unknown) => Err(Rejection::Unknown),
            (Command::List(_), Offer::Known(_)) => Err(Rejection::Exists),
            (Command::ChangePrice { price }, Offer::Known(profile)) => {
                price.check("price")?;
                let event = Event::PriceChanged { vendor: profile.vendor, price: *price };
                Ok(unless(profile.price(price.currency()) == Some(*price), event))
            }
            (Command::Withdraw { reason }, Offer::Known(profile)) => {
                let event = Event::Withdrawn { vendor: profile.vendor, reason: reason.into() };
                Ok(unless(profile.withdrawn, event))
            }
            (Command::Relist, Offer::Known(profile)) => {
                Ok(unless(!profile.withdrawn, Event::Relisted { vendor: profile.vendor }))
            }
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Listed { vendor, product, sku, prices, stock_tracked } => Offer::Known(Profile {
                vendor: *vendor,
                product: *product,
                sku: sku.clone(),
                stock_tracked: *stock_tracked,
                prices: prices.clone(),
                withdrawn: false,
            }),
            Event::PriceChanged { price, .. } => self.with(|profile| {
                profile.prices.retain(|earlier| earlier.currency() != price.currency());
                profile.prices.push(*price);
            }),
            Event::Withdrawn { .. } => self.with(|profile| profile.withdrawn = true),
            Event::Relisted { .. } => self.with(|profile| profile.withdrawn = false),
        }
    }
}

#[cfg(test)]
mod tests;
