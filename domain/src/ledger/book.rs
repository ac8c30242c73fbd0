//! Which months a vendor's ledger in one currency has: the way to the month that is open.

use crate::calendar::Month;
use crate::ids::VendorId;
use crate::money::Currency;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can have happened to the book.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// From here on transactions go into this month.
    MonthOpened {
        /// Whose ledger.
        vendor: VendorId,
        /// In what currency.
        currency: Currency,
        /// The month in the tenant's zone.
        month: Month,
    },
}
