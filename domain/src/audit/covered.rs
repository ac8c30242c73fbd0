//! How much was looked at: an audit of nothing proves nothing.

use crate::ledger::month::{Account, Occasion, Transaction};

/// What was looked at of one tenant in one currency. Amounts are in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Covered {
    /// Ledger transactions.
    pub transactions: u64,
    /// How much they moved: the sum of what they debit.
    pub moved_minor: i128,
    /// Orders placed.
    pub orders: u64,
    /// How many of them are not over.
    pub orders_open: u64,
    /// Payouts that claimed something.
    pub payouts: u64,
    /// How many of them were paid.
    pub payouts_paid: u64,
    /// How much vendors were paid.
    pub paid_minor: i128,
    /// Where the customers' money came from and went.
    pub sums: Sums,
}

/// Where money came from and where it went. Amounts are in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// What customers paid.
    pub received_minor: i128,
    /// What they paid with credit. No event says so yet: nothing.
    pub credit_redeemed_minor: i128,
    /// Discounts the marketplace bears: it pays them in for the customer.
    pub borne_minor: i128,
    /// What customers got back. No event says so yet: nothing.
    pub refunded_minor: i128,
    /// What vendors earned.
    pub earned_minor: i128,
    /// What the marketplace kept.
    pub commission_minor: i128,
    /// Tax held for whom it is due to.
    pub tax_held_minor: i128,
}

impl Sums {
    /// All that came in.
    pub fn came_in_minor(&self) -> i128 {
        self.received_minor + self.credit_redeemed_minor + self.borne_minor
    }

    /// All that it became.
    pub fn became_minor(&self) -> i128 {
        self.refunded_minor + self.earned_minor + self.commission_minor + self.tax_held_minor
    }
}

/// What a transaction moves on one account in minor units, debits positive.
pub(super) fn on(transaction: &Transaction, account: Account) -> i128 {
    transaction.legs.iter().filter(|leg| leg.account == account).map(|leg| i128::from(leg.minor)).sum()
}

impl Covered {
    pub(super) fn post(&mut self, transaction: &Transaction) {
        self.transactions += 1;
        self.moved_minor += transaction.legs.iter().map(|leg| i128::from(leg.minor.max(0))).sum::<i128>();
        match transaction.occasion {
            Occasion::Captured { .. } => {
                self.sums.borne_minor += on(transaction, Account::Adjustments);
                self.sums.earned_minor -= on(transaction, Account::VendorPending);
                self.sums.commission_minor -= on(transaction, Account::CommissionIncome);
                self.sums.tax_held_minor -= on(transaction, Account::Tax);
            }
            Occasion::Settled { .. } => self.paid_minor -= on(transaction, Account::VendorPaid),
            Occasion::Released { .. }
            | Occasion::Claimed { .. }
            | Occasion::Unclaimed { .. }
            | Occasion::Adjusted { .. } => {}
        }
    }
}
