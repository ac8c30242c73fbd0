//! The program killed a hundred times, wherever it stands: while orders are placed, shipped and delivered, while
//! vendors are paid, while an import runs beside it and while read models are rebuilt.

use crate::buyers::{Asked, Buyers, ordered};
use crate::importing;
use crate::program::{Installation, events_after, grown_to};
use crate::sample;
use chrono::{DateTime, TimeDelta, Utc};
use cityos_connectors::sandbox::Sandbox;
use cityos_domain::event::Event;
use cityos_domain::ledger::payout;
use cityos_domain::log::{Envelope, Position};
use cityos_eventstore::clock::{Clock, ManualClock, SystemClock};
use cityos_projections::models::REGISTRY;
use cityos_projections::{CHECKPOINT_EVENTS, rebuild};
use cityos_tests::simulation::invariants::{self, Books, Rest, Runs};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::process::Child;
use std::sync::Arc;
use uuid::Uuid;

/// How often everything that runs is killed.
const KILLS: usize = 100;

/// At most so many events are written between the start of a round's work and the kill.
const GROWTH_MAX: u64 = 120;

/// Orders that are placed in each round.
const ORDERS: usize = 2;

/// Orders the import brings in beside the server, over all rounds.
const IMPORTED_ORDERS: usize = 900;

