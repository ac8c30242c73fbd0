//! The beginning of a checkout: what may be asked for, at what price it is agreed, and holding stock for it.

use super::order::{Cart, Command, LINES_MAX, Order, QUANTITY_MAX, Rejection, RequestedLine, reservation_id};
use crate::foundation::reservation::{self, Scope};
use crate::foundation::store::Store;
use crate::foundation::tenant;
use crate::ids::{OfferId, OrderId};
use crate::marketplace::customer::Customer;
use crate::marketplace::offer::{Offer, Price};
use crate::marketplace::product::Product;
use crate::marketplace::stock::{self, Stock};
use crate::marketplace::vendor::Vendor;
use crate::money::AMOUNT_MINOR_MAX;
use crate::rejection::Rejected;
use crate::workspace::{Intention, Stop, Workspace};
use chrono::TimeDelta;
use std::sync::Arc;

/// Begins the checkout of a cart. Prices and freight are agreed here: the order is placed at them.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestOrder {
    /// The new order.
    pub order: OrderId,
    /// What is wanted.
    pub cart: Cart,
}

impl Intention for RequestOrder {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        tenant::trading(city)?;
        let prices = buyable(city, &self.cart)?;
        let cart = agreed(&self.cart, &prices)?;
        if let Some(reference) = &cart.reference {
            reservation::take(city, Scope::OrderReference, reference.as_str(), self.order.into())?;
        }
        city.send::<Order>(self.order, &Command::Request { cart: Arc::new(cart) })
    }
}

/// Holds the units a requested order needs, of offers whose units are counted, if everything in it can still be
/// bought. All or nothing; may be repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReserveStock {
    /// For which order.
    pub order: OrderId,
}

impl Intention for ReserveStock {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let cart = city.see::<Order>(self.order)?.requested()?.clone();
        let tenant = tenant::trading(city)?;
        buyable(city, &cart)?;
        let expires_at = city.at() + TimeDelta::minutes(tenant.policies.reservation_minutes.into());
        for (number, line) in counted_lines(city, &cart)? {
            let reservation = reservation_id(self.order, number);
            let reserve = stock::Command::Reserve { reservation, quantity: line.quantity, expires_at };
            of_line(number, city.send::<Stock>(line.offer, &reserve))?;
        }
        Ok(())
    }
}

/// Lets go what a checkout that came to nothing holds. Nothing held: already so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseStock {
    /// For which order.
    pub order: OrderId,
}

impl Intention for ReleaseStock {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let cart = match &*city.see::<Order>(self.order)? {
            Order::Unknown => return Err(Rejection::Unknown.into()),
            Order::Placed { .. } => return Ok(()),
            Order::Requested(cart) | Order::Declined(cart) => cart.clone(),
        };
        for (number, line) in counted_lines(city, &cart)? {
            let release = stock::Command::Release { reservation: reservation_id(self.order, number) };
            city.send::<Stock>(line.offer, &release)?;
        }
        Ok(())
    }
}

/// Ends a checkout without buying; the order's reference is free again. May be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclineOrder {
    /// Which order.
    pub order: OrderId,
    /// The stable code of the reason.
    pub code: String,
    /// The reason.
    pub message: String,
}

impl Intention for DeclineOrder {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let order = city.see::<Order>(self.order)?;
        let decline = Command::Decline { code: self.code.clone(), message: self.message.clone() };
        city.send::<Order>(self.order, &decline)?;
        if let Order::Requested(cart) = &*order
            && let Some(reference) = &cart.reference
        {
            reservation::free(city, Scope::OrderReference, reference.as_str(), self.order.into())?;
        }
        Ok(())
    }
}

