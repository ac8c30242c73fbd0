//! Parts of orders: what each vendor sends of it, and what becomes of that.

use crate::access::{Action, Own};
use crate::graphql::answer::{Changed, Mutation, answers, mutations};
use crate::graphql::connection::{Node, below, filter, lists, lookups, one, ordering};
use crate::graphql::history::{history, rows_of};
use crate::graphql::ids::Id;
use crate::graphql::loading::relation;
use crate::graphql::order_lines::OrderLine;
use crate::graphql::orders::Order;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::tenants::CaptureMoment;
use crate::graphql::totals::{TotalsOut, totals};
use crate::graphql::values::Date;
use crate::graphql::vendors::Vendor;
use crate::ownership::{OnlyOwn, Thing};
use async_graphql::{Context, Enum, InputObject, Object};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{OrderId, VendorId, VendorOrderId};
use cityos_domain::log::Envelope;
use cityos_domain::orders::canceling::{CancelPart, CancelUnits};
use cityos_domain::orders::shipping::{DeliverPart, ShipPart};
use cityos_domain::orders::vendor_order::{self, VendorOrder};
use cityos_domain::rejection::Rejected;
use cityos_domain::workspace::Intention;
use cityos_projections::models::order_lines::{self, OrderLines};
use cityos_projections::models::order_parts::{self, OrderParts};
use cityos_projections::{Filter, Query};

/// Where a part stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "OrderPartStatus", remote = "order_parts::PartStatus")]
pub enum PartStatus {
    /// To be shipped.
    Placed,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Will not be shipped.
    Canceled,
}

/// Why units, or a whole part, will not be shipped.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "vendor_order::CancelCause")]
pub enum CancelCause {
    /// The customer does not want them.
    Customer,
    /// The vendor cannot send them.
    Vendor,
    /// The marketplace decided.
    Operator,
    /// The payment's authorisation ran out.
    AuthorisationExpired,
}

/// One vendor's part of an order.
pub struct OrderPart {
    scope: Scope,
    row: order_parts::OrderPart,
    /// Its lines as they were when the mutation that answers with it was done.
    lines: Option<Vec<order_lines::OrderLine>>,
}

impl Node for OrderPart {
    type Model = OrderParts;

    fn visible(own: Own) -> Option<Filter<order_parts::OrderPart>> {
        match own {
            Own::All => None,
            Own::Vendor(vendor) => Some(order_parts::OrderPart::vendor().is(vendor)),
            Own::Customer(customer) => Some(order_parts::OrderPart::customer().is(customer)),
        }
    }

    fn show(scope: Scope, row: order_parts::OrderPart) -> Self {
        OrderPart { scope, row, lines: None }
    }
}

relation! {
    /// The parts of an order.
    PartsOfOrder: OrderParts, OrderId, order_parts::OrderPart => order
}

relation! {
    /// The lines of a part.
    LinesOfPart: OrderLines, VendorOrderId, order_lines::OrderLine => part
}

impl OrderPart {
    /// The parts these events tell of, with their lines.
    pub fn all_of(scope: Scope, events: &[Envelope]) -> Result<Vec<OrderPart>, Refusal> {
        let mut lines = rows_of::<OrderLine>(events)?;
        let parts = rows_of::<OrderPart>(events)?.into_iter().map(|row| {
            let own = lines.extract_if(.., |line| line.part == row.id).collect();
            OrderPart { scope, row, lines: Some(own) }
        });
        Ok(parts.collect())
    }

    fn totals(&self, sums: &cityos_domain::orders::order::Totals) -> TotalsOut {
        totals(sums, self.row.currency, self.scope.own.sells(self.row.vendor))
    }
}

#[Object]
impl OrderPart {
    /// Its id.
    async fn id(&self) -> Id<VendorOrderId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// The order.
    async fn order_id(&self) -> Id<OrderId> {
        self.row.order.into()
    }

    /// Where it stands.
    async fn status(&self) -> PartStatus {
        self.row.status.into()
    }

