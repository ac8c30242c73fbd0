//! What vendors are owed: a double-entry ledger per vendor and currency, kept by the month, and the payouts
//! that settle it.

pub mod adjusting;
pub mod book;
pub mod month;
pub mod paying_out;
pub mod payout;
pub mod posting;
pub mod standing;
pub mod transactions;

#[cfg(test)]
mod tests;
