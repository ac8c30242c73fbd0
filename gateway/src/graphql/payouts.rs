//! Paying vendors: payouts, asked for one by one or for everyone who is owed something, and what operators post.

use crate::access::{Action, Own};
use crate::graphql::answer::{
    Changed, Denied, IdempotencyKeyReused, Mutation, Rejection, VersionConflict, undone, written,
};
use crate::graphql::answer::{answers, mutations};
use crate::graphql::connection::{Node, filter, for_sellers, lists, lookups, one, ordering};
use crate::graphql::history::{history, last_events, row_of};
use crate::graphql::ids::Id;
use crate::graphql::ledger::LedgerEntry;
use crate::graphql::position::PositionToken;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{CurrencyCode, MoneyInput, MoneyOut, money, reason};
use crate::graphql::vendors::Vendor;
use crate::ownership::{OnlyOwn, Thing};
use async_graphql::{Context, Enum, InputObject, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Kind;
use cityos_domain::foundation::tenant;
use cityos_domain::ids::{PayoutId, TransactionId, VendorId};
use cityos_domain::ledger::adjusting::{self, PostAdjustment};
use cityos_domain::ledger::book::{LedgerBook, LedgerOf};
use cityos_domain::ledger::month::LedgerMonth;
use cityos_domain::ledger::paying_out::RequestPayout;
use cityos_domain::ledger::payout::{self, payout_id};
use cityos_domain::log::{Meta, Version};
use cityos_domain::money::Currency;
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Reason;
use cityos_domain::workspace::{Intention, Stop, Workspace};
use cityos_eventstore::executor::Executed;
use cityos_projections::Filter;
use cityos_projections::models::payouts::{self, Payouts};
use cityos_sagas::EngineError;

/// Where a payout stands.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "payouts::PayoutStatus")]
pub enum PayoutStatus {
    /// To be made.
    Requested,
    /// Has claimed what is available.
    Claimed,
    /// On its way.
    Submitted,
    /// Arrived.
    Paid,
    /// Came to nothing; its entries are available again.
    Failed,
    /// There was nothing to pay, or too little.
    Voided,
}

/// Who wanted a payout.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "PayoutTrigger", remote = "payout::Trigger")]
pub enum Trigger {
    /// An operator, or the vendor.
    Manual,
    /// The tenant's schedule.
    Schedule,
}

/// A payout to one vendor in one currency.
pub struct Payout {
    scope: Scope,
    row: payouts::Payout,
}

impl Node for Payout {
    type Model = Payouts;

    fn visible(own: Own) -> Option<Filter<payouts::Payout>> {
        for_sellers(own, payouts::Payout::vendor())
    }

    fn show(scope: Scope, row: payouts::Payout) -> Self {
        Payout { scope, row }
    }
}

#[Object]
impl Payout {
    /// Its id.
    async fn id(&self) -> Id<PayoutId> {
        self.row.id.into()
    }

    /// The version of its stream: it tells two looks at it apart. No `expectedVersion` means it.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// Where it stands.
    async fn status(&self) -> PayoutStatus {
        self.row.status.into()
    }

    /// How much; nothing until it has claimed what is available. What it is made of is `ledgerEntries` with the
    /// filter `settledBy`.
    async fn amount(&self) -> MoneyOut {
        money(self.row.amount_minor, self.row.currency)
    }

    /// How many payouts the vendor had in that currency before.
    async fn ordinal(&self) -> u32 {
        self.row.ordinal
    }

    /// Who wanted it.
    async fn trigger(&self) -> Trigger {
        self.row.trigger.into()
    }

    /// The provider's reference.
    async fn reference(&self) -> Option<&str> {
        self.row.reference.as_deref()
    }

    /// Why it came to nothing.
    async fn reason(&self) -> Option<&str> {
        self.row.reason.as_deref()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> DateTime<Utc> {
        self.row.requested_at
    }

    /// When it was paid, failed or voided.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.row.ended_at
    }

    /// To whom.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Payouts>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which payouts.
    PayoutFilter for Payouts {
        /// To this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| payouts::Payout::vendor().is(vendor.0);
        /// In this currency.
        currency: CurrencyCode => |currency: CurrencyCode| payouts::Payout::currency().is(currency.0);
        /// Standing there.
        status: PayoutStatus => |status: PayoutStatus| payouts::Payout::status().is(status.into());
        /// Asked for at this moment or later.
        requested_from: DateTime<Utc> => |from| payouts::Payout::requested_at().from(from);
        /// Asked for before this moment.
        requested_before: DateTime<Utc> => |before| payouts::Payout::requested_at().below(before);
    }
}

ordering! {
    /// In which order.
    PayoutSort for Payouts {
        /// The latest first.
        Newest => payouts::Payout::requested_at().descending();
        /// The earliest first.
        Oldest => payouts::Payout::requested_at().ascending();
    }
}

lists! {
    /// Payouts. A vendor sees its own.
    PayoutList { payouts: Payout, Action::Payouts, PayoutFilter, PayoutSort }
}

lookups! {
    /// One payout.
    PayoutLookup { payout: Payout, Action::Payout, PayoutId => payouts::Payout::id() }
}

answers! {
    /// What became of a payout.
    PayoutResult, PayoutChanged { payout: Payout, version "That of the payout's stream. No `expectedVersion` means it." }
}

answers! {
    /// What became of a ledger.
    LedgerResult, LedgerChanged {
        entry: LedgerEntry, version "That of the stream the entry stands in. No `expectedVersion` means it."
    }
}

/// What became of a run of payouts.
#[derive(Union)]
pub enum PayoutRunResult {
    /// Payouts are asked for.
    Started(PayoutRunStarted),
    /// The rules say no.
    Rejection(Rejection),
    /// It has changed since the caller looked.
    VersionConflict(VersionConflict),
    /// The key was used for another input.
    IdempotencyKeyReused(IdempotencyKeyReused),
}

/// A payout is asked for, for every vendor and currency with enough available: see `payouts`.
#[derive(SimpleObject)]
pub struct PayoutRunStarted {
    /// The place in the log this reached.
    position: PositionToken,
    /// Whether it was done before and this is the answer it had then.
    replayed: bool,
}

/// To whom, and in which currency, everything available is paid.
#[derive(InputObject)]
pub struct RequestPayoutInput {
    /// To whom.
    vendor: Id<VendorId>,
    /// ISO 4217.
    currency: String,
}

/// Why payouts are run.
#[derive(InputObject)]
pub struct RunPayoutsInput {
    /// Why now.
    reason: String,
}

/// Where an adjustment comes from.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "AdjustmentAgainst", remote = "adjusting::Against")]
pub enum Against {
    /// The marketplace bears it.
    Adjustments,
    /// It is taken from, or given to, the credit of customers.
    CustomerCredit,
}

/// What an operator posts to a vendor's ledger.
#[derive(InputObject)]
pub struct PostAdjustmentInput {
    /// Whose ledger.
    vendor: Id<VendorId>,
    /// What the vendor is owed more by; negative: less.
    amount: MoneyInput,
    /// Out of what.
    against: Against,
    /// Why.
    reason: String,
}

mutations! {
    /// Mutations of ledgers and payouts. They are about what does not exist before: an expected version other than 0
    /// is a conflict.
    PayoutMutations {
        /// Asks for a payout of all that is available to a vendor in one currency. Where one is asked for that has
        /// claimed nothing yet, that is the answer. It is new: an `expectedVersion` other than 0 is a conflict.
        request_payout = RequestPayout(mutation, input: RequestPayoutInput, expected) -> PayoutResult {
            let Id(vendor) = input.vendor;
            let (own, thing, trigger) = (mutation.own(), Thing::Vendor(vendor), payout::Trigger::Manual);
            let to = Currency::parse("currency", &input.currency).map(|currency| LedgerOf { vendor, currency });
            let request = to.clone().map(|to| {
                let then = RequestPayout { vendor: to.vendor, currency: to.currency, trigger };
                OnlyOwn { own, thing, then }
            });
            let outcome = match (give_anew(mutation, request, expected).await?, to) {
                (Ok(reached), Ok(to)) => {
                    let id = requested(mutation, to, &reached).await?;
                    let streams = [payout::Payout::stream(mutation.partition(), id)];
                    Ok(mutation.shown::<Payout>(id, &streams, reached).await?)
                }
                (Ok(_), Err(rejected)) => Err(rejected.into()),
                (Err(denied), _) => Err(denied),
            };
            Ok(PayoutResult::of(mutation.services, outcome))
        }

        /// Asks for a payout for every vendor and currency with enough available. All are new: an `expectedVersion`
        /// other than 0 is a conflict.
        run_payouts = RunPayouts(mutation, input: RunPayoutsInput, expected) -> PayoutRunResult {
            let why = reason(&input.reason);
            if let Ok(why) = &why
                && expected.unwrap_or_default() == 0
                && !mutation.is_done().await?
            {
                sweep(mutation, why).await?;
            }
            // Its receipt is written last: repeated after a crash, it goes on where it was.
            Ok(match give_anew(mutation, why.map(|_| Begun), expected).await? {
                Ok(reached) => PayoutRunResult::Started(PayoutRunStarted {
                    position: PositionToken::of(&mutation.services.positions, reached.position),
                    replayed: reached.replayed,
                }),
                Err(Denied::Rejection(rejection)) => PayoutRunResult::Rejection(rejection),
                Err(Denied::VersionConflict(conflict)) => PayoutRunResult::VersionConflict(conflict),
                Err(Denied::IdempotencyKeyReused(reused)) => PayoutRunResult::IdempotencyKeyReused(reused),
            })
        }

        /// Gives a vendor an available amount, or takes one, for a stated reason. The entry is new: an
        /// `expectedVersion` other than 0 is a conflict.
        post_adjustment = PostAdjustment(mutation, input: PostAdjustmentInput, expected) -> LedgerResult {
            let transaction = mutation.command().creates("transaction");
            let (Id(vendor), against) = (input.vendor, input.against.into());
            let post = input.amount.parse("amount").and_then(|amount| {
                Ok(PostAdjustment { transaction, vendor, amount, against, reason: reason(&input.reason)? })
            });
            let outcome = match give_anew(mutation, post, expected).await? {
                Ok(reached) => Ok(posted(mutation, transaction, reached).await?),
                Err(denied) => Err(denied),
            };
            Ok(LedgerResult::of(mutation.services, outcome))
        }
    }
}

/// Asks for a payout for everyone who has enough available: each a command of its own, that this one stands behind,
/// and each with the reason in the log.
async fn sweep(mutation: &Mutation<'_>, why: &Reason) -> Result<(), Refusal> {
    mutation.reads_now().await?;
    let engine = &mutation.services.engine;
    let meta = Meta { reason: Some(why.as_str().into()), ..mutation.meta().clone() };
    let swept = engine.sweep_payouts(mutation.partition(), &meta, payout::Trigger::Manual);
    swept.await.map_err(|error| match error {
        EngineError::Command(error) => undone(error),
        EngineError::Reads(error) => error.into(),
        error @ (EngineError::Log(_)
        | EngineError::Projection(_)
        | EngineError::Panicked
        | EngineError::Restless) => Refusal::failed(error),
    })
}

/// Nothing, in a tenant that may pay: what leaves a receipt of something done by other commands.
struct Begun;

impl Intention for Begun {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        tenant::paying(city)?;
        Ok(())
    }
}