    /// ISO 4217.
    async fn currency(&self) -> &'static str {
        self.row.currency.code()
    }

    /// When it was placed.
    async fn placed_at(&self) -> DateTime<Utc> {
        self.row.placed_at
    }

    /// The day it was placed, in the tenant's zone.
    async fn placed_on(&self) -> Date {
        Date(self.row.placed_on)
    }

    /// When it is to be captured.
    async fn capture(&self) -> CaptureMoment {
        self.row.capture.into()
    }

    /// Sums over what was placed.
    async fn placed(&self) -> TotalsOut {
        self.totals(&self.row.placed)
    }

    /// Sums over what of it was canceled.
    async fn canceled(&self) -> TotalsOut {
        self.totals(&self.row.canceled)
    }

    /// Sums over what of it was paid for.
    async fn captured(&self) -> TotalsOut {
        self.totals(&self.row.captured)
    }

    /// Why all of it was canceled.
    async fn cancel_cause(&self) -> Option<CancelCause> {
        self.row.cancel_cause.map(Into::into)
    }

    /// When the vendor sent it.
    async fn shipped_at(&self) -> Option<DateTime<Utc>> {
        self.row.shipped_at
    }

    /// How it may be followed.
    async fn tracking(&self) -> Option<&str> {
        self.row.tracking.as_deref()
    }

    /// When the money was taken.
    async fn captured_at(&self) -> Option<DateTime<Utc>> {
        self.row.captured_at
    }

    /// Why the money could not be taken, where it was tried and not taken since. Null for buyers.
    async fn capture_failure(&self) -> Option<&str> {
        self.row.capture_failure.as_deref().filter(|_| self.scope.own.sells(self.row.vendor))
    }

    /// When the customer got it.
    async fn delivered_at(&self) -> Option<DateTime<Utc>> {
        self.row.delivered_at
    }

    /// When the vendor's earnings become available, if they are captured by then.
    async fn available_at(&self) -> Option<DateTime<Utc>> {
        self.row.available_at
    }

    /// When they did.
    async fn earnings_released_at(&self) -> Option<DateTime<Utc>> {
        self.row.earnings_released_at
    }

    /// Its lines.
    async fn lines(&self, ctx: &Context<'_>) -> Result<Vec<OrderLine>, Refusal> {
        let Some(lines) = &self.lines else {
            return below::<_, LinesOfPart>(ctx, self.scope, self.row.id).await;
        };
        Ok(lines.iter().map(|row| OrderLine::show(self.scope, row.clone())).collect())
    }

    /// Whose part it is.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// The order. Null for vendors, who see their part of it.
    async fn order(&self, ctx: &Context<'_>) -> Result<Option<Order>, Refusal> {
        if self.scope.own.vendor().is_some() {
            return Ok(None);
        }
        one(ctx, self.scope, self.row.order).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<OrderParts>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which parts.
    OrderPartFilter for OrderParts {
        /// Of this order.
        order: Id<OrderId> => |order: Id<OrderId>| order_parts::OrderPart::order().is(order.0);
        /// Of this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| order_parts::OrderPart::vendor().is(vendor.0);
        /// Standing there.
        status: PartStatus => |status: PartStatus| order_parts::OrderPart::status().is(status.into());
        /// Placed at this moment or later.
        placed_from: DateTime<Utc> => |from| order_parts::OrderPart::placed_at().from(from);
        /// Placed before this moment.
        placed_before: DateTime<Utc> => |before| order_parts::OrderPart::placed_at().below(before);
    }
}

ordering! {
    /// In which order.
    OrderPartSort for OrderParts {
        /// The latest first.
        Newest => order_parts::OrderPart::placed_at().descending();
        /// The earliest first.
        Oldest => order_parts::OrderPart::placed_at().ascending();
    }
}

lists! {
    /// Parts of orders. A vendor sees its own.
    OrderPartList { order_parts: OrderPart, Action::OrderParts, OrderPartFilter, OrderPartSort }
}

lookups! {
    /// One part of an order.
    OrderPartLookup { order_part: OrderPart, Action::OrderPart, VendorOrderId => order_parts::OrderPart::id() }
}

answers! {
    /// What became of a part of an order.
    OrderPartResult, OrderPartChanged { part: OrderPart }
}

/// Which part, and how it may be followed.
#[derive(InputObject)]
pub struct ShipPartInput {
    /// The part.
    part: Id<VendorOrderId>,
    /// How it may be followed.
    tracking: Option<String>,
}

/// Which part.
#[derive(InputObject)]
pub struct DeliverPartInput {
    /// The part.
    part: Id<VendorOrderId>,
}

/// Who does not want, or cannot send, what is canceled.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum CancelBy {
    /// The customer does not want it.
    Customer,
    /// The vendor cannot send it.
    Vendor,
    /// The marketplace decided. Not for vendors to give.
    Operator,
}

