//! Lines of orders: what was bought, with everything frozen when it was.

use crate::access::{Action, Own};
use crate::graphql::connection::{Node, filter, for_sellers, lists, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::offers::Offer;
use crate::graphql::order_parts::OrderPart;
use crate::graphql::orders::Order;
use crate::graphql::products::Product;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::totals::{TotalsOut, totals};
use crate::graphql::values::{MoneyOut, money};
use crate::graphql::vendors::Vendor;
use async_graphql::{Context, Enum, Object, SimpleObject};
use cityos_domain::ids::{OfferId, OrderId, ProductId, RuleId, VendorId, VendorOrderId};
use cityos_domain::orders::order;
use cityos_projections::Filter;
use cityos_projections::models::order_lines::{self, OrderLines};

/// Who pays for a discount.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "DiscountBearer", remote = "order::Bearer")]
pub enum Bearer {
    /// The vendor: their earnings are less by it.
    Vendor,
    /// The marketplace: the vendor earns as if there were none.
    Marketplace,
}

/// What the marketplace keeps of a line, as it was frozen.
#[derive(SimpleObject)]
pub struct LineCommission {
    /// How much.
    amount: MoneyOut,
    /// What it was taken of.
    base: MoneyOut,
    /// The percentage, where one applied to all of it.
    percent: Option<String>,
    /// The rule that was applied; none where no rule matched.
    rule_id: Option<Id<RuleId>>,
    /// The version of the rule list it was applied from.
    rules_version: u64,
}

/// A line of an order. Amounts are for the whole line as placed.
pub struct OrderLine {
    scope: Scope,
    row: order_lines::OrderLine,
}

impl Node for OrderLine {
    type Model = OrderLines;

    fn visible(own: Own) -> Option<Filter<order_lines::OrderLine>> {
        for_sellers(own, order_lines::OrderLine::vendor())
    }

    fn show(scope: Scope, row: order_lines::OrderLine) -> Self {
        OrderLine { scope, row }
    }
}

impl OrderLine {
    fn money(&self, minor: i64) -> MoneyOut {
        money(minor, self.row.currency)
    }

    fn sells(&self) -> bool {
        self.scope.own.sells(self.row.vendor)
    }
}

#[Object]
impl OrderLine {
    /// The order.
    async fn order_id(&self) -> Id<OrderId> {
        self.row.order.into()
    }

    /// The part it is in.
    async fn part_id(&self) -> Id<VendorOrderId> {
        self.row.part.into()
    }

    /// Its number in the order, from 1.
    async fn number(&self) -> u32 {
        self.row.number
    }

    /// The vendor's name for what was bought.
    async fn sku(&self) -> &str {
        self.row.sku.as_str()
    }

    /// How many.
    async fn quantity(&self) -> u32 {
        self.row.quantity
    }

    /// How many of them will not be shipped.
    async fn canceled_quantity(&self) -> u32 {
        self.row.canceled_quantity
    }

    /// What those amounted to.
    async fn canceled(&self) -> TotalsOut {
        totals(&self.row.canceled, self.row.currency, self.sells())
    }

    /// The price of one.
    async fn unit_price(&self) -> MoneyOut {
        self.money(self.row.unit_minor)
    }

    /// Whether that price includes tax.
    async fn includes_tax(&self) -> bool {
        self.row.includes_tax
    }

    /// Taken off.
    async fn discount(&self) -> MoneyOut {
        self.money(self.row.discount_minor)
    }

    /// Who pays for what is taken off.
    async fn discount_bearer(&self) -> Option<Bearer> {
        self.row.discount_bearer.map(Into::into)
    }

    /// Goods after discount, without tax.
    async fn net(&self) -> MoneyOut {
        self.money(self.row.net_minor)
    }

    /// Tax on the goods.
    async fn tax(&self) -> MoneyOut {
        self.money(self.row.tax_minor)
    }

    /// The tax's rate as a percentage.
    async fn tax_percent(&self) -> String {
        self.row.tax_rate.percent()
    }

    /// Freight without tax.
    async fn freight_net(&self) -> MoneyOut {
        self.money(self.row.freight_net_minor)
    }

    /// Tax on the freight.
    async fn freight_tax(&self) -> MoneyOut {
        self.money(self.row.freight_tax_minor)
    }

    /// Whether what is left of it is paid for.
    async fn captured(&self) -> bool {
        self.row.captured
    }

    /// What the marketplace keeps, and why. Null for buyers.
    async fn commission(&self) -> Option<LineCommission> {
        let commission = &self.row.commission;
        self.sells().then(|| LineCommission {
            amount: self.money(commission.minor),
            base: self.money(commission.base_minor),
            percent: commission.rate.map(|rate| rate.percent()),
            rule_id: commission.rule.map(Id),
            rules_version: commission.rules_version,
        })
    }

    /// The part it is in.
    async fn part(&self, ctx: &Context<'_>) -> Result<Option<OrderPart>, Refusal> {
        one(ctx, self.scope, self.row.part).await
    }

    /// The order. Null for vendors, who see their part of it.
    async fn order(&self, ctx: &Context<'_>) -> Result<Option<Order>, Refusal> {
        if self.scope.own.vendor().is_some() {
            return Ok(None);
        }
        one(ctx, self.scope, self.row.order).await
    }

    /// What was bought.
    async fn offer(&self, ctx: &Context<'_>) -> Result<Option<Offer>, Refusal> {
        one(ctx, self.scope, self.row.offer).await
    }

    /// The product.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, Refusal> {
        one(ctx, self.scope, self.row.product).await
    }

    /// Who sells.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<OrderLines>(ctx, self.scope.partition, (self.row.part, self.row.number)).await
    }
}

filter! {
    /// Which lines.
    OrderLineFilter for OrderLines {
        /// Of this order.
        order: Id<OrderId> => |order: Id<OrderId>| order_lines::OrderLine::order().is(order.0);
        /// Of this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| order_lines::OrderLine::vendor().is(vendor.0);
        /// Of this offer.
        offer: Id<OfferId> => |offer: Id<OfferId>| order_lines::OrderLine::offer().is(offer.0);
        /// Of this product.
        product: Id<ProductId> => |product: Id<ProductId>| order_lines::OrderLine::product().is(product.0);
    }
}

ordering! {
    /// In which order.
    OrderLineSort for OrderLines {
        /// By order.
        Order => order_lines::OrderLine::order().ascending();
        /// By product.
        Product => order_lines::OrderLine::product().ascending();
    }
}

lists! {
    /// Lines of orders. A vendor sees those it sold.
    OrderLineList { order_lines: OrderLine, Action::OrderLines, OrderLineFilter, OrderLineSort }
}
