//! A vendor's book: which currencies its ledgers are in, and the way to the month that is open in each.

use crate::aggregate::{Aggregate, unless};
use crate::calendar::Month;
use crate::ids::{VendorId, derive};
use crate::money::Currency;
use crate::rejection::Reject;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Whose ledger, in what currency: currencies never net.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct LedgerOf {
    /// Whose.
    pub vendor: VendorId,
    /// In what currency.
    pub currency: Currency,
}

impl LedgerOf {
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
        /// In whose book, in what currency.
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

/// A vendor's book. Its stream carries the vendor's id.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct LedgerBook {
    open: BTreeMap<Currency, Month>,
}

impl LedgerBook {
    /// The month that takes transactions in a currency; none before the first.
    pub fn open(&self, currency: Currency) -> Option<Month> {
        self.open.get(&currency).copied()
    }

    /// The currencies there ever was a transaction in.
    pub fn currencies(&self) -> impl Iterator<Item = Currency> {
        self.open.keys().copied()
    }
}

impl Aggregate for LedgerBook {
    type Id = VendorId;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, _: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
        let Command::OpenMonth { ledger: LedgerOf { vendor, currency }, month } = *command;
        match self.open(currency) {
            Some(open) if open > month => Err(Rejection::MonthPast(open)),
            open => Ok(unless(open == Some(month), Event::MonthOpened { vendor, currency, month })),
        }
    }

    fn evolve(mut self, event: &Event) -> Self {
        let Event::MonthOpened { currency, month, .. } = event;
        self.open.insert(*currency, *month);
        self
    }
}
