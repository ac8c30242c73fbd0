//! What vendors are owed: balances, the entries they come from, and what operators post.

use crate::access::{Action, Own};
use crate::graphql::connection::{Node, filter, for_sellers, lists, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::loading::relation;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{CurrencyCode, Date, MoneyOut, money};
use crate::graphql::vendors::Vendor;
use async_graphql::{Context, Enum, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::ids::{OrderId, PayoutId, TransactionId, VendorId, VendorOrderId};
use cityos_domain::ledger::month;
use cityos_projections::Filter;
use cityos_projections::models::ledger_entries::{self, LedgerEntries};
use cityos_projections::models::vendor_balances::{self, VendorBalances};

/// What a vendor is owed in one currency.
pub struct VendorBalance {
    scope: Scope,
    row: vendor_balances::VendorBalance,
}

impl Node for VendorBalance {
    type Model = VendorBalances;

    fn visible(own: Own) -> Option<Filter<vendor_balances::VendorBalance>> {
        for_sellers(own, vendor_balances::VendorBalance::vendor())
    }

    fn show(scope: Scope, row: vendor_balances::VendorBalance) -> Self {
        VendorBalance { scope, row }
    }
}

relation! {
    /// The balances of a vendor.
    BalancesOfVendor: VendorBalances, VendorId, vendor_balances::VendorBalance => vendor
}

impl VendorBalance {
    fn money(&self, minor: i64) -> MoneyOut {
        money(minor, self.row.currency)
    }
}

#[Object]
impl VendorBalance {
    /// ISO 4217.
    async fn currency(&self) -> &'static str {
        self.row.currency.code()
    }

    /// Owed, not yet due.
    async fn pending(&self) -> MoneyOut {
        self.money(self.row.pending_minor)
    }

    /// Due, and in no payout; negative where the vendor owes.
    async fn available(&self) -> MoneyOut {
        self.money(self.row.available_minor)
    }

    /// In payouts that are under way.
    async fn in_transit(&self) -> MoneyOut {
        self.money(self.row.in_transit_minor)
    }

    /// Paid.
    async fn paid(&self) -> MoneyOut {
        self.money(self.row.paid_minor)
    }

    /// Everything ever earned by sales, after commission.
    async fn earned(&self) -> MoneyOut {
        self.money(self.row.earned_minor)
    }

    /// Everything the marketplace ever kept of those sales.
    async fn commission(&self) -> MoneyOut {
        self.money(self.row.commission_minor)
    }

    /// Whom it is owed to.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<VendorBalances>(ctx, self.scope.partition, (self.row.vendor, self.row.currency)).await
    }
}

filter! {
    /// Which balances.
    VendorBalanceFilter for VendorBalances {
        /// Of this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| vendor_balances::VendorBalance::vendor().is(vendor.0);
        /// In this currency.
        currency: CurrencyCode => |currency: CurrencyCode| vendor_balances::VendorBalance::currency().is(currency.0);
    }
}

ordering! {
    /// In which order.
    VendorBalanceSort for VendorBalances {
        /// By what is available, the most first: minor units of each currency are compared as they are.
        MostAvailable => vendor_balances::VendorBalance::available_minor().descending();
        /// The least first.
        LeastAvailable => vendor_balances::VendorBalance::available_minor().ascending();
    }
}

/// What a transaction is about.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "LedgerEntryKind", remote = "ledger_entries::EntryKind")]
pub enum EntryKind {
    /// A sale was captured.
    Sale,
    /// A sale's earnings became available.
    Release,
    /// A payout took available entries.
    PayoutClaimed,
    /// A payout arrived.
    PayoutSettled,
    /// A payout came to nothing.
    PayoutFailed,
    /// An operator posted it.
    Adjustment,
}

/// The accounts of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "LedgerAccount", remote = "month::Account")]
pub enum Account {
    /// Funds received from customers.
    Clearing,
    /// Owed to the vendor, not yet due.
    VendorPending,
    /// Owed to the vendor and due.
    VendorAvailable,
    /// On its way to the vendor.
    VendorInTransit,
    /// What the vendor was paid.
    VendorPaid,
    /// What the marketplace keeps.
    CommissionIncome,
    /// Credit customers have.
    CustomerCredit,
    /// Posted by operators; also discounts the marketplace bears.
    Adjustments,
    /// Reserved: consumer tax held.
    Tax,
    /// Reserved: owed by the vendor.
    Receivable,
    /// Reserved: fees of payment providers.
    Fees,
    /// Reserved: disputed payments.
    Disputes,
    /// Reserved: given up.
    WriteOff,
}

/// One side of a transaction.
#[derive(SimpleObject)]
#[graphql(name = "LedgerLeg")]
pub struct Leg {
    /// The account.
    account: Account,
    /// Debits positive, credits negative.
    amount: MoneyOut,
}

