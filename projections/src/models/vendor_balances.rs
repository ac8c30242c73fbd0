//! What each vendor is owed in each currency, account by account.

use crate::model::{Keys, ReadModel, Unfit};
use crate::row::table;
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::ledger::month::{self, Account, Leg, Occasion, Transaction};
use cityos_domain::log::Envelope;
use cityos_domain::money::Currency;

table! {
    /// What a vendor is owed in one currency, in minor units.
    pub struct VendorBalance {
        key {
            /// Whom.
            vendor: VendorId,
            /// In what currency.
            currency: Currency,
        }
        indexed {
            /// Due, and in no payout; negative where the vendor owes.
            available_minor: i64,
        }
        plain {
            /// Not yet due.
            pending_minor: i64,
            /// In payouts that are under way.
            in_transit_minor: i64,
            /// Paid.
            paid_minor: i64,
            /// Everything ever earned by sales.
            earned_minor: i64,
            /// Everything the marketplace ever kept of those sales.
            commission_minor: i64,
        }
    }
}

/// The balances.
pub struct VendorBalances;

/// What a transaction adds to what the vendor is owed on `account`, in minor units: accounts of debts grow by
/// credits, which are negative.
pub(super) fn owed(transaction: &Transaction, account: Account) -> i64 {
    let on_account = |leg: &&Leg| leg.account == account;
    transaction.legs.iter().filter(on_account).map(|leg| -leg.minor).sum()
}

impl ReadModel for VendorBalances {
    const NAME: &'static str = "vendor_balances";
    const VERSION: u32 = 1;
    type Row = VendorBalance;

    fn keys(event: &Envelope) -> Keys<(VendorId, Currency)> {
        let Event::Ledger(happened) = &event.event else { return Keys::None };
        match happened {
            month::Event::Posted { vendor, currency, .. } => Keys::One((*vendor, *currency)),
            // A month hands its balances on, a list says what they are made of: nothing changes for the vendor.
            month::Event::Opened { .. }
            | month::Event::EntriesCarried { .. }
            | month::Event::EntriesClaimed { .. }
            | month::Event::EntriesUnclaimed { .. }
            | month::Event::Closed {} => Keys::None,
        }
    }

    fn evolve(
        row: Option<VendorBalance>,
        (vendor, currency): &(VendorId, Currency),
        event: &Envelope,
    ) -> Result<Option<VendorBalance>, Unfit> {
        let Event::Ledger(month::Event::Posted { transaction, .. }) = &event.event else { return Ok(row) };
        let mut balance = row.unwrap_or(VendorBalance {
            vendor: *vendor,
            currency: *currency,
            available_minor: 0,
            pending_minor: 0,
            in_transit_minor: 0,
            paid_minor: 0,
            earned_minor: 0,
            commission_minor: 0,
        });
        balance.pending_minor += owed(transaction, Account::VendorPending);
        balance.available_minor += owed(transaction, Account::VendorAvailable);
        balance.in_transit_minor += owed(transaction, Account::VendorInTransit);
        balance.paid_minor += owed(transaction, Account::VendorPaid);
        balance.commission_minor += owed(transaction, Account::CommissionIncome);
        if let Occasion::Captured { .. } = &transaction.occasion {
            balance.earned_minor += owed(transaction, Account::VendorPending);
        }
        Ok(Some(balance))
    }
}
