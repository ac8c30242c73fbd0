//! What is for sale, at which price, and how much of it there is.

use super::{tell, wish};
use crate::simulation::dice::Dice;
use crate::simulation::market::{Market, code, reason, text};
use cityos_domain::ids::{OfferId, ProductId, VendorId};
use cityos_domain::marketplace::offer::{self, ListOffer, Listing, Offer, Price, RelistOffer};
use cityos_domain::marketplace::product::CreateProduct;
use cityos_domain::marketplace::stock::{AdjustStock, ReceiveStock};
use cityos_domain::money::{Currency, Money};
use cityos_domain::workspace::Intention;
use std::sync::Arc;

pub fn change_price(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let (offer, _) = market.offer(dice)?;
    let price = price(market.currency(dice), dice);
    Some(tell::<Offer>(offer, offer::Command::ChangePrice { price }))
}

pub fn withdraw(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let (offer, _) = market.offer(dice)?;
    Some(tell::<Offer>(offer, offer::Command::Withdraw { reason: reason() }))
}

pub fn relist(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    Some(wish(RelistOffer { id: market.offer(dice)?.0 }))
}

/// Something new a vendor sells, mostly with counted units.
pub fn new_offer(market: &mut Market, vendor: VendorId, dice: &mut Dice) -> Option<ListOffer> {
    let id: OfferId = market.new_id("offer");
    let product = *dice.pick(&market.products)?;
    let sku = code(&market.new_word("sku"));
    let prices = market.currencies.iter().map(|currency| price(*currency, dice)).collect();
    let listing = Listing { vendor, product, sku, prices, stock_tracked: dice.falls(750) };
    Some(ListOffer { id, listing })
}

/// A new product.
pub fn new_product(market: &mut Market) -> CreateProduct {
    let id: ProductId = market.new_id("product");
    market.products.push(id);
    let word = market.new_word("product");
    CreateProduct { id, code: code(&word), title: text(&word), category: None, weight_g: None }
}

pub fn receive(market: &Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let (offer, _) = market.offer(dice)?;
    Some(wish(ReceiveStock { offer, quantity: u32::try_from(dice.between(1, 30)).ok()? }))
}

pub fn adjust(market: &mut Market, dice: &mut Dice) -> Option<Arc<dyn Intention>> {
    let (offer, _) = market.offer(dice)?;
    Some(wish(AdjustStock { offer, by: dice.between(-12, 6), reason: reason() }))
}

fn price(currency: Currency, dice: &mut Dice) -> Price {
    let freight_minor = if dice.falls(500) { 0 } else { dice.between(1, 700) };
    let unit = Money { minor: dice.between(1, 12_000), currency };
    Price { unit, freight_minor, includes_tax: dice.falls(500) }
}