/// Gives an intention about what does not exist yet, and so has no version but 0.
async fn give_anew(
    mutation: &Mutation<'_>,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<Result<Executed, Denied>, Refusal> {
    match expected {
        None | Some(0) => mutation.give(intention, None).await,
        Some(_) => Ok(Err(Denied::moved(Version(0)))),
    }
}

/// The transaction this posted. The rest of its month is left out: it tells of entries of earlier months.
async fn posted(
    mutation: &Mutation<'_>,
    transaction: TransactionId,
    reached: Executed,
) -> Result<Changed<LedgerEntry>, Refusal> {
    let store = mutation.services.executor.store().as_ref();
    let mut events = Vec::new();
    for (month, version) in written(&reached, Kind::Ledger) {
        events.extend(last_events(store, month, version).await.map_err(Refusal::failed)?);
    }
    events.retain(|event| event.meta.command == mutation.command());
    let row = row_of::<LedgerEntry>(&events, transaction)?;
    let row = row.ok_or_else(|| Refusal::failed("what was posted left no entry"))?;
    let version = events.last().map_or(Version(0), |event| event.version);
    Ok(Changed { node: LedgerEntry::show(mutation.scope(), row), version, reached })
}

/// The payout that was asked for, by this or, where it was already so, by someone before.
async fn requested(mutation: &Mutation<'_>, to: LedgerOf, reached: &Executed) -> Result<PayoutId, Refusal> {
    if let Some((stream, _)) = written(reached, Kind::Payout).next() {
        return Ok(PayoutId(stream.id));
    }
    let (executor, partition) = (&mutation.services.executor, mutation.partition());
    let (book, _) = executor.load::<LedgerBook>(partition, to.vendor).await.map_err(Refusal::failed)?;
    let mut ordinal = 0;
    if let Some(open) = book.open(to.currency) {
        let month = executor.load::<LedgerMonth>(partition, to.month(open)).await.map_err(Refusal::failed)?;
        ordinal = month.0.standing().map_or(0, |standing| standing.payouts);
    }
    // Others may have been asked for since: the answer is the latest there was then.
    for ordinal in (0..=ordinal).rev() {
        let mut latest = None;
        for voided in 0.. {
            let id = payout_id(to, ordinal, voided);
            let stream = payout::Payout::stream(partition, id);
            let events = history(executor.store().as_ref(), &[stream], reached.position).await;
            if events.map_err(Refusal::failed)?.is_empty() {
                break;
            }
            latest = Some(id);
        }
        if let Some(latest) = latest {
            return Ok(latest);
        }
    }
    Err(Refusal::failed("a payout that was already asked for is not there"))
}
