//! Backups of a city that goes on meanwhile, and cities made from them.

use crate::program::{Installation, events_after};
use crate::sample::{self, Market, PLACE_ORDER};
use cityos_domain::log::Position;
use serde_json::json;
use std::fs;

const BACKUP: [&str; 5] = ["backup", "--log", "log.copy", "--keys", "keys.copy"];

#[tokio::test(flavor = "multi_thread")]
async fn a_city_made_from_a_backup_answers_as_the_one_it_was_taken_from() {
    let at = Installation::in_files();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    let city = sample::settled(&at, &server, &token).await;
    let done = at.run(&BACKUP);
    assert_eq!(done.code, Some(0), "{}", done.complained);
    let market = Market::of(&server, &token).await;
    server.ask(&token, PLACE_ORDER, json!({ "input": market.order(1), "key": "after the backup" })).await;

    let other = Installation::in_files();
    let done = restore(&at, &other);
    assert_eq!(done.code, Some(0), "{}", done.complained);
    let restored = other.serve(&[]);
    assert_eq!(sample::settled(&other, &restored, &token).await, city);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_while_orders_are_placed_holds_the_log_up_to_some_moment() {
    let at = Installation::in_files();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    let market = Market::of(&server, &token).await;
    let before = at.log().await.head().await.unwrap();
    let orders: Vec<_> = (0..10)
        .map(|number| json!({ "input": market.order(1), "key": number.to_string() }))
        .map(|order| tokio::spawn(server.post(&token, PLACE_ORDER, order)))
        .collect();
    let done = at.run(&BACKUP);
    assert_eq!(done.code, Some(0), "{}", done.complained);
    for order in orders {
        assert!(order.await.unwrap().is_ok());
    }

    let other = Installation::in_files();
    assert_eq!(restore(&at, &other).code, Some(0));
    let restored = events_after(&*other.log().await, Position::START).await;
    let whole = events_after(&*at.log().await, Position::START).await;
    assert!(restored.len() as u64 >= before.0, "what was there before is in it");
    assert_eq!(restored[..], whole[..restored.len()]);
}

#[test]
fn neither_backup_nor_restore_touches_what_is_there() {
    let at = Installation::in_files();
    assert!(at.serve(&[]).interrupt().success());
    assert_eq!(at.run(&BACKUP).code, Some(0));
    let again = at.run(&BACKUP);
    assert_eq!(again.code, Some(1), "{}", again.said);
    assert!(again.complained.contains("log.copy is already there"), "{}", again.complained);

    let other = Installation::in_files();
    fs::create_dir(other.data()).unwrap();
    other.write("data/letter", "not a city");
    let refused = restore(&at, &other);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    assert!(refused.complained.contains("is not empty"), "{}", refused.complained);
    let there: Vec<_> = fs::read_dir(other.data()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!((there.len(), other.read("data/letter").as_str()), (1, "not a city"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_not_opened_with_no_keys_or_those_of_another_city() {
    let (at, other) = (Installation::in_files(), Installation::in_files());
    for city in [&at, &other] {
        let server = city.serve(&["--sample"]);
        assert!(server.interrupt().success());
    }
    let token = ["token", "--role", "platform_admin"];
    let refused = || {
        let refused = at.run(&token);
        assert_eq!(refused.code, Some(1), "{}", refused.said);
        assert!(refused.complained.contains("does not belong to this log"), "{}", refused.complained);
    };
    let [log, keys] = ["log.db", "keys.db"].map(|file| at.data().join(file));
    for lost in [&keys, &log] {
        let kept = at.path("kept");
        fs::rename(lost, &kept).unwrap();
        refused();
        assert!(!lost.exists(), "nothing is put in the place of {lost:?}");
        fs::rename(&kept, lost).unwrap();
    }
    let own = fs::read(&keys).unwrap();
    fs::write(&keys, fs::read(other.data().join("keys.db")).unwrap()).unwrap();
    refused();
    fs::write(&keys, own).unwrap();
    assert_eq!(at.run(&token).code, Some(0));
}

fn restore(from: &Installation, to: &Installation) -> crate::program::Ended {
    let [log, keys] = ["log.copy", "keys.copy"].map(|name| from.path(name).to_str().unwrap().to_owned());
    to.run(&["restore", "--log", &log, "--keys", &keys])
}
