//! Whoever calls the API: sends queries and mutations over HTTP and reads what comes back.

use crate::schema::{Schema, list, text};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Every request is tied to the same name, so that answers can be compared byte for byte.
pub const CORRELATION: &str = "00000000-0000-4000-8000-000000000001";

/// A caller with one token, or none.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    token: Option<String>,
    schema: Arc<Schema>,
}

/// A mutation as it is given.
#[derive(Clone)]
pub struct Given<'a> {
    /// The mutation.
    pub field: &'a str,
    /// Under which idempotency key.
    pub key: &'a str,
    /// Its input.
    pub input: Value,
    /// The version the caller saw.
    pub expected: Option<u64>,
    /// What is asked of what has changed.
    pub show: &'a str,
}

/// A mutation that expects no version.
pub fn given<'a>(field: &'a str, key: &'a str, input: Value, show: &'a str) -> Given<'a> {
    Given { field, key, input, expected: None, show }
}

/// The code of the only error in a response.
pub fn code_of(response: &Value) -> String {
    let [error] = list(&response["errors"]) else { panic!("it has not one error: {response}") };
    text(&error["extensions"]["code"])
}

impl Client {
    /// A caller of the city at `address`.
    pub fn new(
        http: reqwest::Client,
        address: SocketAddr,
        token: Option<String>,
        schema: Arc<Schema>,
    ) -> Self {
        Client { http, address, token, schema }
    }

    /// Fetches a path, and answers with the status and the text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let request = self.http.get(format!("http://{}{path}", self.address));
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        (status, response.text().await.expect("the answer is a text"))
    }

    /// Sends a document with variables, and answers with the status and the text.
    pub async fn send(&self, document: &str, variables: &Value) -> (u16, String) {
        let mut request = self
            .http
            .post(format!("http://{}/graphql", self.address))
            .header("x-request-id", CORRELATION)
            .json(&json!({ "query": document, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        (status, response.text().await.expect("the answer is a text"))
    }

    /// Sends a document with variables, and answers with all that comes back.
    pub async fn respond(&self, document: &str, variables: &Value) -> Value {
        let (_, body) = self.send(document, variables).await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}"))
    }

    /// Asks, and is answered.
    pub async fn ask(&self, query: &str) -> Value {
        self.ask_with(query, &json!({})).await
    }

    /// Asks with variables, and is answered.
    pub async fn ask_with(&self, query: &str, variables: &Value) -> Value {
        let response = self.respond(query, variables).await;
        assert!(response.get("errors").is_none(), "{query}: {response}");
        response["data"].clone()
    }

    /// Asks, and is refused: the code.
    pub async fn refused(&self, query: &str) -> String {
        code_of(&self.respond(query, &json!({})).await)
    }

    /// Gives a mutation, whatever comes of it.
    pub async fn answer(&self, given: Given<'_>) -> Value {
        let response = self.try_answer(given).await;
        assert!(response.get("errors").is_none(), "{response}");
        response["data"]["answer"].clone()
    }

    /// Gives a mutation, errors included.
    pub async fn try_answer(&self, given: Given<'_>) -> Value {
        let Given { field, key, input, expected, show } = given;
        let document = self.schema.mutation(field, show);
        let variables = json!({ "input": input, "idempotencyKey": key, "expectedVersion": expected });
        self.respond(&document, &variables).await
    }

    /// Gives a mutation with a key of its own, whatever comes of it.
    pub async fn attempt(&self, field: &str, input: Value, show: &str) -> Value {
        let key = Uuid::new_v4().to_string();
        self.answer(given(field, &key, input, show)).await
    }

    /// Does something: it must come to pass.
    pub async fn does(&self, field: &str, input: Value, show: &str) -> Value {
        let answer = self.attempt(field, input, show).await;
        let done = text(&answer["__typename"]);
        assert!(done.ends_with("Changed") || done.ends_with("Started"), "{field}: {answer}");
        answer
    }

    /// Tries something that the rules refuse: the code.
    pub async fn is_rejected(&self, field: &str, input: Value) -> String {
        let answer = self.attempt(field, input, "").await;
        assert_eq!(answer["__typename"], "Rejection", "{field}: {answer}");
        text(&answer["code"])
    }
}