/// A transaction in a vendor's ledger. Amounts are changes of what the vendor is owed.
pub struct LedgerEntry {
    scope: Scope,
    row: ledger_entries::LedgerEntry,
}

impl Node for LedgerEntry {
    type Model = LedgerEntries;

    fn visible(own: Own) -> Option<Filter<ledger_entries::LedgerEntry>> {
        for_sellers(own, ledger_entries::LedgerEntry::vendor())
    }

    fn show(scope: Scope, row: ledger_entries::LedgerEntry) -> Self {
        LedgerEntry { scope, row }
    }
}

impl LedgerEntry {
    fn money(&self, minor: i64) -> MoneyOut {
        money(minor, self.row.currency)
    }
}

#[Object]
impl LedgerEntry {
    /// Its id.
    async fn id(&self) -> Id<TransactionId> {
        self.row.id.into()
    }

    /// What it is about.
    async fn kind(&self) -> EntryKind {
        self.row.kind.into()
    }

    /// The day in the tenant's zone.
    async fn date(&self) -> Date {
        Date(self.row.date)
    }

    /// When it was posted.
    async fn posted_at(&self) -> DateTime<Utc> {
        self.row.posted_at
    }

    /// Owed, not yet due.
    async fn pending(&self) -> MoneyOut {
        self.money(self.row.pending_minor)
    }

    /// Owed and due.
    async fn available(&self) -> MoneyOut {
        self.money(self.row.available_minor)
    }

    /// On its way.
    async fn in_transit(&self) -> MoneyOut {
        self.money(self.row.in_transit_minor)
    }

    /// Paid.
    async fn paid(&self) -> MoneyOut {
        self.money(self.row.paid_minor)
    }

    /// What the marketplace kept.
    async fn commission(&self) -> MoneyOut {
        self.money(self.row.commission_minor)
    }

    /// All sides of it: they sum to zero.
    async fn legs(&self) -> Vec<Leg> {
        let shown = |leg: &month::Leg| Leg { account: leg.account.into(), amount: self.money(leg.minor) };
        self.row.legs.iter().map(shown).collect()
    }

    /// Why an operator posted it.
    async fn reason(&self) -> Option<&str> {
        self.row.reason.as_deref()
    }

    /// The order it is about.
    async fn order_id(&self) -> Option<Id<OrderId>> {
        self.row.order.map(Id)
    }

    /// The part of the order it is about.
    async fn part_id(&self) -> Option<Id<VendorOrderId>> {
        self.row.part.map(Id)
    }

    /// The payout it is about.
    async fn payout_id(&self) -> Option<Id<PayoutId>> {
        self.row.payout.map(Id)
    }

    /// The payout that took what it made available.
    async fn settled_by(&self) -> Option<Id<PayoutId>> {
        self.row.settled_by.map(Id)
    }

    /// Whose ledger it is in.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<LedgerEntries>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which transactions.
    LedgerEntryFilter for LedgerEntries {
        /// Of this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| ledger_entries::LedgerEntry::vendor().is(vendor.0);
        /// About this.
        kind: EntryKind => |kind: EntryKind| ledger_entries::LedgerEntry::kind().is(kind.into());
        /// About this order.
        order: Id<OrderId> => |order: Id<OrderId>| ledger_entries::LedgerEntry::order().is(Some(order.0));
        /// About this payout.
        payout: Id<PayoutId> => |payout: Id<PayoutId>| ledger_entries::LedgerEntry::payout().is(Some(payout.0));
        /// Whose available amount this payout took.
        settled_by: Id<PayoutId> => |payout: Id<PayoutId>| {
            ledger_entries::LedgerEntry::settled_by().is(Some(payout.0))
        };
        /// Posted at this moment or later.
        posted_from: DateTime<Utc> => |from| ledger_entries::LedgerEntry::posted_at().from(from);
        /// Posted before this moment.
        posted_before: DateTime<Utc> => |before| ledger_entries::LedgerEntry::posted_at().below(before);
    }
}

ordering! {
    /// In which order.
    LedgerEntrySort for LedgerEntries {
        /// The latest first.
        Newest => ledger_entries::LedgerEntry::posted_at().descending();
        /// The earliest first.
        Oldest => ledger_entries::LedgerEntry::posted_at().ascending();
    }
}

lists! {
    /// What vendors are owed. A vendor sees its own.
    VendorBalanceList {
        vendor_balances: VendorBalance, Action::VendorBalances, VendorBalanceFilter, VendorBalanceSort
    }

    /// The transactions of vendors' ledgers. A vendor sees its own.
    LedgerEntryList { ledger_entries: LedgerEntry, Action::LedgerEntries, LedgerEntryFilter, LedgerEntrySort }
}
