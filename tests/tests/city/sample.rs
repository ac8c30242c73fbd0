//! The sample city, asked from outside.

use crate::program::{Installation, Server};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the log may stand still before the sagas are looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often they are looked at before it is taken that they never end.
const LOOKS_MAX: usize = 60;

/// How many orders it has.
pub const ORDERS_OF_THE_SAMPLE: usize = 3;

/// Buys; the variables are `input` and `key`.
pub const PLACE_ORDER: &str = "mutation($input: PlaceOrderInput!, $key: String!) {
    placeOrder(input: $input, idempotencyKey: $key) { __typename
        ... on OrderChanged { order { id status } position }
        ... on CheckoutPending { orderId }
        ... on Rejection { code } } }";

const CITY: &str = "{
    tenant { slug status }
    stores { nodes { id slug version } }
    vendors { nodes { id handle version contact { name } balances { currency pending { amount } available { amount }
        inTransit { amount } paid { amount } earned { amount } } } }
    customers { nodes { id version contact { name email phone address } } }
    offers { nodes { id sku version prices { unit { amount } } } }
    orders { nodes { id reference status placed { payable { amount } } captured { payable { amount } }
        parts { status lines { sku quantity } } } }
    payouts { nodes { id status amount { amount } } }
    ledgerEntries(first: 100) { totalCount nodes { id pending { amount } available { amount } } } }";

/// A token of the sample tenant's admin.
pub fn admin(at: &Installation) -> String {
    at.token(&["--role", "tenant_admin", "--tenant", "souq"])
}

/// What the city shows once its sagas have done what there was to do.
pub async fn settled(at: &Installation, server: &Server, token: &str) -> Value {
    let log = at.log().await;
    for _ in 0..LOOKS_MAX {
        let head = log.head().await.unwrap();
        let runs = server.ask(token, "{ sagaRuns(first: 100) { nodes { state } } }", json!({})).await;
        let runs = runs["sagaRuns"]["nodes"].as_array().expect("a list of runs").clone();
        let over = runs.iter().all(|run| run["state"] == "COMPLETED" || run["state"] == "COMPENSATED");
        if over && !runs.is_empty() {
            return server.ask(token, CITY, json!({})).await;
        }
        log.changed(head, LOOK_AGAIN_AFTER).await;
    }
    panic!("the sagas do not end");
}

/// What is needed to buy in it.
pub struct Market {
    store: Value,
    /// Who buys where nobody else is named.
    pub customer: Value,
    /// Of two vendors; of the first there are only some.
    offers: [Value; 2],
}

impl Market {
    pub async fn of(server: &Server, token: &str) -> Self {
        let ids = "{ stores { nodes { id } } customers { nodes { id } } offers { nodes { id sku } } }";
        let found = server.ask(token, ids, json!({})).await;
        let offer = |sku: &str| {
            let offers = found["offers"]["nodes"].as_array().expect("a list of offers");
            offers.iter().find(|offer| offer["sku"] == sku).expect("the sample offers it")["id"].clone()
        };
        Market {
            store: found["stores"]["nodes"][0]["id"].clone(),
            customer: found["customers"]["nodes"][0]["id"].clone(),
            offers: ["dates-sukkari", "coffee"].map(offer),
        }
    }

    /// The offer of which there are only some.
    pub fn counted(&self) -> &Value {
        &self.offers[0]
    }

    /// The input of an order of so many of the first, and one of the second.
    pub fn order(&self, quantity: u32) -> Value {
        let [counted, free] = &self.offers;
        self.order_of_lines(
            json!([{ "offer": counted, "quantity": quantity }, { "offer": free, "quantity": 1 }]),
        )
    }

    /// The input of an order of what there is any number of.
    pub fn order_of_plenty(&self) -> Value {
        self.order_of_lines(json!([{ "offer": self.offers[1], "quantity": 1 }]))
    }

    fn order_of_lines(&self, lines: Value) -> Value {
        json!({ "store": self.store, "customer": self.customer, "currency": "SAR", "lines": lines })
    }
}
