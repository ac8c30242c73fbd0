//! What the marketplace keeps of each line sold: frozen when it was placed, reversed where units were canceled.

use crate::access::{Action, Own};
use crate::graphql::connection::{Node, filter, for_sellers, lists, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{Date, MoneyOut, money};
use crate::graphql::vendors::Vendor;
use async_graphql::{Context, Object};
use cityos_domain::ids::{OrderId, RuleId, VendorId, VendorOrderId};
use cityos_projections::Filter;
use cityos_projections::models::commissions::{self, Commissions};

/// The commission of one line, with everything needed to explain it.
pub struct Commission {
    scope: Scope,
    row: commissions::CommissionOfLine,
}

impl Node for Commission {
    type Model = Commissions;

    fn visible(own: Own) -> Option<Filter<commissions::CommissionOfLine>> {
        for_sellers(own, commissions::CommissionOfLine::vendor())
    }

    fn show(scope: Scope, row: commissions::CommissionOfLine) -> Self {
        Commission { scope, row }
    }
}

impl Commission {
    fn money(&self, minor: i64) -> MoneyOut {
        money(minor, self.row.currency)
    }
}

#[Object]
impl Commission {
    /// The order.
    async fn order_id(&self) -> Id<OrderId> {
        self.row.order.into()
    }

    /// The part the line is in.
    async fn part_id(&self) -> Id<VendorOrderId> {
        self.row.part.into()
    }

    /// The line's number in the order.
    async fn line(&self) -> u32 {
        self.row.number
    }

    /// The rule that was applied; none where no rule matched.
    async fn rule_id(&self) -> Option<Id<RuleId>> {
        self.row.rule.map(Id)
    }

    /// The version of the rule list it was applied from.
    async fn rules_version(&self) -> u64 {
        self.row.rules_version
    }

    /// The day it was frozen, in the tenant's zone.
    async fn date(&self) -> Date {
        Date(self.row.date)
    }

    /// What it was taken of.
    async fn base(&self) -> MoneyOut {
        self.money(self.row.base_minor)
    }

    /// The percentage, where one applied to all of it.
    async fn percent(&self) -> Option<String> {
        self.row.rate.map(|rate| rate.percent())
    }

    /// What had been counted in the month before, for a tiered rule.
    async fn counted_before(&self) -> Option<MoneyOut> {
        self.row.counted_before_minor.map(|minor| self.money(minor))
    }

    /// What was frozen.
    async fn frozen(&self) -> MoneyOut {
        self.money(self.row.frozen_minor)
    }

    /// What of it was reversed.
    async fn reversed(&self) -> MoneyOut {
        self.money(self.row.reversed_minor)
    }

    /// What of it came in.
    async fn captured(&self) -> MoneyOut {
        self.money(self.row.captured_minor)
    }

    /// Who sells.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Commissions>(ctx, self.scope.partition, (self.row.part, self.row.number)).await
    }
}

filter! {
    /// Which commissions.
    CommissionFilter for Commissions {
        /// Of sales of this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| commissions::CommissionOfLine::vendor().is(vendor.0);
        /// Of this order.
        order: Id<OrderId> => |order: Id<OrderId>| commissions::CommissionOfLine::order().is(order.0);
        /// By this rule.
        rule: Id<RuleId> => |rule: Id<RuleId>| commissions::CommissionOfLine::rule().is(Some(rule.0));
        /// Frozen on this day or later.
        frozen_from: Date => |Date(from)| commissions::CommissionOfLine::date().from(from);
        /// Frozen before this day.
        frozen_before: Date => |Date(before)| commissions::CommissionOfLine::date().below(before);
    }
}

ordering! {
    /// In which order.
    CommissionSort for Commissions {
        /// The latest first.
        Newest => commissions::CommissionOfLine::date().descending();
        /// The earliest first.
        Oldest => commissions::CommissionOfLine::date().ascending();
    }
}

lists! {
    /// Commissions, line by line. A vendor sees those of its own sales.
    CommissionList { commissions: Commission, Action::Commissions, CommissionFilter, CommissionSort }
}
