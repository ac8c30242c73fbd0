//! Offers: one vendor selling one product at a price per currency, and the units there are of it.

use crate::access::{Action, Own};
use crate::graphql::answer::{Mutation, answers, mutations};
use crate::graphql::connection::{Node, filter, lists, lookups, one, ordering};
use crate::graphql::ids::Id;
use crate::graphql::products::Product;
use crate::graphql::refusal::Refusal;
use crate::graphql::services::Scope;
use crate::graphql::staleness::stale;
use crate::graphql::values::{MoneyInput, MoneyOut, money, reason};
use crate::graphql::vendors::Vendor;
use crate::ownership::{OnlyOwn, Thing};
use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::ids::{OfferId, ProductId, VendorId};
use cityos_domain::marketplace::offer::{self, Command, ListOffer, Listing, Price, RelistOffer};
use cityos_domain::marketplace::stock::{AdjustStock, ReceiveStock, Stock};
use cityos_domain::rejection::Rejected;
use cityos_domain::text::Code;
use cityos_domain::workspace::{Intention, Tell};
use cityos_projections::Filter;
use cityos_projections::models::offers::{self, Offers};

/// What one unit costs in one currency.
#[derive(SimpleObject)]
#[graphql(name = "Price")]
pub struct PriceOut {
    /// The price of one unit.
    unit: MoneyOut,
    /// What sending one unit costs.
    freight: MoneyOut,
    /// Whether the price includes tax.
    includes_tax: bool,
}

impl From<&Price> for PriceOut {
    fn from(price: &Price) -> Self {
        PriceOut {
            unit: price.unit.into(),
            freight: money(price.freight_minor, price.currency()),
            includes_tax: price.includes_tax,
        }
    }
}

/// One vendor selling one product.
pub struct Offer {
    scope: Scope,
    row: offers::Offer,
}

impl Node for Offer {
    type Model = Offers;

    fn visible(own: Own) -> Option<Filter<offers::Offer>> {
        // Buyers choose from everyone's.
        own.vendor().map(|vendor| offers::Offer::vendor().is(vendor))
    }

    fn show(scope: Scope, row: offers::Offer) -> Self {
        Offer { scope, row }
    }
}

impl Offer {
    /// Whether someone with this share may see it: what [`Node::visible`] says, of one row.
    pub fn is_shown(own: Own, row: &offers::Offer) -> bool {
        own.vendor().is_none_or(|vendor| vendor == row.vendor)
    }

    /// Whether its units are counted and the caller may know them all.
    fn counts_for_caller(&self) -> bool {
        self.row.stock_tracked && self.scope.own.sells(self.row.vendor)
    }
}

#[Object]
impl Offer {
    /// Its id.
    async fn id(&self) -> Id<OfferId> {
        self.row.id.into()
    }

    /// The version of its stream: what `expectedVersion` means, but where stock is received or adjusted.
    async fn version(&self) -> u64 {
        self.row.version
    }

    /// The version of its stock: what `expectedVersion` means where stock is received or adjusted. Whatever changes
    /// `onHand` or `available` changes it. Null for buyers, and where no units are counted.
    async fn stock_version(&self) -> Option<u64> {
        self.counts_for_caller().then_some(self.row.stock_version)
    }

    /// The vendor's own name for it.
    async fn sku(&self) -> &str {
        self.row.sku.as_str()
    }

    /// One price per currency.
    async fn prices(&self) -> Vec<PriceOut> {
        self.row.prices.iter().map(PriceOut::from).collect()
    }

    /// Whether it can be bought, as long as there are units.
    async fn on_sale(&self) -> bool {
        self.row.on_sale
    }

    /// Why it was withdrawn. Null for buyers.
    async fn withdrawn_reason(&self) -> Option<&str> {
        self.row.withdrawn_reason.as_deref().filter(|_| self.scope.own.sells(self.row.vendor))
    }

    /// Whether its units are counted.
    async fn stock_tracked(&self) -> bool {
        self.row.stock_tracked
    }

    /// How many units are there, where they are counted. Null for buyers.
    async fn on_hand(&self) -> Option<i64> {
        self.counts_for_caller().then_some(self.row.on_hand)
    }

    /// How many units no checkout holds, where they are counted.
    async fn available(&self) -> Option<i64> {
        self.row.available()
    }

