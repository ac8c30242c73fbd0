//! Every read model there is.

use crate::model::{AnyModel, Erased};

macro_rules! models {
    ($($module:ident: $model:ident;)*) => {
        $(pub mod $module;)*

        /// All of them.
        pub const REGISTRY: &[&dyn AnyModel] = &[$(&Erased::<$module::$model>::new()),*];
    };
}

models! {
    places: Places;
    tenants: Tenants;
    stores: Stores;
    vendors: Vendors;
    customers: Customers;
    product_categories: ProductCategories;
    products: Products;
    offers: Offers;
    orders: Orders;
    order_parts: OrderParts;
    order_lines: OrderLines;
    payments: Payments;
    commission_rules: CommissionRules;
    commissions: Commissions;
    vendor_balances: VendorBalances;
    ledger_entries: LedgerEntries;
    payouts: Payouts;
    tenant_days: TenantDays;
    saga_runs: SagaRuns;
    due_timers: DueTimers;
}

#[cfg(test)]
mod tests;
