//! Writing transactions into the month that is open, and turning the page when a month is over.

use super::book::{self, LedgerBook, LedgerOf};
use super::month::{self, LedgerMonth, Transaction};
use super::standing::Standing;
use crate::calendar::Month;
use crate::ids::VendorId;
use crate::money::Currency;
use crate::workspace::{Stop, Workspace};

/// Posts `transaction` into the open month. One dated in a later month closes that month and opens its own,
/// which takes over all balances and entries; one dated in an earlier month goes into the open one.
/// A transaction that moves nothing is not written.
pub fn post(city: &mut Workspace, ledger: LedgerOf, transaction: Transaction) -> Result<(), Stop> {
    if transaction.legs.is_empty() {
        return Ok(());
    }
    let month = open_month(city, ledger, transaction.date.month())?;
    city.send::<LedgerMonth>(ledger.month(month), &month::Command::Post { ledger, transaction })
}

/// Where the ledger stands; empty before its first transaction.
pub fn standing(city: &mut Workspace, ledger: LedgerOf) -> Result<Standing, Stop> {
    match city.see::<LedgerBook>(ledger.vendor)?.open(ledger.currency) {
        Some(open) => standing_of(city, ledger, open),
        None => Ok(Standing::default()),
    }
}

/// The first currency in which something is owed to a vendor or by them; none where all is paid or written off.
pub fn unsettled(city: &mut Workspace, vendor: VendorId) -> Result<Option<Currency>, Stop> {
    let book = city.see::<LedgerBook>(vendor)?;
    for currency in book.currencies() {
        if !standing(city, LedgerOf { vendor, currency })?.is_settled() {
            return Ok(Some(currency));
        }
    }
    Ok(None)
}

fn standing_of(city: &mut Workspace, ledger: LedgerOf, month: Month) -> Result<Standing, Stop> {
    let month = city.see::<LedgerMonth>(ledger.month(month))?;
    Ok(month.standing().cloned().unwrap_or_default())
}

fn open_month(city: &mut Workspace, ledger: LedgerOf, wanted: Month) -> Result<Month, Stop> {
    let carried = match city.see::<LedgerBook>(ledger.vendor)?.open(ledger.currency) {
        Some(open) if open >= wanted => return Ok(open),
        Some(open) => {
            city.send::<LedgerMonth>(ledger.month(open), &month::Command::Close)?;
            standing_of(city, ledger, open)?
        }
        None => Standing::default(),
    };
    let open = month::Command::Open { ledger, month: wanted, carried };
    city.send::<LedgerMonth>(ledger.month(wanted), &open)?;
    city.send::<LedgerBook>(ledger.vendor, &book::Command::OpenMonth { ledger, month: wanted })?;
    Ok(wanted)
}
