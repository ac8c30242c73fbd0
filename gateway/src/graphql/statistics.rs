//! Figures of a tenant's marketplace: by day, and over all days.

use crate::access::{Action, Own};
use crate::graphql::connection::{Node, filter, for_admins, lists, ordering};
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Scope, reading, services};
use crate::graphql::staleness::stale;
use crate::graphql::values::{CurrencyCode, Date, MoneyOut, money};
use async_graphql::{Context, Object, SimpleObject};
use cityos_domain::log::Partition;
use cityos_projections::models::customers::Customers;
use cityos_projections::models::offers::Offers;
use cityos_projections::models::products::Products;
use cityos_projections::models::tenant_days::{self, TenantDay as Day, TenantDays};
use cityos_projections::models::vendors::Vendors;
use cityos_projections::{Filter, Query, ReadModel};

/// One day of a tenant in one currency. Days are the tenant's own.
pub struct TenantDay {
    scope: Scope,
    row: tenant_days::TenantDay,
}

impl Node for TenantDay {
    type Model = TenantDays;

    fn visible(own: Own) -> Option<Filter<tenant_days::TenantDay>> {
        for_admins(own, tenant_days::TenantDay::date())
    }

    fn show(scope: Scope, row: tenant_days::TenantDay) -> Self {
        TenantDay { scope, row }
    }
}

impl TenantDay {
    fn money(&self, minor: i64) -> MoneyOut {
        money(minor, self.row.currency)
    }
}

#[Object]
impl TenantDay {
    /// The day.
    async fn date(&self) -> Date {
        Date(self.row.date)
    }

    /// ISO 4217.
    async fn currency(&self) -> &'static str {
        self.row.currency.code()
    }

    /// Orders placed.
    async fn orders(&self) -> i64 {
        self.row.orders
    }

    /// How many of them with more than one vendor.
    async fn orders_of_several_vendors(&self) -> i64 {
        self.row.orders_of_several_vendors
    }

    /// Lines placed.
    async fn lines(&self) -> i64 {
        self.row.lines
    }

    /// Goods placed, without separate tax.
    async fn goods(&self) -> MoneyOut {
        self.money(self.row.goods_minor)
    }

    /// Freight placed.
    async fn freight(&self) -> MoneyOut {
        self.money(self.row.freight_minor)
    }

    /// Goods canceled that day, whenever they were placed.
    async fn canceled_goods(&self) -> MoneyOut {
        self.money(self.row.canceled_goods_minor)
    }

    /// Commission frozen that day, net of what was reversed that day.
    async fn commission(&self) -> MoneyOut {
        self.money(self.row.commission_minor())
    }

    /// Lines captured.
    async fn captured_lines(&self) -> i64 {
        self.row.captured_lines
    }

    /// Gross merchandise value: goods captured that day, without separate tax.
    async fn gmv(&self) -> MoneyOut {
        self.money(self.row.captured_goods_minor)
    }

    /// Tax captured on top.
    async fn captured_tax(&self) -> MoneyOut {
        self.money(self.row.captured_tax_minor)
    }

    /// Freight captured that day.
    async fn captured_freight(&self) -> MoneyOut {
        self.money(self.row.captured_freight_minor)
    }

    /// Commission captured that day.
    async fn captured_commission(&self) -> MoneyOut {
        self.money(self.row.captured_commission_minor)
    }

    /// By how much more vendors are owed, pending and available, than the day before.
    async fn owed_change(&self) -> MoneyOut {
        self.money(self.row.owed_change_minor)
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<TenantDays>(ctx, self.scope.partition, (self.row.date, self.row.currency)).await
    }
}

filter! {
    /// Which days.
    TenantDayFilter for TenantDays {
        /// In this currency.
        currency: CurrencyCode => |currency: CurrencyCode| tenant_days::TenantDay::currency().is(currency.0);
        /// This day or later.
        date_from: Date => |Date(from)| tenant_days::TenantDay::date().from(from);
        /// Before this day.
        date_before: Date => |Date(before)| tenant_days::TenantDay::date().below(before);
    }
}

ordering! {
    /// In which order.
    TenantDaySort for TenantDays {
        /// The latest first.
        Newest => tenant_days::TenantDay::date().descending();
        /// The earliest first.
        Oldest => tenant_days::TenantDay::date().ascending();
    }
}

