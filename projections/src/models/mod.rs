//! Every read model there is.

use crate::model::{AnyModel, Erased};

/// Sees the models with their types.
#[cfg(test)]
pub(crate) trait Visitor {
    fn visit<M: crate::model::ReadModel>(&mut self);
}

macro_rules! models {
    ($($module:ident: $model:ident;)*) => {
        $(pub mod $module;)*

        /// All of them.
        pub const REGISTRY: &[&dyn AnyModel] = &[$(&Erased::<$module::$model>::new()),*];

        /// Shows all of them, with their types.
        #[cfg(test)]
        pub(crate) fn visit(visitor: &mut impl Visitor) {
            $(visitor.visit::<$module::$model>();)*
        }
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
