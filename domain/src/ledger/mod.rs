//! What vendors are owed: a double-entry ledger per vendor and currency, kept by the month, and the payouts
//! that settle it.

pub mod book;
pub mod month;
pub mod payout;