    /// Since when it is offered.
    async fn listed_at(&self) -> DateTime<Utc> {
        self.row.listed_at
    }

    /// Who sells.
    async fn vendor(&self, ctx: &Context<'_>) -> Result<Option<Vendor>, Refusal> {
        one(ctx, self.scope, self.row.vendor).await
    }

    /// What.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>, Refusal> {
        one(ctx, self.scope, self.row.product).await
    }

    /// Whether it is out of date: something that happened later did not fit it, and it waits for an operator.
    async fn stale(&self, ctx: &Context<'_>) -> Result<bool, Refusal> {
        stale::<Offers>(ctx, self.scope.partition, self.row.id).await
    }
}

filter! {
    /// Which offers.
    OfferFilter for Offers {
        /// Of this vendor.
        vendor: Id<VendorId> => |vendor: Id<VendorId>| offers::Offer::vendor().is(vendor.0);
        /// Of this product.
        product: Id<ProductId> => |product: Id<ProductId>| offers::Offer::product().is(product.0);
        /// Whose SKU begins so.
        sku_prefix: String => |sku: String| offers::Offer::sku().starts_with(&sku);
        /// There to be bought, or not.
        on_sale: bool => |on_sale| offers::Offer::on_sale().is(on_sale);
    }
}

ordering! {
    /// In which order.
    OfferSort for Offers {
        /// By SKU.
        Sku => offers::Offer::sku().ascending();
        /// The latest first.
        Newest => offers::Offer::listed_at().descending();
    }
}

lists! {
    /// What is for sale. A vendor sees its own offers.
    OfferList { offers: Offer, Action::Offers, OfferFilter, OfferSort }
}

lookups! {
    /// One offer.
    OfferLookup { offer: Offer, Action::Offer, OfferId => offers::Offer::id() }
}

answers! {
    /// What became of an offer.
    OfferResult, OfferChanged {
        offer: Offer,
        version "Its version now, or that of its stock where that was changed: what `expectedVersion` means there."
    }
}

/// What one unit costs in one currency.
#[derive(InputObject)]
pub struct PriceInput {
    /// The price of one unit.
    unit: MoneyInput,
    /// What sending one unit costs, as a decimal in the same currency.
    #[graphql(default_with = "String::from(\"0\")")]
    freight: String,
    /// Whether the price includes tax.
    #[graphql(default)]
    includes_tax: bool,
}

impl PriceInput {
    fn parse(&self, field: &str) -> Result<Price, Rejected> {
        let unit = self.unit.parse(&format!("{field}.unit"))?;
        let freight =
            cityos_domain::money::Money::parse(&format!("{field}.freight"), &self.freight, unit.currency)?;
        Ok(Price { unit, freight_minor: freight.minor, includes_tax: self.includes_tax })
    }
}

/// A new offer.
#[derive(InputObject)]
pub struct ListOfferInput {
    /// Who sells.
    vendor: Id<VendorId>,
    /// What.
    product: Id<ProductId>,
    /// The vendor's own name for it; unique per vendor.
    sku: String,
    /// One price per currency.
    prices: Vec<PriceInput>,
    /// Whether its units are counted: then it can be bought only while there are some.
    #[graphql(default)]
    stock_tracked: bool,
}

/// Which offer, and its new price.
#[derive(InputObject)]
pub struct ChangeOfferPriceInput {
    /// The offer.
    offer: Id<OfferId>,
    /// The new price in its currency.
    price: PriceInput,
}

/// Which offer, and why.
#[derive(InputObject)]
pub struct WithdrawOfferInput {
    /// The offer.
    offer: Id<OfferId>,
    /// Why.
    reason: String,
}

/// Which offer.
#[derive(InputObject)]
pub struct RelistOfferInput {
    /// The offer.
    offer: Id<OfferId>,
}

/// How many units of an offer have come in.
#[derive(InputObject)]
pub struct ReceiveStockInput {
    /// The offer.
    offer: Id<OfferId>,
    /// How many.
    quantity: u32,
}

/// By how many units an offer's count was off.
#[derive(InputObject)]
pub struct AdjustStockInput {
    /// The offer.
    offer: Id<OfferId>,
    /// The difference, negative where there are fewer.
    by: i64,
    /// Why.
    reason: String,
}

