//! Orders: what customers ask for, and the parts it became.

use crate::access::{Action, Own};
use crate::graphql::answer::{Changed, Mutation, Rejection, answers, mutations};
use crate::graphql::connection::{Node, below, filter, for_buyers, lists, lookups, one, ordering};
use crate::graphql::customers::Customer;
use crate::graphql::history::{history, row_of, wait_for};
use crate::graphql::ids::Id;
use crate::graphql::loading::ByKey;
use crate::graphql::order_lines::Bearer;
use crate::graphql::order_parts::{OrderPart, PartsOfOrder};
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::{Scope, load};
use crate::graphql::staleness::stale;
use crate::graphql::stores::Store;
use crate::graphql::totals::{TotalsOut, totals};
use crate::graphql::values::{Date, MoneyInput, MoneyOut, money};
use async_graphql::{ComplexObject, Context, Enum, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Event;
use cityos_domain::ids::{CustomerId, OfferId, OrderId, PaymentId, RunId, StoreId};
use cityos_domain::log::{Envelope, Version};
use cityos_domain::marketplace::customer;
use cityos_domain::money::{Currency, Money};
use cityos_domain::orders::order::{self, Cart, Discount, RequestedLine};
use cityos_domain::orders::payment;
use cityos_domain::orders::requesting::RequestOrder;
use cityos_domain::orders::vendor_order::VendorOrder;
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Code;
use cityos_eventstore::executor::Executed;
use cityos_projections::models::orders::{self, Orders};
use cityos_projections::models::payments::{self, Payments};
use cityos_projections::{Filter, replay};
use cityos_sagas::checkout::Checkout;
use cityos_sagas::registry::run_of;
use cityos_sagas::saga::Saga;

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "orders::OrderStatus")]
pub enum OrderStatus {
    /// The checkout is under way.
    Requested,
    /// The checkout came to nothing.
    Declined,
    /// Bought; nothing is shipped.
    Placed,
    /// Some parts are shipped, others not.
    PartiallyShipped,
    /// All parts that were not canceled are shipped.
    Shipped,
    /// All parts that were not canceled have arrived, but not all are paid for.
    Delivered,
    /// All parts that were not canceled have arrived and are paid for.
    Closed,
    /// All parts were canceled.
    Canceled,
}

/// How an order is paid.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "PaymentMethod", remote = "payment::Method")]
pub enum Method {
    /// By the payment provider of this installation.
    Provider,
    /// Elsewhere: recorded here, never asked for.
    External,
}

/// The payment of an order.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Payment {
    #[graphql(skip)]
    scope: Scope,
    #[graphql(skip)]
    id: PaymentId,
    /// How it is paid.
    method: Method,
    /// What was held.
    authorised: MoneyOut,
    /// What of it was taken.
    captured: MoneyOut,
    /// What of it was given back.
    released: MoneyOut,
    /// What is held still.
    open: MoneyOut,
    /// When the rest is given back; null where it was paid elsewhere.
    expires_at: Option<DateTime<Utc>>,
}

#[ComplexObject]
impl Payment {
    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Payments>(ctx, self.scope.partition, self.id).await
    }
}

impl Payment {
    fn of(scope: Scope, row: payments::Payment) -> Self {
        let shown = |minor| money(minor, row.currency);
        Payment {
            scope,
            id: row.id,
            method: row.method.into(),
            authorised: shown(row.authorised_minor),
            captured: shown(row.captured_minor),
            released: shown(row.released_minor),
            open: shown(row.open_minor()),
            expires_at: row.expires_at,
        }
    }
}

/// A customer's order: the group of its vendors' parts.
pub struct Order {
    scope: Scope,
    row: orders::Order,
    /// What it was folded from, where a mutation answers with it as it was then.
    events: Option<Vec<Envelope>>,
}

impl Node for Order {
    type Model = Orders;

    fn visible(own: Own) -> Option<Filter<orders::Order>> {
        for_buyers(own, orders::Order::customer())
    }

    fn show(scope: Scope, row: orders::Order) -> Self {
        Order { scope, row, events: None }
    }
}

impl Order {
    fn totals(&self, sums: &order::Totals) -> TotalsOut {
        totals(sums, self.row.currency, self.scope.own == Own::All)
    }
}

#[Object]
impl Order {
    /// Its id.
    async fn id(&self) -> Id<OrderId> {
        self.row.id.into()
    }

    /// The version of its stream; its parts have their own.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Its name in another system.
    async fn reference(&self) -> Option<&str> {
        self.row.reference.as_ref().map(Code::as_str)
    }

    /// Where it stands.
    async fn status(&self) -> OrderStatus {
        self.row.status.into()
    }

    /// ISO 4217.
    async fn currency(&self) -> &'static str {
        self.row.currency.code()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> DateTime<Utc> {
        self.row.requested_at
    }

