//! A city that was dumped and is restored: in another server it goes on where it was; a log that is older than its read models
//! is refused.

use super::{Databases, connect};
use crate::program::Installation;
use crate::sample::{self, Market, PLACE_ORDER};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use serde_json::{Value, json};
use std::fs;
use tempfile::NamedTempFile;

fn dump(server: &PrivateServer, database: &str, more: &[&str]) -> NamedTempFile {
    let url = server.url("postgres", database);
    let dumped = server.program("pg_dump", &[&["--format=custom", "-d", &url], more].concat());
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), dumped).unwrap();
    file
}

fn restore(server: &PrivateServer, database: &str, dump: &NamedTempFile) {
    let url = server.url("postgres", database);
    server.program("pg_restore", &["--exit-on-error", "-d", &url, dump.path().to_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_city_that_was_dumped_goes_on_in_another_server_with_its_read_models_where_they_were() {
    let (here, there) = (PrivateServer::shared(), PrivateServer::durable());
    let (old, new) = (Databases::made_in(here), Databases::made_in(&there));
    let at = Installation::on(old.url());
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    let market = Market::of(&server, &token).await;
    let order = json!({ "input": market.order(1), "key": "before the move" });
    let placed = server.ask(&token, PLACE_ORDER, order.clone()).await;
    let city = sample::settled(&at, &server, &token).await;
    assert!(server.interrupt().success());

    restore(&there, &new.city, &dump(here, &old.city, &[]));
    restore(&there, &new.keys, &dump(here, &old.keys, &[]));
    let moved = Installation::on(new.url());
    fs::create_dir(moved.data()).unwrap();
    fs::copy(at.data().join("sandbox.db"), moved.data().join("sandbox.db")).unwrap();
    // Each with its build, and the position it has come to.
    let tables = |at: &Installation| -> Vec<_> {
        let list = at.run(&["projection", "list", "--json"]).said;
        let tables = list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        tables.map(|table| (table["table"].clone(), table["position"].clone())).collect()
    };
    assert_eq!(tables(&moved), tables(&at));
    let server = moved.serve(&[]);
    assert_eq!(sample::settled(&moved, &server, &token).await, city);
    assert_eq!(tables(&moved), tables(&at), "nothing was made anew");
    let again = server.ask(&token, PLACE_ORDER, order).await;
    assert_eq!(again["placeOrder"]["order"]["id"], placed["placeOrder"]["order"]["id"]);
    assert_eq!(moved.log().await.head().await.unwrap(), at.log().await.head().await.unwrap());
    let next = json!({ "input": market.order(1), "key": "after the move" });
    let next = server.ask(&token, PLACE_ORDER, next).await;
    assert_eq!(next["placeOrder"]["__typename"], "OrderChanged", "{next}");
    assert_ne!(sample::settled(&moved, &server, &token).await, city);
    assert!(server.interrupt().success());
    let verified = moved.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.said, verified.complained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_older_than_its_read_models_is_not_served_until_they_are_gone() {
    let databases = Databases::made_in(PrivateServer::shared());
    let at = Installation::on(databases.url());
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let log = dump(databases.server, &databases.city, &["--schema=log"]);
    let market = Market::of(&server, &token).await;
    let later = json!({ "input": market.order(1), "key": "later than the dump" });
    server.ask(&token, PLACE_ORDER, later).await;
    sample::settled(&at, &server, &token).await;
    assert!(server.interrupt().success());

    let administrator = connect(&databases.url()).await;
    administrator.batch_execute("DROP SCHEMA log CASCADE").await.unwrap();
    restore(databases.server, &databases.city, &log);
    let refused = at.run(&["serve", "--set", "bind=127.0.0.1:0"]);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    let why = "the read models have seen more than the log holds";
    assert!(refused.complained.contains(why), "{}", refused.complained);

    administrator.batch_execute("DROP SCHEMA reads CASCADE").await.unwrap();
    let server = at.serve(&[]);
    sample::settled(&at, &server, &token).await;
}
