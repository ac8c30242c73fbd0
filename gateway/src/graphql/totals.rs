//! Sums over lines: what customers pay, and what the marketplace keeps of it, shown to those who may know.

use crate::graphql::values::{MoneyOut, money};
use async_graphql::SimpleObject;
use cityos_domain::money::Currency;
use cityos_domain::orders::order::Totals;

/// Sums over some lines.
#[derive(SimpleObject)]
#[graphql(name = "Totals")]
pub struct TotalsOut {
    /// Goods after discount, without separate tax.
    goods: MoneyOut,
    /// Tax that comes on top.
    tax: MoneyOut,
    /// Freight without tax.
    freight: MoneyOut,
    /// The discount already taken off the goods.
    discount: MoneyOut,
    /// What the customer pays.
    payable: MoneyOut,
    /// What the marketplace keeps. Null for buyers.
    commission: Option<MoneyOut>,
    /// What vendors earn. Null for buyers.
    earnings: Option<MoneyOut>,
}

/// The sums, with what only sellers are told where `sells`.
pub fn totals(totals: &Totals, currency: Currency, sells: bool) -> TotalsOut {
    let shown = |minor| money(minor, currency);
    TotalsOut {
        goods: shown(totals.goods_minor),
        tax: shown(totals.tax_minor),
        freight: shown(totals.freight_minor),
        discount: shown(totals.discount_minor),
        payable: shown(totals.payable_minor()),
        commission: sells.then(|| shown(totals.commission_minor)),
        earnings: sells.then(|| shown(totals.earnings_minor())),
    }
}
