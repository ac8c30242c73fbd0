//! A tenant's figures by day and currency. Every amount counts on the business day its own event names: what
//! is captured later than it was placed is in another day's row.

use crate::model::{Keys, ReadModel, Unfit};
use crate::row::table;
use chrono::NaiveDate;
use cityos_domain::event::Event;
use cityos_domain::ledger::month::{self, Account};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;
use cityos_domain::orders::{order, vendor_order};
use super::vendor_balances::owed;

table! {
    /// One day in one currency. Amounts are in minor units.
    pub struct TenantDay {
        key {
            /// The day in the tenant's zone.
            date: NaiveDate,
            /// The currency.
            currency: Currency,
        }
        indexed {}
        plain {
            /// Orders placed.
            orders: i64,
            /// Orders placed with more than one vendor.
            orders_of_several_vendors: i64,
            /// Lines placed.
            lines: i64,
            /// Goods placed, without separate tax.
            goods_minor: i64,
            /// Freight placed.
            freight_minor: i64,
            /// Goods placed earlier or today and canceled today.
            canceled_goods_minor: i64,
            /// Commission frozen.
            commission_frozen_minor: i64,
            /// Frozen commission reversed.
            commission_reversed_minor: i64,
            /// Lines captured.
            captured_lines: i64,
            /// Gross merchandise value: goods captured, without separate tax.
            captured_goods_minor: i64,
            /// Tax captured on top.
            captured_tax_minor: i64,
            /// Freight captured.
            captured_freight_minor: i64,
            /// Commission captured.
            captured_commission_minor: i64,
            /// By how much more vendors are owed, pending and available, than the day before.
            owed_change_minor: i64,
        }
    }
}

impl TenantDay {
    /// Commission frozen, net of reversals.
    pub fn commission_minor(&self) -> i64 {
        self.commission_frozen_minor - self.commission_reversed_minor
    }
}

/// The figures.
pub struct TenantDays;

impl ReadModel for TenantDays {
    const NAME: &'static str = "tenant_days";
    const VERSION: u32 = 1;
    type Row = TenantDay;

    fn keys(event: &Envelope) -> Keys<(NaiveDate, Currency)> {
        if let Event::Order(order::Event::Placed { date, currency, .. }) = &event.event {
            return Keys::One((date.date, *currency));
        }
        if let Event::Ledger(month::Event::Posted { currency, transaction, .. }) = &event.event {
            return Keys::One((transaction.date.date, *currency));
        }
        let Event::VendorOrder(happened) = &event.event else { return Keys::None };
        use vendor_order::Event as E;
        match happened {
            E::UnitsCanceled { belongs, date, .. } | E::Captured { belongs, date, .. } => {
                Keys::One((date.date, belongs.currency))
            }
            // What is placed is counted by the order.
            E::Placed { .. }
            | E::Canceled { .. }
            | E::Shipped { .. }
            | E::CaptureFailed { .. }
            | E::Delivered { .. }
            | E::EarningsReleased { .. } => Keys::None,
        }
    }

    fn evolve(
        row: Option<TenantDay>,
        (date, currency): &(NaiveDate, Currency),
        event: &Envelope,
    ) -> Result<Option<TenantDay>, Unfit> {
        let mut day = row.unwrap_or_else(|| quiet(*date, *currency));
        if let Event::Order(order::Event::Placed { parts, lines, totals, .. }) = &event.event {
            day.orders += 1;
            day.orders_of_several_vendors += i64::from(parts.len() > 1);
            day.lines += i64::from(*lines);
            day.goods_minor += totals.goods_minor;
            day.freight_minor += totals.freight_minor;
            day.commission_frozen_minor += totals.commission_minor;
        }
        if let Event::Ledger(month::Event::Posted { transaction, .. }) = &event.event {
            day.owed_change_minor += owed(transaction, Account::VendorPending);
            day.owed_change_minor += owed(transaction, Account::VendorAvailable);
        }
        if let Event::VendorOrder(vendor_order::Event::UnitsCanceled { totals, .. }) = &event.event {
            day.canceled_goods_minor += totals.goods_minor;
            day.commission_reversed_minor += totals.commission_minor;
        }
        if let Event::VendorOrder(vendor_order::Event::Captured { lines, totals, .. }) = &event.event {
            day.captured_lines += i64::try_from(lines.len()).expect("an order has few lines");
            day.captured_goods_minor += totals.goods_minor;
            day.captured_tax_minor += totals.tax_minor;
            day.captured_freight_minor += totals.freight_minor;
            day.captured_commission_minor += totals.commission_minor;
        }
        Ok(Some(day))
    }
}

fn quiet(date: NaiveDate, currency: Currency) -> TenantDay {
    TenantDay {
        date,
        currency,
        orders: 0,
        orders_of_several_vendors: 0,
        lines: 0,
        goods_minor: 0,
        freight_minor: 0,
        canceled_goods_minor: 0,
        commission_frozen_minor: 0,
        commission_reversed_minor: 0,
        captured_lines: 0,
        captured_goods_minor: 0,
        captured_tax_minor: 0,
        captured_freight_minor: 0,
        captured_commission_minor: 0,
        owed_change_minor: 0,
    }
}
