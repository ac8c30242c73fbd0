//! The database server goes away while the city is served, or does not come to an end: callers are told to try again, and
//! nothing of ours has to be started anew.

use super::connect;
use crate::program::{Installation, Server};
use crate::sample::{self, Market, ORDERS_OF_THE_SAMPLE, PLACE_ORDER};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long what was away may take to be used again.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// How often callers ask while it is away.
const ASKED_IN_VAIN: usize = 3;

const ORDERS: &str = "{ orders { totalCount } }";

/// The code of the only error in an answer.
fn code(answer: &Value) -> &Value {
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
    &answer["errors"][0]["extensions"]["code"]
}

/// What is answered as soon as the database can be used again; until then callers are told to try again.
async fn answered(server: &Server, token: &str, query: &str, variables: Value) -> Value {
    let begun = Instant::now();
    loop {
        let mut answer = server.post(token, query, variables.clone()).await.unwrap();
        if answer.get("errors").is_none() {
            return answer["data"].take();
        }
        assert_eq!(code(&answer), "UNAVAILABLE", "{answer}");
        assert!(begun.elapsed() < BACK_WITHIN, "it is not used again: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d20_while_the_server_is_away_callers_are_told_so_and_when_it_is_back_all_goes_on_by_itself() {
    let database = PrivateServer::durable();
    let at = Installation::on(database.new_database());
    let server = at.serve(&["--sample", "--set", "database_reconnect_s=0"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let market = Market::of(&server, &token).await;
    let ends: [fn(&PrivateServer); 2] = [PrivateServer::crash, PrivateServer::stop];
    for (round, end) in ends.into_iter().enumerate() {
        let order = json!({ "input": market.order_of_plenty(), "key": format!("while it is away {round}") });
        end(&database);
        for _ in 0..ASKED_IN_VAIN {
            for (document, variables) in [(ORDERS, json!({})), (PLACE_ORDER, order.clone())] {
                let answer = server.post(&token, document, variables).await.unwrap();
                assert_eq!(code(&answer), "UNAVAILABLE", "{answer}");
            }
        }
        assert_eq!(server.get("/health").await.0, 503);

        database.go_on();
        let placed = answered(&server, &token, PLACE_ORDER, order.clone()).await;
        let again = answered(&server, &token, PLACE_ORDER, order).await;
        let id = |answer: &Value| answer["placeOrder"]["order"]["id"].clone();
        assert!(id(&placed).is_string(), "{placed}");
        assert_eq!(id(&again), id(&placed), "{placed}, and then {again}");
        assert_eq!(server.get("/health").await.0, 200);
        sample::settled(&at, &server, &token).await;
        let orders = answered(&server, &token, ORDERS, json!({})).await;
        assert_eq!(orders["orders"]["totalCount"], ORDERS_OF_THE_SAMPLE + round + 1, "each was placed once");
    }
    let log = at.read("server.log");
    assert!(log.contains("the database server cannot be reached"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_waits_too_long_for_somebody_else_is_worth_repeating() {
    let database = PrivateServer::shared().new_database();
    let at = Installation::on(database.clone());
    let server = at.serve(&["--sample", "--set", "database_statement_s=1"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let administrator = connect(&database).await;
    let lock = "BEGIN; DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'reads' AND tablename LIKE 'orders\\_%' LOOP
            EXECUTE format('LOCK TABLE reads.%I', name);
        END LOOP; END $$";
    administrator.batch_execute(lock).await.unwrap();
    let answer = server.post(&token, ORDERS, json!({})).await.unwrap();
    assert_eq!(code(&answer), "UNAVAILABLE", "{answer}");
    administrator.batch_execute("ROLLBACK").await.unwrap();
    let orders = answered(&server, &token, ORDERS, json!({})).await;
    assert_eq!(orders["orders"]["totalCount"], ORDERS_OF_THE_SAMPLE);
}
