//! The GraphQL API: one file per kind of thing, with what is shown of it and what may be done to it. Here the
//! roots are put together, and requests carried out within limits.

mod answer;
mod arranging;
mod commission_rules;
mod commissions;
mod connection;
mod customers;
mod fees;
mod history;
pub mod ids;
mod ledger;
pub mod limits;
mod loading;
mod lulls;
mod offers;
mod order_lines;
mod order_parts;
mod orders;
mod payouts;
mod places;
mod position;
mod product_categories;
mod products;
pub mod refusal;
mod saga_repairs;
pub mod saga_runs;
mod saga_timeline;
mod sealing;
pub mod services;
pub mod session;
mod staleness;
mod statistics;
mod stores;
mod tenants;
mod totals;
mod values;
mod vendors;

use crate::context::RequestContext;
use async_graphql::dataloader::DataLoader;
use async_graphql::{
    EmptySubscription, MergedObject, Request, Response, SDLExportOptions, ServerError, Value,
};
use futures_util::future::BoxFuture;
use loading::Batches;
use lulls::Lulls;
use services::{Freshness, Rows, Services};
use std::sync::Arc;
use std::time::Duration;

/// Everything that can be asked.
#[derive(Default, MergedObject)]
pub struct Query(
    session::MeQuery,
    CityQueries,
    MarketplaceQueries,
    OrderQueries,
    MoneyQueries,
    OperationQueries,
);

/// About the city and its tenants.
#[derive(Default, MergedObject)]
struct CityQueries(
    places::PlaceList,
    places::PlaceLookup,
    tenants::TenantList,
    tenants::TenantLookup,
    stores::StoreList,
    stores::StoreLookup,
);

/// About who sells what to whom.
#[derive(Default, MergedObject)]
struct MarketplaceQueries(
    vendors::VendorList,
    vendors::VendorLookup,
    customers::CustomerList,
    customers::CustomerLookup,
    customers::CustomersByEmail,
    product_categories::ProductCategoryList,
    product_categories::ProductCategoryLookup,
    products::ProductList,
    products::ProductLookup,
    offers::OfferList,
    offers::OfferLookup,
);

/// About what was bought.
#[derive(Default, MergedObject)]
struct OrderQueries(
    orders::OrderList,
    orders::OrderLookup,
    order_parts::OrderPartList,
    order_parts::OrderPartLookup,
    order_lines::OrderLineList,
);

/// About what is kept and owed of it.
#[derive(Default, MergedObject)]
struct MoneyQueries(
    commission_rules::CommissionRuleList,
    commission_rules::CommissionRuleBookQuery,
    commissions::CommissionList,
    ledger::VendorBalanceList,
    ledger::LedgerEntryList,
    payouts::PayoutList,
    payouts::PayoutLookup,
);

/// About what the platform is at.
#[derive(Default, MergedObject)]
struct OperationQueries(
    saga_runs::SagaRunList,
    saga_runs::SagaRunLookup,
    saga_repairs::SagaRunRepairsQuery,
    saga_runs::DueTimerList,
    staleness::FrozenRowsQuery,
    statistics::TenantDayList,
    statistics::MarketplaceTotalsQuery,
);

/// Everything that can be done.
#[derive(Default, MergedObject)]
pub struct Mutation(
    session::TokenMutation,
    CityMutations,
    MarketplaceMutations,
    PurchaseMutations,
    saga_repairs::SagaRunMutations,
);

/// To the city and its tenants.
#[derive(Default, MergedObject)]
struct CityMutations(places::PlaceMutations, tenants::TenantMutations, stores::StoreMutations);

/// To who sells what to whom.
#[derive(Default, MergedObject)]
struct MarketplaceMutations(
    vendors::VendorMutations,
    customers::CustomerMutations,
    product_categories::ProductCategoryMutations,
    products::ProductMutations,
    offers::OfferMutations,
    commission_rules::CommissionRuleMutations,
);

/// To what was bought, and what is owed of it.
#[derive(Default, MergedObject)]
struct PurchaseMutations(orders::OrderMutations, order_parts::OrderPartMutations, payouts::PayoutMutations);

/// The schema.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The schema. Requests are held to [`limits`] before it sees them.
pub fn schema() -> Schema {
    Schema::new(Query::default(), Mutation::default(), EmptySubscription)
}

/// The schema in its definition language.
pub fn sdl() -> String {
    schema().sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items())
}

/// Carries out a request for whoever `context` says. The future is boxed here, so that no crate that calls it compiles the whole
/// of the schema once more.
pub fn execute<'a>(
    schema: &'a Schema,
    services: &'a Arc<Services>,
    request: Request,
    context: RequestContext,
) -> BoxFuture<'a, Response> {
    Box::pin(carry_out(schema, services, request, context))
}

async fn carry_out(
    schema: &Schema,
    services: &Arc<Services>,
    mut request: Request,
    context: RequestContext,
) -> Response {
    let correlation = context.correlation;
    let operation = request.operation_name.clone();
    let document = match limits::document(&request.query) {
        Ok(document) => document,
        Err(error) => return refusal::finish(Response::from_errors(vec![error]), correlation),
    };
    request.set_parsed_query((*document).clone());
    let lulls = Lulls::default();
    let begin = lulls.clone();
    let batches = DataLoader::new(Batches(services.clone()), move |batch| begin.spawn(batch));
    let batches = batches.delay(Duration::ZERO);
    let request = request.data(services.clone()).data(context).data(batches);
    let rows = Arc::new(Rows::default());
    let request = request.data(Freshness::default()).data(rows.clone());
    let mut response = lulls.of(schema.execute(request)).await;
    if let Err(refusal) = rows.fit() {
        // What may be null would be, in thousands of places, each with an error of its own.
        response = Response::from_errors(vec![ServerError::new(refusal.to_string(), None)]);
    }
    if response.data == Value::Null {
        response.errors.truncate(limits::ERRORS_MAX);
    }
    arranging::arrange(&mut response, &document, operation.as_deref());
    refusal::finish(response, correlation)
}