/// After which everything a dead process had begun is anyone's and what follows from it is due; and at last no money
/// is held any more, and nobody decides any more.
pub const LATER: [TimeDelta; 6] = [
    TimeDelta::minutes(2),
    TimeDelta::minutes(2),
    TimeDelta::minutes(2),
    TimeDelta::days(36),
    TimeDelta::minutes(2),
    TimeDelta::minutes(2),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_any_of_a_hundred_kills_is_in_the_log_once_and_nothing_is_there_by_half()
{
    let at = Installation::in_files();
    importing::write_files(&at, IMPORTED_ORDERS);
    let mut server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let mut buyers = Buyers::of(&server, &token, ORDERS, KILLS).await;
    let log = at.log().await;
    let mut helped_over: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..KILLS {
        let beside: Vec<(&str, Child)> = match round % 3 {
            0 => vec![],
            1 => vec![("import", importing::start(&at))],
            _ => vec![("rebuild", at.start(&["projection", "rebuild", "--all"]))],
        };
        let before = log.head().await.unwrap();
        let posts: Vec<_> = buyers
            .work(round)
            .into_iter()
            .map(|(document, variables)| {
                let post = tokio::spawn(server.post(&token, document, variables.clone()));
                (document, variables, post)
            })
            .collect();
        // Chance decides where it is killed: no two runs of this test are the same.
        let growth = 1 + Uuid::new_v4().as_u64_pair().0 % GROWTH_MAX;
        let all_heard = async {
            while !posts.iter().all(|(_, _, post)| post.is_finished()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = all_heard => {}
            () = grown_to(&*log, Position(before.0 + growth)) => {}
        }
        server.kill();
        println!("round {round}: killed where the log had grown by {growth} or all had been answered");
        for (what, mut process) in beside {
            if process.try_wait().unwrap().is_none() {
                *helped_over.entry(what).or_default() += 1;
            }
            process.kill().unwrap();
            process.wait().unwrap();
        }
        for (document, variables, post) in posts {
            let answer = post.await.unwrap().ok().filter(|answer| answer.get("errors").is_none());
            let answer = answer.map(|mut answer| answer["data"]["done"].take());
            buyers.heard(Asked { document, variables, answer });
        }
        server = at.serve(&[]);
    }
    assert_eq!(helped_over.len(), 2, "neither an import nor a rebuild was ever killed: {helped_over:?}");

    importing::finish(&at, IMPORTED_ORDERS);
    let mut repeated = 0;
    for asked in &buyers.asked {
        let again = server.ask(&token, asked.document, asked.variables.clone()).await["done"].take();
        if let Some(first) = asked.acknowledged() {
            repeated += 1;
            assert_eq!(again["replayed"], true, "{first} was acknowledged, and then {again}");
            assert_eq!(ordered(&again), ordered(first), "{first}, and then {again}");
        }
    }
    assert!(repeated > KILLS, "only {repeated} commands were acknowledged");
    assert!(server.interrupt().success());

    let clock = ManualClock::at(SystemClock.now());
    let city = at.open(Arc::new(clock.clone())).await;
    city.settle().await.unwrap();
    for time in LATER {
        clock.advance(time);
        city.settle().await.unwrap();
    }
    let services = city.services();
    for model in REGISTRY {
        let rebuilt = rebuild(&*log, &services.reads, *model, CHECKPOINT_EVENTS, |_| ()).await.unwrap();
        let compared = rebuilt.compared.expect("the read models have come to the log's end");
        assert!(compared.is_identical(), "{}: {compared:?}", model.name());
    }
    drop(city);
    every_command_is_there_once_and_whole(&Connection::open(at.data().join("log.db")).unwrap());
    let events = events_after(&*log, Position::START).await;
    let sandbox = Sandbox::open(&at.data().join("sandbox.db"), Arc::new(SystemClock)).unwrap();
    everything_holds(&events, &Books::of(&sandbox).await.unwrap(), clock.now());
    let paid = events.iter().filter(|event| matches!(event.event, Event::Payout(payout::Event::Paid { .. })));
    assert!(paid.count() > KILLS / 10, "hardly anyone was paid");
}

/// What must hold in any simulated life holds here, too: among it that nothing was asked of the provider twice, that
/// it did what the log says it did, and that what it holds is an order's or given back.
pub fn everything_holds(events: &[Envelope], books: &Books, now: DateTime<Utc>) {
    let mut runs = Runs::default();
    events.iter().for_each(|event| runs.see(event));
    let rest = Rest { now, at_the_end: true, runs: &runs, books, calls: &[] };
    for mut invariant in invariants::all() {
        for event in events {
            invariant.see(event).unwrap_or_else(|what| panic!("at {}: {what}", event.position.0));
        }
        invariant.at_rest(&rest).unwrap_or_else(|what| panic!("{what}"));
    }
}

/// An event of a command: position, and kind, id and version of its stream.
type Written = (i64, String, Uuid, i64);

/// Positions without a gap; the events of each command beside each other, and exactly those its receipt tells of.
fn every_command_is_there_once_and_whole(log: &Connection) {
    let (count, last): (i64, i64) = log
        .query_row("SELECT count(*), max(position) FROM events", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(count, last, "there is a gap");
    let mut of_commands: HashMap<(Uuid, Uuid), Vec<Written>> = HashMap::new();
    let mut statement = log
        .prepare("SELECT position, partition, kind, id, version, meta FROM events ORDER BY position")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let meta: Value = serde_json::from_str(&row.get::<_, String>(5).unwrap()).unwrap();
        let command: Uuid = meta["command"].as_str().unwrap().parse().unwrap();
        let id = |column| Uuid::from_bytes(row.get(column).unwrap());
        let written = (row.get(0).unwrap(), row.get(2).unwrap(), id(3), row.get(4).unwrap());
        of_commands.entry((id(1), command)).or_default().push(written);
    }
    let mut statement = log.prepare("SELECT partition, command, position, versions FROM receipts").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let id = |column| Uuid::from_bytes(row.get(column).unwrap());
        let (position, versions): (i64, String) = (row.get(2).unwrap(), row.get(3).unwrap());
        let versions: Vec<(String, Uuid, i64)> = serde_json::from_str(&versions).unwrap();
        let events = of_commands.remove(&(id(0), id(1))).unwrap_or_default();
        let reached: BTreeMap<_, _> =
            events.iter().map(|(_, kind, id, version)| ((kind.clone(), *id), *version)).collect();
        let told: BTreeMap<_, _> =
            versions.into_iter().map(|(kind, id, version)| ((kind, id), version)).collect();
        assert_eq!(reached, told, "a command is there by half");
        if let (Some((first, ..)), Some((last, ..))) = (events.first(), events.last()) {
            assert_eq!(
                (last - first + 1, *last),
                (events.len() as i64, position),
                "a command is there twice"
            );
        }
    }
    assert!(of_commands.is_empty(), "events without a receipt: {of_commands:?}");
}
