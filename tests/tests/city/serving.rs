//! The server as a process: it comes up with what it had, stops in order, and what was under way when it was killed
//! is finished by the next.

use crate::program::{Installation, events_after, grown_to, signal};
use crate::sample::{self, Market, ORDERS_OF_THE_SAMPLE, PLACE_ORDER};
use chrono::TimeDelta;
use cityos_connectors::sandbox::{Operation, Sandbox};
use cityos_domain::event::Event;
use cityos_domain::ids::OrderId;
use cityos_domain::log::{Envelope, Position};
use cityos_domain::orders::order;
use cityos_eventstore::clock::{Clock, ManualClock, SystemClock};
use cityos_gateway::graphql::ids::Id;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_the_city_as_it_was_and_makes_nothing_anew() {
    let at = Installation::new();
    let first = at.serve(&["--sample"]);
    assert_eq!(first.get("/health").await, (200, json!({ "status": "ok" }).to_string()));
    let token = sample::admin(&at);
    let city = sample::settled(&at, &first, &token).await;
    assert_eq!(city["orders"]["nodes"].as_array().map(Vec::len), Some(ORDERS_OF_THE_SAMPLE), "{city}");
    let head = at.log().await.head().await.unwrap();
    assert!(first.interrupt().success());

    let second = at.serve(&["--sample"]);
    assert_eq!(sample::settled(&at, &second, &token).await, city);
    assert_eq!(at.log().await.head().await.unwrap(), head);
    assert!(second.interrupt().success());
    assert_eq!(at.log().await.head().await.unwrap(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_while_it_makes_the_sample_ends_and_the_next_goes_on() {
    let at = Installation::new();
    let log = at.log().await;
    // A server that made the whole sample would go on to listen, and fail.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = format!("bind={}", taken.local_addr().unwrap());
    for (name, growth) in [("INT", 10), ("TERM", 50)] {
        let mut process = at.start(&["serve", "--sample", "--set", &bind]);
        grown_to(&*log, Position(growth)).await;
        assert!(signal(&mut process, name).success());
    }
    let whole = Installation::new();
    let mut cities = Vec::new();
    for at in [&at, &whole] {
        let server = at.serve(&["--sample"]);
        cities.push(sample::settled(at, &server, &sample::admin(at)).await);
    }
    assert_eq!(cities[0], cities[1]);
}

#[test]
fn a_token_is_made_in_a_city_that_is_there_under_a_name_the_api_takes_too() {
    let at = Installation::new();
    let token = ["token", "--role", "platform_admin"];
    let nowhere = at.run(&token);
    assert_eq!(nowhere.code, Some(1), "{}", nowhere.said);
    assert!(nowhere.complained.contains("there is no city in data"), "{}", nowhere.complained);
    assert!(!at.data().exists());

    assert!(at.serve(&[]).interrupt().success());
    for (subject, code) in [(" ", 1), ("a\u{7}b", 1), (&*"x".repeat(201), 1), ("mayor", 0)] {
        let ended = at.run(&[&token[..], &["--subject", subject]].concat());
        assert_eq!(ended.code, Some(code), "{subject}: {}", ended.complained);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_finishes_the_order_that_is_being_placed() {
    let at = Installation::new();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let market = Market::of(&server, &token).await;
    let log = at.log().await;
    let before = log.head().await.unwrap();
    let order = json!({ "input": market.order(1), "key": "while it stops" });
    let answer = tokio::spawn(server.post(&token, PLACE_ORDER, order));
    grown_to(&*log, Position(before.0 + 1)).await;
    assert!(server.interrupt().success());
    let answer = answer.await.unwrap().expect("requests under way are answered");
    assert_eq!(answer["data"]["placeOrder"]["__typename"], "OrderChanged", "{answer}");
}

/// How many orders are being placed whenever the server is killed; the first asks for more than there is.
const ORDERS: usize = 8;

/// How far the log has grown when it is killed, in events: what is asked for in a round comes to more than a hundred.
const KILLED_AFTER: [u64; 4] = [2, 30, 60, 80];

/// After which an attempt that the dead server had begun is anyone's, and then the wait before the next.
const LATER: [TimeDelta; 3] = [TimeDelta::minutes(2); 3];

#[tokio::test(flavor = "multi_thread")]
async fn s20_every_order_that_was_being_placed_when_the_server_was_killed_is_decided_once_by_the_next() {
    let at = Installation::new();
    let mut server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let market = Market::of(&server, &token).await;
    let log = at.log().await;
    let start = log.head().await.unwrap();
    let mut asked = Vec::new();
    for (round, growth) in KILLED_AFTER.into_iter().enumerate() {
        let before = log.head().await.unwrap();
        let orders: Vec<_> = (0..ORDERS)
            .map(|number| {
                let quantity = if number == 0 { 1_000 } else { 1 };
                json!({ "input": market.order(quantity), "key": format!("{round}/{number}") })
            })
            .collect();
        let posts: Vec<_> = orders
            .iter()
            .map(|order| tokio::spawn(server.post(&token, PLACE_ORDER, order.clone())))
            .collect();
        grown_to(&*log, Position(before.0 + growth)).await;
        server.kill();
        for post in posts {
            // Most are not answered: that is what callers of a server that dies see.
            drop(post.await.unwrap());
        }
        assert!(!undecided(&events_after(&*log, before).await).is_empty(), "it was killed when all was over");
        asked.push(orders);
        server = at.serve(&["--sample"]);
    }
    // What was asked for before the server died may not have been heard.
    for order in asked.iter().flatten() {
        server.ask(&token, PLACE_ORDER, order.clone()).await;
    }
    assert!(server.interrupt().success());

    let clock = ManualClock::at(SystemClock.now());
    let city = at.open(Arc::new(clock.clone())).await;
    city.settle().await.unwrap();
    for time in LATER {
        clock.advance(time);
        city.settle().await.unwrap();
    }
    drop(city);
    assert_eq!(undecided(&events_after(&*log, start).await), BTreeSet::new());

    let server = at.serve(&[]);
    let mut placed = Vec::new();
    for orders in &asked {
        for (number, order) in orders.iter().enumerate() {
            let outcome = server.ask(&token, PLACE_ORDER, order.clone()).await["placeOrder"].take();
            match number {
                0 => assert_eq!(outcome["__typename"], "Rejection", "{outcome}"),
                _ => placed.push(uuid_of(&outcome)),
            }
        }
    }
    let books = Sandbox::open(&at.data().join("sandbox.db"), Arc::new(SystemClock)).unwrap();
    let mut authorised: BTreeMap<String, usize> = BTreeMap::new();
    for done in books.done(Operation::Authorise).await.unwrap() {
        *authorised.entry(done.subject).or_default() += 1;
    }
    for order in &placed {
        let times: Vec<_> = authorised.iter().filter(|(subject, _)| subject.ends_with(order)).collect();
        assert!(matches!(times[..], [(_, 1)]), "{order} in {authorised:?}");
    }
    assert_eq!(authorised.values().sum::<usize>(), placed.len() + ORDERS_OF_THE_SAMPLE, "{authorised:?}");
}

/// The orders that were asked for and neither placed nor declined.
fn undecided(events: &[Envelope]) -> BTreeSet<Uuid> {
    let mut orders = BTreeSet::new();
    for event in events {
        let Event::Order(happened) = &event.event else { continue };
        match happened {
            order::Event::Requested { .. } => orders.insert(event.stream.id),
            order::Event::Placed { .. } | order::Event::Declined { .. } => orders.remove(&event.stream.id),
        };
    }
    orders
}

fn uuid_of(placed: &Value) -> String {
    let id = placed["order"]["id"].as_str().unwrap_or_else(|| panic!("it was not placed: {placed}"));
    let Id(order) = Id::<OrderId>::decode(id).unwrap();
    order.to_string()
}
