//! What the marketplace keeps of a sale: an ordered list of rules, tiers that count a vendor's month, and the
//! calculation, done once at placement and frozen in the order line.

pub mod adding;
pub mod calculation;
pub mod charging;
pub mod limits;
pub mod matching;
pub mod rules;
pub mod tier;