    /// The day it was placed, in the tenant's zone.
    async fn placed_on(&self) -> Option<Date> {
        self.row.placed_on.map(Date)
    }

    /// How many lines it has.
    async fn line_count(&self) -> u32 {
        self.row.lines
    }

    /// How many vendors' parts it has.
    async fn part_count(&self) -> u32 {
        self.row.parts
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

    /// Why it was declined.
    async fn declined(&self) -> Option<Rejection> {
        let (code, message) = (self.row.declined_code.clone()?, self.row.declined_message.clone()?);
        Some(Rejection { code, message, field: None })
    }

    /// The vendors' parts.
    async fn parts(&self, ctx: &Context<'_>) -> Result<Vec<OrderPart>, Refusal> {
        if let Some(events) = &self.events {
            return OrderPart::all_of(self.scope, events);
        }
        below::<_, PartsOfOrder>(ctx, self.scope, self.row.id).await
    }

    /// Who buys.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>, Refusal> {
        one(ctx, self.scope, self.row.customer).await
    }

    /// Where.
    async fn store(&self, ctx: &Context<'_>) -> Result<Option<Store>, Refusal> {
        one(ctx, self.scope, self.row.store).await
    }

    /// The payment, once it is placed.
    async fn payment(&self, ctx: &Context<'_>) -> Result<Option<Payment>, Refusal> {
        let Some(payment) = self.row.payment else { return Ok(None) };
        if let Some(events) = &self.events {
            let made = replay::<Payments>(events).map_err(Refusal::failed)?;
            return Ok(made.into_values().next().map(|row| Payment::of(self.scope, row)));
        }
        let row = load(ctx, ByKey::<Payments>::new(self.scope.partition, payment)).await?;
        Ok(row.map(|row| Payment::of(self.scope, row)))
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Orders>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which orders.
    OrderFilter for Orders {
        /// Of this customer.
        customer: Id<CustomerId> => |customer: Id<CustomerId>| orders::Order::customer().is(customer.0);
        /// From this store.
        store: Id<StoreId> => |store: Id<StoreId>| orders::Order::store().is(store.0);
        /// Standing there.
        status: OrderStatus => |status: OrderStatus| orders::Order::status().is(status.into());
        /// Whose name in another system begins so.
        reference_prefix: String => |reference: String| orders::Order::reference().starts_with(&reference);
        /// Asked for at this moment or later.
        requested_from: DateTime<Utc> => |from| orders::Order::requested_at().from(from);
        /// Asked for before this moment.
        requested_before: DateTime<Utc> => |before| orders::Order::requested_at().below(before);
    }
}

ordering! {
    /// In which order.
    OrderSort for Orders {
        /// The latest first.
        Newest => orders::Order::requested_at().descending();
        /// The earliest first.
        Oldest => orders::Order::requested_at().ascending();
    }
}

lists! {
    /// Orders. A customer sees their own.
    OrderList { orders: Order, Action::Orders, OrderFilter, OrderSort }
}

lookups! {
    /// One order.
    OrderLookup { order: Order, Action::Order, OrderId => orders::Order::id() }
}

answers! {
    /// What became of an order.
    OrderResult, OrderChanged { order: Order }, CheckoutPending
}

/// The checkout takes longer than we wait: the order will be placed or declined. Giving the mutation again with the
/// same key waits again.
#[derive(SimpleObject)]
pub struct CheckoutPending {
    /// The run of the checkout.
    run_id: Id<RunId>,
    /// The order.
    order_id: Id<OrderId>,
    /// The place in the log this reached.
    position: PositionToken,
    /// Whether it was done before.
    replayed: bool,
}

/// One line as it is asked for.
#[derive(InputObject)]
pub struct OrderLineInput {
    /// What is bought.
    offer: Id<OfferId>,
    /// How many.
    quantity: u32,
    /// The unit price the buyer saw: the order is refused if it has changed.
    expected_unit_price: Option<MoneyInput>,
}

/// An amount off the goods of the whole order. Admins alone give one.
#[derive(InputObject)]
pub struct DiscountInput {
    /// How much, in the order's currency.
    amount: String,
    /// Who pays for it.
    bearer: Bearer,
}

/// What a customer asks for.
#[derive(InputObject)]
pub struct PlaceOrderInput {
    /// Where.
    store: Id<StoreId>,
    /// Who; for a customer's token it is they themselves.
    customer: Option<Id<CustomerId>>,
    /// ISO 4217.
    currency: String,
    /// What.
    lines: Vec<OrderLineInput>,
    /// Off the goods.
    discount: Option<DiscountInput>,
    /// The order's name in another system; unique in the tenant.
    reference: Option<String>,
}

mutations! {
    /// Mutations of orders.
    OrderMutations {
        /// Buys: checks offers and stock, holds the units and the money, and places the order, or undoes it all and
        /// says why not. Where that takes longer than a few seconds the answer is `CheckoutPending`.
        place_order = PlaceOrder(mutation, input: PlaceOrderInput, expected) -> OrderResult {
            if input.discount.is_some() && mutation.own() != Own::All {
                return Err(Refusal::Forbidden);
            }
            let id = mutation.command().creates("order");
            let stream = order::Order::stream(mutation.partition(), id);
            let request = cart(mutation, &input).map(|cart| RequestOrder { order: id, cart });
            let expected = expected.map(|version| (stream, Version(version)));
            match mutation.give(request, expected).await? {
                Ok(reached) => checked_out(mutation, id, reached).await,
                Err(denied) => Ok(OrderResult::of(mutation.services, Err(denied))),
            }
        }
    }
}

fn cart(mutation: &Mutation<'_>, input: &PlaceOrderInput) -> Result<Cart, Rejected> {
    let currency = Currency::parse("currency", &input.currency)?;
    let named = input.customer.map(|Id(customer)| customer);
    let customer = match (mutation.own().customer(), named) {
        (Some(own), Some(named)) if own != named => return Err(customer::Rejection::Unknown.into()),
        (Some(own), _) => own,
        (None, Some(named)) => named,
        (None, None) => return Err(Rejected::invalid("customer", "must be named")),
    };
    let line = |line: &OrderLineInput| {
        let expected_unit = line.expected_unit_price.as_ref();
        Ok(RequestedLine {
            offer: line.offer.0,
            quantity: line.quantity,
            expected_unit: expected_unit.map(|price| price.parse("lines.expectedUnitPrice")).transpose()?,
            freight_minor: None,
            includes_tax: None,
        })
    };
    let discount = |discount: &DiscountInput| -> Result<Discount, Rejected> {
        let amount = Money::parse("discount.amount", &discount.amount, currency)?;
        Ok(Discount { minor: amount.minor, bearer: discount.bearer.into() })
    };
    Ok(Cart {
        store: input.store.0,
        customer,
        currency,
        lines: input.lines.iter().map(line).collect::<Result<_, Rejected>>()?,
        discount: input.discount.as_ref().map(discount).transpose()?,
        reference: input.reference.as_deref().map(|text| Code::parse("reference", text)).transpose()?,
    })
}

/// Waits for the checkout, and answers with the order as the checkout left it.
async fn checked_out(
    mutation: &Mutation<'_>,
    id: OrderId,
    reached: Executed,
) -> Result<OrderResult, Refusal> {
    let services = mutation.services;
    let partition = mutation.partition();
    let stream = order::Order::stream(partition, id);
    let Some(end) = wait_for(services, stream, is_end).await? else {
        let asked = history(services.executor.store().as_ref(), &[stream], reached.position).await;
        let asked = asked.map_err(Refusal::failed)?;
        let cause =
            asked.first().ok_or_else(|| Refusal::failed("an order that was asked for is not there"))?;
        return Ok(OrderResult::CheckoutPending(CheckoutPending {
            run_id: Id(run_of(Checkout::NAME, cause.id)),
            order_id: Id(id),
            position: PositionToken::of(&services.positions, reached.position),
            replayed: reached.replayed,
        }));
    };
    let mut streams = vec![stream];
    if let Event::Order(order::Event::Declined { code, message }) = &end.event {
        let (code, message) = (code.clone(), message.clone());
        return Ok(OrderResult::Rejection(Rejection { code, message, field: None }));
    }
    if let Event::Order(order::Event::Placed { parts, payment, .. }) = &end.event {
        streams.push(payment::Payment::stream(partition, *payment));
        streams.extend(parts.iter().map(|part| VendorOrder::stream(partition, part.id)));
    }
    // Everything the placing wrote, and nothing that has happened since.
    let store = services.executor.store().as_ref();
    let head = store.head().await.map_err(Refusal::failed)?;
    let mut events = history(store, &streams, head).await.map_err(Refusal::failed)?;
    events.retain(|event| event.position <= end.position || event.meta.command == end.meta.command);
    let position = events.last().map_or(end.position, |event| event.position);
    let row = row_of::<Order>(&events, id)?;
    let row = row.ok_or_else(|| Refusal::failed("an order that was placed is not there"))?;
    mutation.answered_at(position);
    let version = Version(row.version);
    let node = Order { scope: mutation.scope(), row, events: Some(events) };
    Ok(OrderResult::of(services, Ok(Changed { node, version, reached: Executed { position, ..reached } })))
}

fn is_end(event: &Envelope) -> bool {
    let Event::Order(event) = &event.event else { return false };
    match event {
        order::Event::Requested { .. } => false,
        order::Event::Placed { .. } | order::Event::Declined { .. } => true,
    }
}
