//! What can be bought: vendors selling products, with prices and, where units are counted, stock.

use crate::model::{Keys, ReadModel, Unfit, existing};
use crate::row::table;
use chrono::{DateTime, Utc};
use cityos_domain::event::Event;
use cityos_domain::ids::{OfferId, ProductId, VendorId};
use cityos_domain::log::Envelope;
use cityos_domain::marketplace::offer::{self, Price};
use cityos_domain::marketplace::stock;
use cityos_domain::text::Code;

table! {
    /// A vendor selling a product.
    pub struct Offer {
        key {
            /// Its id.
            id: OfferId,
        }
        indexed {
            /// Who sells.
            vendor: VendorId,
            /// What.
            product: ProductId,
            /// Unique per vendor.
            sku: Code,
            /// Whether it can be bought, stock aside.
            on_sale: bool,
            /// Since when it is known.
            listed_at: DateTime<Utc>,
        }
        plain {
            /// One price per currency.
            prices: Vec<Price>,
            /// Whether its units are counted.
            stock_tracked: bool,
            /// Units on hand, those held by checkouts among them.
            on_hand: i64,
            /// Units held by checkouts.
            held: i64,
            /// Why it was withdrawn.
            withdrawn_reason: Option<String>,
            /// The version of its stream.
            version: u64,
            /// The version of its stock, which is a stream of its own; 0 where nothing was ever counted.
            stock_version: u64,
        }
    }
}

impl Offer {
    /// Units that can still be bought; none said where they are not counted.
    pub fn available(&self) -> Option<i64> {
        self.stock_tracked.then_some(self.on_hand - self.held)
    }
}

/// The offers.
pub struct Offers;

impl ReadModel for Offers {
    const NAME: &'static str = "offers";
    const VERSION: u32 = 1;
    type Row = Offer;

    fn keys(event: &Envelope) -> Keys<OfferId> {
        let (Event::Offer(_) | Event::Stock(_)) = &event.event else { return Keys::None };
        Keys::One(OfferId(event.stream.id))
    }

    fn evolve(row: Option<Offer>, id: &OfferId, event: &Envelope) -> Result<Option<Offer>, Unfit> {
        if let Event::Stock(happened) = &event.event {
            let offer = Offer { stock_version: event.version.0, ..existing(row)? };
            return counted(offer, happened).map(Some);
        }
        let Event::Offer(happened) = &event.event else { return Ok(row) };
        use offer::Event as E;
        let version = event.version.0;
        Ok(Some(match happened {
            E::Listed { vendor, product, sku, prices, stock_tracked } => Offer {
                id: *id,
                vendor: *vendor,
                product: *product,
                sku: sku.clone(),
                on_sale: true,
                listed_at: event.at,
                prices: prices.clone(),
                stock_tracked: *stock_tracked,
                on_hand: 0,
                held: 0,
                withdrawn_reason: None,
                version,
                stock_version: 0,
            },
            E::PriceChanged { price, .. } => {
                let mut offer = Offer { version, ..existing(row)? };
                offer.prices.retain(|old| old.currency() != price.currency());
                offer.prices.push(*price);
                offer.prices.sort_by_key(Price::currency);
                offer
            }
            E::Withdrawn { reason, .. } => {
                let withdrawn_reason = Some(reason.clone());
                Offer { on_sale: false, withdrawn_reason, version, ..existing(row)? }
            }
            E::Relisted { .. } => Offer { on_sale: true, withdrawn_reason: None, version, ..existing(row)? },
        }))
    }
}

fn counted(mut offer: Offer, happened: &stock::Event) -> Result<Offer, Unfit> {
    use stock::Event as E;
    match happened {
        E::Received { quantity } | E::Returned { quantity, .. } => offer.on_hand += i64::from(*quantity),
        E::Adjusted { by, .. } => offer.on_hand += by,
        E::Reserved { quantity, .. } => offer.held += i64::from(*quantity),
        E::Released { quantity, .. } => offer.held -= i64::from(*quantity),
        E::Allocated { quantity, .. } => {
            offer.held -= i64::from(*quantity);
            offer.on_hand -= i64::from(*quantity);
        }
    }
    if offer.held < 0 || offer.on_hand < offer.held {
        return Err(Unfit::Contradiction("more units are taken than there are"));
    }
    Ok(offer)
}
