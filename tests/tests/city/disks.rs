//! A disk that is full, and one that takes no writes: clear errors, nothing that was acknowledged is lost, and once
//! there is room again the server goes on where it is.

use crate::program::{Installation, Server};
use crate::sample::{self, Market, PLACE_ORDER};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The size of the disk, in bytes: a sample city and a few hundred orders more.
pub const DISK: u64 = 24 << 20;

/// How many orders are placed at most before one is not taken any more.
const ORDERS_MAX: usize = 2_000;

/// How many are asked for while the disk is full.
const ASKED_IN_VAIN: usize = 20;

/// How long the sagas may take to end.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_takes_no_orders_says_so_and_loses_none_and_goes_on_once_there_is_room() {
    let at = Installation::on_disk_of(DISK);
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    settled(&server, &token).await;
    let market = Market::of(&server, &token).await;
    at.fill_disk();
    let mut placed = Vec::new();
    let first_refused = loop {
        let number = placed.len();
        assert!(number < ORDERS_MAX, "the disk is never full");
        let answer = place(&server, &token, &market, number).await;
        if answer.get("errors").is_some() {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
            break number;
        }
        placed.push(answer["data"]["placeOrder"].clone());
    };
    for number in first_refused..first_refused + ASKED_IN_VAIN {
        let answer = place(&server, &token, &market, number).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
    }
    let log = at.read("server.log");
    assert!(log.contains("there is no room left on the disk"), "{log}");
    let known = server.ask(&token, "{ orders { totalCount } }", json!({})).await;
    assert!(known["orders"]["totalCount"].as_u64() > Some(0), "what is there can be asked: {known}");
    let backup = at.run(&["backup", "--log", "data/copy.log", "--keys", "data/copy.keys"]);
    assert_eq!(backup.code, Some(1), "{}", backup.said);

    at.make_room();
    for number in 0..first_refused + ASKED_IN_VAIN {
        let answer = place(&server, &token, &market, number).await;
        assert!(answer.get("errors").is_none(), "order {number}, now that there is room: {answer}");
        let answer = &answer["data"]["placeOrder"];
        if let Some(first) = placed.get(number) {
            assert_eq!(
                first["order"]["id"], answer["order"]["id"],
                "order {number}: {first} and then {answer}"
            );
        }
    }
    settled(&server, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_read_models_makes_room_on_a_full_disk_and_they_are_made_anew() {
    let at = Installation::on_disk_of(DISK);
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    settled(&server, &token).await;
    let market = Market::of(&server, &token).await;
    for _ in 0..3 {
        assert_eq!(at.run(&["projection", "rebuild", "--all"]).code, Some(0));
    }
    at.fill_disk();
    let mut number = 0;
    while place(&server, &token, &market, number).await.get("errors").is_none() {
        number += 1;
        assert!(number < ORDERS_MAX, "the disk is never full");
    }
    assert!(server.interrupt().success());
    at.remove_from_disk(&["data/read.db", "data/read.db-wal", "data/read.db-shm"]);
    let server = at.serve(&[]);
    assert_eq!(place(&server, &token, &market, number).await.get("errors"), None);
    // So small a disk is soon full again.
    at.make_room();
    settled(&server, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_writes_is_named_by_whatever_would_write_and_nothing_on_it_changes() {
    let at = Installation::on_disk_of(DISK);
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    settled(&server, &token).await;
    let market = Market::of(&server, &token).await;
    let first = place(&server, &token, &market, 0).await["data"]["placeOrder"]["order"]["id"].take();
    assert!(first.is_string(), "an order is placed");
    settled(&server, &token).await;
    assert!(server.interrupt().success());
    let before = at.listing();
    at.make_read_only();
    let commands: [&[&str]; 3] = [
        &["serve", "--set", "bind=127.0.0.1:0"],
        &["token", "--role", "platform_admin"],
        &["backup", "--log", "data/log.copy", "--keys", "data/keys.copy"],
    ];
    for command in commands {
        let ended = at.run(command);
        assert_eq!(ended.code, Some(1), "{command:?}: {}", ended.said);
        assert!(ended.complained.contains("Read-only file system"), "{command:?}: {}", ended.complained);
    }
    let looks: [(&[&str], &str); 4] = [
        (&["replay", "--type", "order.placed"], "order.placed"),
        (&["replay", "--as-of", "2100-01-01T00:00:00Z", "--model", "vendors"], "palm-house"),
        (&["audit", "money"], "All of it adds up."),
        (&["audit", "verify"], "The log is as it was signed."),
    ];
    for (command, told) in looks {
        let ended = at.run(command);
        assert_eq!(ended.code, Some(0), "{command:?}: {} {}", ended.said, ended.complained);
        assert!(ended.said.contains(told), "{command:?}: {}", ended.said);
    }
    assert_eq!(at.listing(), before);

    at.make_writable();
    let server = at.serve(&[]);
    let again = place(&server, &token, &market, 0).await;
    assert_eq!(again["data"]["placeOrder"]["order"]["id"], first, "{again}");
    let next = place(&server, &token, &market, 1).await;
    assert!(next["data"]["placeOrder"]["order"]["id"].is_string(), "{next}");
}

/// Returns once every run is over.
pub async fn settled(server: &Server, token: &str) {
    let begun = Instant::now();
    let runs = "{ running: sagaRuns(filter: { state: RUNNING }) { totalCount }
        waiting: sagaRuns(filter: { state: WAITING }) { totalCount } all: sagaRuns { totalCount } }";
    loop {
        let runs = server.ask(token, runs, json!({})).await;
        let [running, waiting, all] =
            ["running", "waiting", "all"].map(|state| runs[state]["totalCount"].as_u64());
        if running == Some(0) && waiting == Some(0) && all > Some(0) {
            return;
        }
        assert!(begun.elapsed() < SETTLES_WITHIN, "the sagas do not end: {runs}");
    }
}

pub async fn place(server: &Server, token: &str, market: &Market, number: usize) -> Value {
    let order = json!({ "input": market.order_of_plenty(), "key": format!("order {number}") });
    server.post(token, PLACE_ORDER, order).await.unwrap()
}
