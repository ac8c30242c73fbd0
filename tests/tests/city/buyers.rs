//! Who keeps the sample city busy: orders are placed, shipped and delivered, vendors are paid.

use crate::program::Server;
use crate::sample;
use serde_json::{Value, json};

const POLICIES: &str = "mutation($input: ChangeTenantPoliciesInput!, $key: String!) {
    done: changeTenantPolicies(input: $input, idempotencyKey: $key) { __typename } }";

const RECEIVE_STOCK: &str = "mutation($input: ReceiveStockInput!, $key: String!) {
    done: receiveStock(input: $input, idempotencyKey: $key) { __typename } }";

const PLACE: &str = "mutation($input: PlaceOrderInput!, $key: String!) {
    done: placeOrder(input: $input, idempotencyKey: $key) { __typename
        ... on OrderChanged { replayed position order { id parts { id } } }
        ... on CheckoutPending { replayed orderId } } }";

const SHIP: &str = "mutation($input: ShipPartInput!, $key: String!) {
    done: shipPart(input: $input, idempotencyKey: $key) { __typename
        ... on OrderPartChanged { replayed part { id } } } }";

const DELIVER: &str = "mutation($input: DeliverPartInput!, $key: String!) {
    done: deliverPart(input: $input, idempotencyKey: $key) { __typename
        ... on OrderPartChanged { replayed part { id } } } }";

const ADJUST: &str = "mutation($input: PostAdjustmentInput!, $key: String!) {
    done: postAdjustment(input: $input, idempotencyKey: $key) { __typename
        ... on LedgerChanged { replayed } } }";

const PAY: &str = "mutation($input: RunPayoutsInput!, $key: String!) {
    done: runPayouts(input: $input, idempotencyKey: $key) { __typename
        ... on PayoutRunStarted { replayed } } }";

/// A mutation that was asked for, and what was answered.
pub struct Asked {
    pub document: &'static str,
    pub variables: Value,
    pub answer: Option<Value>,
}

impl Asked {
    /// The answer of a mutation that was done.
    pub fn acknowledged(&self) -> Option<&Value> {
        let refused = ["Rejection", "VersionConflict", "IdempotencyKeyReused"];
        self.answer
            .as_ref()
            .filter(|answer| !refused.contains(&answer["__typename"].as_str().unwrap_or_default()))
    }
}

/// The order that was placed, or still is to be.
pub fn ordered(answer: &Value) -> Option<&str> {
    answer["order"]["id"].as_str().or_else(|| answer["orderId"].as_str())
}

/// What is asked of the sample city in every round.
pub struct Buyers {
    market: sample::Market,
    orders: usize,
    vendors: Vec<Value>,
    pub asked: Vec<Asked>,
    to_ship: Vec<Value>,
    to_deliver: Vec<Value>,
}

impl Buyers {
    /// Who buys so many orders in each of so many rounds.
    pub async fn of(server: &Server, token: &str, orders: usize, rounds: usize) -> Self {
        let market = sample::Market::of(server, token).await;
        let policies = json!({ "holdDays": 0, "capture": "AT_SHIPMENT", "payoutMinimums": [],
            "authorisationHours": 168, "reservationMinutes": 15 });
        let policies = json!({ "input": policies, "key": "policies" });
        assert_eq!(server.ask(token, POLICIES, policies).await["done"]["__typename"], "TenantChanged");
        let stock = json!({ "input": { "offer": market.counted(), "quantity": 2 * rounds * orders }, "key": "stock" });
        assert_eq!(server.ask(token, RECEIVE_STOCK, stock).await["done"]["__typename"], "OfferChanged");
        let vendors = server.ask(token, "{ vendors { nodes { id } } }", json!({})).await;
        let vendors = vendors["vendors"]["nodes"].as_array().expect("a list of vendors").clone();
        let vendors = vendors.iter().map(|vendor| vendor["id"].clone()).collect();
        Buyers { market, orders, vendors, asked: Vec::new(), to_ship: Vec::new(), to_deliver: Vec::new() }
    }

    /// What is asked for in this round.
    pub fn work(&mut self, round: usize) -> Vec<(&'static str, Value)> {
        let key = |what: &str, number: usize| format!("{what} {number} of round {round}");
        let mut work = Vec::new();
        for number in 0..self.orders {
            work.push((PLACE, json!({ "input": self.market.order(1), "key": key("order", number) })));
        }
        let amount = json!({ "amount": "25.00", "currency": "SAR" });
        let adjustment = json!({ "vendor": self.vendors[round % self.vendors.len()], "amount": amount,
            "against": "ADJUSTMENTS", "reason": format!("round {round}") });
        work.push((ADJUST, json!({ "input": adjustment, "key": key("adjustment", 0) })));
        work.push((
            PAY,
            json!({ "input": { "reason": format!("round {round}") }, "key": key("payouts", 0) }),
        ));
        for (number, part) in self.to_ship.drain(..).enumerate() {
            work.push((SHIP, json!({ "input": { "part": part }, "key": key("shipment", number) })));
        }
        for (number, part) in self.to_deliver.drain(..).enumerate() {
            work.push((DELIVER, json!({ "input": { "part": part }, "key": key("delivery", number) })));
        }
        work
    }

    /// Takes down what was answered: parts that were sold are shipped next, those that were shipped delivered.
    pub fn heard(&mut self, asked: Asked) {
        if let Some(answer) = asked.acknowledged() {
            let parts = answer["order"]["parts"].as_array().into_iter().flatten();
            self.to_ship.extend(parts.map(|part| part["id"].clone()));
            if asked.document == SHIP {
                self.to_deliver.push(answer["part"]["id"].clone());
            }
        }
        self.asked.push(asked);
    }
}
