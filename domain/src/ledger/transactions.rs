//! Which accounts move on which occasion. Every one of these sums to zero; amounts are in minor units.

use super::month::{Account, Leg, Occasion, Transaction};
use crate::calendar::BusinessDate;
use crate::ids::{OrderId, PayoutId, TransactionId, VendorOrderId, derive};
use crate::orders::order::Totals;

/// A part of an order was captured: funds came in, of which the vendor will have earned theirs.
pub fn captured(order: OrderId, part: VendorOrderId, date: BusinessDate, totals: &Totals) -> Transaction {
    let legs = [
        (Account::Clearing, totals.payable_minor()),
        (Account::VendorPending, -totals.earnings_minor()),
        (Account::CommissionIncome, -totals.commission_minor),
        (Account::Adjustments, totals.marketplace_discount_minor),
        (Account::Tax, -totals.tax_minor),
    ];
    transaction(id("captured", &part), Occasion::Captured { order, part }, date, &legs)
}

/// A part's earnings became available.
pub fn released(order: OrderId, part: VendorOrderId, date: BusinessDate, earnings_minor: i64) -> Transaction {
    let legs = [(Account::VendorPending, earnings_minor), (Account::VendorAvailable, -earnings_minor)];
    transaction(id("released", &part), Occasion::Released { order, part }, date, &legs)
}

/// A payout took all that was available: `minor`.
pub fn claimed(payout: PayoutId, date: BusinessDate, minor: i64) -> Transaction {
    let legs = [(Account::VendorAvailable, minor), (Account::VendorInTransit, -minor)];
    transaction(id("claimed", &payout), Occasion::Claimed { payout }, date, &legs)
}

/// A payout arrived.
pub fn settled(payout: PayoutId, date: BusinessDate, minor: i64) -> Transaction {
    let legs = [(Account::VendorInTransit, minor), (Account::VendorPaid, -minor)];
    transaction(id("settled", &payout), Occasion::Settled { payout }, date, &legs)
}

/// A payout of `minor` came to nothing: that is available again.
pub fn unclaimed(payout: PayoutId, date: BusinessDate, minor: i64) -> Transaction {
    let legs = [(Account::VendorInTransit, minor), (Account::VendorAvailable, -minor)];
    transaction(id("unclaimed", &payout), Occasion::Unclaimed { payout }, date, &legs)
}

/// An operator gave the vendor `minor` (or took it, where negative) out of `against`.
pub fn adjusted(
    id: TransactionId,
    reason: String,
    date: BusinessDate,
    against: Account,
    minor: i64,
) -> Transaction {
    let legs = [(Account::VendorAvailable, -minor), (against, minor)];
    transaction(id, Occasion::Adjusted { reason }, date, &legs)
}

fn id(occasion: &str, of: &impl ToString) -> TransactionId {
    TransactionId(derive(&["transaction", occasion, &of.to_string()]))
}

fn transaction(
    id: TransactionId,
    occasion: Occasion,
    date: BusinessDate,
    legs: &[(Account, i64)],
) -> Transaction {
    let moving = legs.iter().filter(|(_, minor)| *minor != 0);
    let legs = moving.map(|(account, minor)| Leg { account: *account, minor: *minor }).collect();
    Transaction { id, occasion, date, legs }
}