impl From<CancelBy> for vendor_order::CancelCause {
    fn from(by: CancelBy) -> Self {
        match by {
            CancelBy::Customer => vendor_order::CancelCause::Customer,
            CancelBy::Vendor => vendor_order::CancelCause::Vendor,
            CancelBy::Operator => vendor_order::CancelCause::Operator,
        }
    }
}

/// Which part is canceled, and why.
#[derive(InputObject)]
pub struct CancelPartInput {
    /// The part.
    part: Id<VendorOrderId>,
    /// Why.
    cause: CancelBy,
}

/// Which units are canceled, and why.
#[derive(InputObject)]
pub struct CancelUnitsInput {
    /// Of which part.
    part: Id<VendorOrderId>,
    /// The line's number in the order.
    line: u32,
    /// How many units; null: all that are left.
    quantity: Option<u32>,
    /// Why.
    cause: CancelBy,
}

mutations! {
    /// Mutations of parts of orders.
    OrderPartMutations {
        /// Sends what is left of a part. Its money is taken then, or was at placement.
        ship_part = ShipPart(mutation, input: ShipPartInput, expected) -> OrderPartResult {
            let Id(part) = input.part;
            answer(mutation, part, Ok(ShipPart { part, tracking: input.tracking }), expected).await
        }

        /// The customer has a part: its earnings become available after the tenant's hold days.
        deliver_part = DeliverPart(mutation, input: DeliverPartInput, expected) -> OrderPartResult {
            let Id(part) = input.part;
            answer(mutation, part, Ok(DeliverPart { part }), expected).await
        }

        /// Leaves out all that is left of a part that is not shipped.
        cancel_part = CancelPart(mutation, input: CancelPartInput, expected) -> OrderPartResult {
            let Id(part) = input.part;
            let cancel = cause(mutation, input.cause).map(|cause| CancelPart { part, cause });
            answer(mutation, part, cancel, expected).await
        }

        /// Leaves out units of a line that is not shipped.
        cancel_units = CancelUnits(mutation, input: CancelUnitsInput, expected) -> OrderPartResult {
            let (Id(part), line, quantity) = (input.part, input.line, input.quantity);
            let cancel =
                cause(mutation, input.cause).map(|cause| CancelUnits { part, line, quantity, cause });
            answer(mutation, part, cancel, expected).await
        }
    }
}

/// How many parts of orders are still to be sent or to reach their customers: of a vendor, or of the whole tenant.
pub async fn open_parts(mutation: &Mutation<'_>, vendor: Option<VendorId>) -> Result<u64, Refusal> {
    let open = [order_parts::PartStatus::Placed, order_parts::PartStatus::Shipped];
    let parts =
        Query::<OrderParts>::new(mutation.partition()).filter(order_parts::OrderPart::status().is_in(open));
    let parts = match vendor {
        Some(vendor) => parts.filter(order_parts::OrderPart::vendor().is(vendor)),
        None => parts,
    };
    Ok(parts.count(mutation.reads_now().await?).await?)
}

/// The cause, if the caller may speak for whoever it names: a vendor decides nothing for the marketplace.
fn cause(mutation: &Mutation<'_>, by: CancelBy) -> Result<vendor_order::CancelCause, Rejected> {
    if by == CancelBy::Operator && mutation.own().vendor().is_some() {
        return Err(Rejected::invalid("cause", "is for the marketplace to give, not for a vendor"));
    }
    Ok(by.into())
}

async fn answer(
    mutation: &Mutation<'_>,
    part: VendorOrderId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<OrderPartResult, Refusal> {
    let stream = VendorOrder::stream(mutation.partition(), part);
    let (own, thing) = (mutation.own(), Thing::Part(part));
    let intention = intention.map(|then| OnlyOwn { own, thing, then });
    let expected = expected.map(|version| (stream, cityos_domain::log::Version(version)));
    let outcome = match mutation.give(intention, expected).await? {
        Ok(reached) => {
            let store = mutation.services.executor.store().as_ref();
            let events = history(store, &[stream], reached.position).await.map_err(Refusal::failed)?;
            let node = OrderPart::all_of(mutation.scope(), &events)?.pop();
            let (Some(node), Some(last)) = (node, events.last()) else {
                return Err(Refusal::failed("a part that was changed is not there"));
            };
            Ok(Changed { node, version: last.version, reached })
        }
        Err(denied) => Err(denied),
    };
    Ok(OrderPartResult::of(mutation.services, outcome))
}
