//! Which months a vendor's ledger in one currency has: the way to the month that is open.

use crate::aggregate::{Aggregate, unless};
use crate::calendar::Month;
use crate::ids::{VendorId, derive};
use crate::money::Currency;
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whose ledger, in what currency: currencies never net.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LedgerOf {
    /// Whose.
    pub vendor: VendorId,
    /// In what currency.
    pub currency: Currency,
}

impl LedgerOf {
    /// The id of the [book](LedgerBook)'s stream.
    pub fn book(self) -> Uuid {
        derive(&["ledger_book", &self.vendor.to_string(), self.currency.code()])
    }

    /// The id of the stream of one [month](super::month::LedgerMonth).
    pub fn month(self, month: Month) -> Uuid {
        derive(&["ledger", &self.vendor.to_string(), self.currency.code(), &month.to_string()])
    }
}

/// What may be asked of the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Go on to a month.
    OpenMonth {
        /// Whose book this is.
        ledger: LedgerOf,
        /// The month.
        month: Month,
    },
}

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

/// Why the book may say no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// Books go forward.
    #[error("the ledger is at {0} already and opens no month before it")]
    MonthPast(Month),
}

impl Reject for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Rejection::MonthPast(_) => "LEDGER_MONTH_PAST",
        }
    }
}

/// A vendor's book in one currency.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LedgerBook {
    open: Option<Month>,
}

impl LedgerBook {
    /// The month that takes transactions; none before the first.
    pub fn open(&self) -> Option<Month> {
        self.open
    }
}

impl Aggregate for LedgerBook {
    type Id = Uuid;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let Command::OpenMonth { ledger: LedgerOf { vendor, currency }, month } = *command;
        match self.open {
            Some(open) if open > month => Err(Rejection::MonthPast(open)),
            open => Ok(unless(open == Some(month), Event::MonthOpened { vendor, currency, month })),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        let Event::MonthOpened { month, .. } = event;
        LedgerBook { open: Some(*month) }
    }
}
