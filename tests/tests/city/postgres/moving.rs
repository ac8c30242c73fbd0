//! A city moved from files to a PostgreSQL server, and back.

use crate::program::{Ended, Installation};
use crate::runbook::Page;
use crate::sample::{self, Market, PLACE_ORDER};
use cityos_domain::log::Position;
use cityos_eventstore::contract::{append, stream, tenant};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::database::postgres::{Limits, Server};
use cityos_eventstore::postgres::PostgresStore;
use cityos_eventstore::store::EventStore;
use rusqlite::Connection;
use serde_json::{Value, json};

/// More events than any of these cities has, but for the long one.
const ALL: u32 = 100_000;

/// Appends of the long log, and events of each.
const APPENDS: u64 = 15;
const EVENTS_OF_APPEND: usize = 4_000;

fn files(at: &Installation) -> String {
    format!("sqlite:{}", at.data().display())
}

fn copy(at: &Installation, from: &str, to: &str, more: &[&str]) -> Ended {
    at.run(&[&["log", "copy", "--from", from, "--to", to], more].concat())
}

/// A sample city that is not served any more.
fn stopped() -> Installation {
    let at = Installation::in_files();
    assert!(at.serve(&["--sample"]).interrupt().success());
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_moved_to_postgres_and_back_answers_as_before() {
    let at = Installation::in_files();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    let market = Market::of(&server, &token).await;
    let order = json!({ "input": market.order(1), "key": "before the move" });
    let placed = server.ask(&token, PLACE_ORDER, order.clone()).await;
    let city = sample::settled(&at, &server, &token).await;
    assert!(server.interrupt().success());

    let (database, back) = (PrivateServer::shared().new_database(), Installation::in_files());
    for (from, to) in [(files(&at), database.clone()), (database.clone(), files(&back))] {
        let done = copy(&at, &from, &to, &["--keys"]);
        assert_eq!(done.code, Some(0), "{}{}", done.said, done.complained);
    }
    let moved = Server::new(&database, None, Limits::default()).unwrap();
    let moved = PostgresStore::open_read_only(&moved).await.unwrap();
    let stored = at.log().await.read_stored(Position::START, ALL).await.unwrap();
    assert_eq!(moved.read_stored(Position::START, ALL).await.unwrap(), stored);
    assert_eq!(back.log().await.read_stored(Position::START, ALL).await.unwrap(), stored);
    let on_server = ["--set", &format!("database={database}"), "audit", "verify"];
    for verified in [at.run(&["audit", "verify"]), at.run(&on_server), back.run(&["audit", "verify"])] {
        assert_eq!(verified.code, Some(0), "{}{}", verified.said, verified.complained);
    }

    let served = back.serve(&[]);
    assert_eq!(sample::settled(&back, &served, &token).await, city);
    let again = served.ask(&token, PLACE_ORDER, order).await;
    assert_eq!(again["placeOrder"]["order"]["id"], placed["placeOrder"]["order"]["id"]);
    assert_eq!(again["placeOrder"]["__typename"], "OrderChanged");
    assert_eq!(
        back.log().await.head().await.unwrap(),
        at.log().await.head().await.unwrap(),
        "nothing was placed again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_killed_goes_on_to_the_same_log() {
    let at = Installation::in_files();
    let log = at.log().await;
    let says = stream(tenant("harbour"), "long");
    for number in 0..APPENDS {
        let version = number * EVENTS_OF_APPEND as u64;
        let events = vec![(says, "once more"); EVENTS_OF_APPEND];
        log.append(append(&number.to_string(), &[(says, version)], &events)).await.unwrap();
    }
    let database = PrivateServer::shared().new_database();
    let server = Server::new(&database, None, Limits::default()).unwrap();
    let target = PostgresStore::open(&server, std::sync::Arc::new(cityos_eventstore::clock::SystemClock))
        .await
        .unwrap();
    let from = files(&at);
    let mut copying = at.start(&["log", "copy", "--from", &from, "--to", &database]);
    while target.head().await.unwrap() == Position::START {
        assert!(copying.try_wait().unwrap().is_none(), "it ended before it had written anything");
    }
    copying.kill().unwrap();
    copying.wait().unwrap();
    let (copied, whole) = (target.head().await.unwrap(), log.head().await.unwrap());
    assert!(copied < whole, "it was killed too late");

    let done = copy(&at, &from, &database, &[]);
    // Nobody has made keys for this log.
    assert_eq!(done.code, Some(3), "{}{}", done.said, done.complained);
    assert!(
        done.said.contains(&format!("{} events, {} of them copied now", whole.0, whole.0 - copied.0)),
        "{}",
        done.said
    );
    assert_eq!(
        target.read_stored(Position(whole.0 - 4_000), ALL).await.unwrap(),
        log.read_stored(Position(whole.0 - 4_000), ALL).await.unwrap()
    );
}

#[test]
fn a_target_that_holds_another_log_or_more_is_refused() {
    let (at, other) = (stopped(), stopped());
    let refused = copy(&at, &files(&at), &files(&other), &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(
        refused.complained.contains("the target holds another log: its event at position 1"),
        "{}",
        refused.complained
    );

    let longer = PrivateServer::shared().new_database();
    assert_eq!(copy(&at, &files(&at), &longer, &["--keys"]).code, Some(0));
    let cut = "DELETE FROM events WHERE position = (SELECT max(position) FROM events)";
    Connection::open(at.data().join("log.db")).unwrap().execute_batch(cut).unwrap();
    let refused = copy(&at, &files(&at), &longer, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.complained.contains("the target"), "{}", refused.complained);
}

#[test]
fn keys_that_are_missing_are_counted_and_named() {
    let at = stopped();
    let database = PrivateServer::shared().new_database();
    let without = copy(&at, &files(&at), &database, &[]);
    assert_eq!(without.code, Some(3), "{}{}", without.said, without.complained);
    assert!(without.said.contains("The target has no key store of this log"), "{}", without.said);
    let with = copy(&at, &files(&at), &database, &["--keys"]);
    assert_eq!(with.code, Some(0), "{}{}", with.said, with.complained);

    let keys = Connection::open(at.data().join("keys.db")).unwrap();
    let lost: i64 = keys.query_row("SELECT count(*) FROM persons", [], |row| row.get(0)).unwrap();
    keys.execute_batch("DELETE FROM persons").unwrap();
    let (back, copied) = (Installation::in_files(), ["--keys"]);
    let lacking = copy(&at, &files(&at), &files(&back), &copied);
    assert_eq!(lacking.code, Some(3), "{}{}", lacking.said, lacking.complained);
    let count = format!("lacks the keys of {lost} persons: ");
    assert!(lacking.said.contains(&count), "{}", lacking.said);
    let lacking = copy(&at, &files(&at), &files(&back), &["--json"]);
    let told: Value = serde_json::from_str(&lacking.said).unwrap();
    assert_eq!(
        (lacking.code, &told["whole"], &told["new_events"]),
        (Some(3), &json!(false), &json!(0)),
        "{told}"
    );
    assert_eq!((&told["evidence"]["good"], &told["keys"]["there"]), (&json!(true), &json!(true)), "{told}");
    assert_eq!(told["keys"]["missing"].as_array().map(Vec::len), Some(lost as usize), "{told}");
}

#[test]
fn what_names_no_storage_is_refused_by_its_flag_and_without_its_password() {
    let at = stopped();
    for (from, to, flag) in [
        ("data", "sqlite:other", "--from must be `sqlite:DIR`"),
        ("sqlite:data", "mysql://root:s3cret@host/city", "--to must be `sqlite:DIR`"),
        ("sqlite:data", "postgres://root:s3cret@host:port/city", "--to"),
        ("sqlite:nowhere", "sqlite:other", "--from: there is no log in data directory nowhere"),
        ("sqlite:data", "sqlite:data", "--to is the same storage as --from"),
    ] {
        let refused = copy(&at, from, to, &[]);
        assert_eq!(refused.code, Some(1), "{from} {to}: {}", refused.said);
        assert!(refused.complained.contains(flag), "{}", refused.complained);
        assert!(!refused.complained.contains("s3cret"), "{}", refused.complained);
    }
    assert!(!at.path("other").exists(), "nothing was made");
}

#[test]
fn the_page_of_the_runbook() {
    let at = stopped();
    let mut page = Page::titled("Move a city to PostgreSQL, or back");
    page.knows("database", &PrivateServer::shared().new_database());
    page.to_its_end(&at);
}