mutations! {
    /// Mutations of offers.
    OfferMutations {
        /// Offers a product for sale.
        list_offer = ListOffer(mutation, input: ListOfferInput, expected) -> OfferResult {
            let id = mutation.command().creates("offer");
            let (Id(vendor), Id(product)) = (input.vendor, input.product);
            let list = || {
                let sku = Code::parse("sku", &input.sku)?;
                let prices = input.prices.iter().map(|price| price.parse("prices")).collect::<Result<_, _>>()?;
                let listing = Listing { vendor, product, sku, prices, stock_tracked: input.stock_tracked };
                Ok(ListOffer { id, listing })
            };
            let (own, thing) = (mutation.own(), Thing::Vendor(vendor));
            answer(mutation, id, list().map(|then| OnlyOwn { own, thing, then }), expected).await
        }

        /// Gives an offer another price in one currency, or a first one. Orders already placed keep theirs.
        change_offer_price = ChangeOfferPrice(mutation, input: ChangeOfferPriceInput, expected) -> OfferResult {
            let command = input.price.parse("price").map(|price| Command::ChangePrice { price });
            tell(mutation, input.offer, command, expected).await
        }

        /// Lets an offer no longer be bought.
        withdraw_offer = WithdrawOffer(mutation, input: WithdrawOfferInput, expected) -> OfferResult {
            let command = reason(&input.reason).map(|reason| Command::Withdraw { reason });
            tell(mutation, input.offer, command, expected).await
        }

        /// Lets a withdrawn offer be bought again.
        relist_offer = RelistOffer(mutation, input: RelistOfferInput, expected) -> OfferResult {
            let Id(id) = input.offer;
            answer(mutation, id, own(mutation, id, Ok(RelistOffer { id })), expected).await
        }

        /// More units of an offer are on hand. The version expected and answered is that of the stock.
        receive_stock = ReceiveStock(mutation, input: ReceiveStockInput, expected) -> OfferResult {
            let Id(offer) = input.offer;
            answer_counted(mutation, offer, Ok(ReceiveStock { offer, quantity: input.quantity }), expected).await
        }

        /// Someone counted the units of an offer and found another number. The version expected and answered is that
        /// of the stock.
        adjust_stock = AdjustStock(mutation, input: AdjustStockInput, expected) -> OfferResult {
            let (Id(offer), by) = (input.offer, input.by);
            let adjust = reason(&input.reason).map(|reason| AdjustStock { offer, by, reason });
            answer_counted(mutation, offer, adjust, expected).await
        }
    }
}

async fn tell(
    mutation: &Mutation<'_>,
    Id(id): Id<OfferId>,
    command: Result<Command, Rejected>,
    expected: Option<u64>,
) -> Result<OfferResult, Refusal> {
    let tell = own(mutation, id, command.map(|command| Tell::<offer::Offer> { id, command }));
    answer(mutation, id, tell, expected).await
}

/// Goes ahead if the offer is the caller's.
fn own<I: Intention>(
    mutation: &Mutation<'_>,
    id: OfferId,
    intention: Result<I, Rejected>,
) -> Result<OnlyOwn<I>, Rejected> {
    let (own, thing) = (mutation.own(), Thing::Offer(id));
    intention.map(|then| OnlyOwn { own, thing, then })
}

/// What became of an offer. The version is its own.
async fn answer(
    mutation: &Mutation<'_>,
    id: OfferId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<OfferResult, Refusal> {
    let partition = mutation.partition();
    let streams = [offer::Offer::stream(partition, id), Stock::stream(partition, id)];
    let outcome = mutation.answer::<Offer, _>(intention, expected, id, &streams).await?;
    Ok(OfferResult::of(mutation.services, outcome))
}

/// What became of the units of an offer, if it is the caller's. The version is that of the stock.
async fn answer_counted(
    mutation: &Mutation<'_>,
    id: OfferId,
    intention: Result<impl Intention, Rejected>,
    expected: Option<u64>,
) -> Result<OfferResult, Refusal> {
    let partition = mutation.partition();
    let streams = [Stock::stream(partition, id), offer::Offer::stream(partition, id)];
    let intention = own(mutation, id, intention);
    let outcome = mutation.answer::<Offer, _>(intention, expected, id, &streams).await?;
    Ok(OfferResult::of(mutation.services, outcome))
}