/// What one unit of each line costs now, if all of the cart can be bought.
pub(super) fn buyable(city: &mut Workspace, cart: &Cart) -> Result<Vec<Price>, Stop> {
    if !(1..=LINES_MAX).contains(&cart.lines.len()) {
        return Err(Rejection::LinesOutsideLimits.into());
    }
    city.see::<Store>(cart.store)?.sells_in(cart.currency)?;
    city.see::<Customer>(cart.customer)?.can_buy()?;
    let mut prices = Vec::new();
    let mut vendors = Vec::new();
    let mut products = Vec::new();
    for (number, offer) in (1..).zip(offers(city, cart)?) {
        prices.push(of_line(number, offer.buyable(cart.currency))?);
        let profile = of_line(number, offer.known())?;
        vendors.push(profile.vendor);
        products.push(profile.product);
    }
    for (number, vendor) in (1..).zip(city.see_all::<Vendor>(&vendors)?) {
        of_line(number, vendor.can_sell())?;
    }
    for (number, product) in (1..).zip(city.see_all::<Product>(&products)?) {
        of_line(number, product.live())?;
    }
    Ok(prices)
}

/// What stands in the way of a line, said of that line.
fn of_line<T, R: Into<Stop>>(number: u32, result: Result<T, R>) -> Result<T, Stop> {
    result.map_err(|stop| match stop.into() {
        Stop::Rejected(Rejected { code, message, .. }) => Stop::Rejected(Rejected {
            code,
            message: format!("line {number}: {message}"),
            field: Some("lines".into()),
        }),
        stop @ (Stop::Missing | Stop::Moved { .. }) => stop,
    })
}

/// The offers of a cart's lines.
pub(super) fn offers(city: &mut Workspace, cart: &Cart) -> Result<Vec<Arc<Offer>>, Stop> {
    let offers: Vec<OfferId> = cart.lines.iter().map(|line| line.offer).collect();
    city.see_all::<Offer>(&offers)
}

/// The lines whose units are counted, with their numbers. Their stock is seen at once.
fn counted_lines<'a>(city: &mut Workspace, cart: &'a Cart) -> Result<Vec<(u32, &'a RequestedLine)>, Stop> {
    let mut counted = Vec::new();
    for ((number, line), offer) in (1..).zip(&cart.lines).zip(offers(city, cart)?) {
        if offer.known()?.stock_tracked {
            counted.push((number, line));
        }
    }
    let offers: Vec<OfferId> = counted.iter().map(|(_, line)| line.offer).collect();
    city.see_all::<Stock>(&offers)?;
    Ok(counted)
}

/// The cart with everything in it agreed.
fn agreed(cart: &Cart, prices: &[Price]) -> Result<Cart, Rejection> {
    let mut agreed = cart.clone();
    for ((number, line), price) in (1..).zip(&mut agreed.lines).zip(prices) {
        if !(1..=QUANTITY_MAX).contains(&line.quantity) {
            return Err(Rejection::QuantityOutsideLimits(number));
        }
        match line.expected_unit {
            Some(expected) if expected.currency != cart.currency => {
                return Err(Rejection::CurrenciesDiffer(number));
            }
            Some(expected) if expected != price.unit => {
                return Err(Rejection::PriceChanged { line: number, now: price.unit });
            }
            Some(_) | None => line.expected_unit = Some(price.unit),
        }
        let freight_minor = line.freight_minor.unwrap_or(price.freight_minor * i64::from(line.quantity));
        if !(0..=AMOUNT_MINOR_MAX).contains(&freight_minor) {
            return Err(Rejection::FreightOutsideLimits(number));
        }
        line.freight_minor = Some(freight_minor);
        line.includes_tax = Some(price.includes_tax);
    }
    let goods_minor: i64 = agreed.lines.iter().map(RequestedLine::goods_minor).sum();
    if cart.discount.is_some_and(|discount| !(1..=goods_minor).contains(&discount.minor)) {
        return Err(Rejection::DiscountOutsideLimits(goods_minor));
    }
    if goods_minor > AMOUNT_MINOR_MAX || agreed.payable().minor > AMOUNT_MINOR_MAX {
        return Err(Rejection::TooLarge);
    }
    Ok(agreed)
}