lists! {
    /// The tenant's figures by day.
    TenantDayList { tenant_days: TenantDay, Action::TenantDays, TenantDayFilter, TenantDaySort }
}

/// A tenant's whole marketplace in figures.
#[derive(SimpleObject)]
pub struct MarketplaceTotals {
    /// How many vendors there are.
    vendors: u64,
    /// How many products.
    products: u64,
    /// How many offers.
    offers: u64,
    /// How many customers.
    customers: u64,
    /// How many orders were placed.
    orders: i64,
    /// How many of them with more than one vendor.
    orders_of_several_vendors: i64,
    /// How many lines they have.
    lines: i64,
    /// How many lines were captured.
    captured_lines: i64,
    /// Sums, by currency.
    sums: Vec<MarketplaceSums>,
}

/// Sums over all orders in one currency.
#[derive(SimpleObject)]
pub struct MarketplaceSums {
    /// ISO 4217.
    currency: &'static str,
    /// Goods placed, without separate tax.
    goods: MoneyOut,
    /// Freight placed.
    freight: MoneyOut,
    /// Goods placed and canceled.
    canceled_goods: MoneyOut,
    /// Commission frozen when orders were placed.
    commission_frozen: MoneyOut,
    /// Frozen commission reversed since.
    commission_reversed: MoneyOut,
    /// Goods captured: gross merchandise value.
    captured_goods: MoneyOut,
    /// Tax captured on top.
    captured_tax: MoneyOut,
    /// Freight captured.
    captured_freight: MoneyOut,
    /// Commission captured.
    captured_commission: MoneyOut,
    /// What vendors are owed, pending and available.
    owed: MoneyOut,
}

/// The tenant in figures.
#[derive(Default)]
pub struct MarketplaceTotalsQuery;

#[Object]
impl MarketplaceTotalsQuery {
    /// The tenant's whole marketplace in figures.
    async fn marketplace_totals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Waits until what is shown is as new as this place, which a mutation answered.")]
        at_least: Option<PositionToken>,
    ) -> Result<MarketplaceTotals, Refusal> {
        let Scope { partition, .. } = reading(ctx, Action::MarketplaceTotals, at_least.as_ref()).await?;
        let reads = &services(ctx).reads;
        let days = || Query::<TenantDays>::new(partition);
        let counts = [Day::orders(), Day::orders_of_several_vendors(), Day::lines(), Day::captured_lines()];
        let counts = days().sums_by(reads, Day::currency(), counts).await?;
        let [orders, orders_of_several_vendors, lines, captured_lines] =
            counts.iter().fold([0; 4], |all, (_, some)| std::array::from_fn(|at| all[at] + some[at]));
        let amounts = [
            Day::goods_minor(),
            Day::freight_minor(),
            Day::canceled_goods_minor(),
            Day::commission_frozen_minor(),
            Day::commission_reversed_minor(),
            Day::captured_goods_minor(),
            Day::captured_tax_minor(),
            Day::captured_freight_minor(),
            Day::captured_commission_minor(),
            Day::owed_change_minor(),
        ];
        let amounts = days().sums_by(reads, Day::currency(), amounts).await?;
        let sums = amounts.into_iter().map(|(currency, amounts)| {
            let [
                goods,
                freight,
                canceled_goods,
                commission_frozen,
                commission_reversed,
                captured_goods,
                captured_tax,
                captured_freight,
                captured_commission,
                owed,
            ] = amounts.map(|minor| money(minor, currency));
            let currency = currency.code();
            MarketplaceSums {
                currency,
                goods,
                freight,
                canceled_goods,
                commission_frozen,
                commission_reversed,
                captured_goods,
                captured_tax,
                captured_freight,
                captured_commission,
                owed,
            }
        });
        Ok(MarketplaceTotals {
            vendors: count::<Vendors>(ctx, partition).await?,
            products: count::<Products>(ctx, partition).await?,
            offers: count::<Offers>(ctx, partition).await?,
            customers: count::<Customers>(ctx, partition).await?,
            orders,
            orders_of_several_vendors,
            lines,
            captured_lines,
            sums: sums.collect(),
        })
    }
}

async fn count<M: ReadModel>(ctx: &Context<'_>, partition: Partition) -> Result<u64, Refusal> {
    Ok(Query::<M>::new(partition).count(&services(ctx).reads).await?)
}
