//! Three processes, one truth: they share the work of a city, die, come back and are replaced, and nobody who asks any of
//! them sees more of it than a connection that breaks.

use super::fleet::{Fleet, PATIENCE, grown_to};
use crate::buyers::{Asked, Buyers, ordered};
use crate::killed::{LATER, everything_holds};
use crate::program::events_after;
use crate::runbook::Page;
use crate::sample;
use chrono::TimeDelta;
use cityos_connectors::sandbox::{Operation, Sandbox};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Event;
use cityos_domain::foundation::tenant;
use cityos_domain::ids::{CommandId, EventId, RunId};
use cityos_domain::ledger::{month, payout};
use cityos_domain::log::{Actor, Envelope, Meta, Origin, Partition, Position, Version};
use cityos_domain::saga_run::{self, PlannedStep, SagaRun, Way};
use cityos_eventstore::clock::{Clock, ManualClock, SystemClock};
use cityos_eventstore::database::postgres::{Limits, Server};
use cityos_eventstore::members::{Duty, Members, Membership};
use cityos_eventstore::store::{Append, EventStore, InputHash, NewEvent};
use cityos_projections::models::REGISTRY;
use cityos_tests::callers::given;
use cityos_tests::city::{City, named};
use cityos_tests::market::{Market, euros};
use cityos_tests::simulation::invariants::Books;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How many processes there are.
const PROCESSES: usize = 3;

/// How often one of them is killed, and what says otherwise.
const KILLS: usize = 12;
const KILLS_VARIABLE: &str = "CITYOS_TESTS_KILLS";

/// Orders that are placed in each round, and at most so many rounds.
const ORDERS: usize = 6;
const ROUNDS_MAX: usize = 10_000;

/// At most so many events are written between two kills.
const GROWTH_MAX: u64 = 400;

const ORDER: &str = "query($id: ID!, $at: Position) { order(id: $id, atLeast: $at) { id } }";

#[tokio::test(flavor = "multi_thread")]
async fn of_three_processes_of_which_one_is_killed_again_and_again_nothing_is_lost_and_nothing_done_twice() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().unwrap());
    let fleet = Fleet::of_sample(PROCESSES, &[]);
    let token = sample::admin(fleet.at());
    let mut buyers = fleet.with(0, async |server| Buyers::of(server, &token, ORDERS, ROUNDS_MAX).await).await;
    let log = fleet.at().log().await;
    let killed_enough = AtomicBool::new(false);
    let killing = async {
        for nth in 0..kills {
            // Chance decides where it is killed: no two runs of this test are the same.
            let growth = 1 + Uuid::new_v4().as_u64_pair().0 % GROWTH_MAX;
            grown_to(&*log, Position(log.head().await.unwrap().0 + growth)).await;
            fleet.kill(nth % PROCESSES).await;
            println!("kill {nth}: after {growth} events");
            fleet.start(nth % PROCESSES, &[]).await;
        }
        killed_enough.store(true, Ordering::Relaxed);
    };
    let buying = async {
        for round in 0..ROUNDS_MAX {
            if killed_enough.load(Ordering::Relaxed) {
                return;
            }
            let work = buyers.work(round).into_iter().map(async |(document, variables)| {
                let answer = fleet.ask(&token, document, &variables).await["done"].take();
                // Whoever is asked next shows it.
                if let (Some(order), Some(at)) = (ordered(&answer), answer["position"].as_str()) {
                    let shown = fleet.ask(&token, ORDER, &json!({ "id": order, "at": at })).await;
                    assert_eq!(shown["order"]["id"], order, "{answer}");
                }
                Asked { document, variables, answer: Some(answer) }
            });
            join_all(work).await.into_iter().for_each(|asked| buyers.heard(asked));
        }
    };
    tokio::join!(killing, buying);

    for asked in &buyers.asked {
        let again = fleet.ask(&token, asked.document, &asked.variables).await["done"].take();
        if let Some(first) = asked.acknowledged() {
            assert_eq!(again["replayed"], true, "{first} was acknowledged, and then {again}");
            assert_eq!(ordered(&again), ordered(first), "{first}, and then {again}");
        }
    }
    let acknowledged = buyers.asked.iter().filter_map(Asked::acknowledged).count();
    assert!(acknowledged > 5 * kills, "only {acknowledged} commands were acknowledged");
    let (at, ended) = fleet.interrupt().await;
    assert!(ended.iter().all(|status| status.success()), "{ended:?}");

    let clock = ManualClock::at(SystemClock.now());
    let city = at.open(Arc::new(clock.clone())).await;
    city.settle().await.unwrap();
    for time in LATER {
        clock.advance(time);
        city.settle().await.unwrap();
    }
    drop(city);
    for command in [&["projection", "verify", "--all"][..], &["audit", "money"], &["audit", "verify"]] {
        let ended = at.run(command);
        assert_eq!(ended.code, Some(0), "{command:?}: {}{}", ended.said, ended.complained);
    }
    let events = events_after(&*log, Position::START).await;
    every_command_is_there_once_and_whole(&*log, &events).await;
    let sandbox = Sandbox::open(&at.data().join("sandbox.db"), Arc::new(SystemClock)).unwrap();
    everything_holds(&events, &Books::of(&sandbox).await.unwrap(), clock.now());
    println!("{kills} kills, {acknowledged} commands acknowledged, {} events", events.len());
}

/// Positions without a gap; the events of each command beside each other, and exactly those its receipt tells of.
async fn every_command_is_there_once_and_whole(log: &dyn EventStore, events: &[Envelope]) {
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.position.0, at as u64 + 1, "there is a gap");
    }
    let mut of_commands: HashMap<_, Vec<&Envelope>> = HashMap::new();
    for event in events {
        of_commands.entry((event.stream.partition, event.meta.command)).or_default().push(event);
    }
    for ((partition, command), events) in of_commands {
        let receipt = log.receipt(partition, command).await.unwrap().expect("every command has a receipt");
        let (first, last) = (events[0].position, events[events.len() - 1].position);
        assert_eq!(last.0 - first.0 + 1, events.len() as u64, "a command is there twice");
        assert_eq!(receipt.position, last);
        let reached: BTreeMap<_, _> = events.iter().map(|event| (event.stream, event.version)).collect();
        assert_eq!(receipt.versions.iter().copied().collect::<BTreeMap<_, _>>(), reached);
    }
}

/// So long at most the shares of a process that was killed wait for another: what deploy/RUNBOOK.md says.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_did_is_done_by_others_a_moment_later() {
    let fleet = Fleet::of_sample(1, &[]);
    let (at, token) = (fleet.at(), sample::admin(fleet.at()));
    let market = fleet.with(0, async |server| sample::Market::of(server, &token).await).await;
    Page::titled("Several processes").step(at);
    let api = at.serve(&["--role", "api"]);
    assert!(fleet.take(0).await.interrupt().success());
    let refused = at.run(&["serve", "--role", "saga", "--sample"]);
    assert!(refused.code == Some(1) && refused.complained.contains("--sample"), "{}", refused.complained);
    let mut projectors = ["projector"; 2].map(|role| Some(at.work(role)));
    let mut drivers = ["saga"; 2].map(|role| Some(at.work(role)));
    let listed = at.run(&["process", "list", "--json"]);
    let listed: Vec<Value> =
        listed.said.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let moves = |process: &Value| process["moves"].as_array().expect("it is a list").clone();
    let moved: Vec<_> = listed.iter().flat_map(moves).map(|model| model.to_string()).collect();
    assert_eq!(listed.len(), 5, "{listed:?}");
    assert_eq!(moved.len(), REGISTRY.len(), "{listed:?}");
    assert_eq!(
        moved.iter().collect::<BTreeSet<_>>().len(),
        REGISTRY.len(),
        "each is moved by one: {listed:?}"
    );

    let log = at.log().await;
    for nth in 0..2 {
        // There are two of each again, or one is left.
        drop((projectors[nth].take(), drivers[nth].take()));
        let killed = Instant::now();
        let orders = (0..8).map(async |order| {
            let order = json!({ "input": market.order(1), "key": format!("order {order} after kill {nth}") });
            let answer = api.ask(&token, sample::PLACE_ORDER, order).await["placeOrder"].take();
            assert_ne!(answer["__typename"], "Rejection", "{answer}");
        });
        join_all(orders).await;
        loop {
            let head = log.head().await.unwrap();
            let runs = "{ sagaRuns(first: 100, filter: { saga: \"checkout\" }) { nodes { state } } }";
            let runs = api.ask(&token, runs, json!({})).await["sagaRuns"]["nodes"].take();
            let runs = runs.as_array().expect("it is a list");
            if runs.len() >= 8 * (nth + 1) && runs.iter().all(|run| run["state"] == "COMPLETED") {
                break;
            }
            assert!(killed.elapsed() < PATIENCE, "the runs are not driven: {runs:?}");
            log.changed(head, Duration::from_millis(100)).await;
        }
        let took = killed.elapsed();
        assert!(took < TAKEN_OVER_WITHIN, "{took:?}");
        println!("done {took:?} after a kill");
        (projectors[nth], drivers[nth]) = (Some(at.work("projector")), Some(at.work("saga")));
    }
}

/// How often a load balancer asks processes how they are: much more often than they drain for.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(50);

/// Sends callers to the processes that say they are well, as a load balancer does.
struct Balancer<'f> {
    fleet: &'f Fleet,
    well: watch::Sender<Vec<String>>,
    http: reqwest::Client,
    sent: AtomicUsize,
}

impl Balancer<'_> {
    /// Asks all of them how they are, again and again.
    async fn look(&self) {
        let mut period = tokio::time::interval(LOOKED_AT_EVERY);
        loop {
            period.tick().await;
            let mut well = Vec::new();
            for url in self.fleet.urls().await {
                let asked = self.http.get(format!("{url}/health")).send().await;
                if asked.is_ok_and(|answer| answer.status().is_success()) {
                    well.push(url);
                }
            }
            self.well.send_replace(well);
        }
    }

    async fn ask(&self, token: &str, document: &str, variables: Value) -> Value {
        let url = {
            let well = self.well.borrow();
            assert!(well.len() > 1, "one at a time is replaced");
            well[self.sent.fetch_add(1, Ordering::Relaxed) % well.len()].clone()
        };
        let request = self.http.post(format!("{url}/graphql")).bearer_auth(token);
        let request = request.json(&json!({ "query": document, "variables": variables }));
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer.get("errors"), None, "{document}");
        answer["data"].take()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_three_processes_are_replaced_one_after_another_no_request_fails() {
    let drains = ["--set", "shutdown_drain_s=1"];
    let fleet = Fleet::of_sample(PROCESSES, &drains);
    let token = sample::admin(fleet.at());
    let market = fleet.with(0, async |server| sample::Market::of(server, &token).await).await;
    let urls = fleet.urls().await;
    let (well, http, sent) = (watch::Sender::new(urls.clone()), reqwest::Client::new(), AtomicUsize::new(0));
    let balancer = Balancer { fleet: &fleet, well, http, sent };
    let (replaced, placed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let replacing = async {
        for nth in 0..PROCESSES {
            fleet.replace(nth, &drains).await;
            // The next one goes when callers are sent to the one that has come.
            let new = fleet.urls().await.swap_remove(nth);
            balancer.well.subscribe().wait_for(|well| well.contains(&new)).await.unwrap();
        }
        replaced.store(true, Ordering::Relaxed);
    };
    let buying = join_all((0..8).map(async |buyer| {
        for number in 0.. {
            if replaced.load(Ordering::Relaxed) {
                return;
            }
            let order = json!({ "input": market.order_of_plenty(), "key": format!("{buyer} {number}") });
            let answer = balancer.ask(&token, sample::PLACE_ORDER, order).await["placeOrder"].take();
            if let (Some(order), Some(at)) = (answer["order"]["id"].as_str(), answer["position"].as_str()) {
                let shown = balancer.ask(&token, ORDER, json!({ "id": order, "at": at })).await;
                assert_eq!(shown["order"]["id"], order, "{answer}");
                placed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    tokio::select! {
        () = balancer.look() => {}
        _ = async { tokio::join!(replacing, buying) } => {}
    }
    let now = fleet.urls().await;
    assert!(now.len() == PROCESSES && urls.iter().all(|before| !now.contains(before)), "all were replaced");
    let placed = placed.into_inner();
    assert!(placed > 10 * PROCESSES, "only {placed} orders were placed");
    println!("{placed} orders were placed meanwhile");
}

/// How many entries are to be paid.
const ENTRIES: usize = 137;

#[tokio::test(flavor = "multi_thread")]
async fn s18_across_processes_a_schedule_and_a_manual_trigger_pay_each_vendor_once_and_every_entry_in_one_payout()
 {
    let city = City::on_postgres().await;
    let market = Market::open(&city, "bazaar").await;
    let policies = json!({
        "holdDays": 0, "capture": "AT_SHIPMENT", "dailyPayoutHour": 12,
        "payoutMinimums": [euros("25.00"), { "amount": "25.00", "currency": "USD" }],
        "authorisationHours": 168, "reservationMinutes": 15,
    });
    market.admin.does("changeTenantPolicies", policies, "").await;
    let names = ["alma", "basil", "cedar", "dora"];
    let mut vendors = Vec::new();
    for name in names {
        vendors.push(market.vendor(name).await);
    }
    let dollars = |amount: String| json!({ "amount": amount, "currency": "USD" });
    // Of one vendor just too little, of one just enough; of one enough and a debt in dollars; the rest in two currencies.
    let mut entries =
        vec![(1, euros("24.99")), (2, euros("25.00")), (3, euros("30.00")), (3, dollars("-10.00".into()))];
    entries.extend((entries.len()..ENTRIES).map(|number| match number % 2 {
        0 => (0, euros(&format!("{}.00", 10 + number))),
        _ => (0, dollars(format!("{}.00", 20 + number))),
    }));
    for (vendor, amount) in entries {
        let adjustment = json!({ "vendor": vendors[vendor], "amount": amount, "against": "ADJUSTMENTS",
            "reason": "made good" });
        market.admin.does("postAdjustment", adjustment, "").await;
    }
    city.settle().await;

    // From now on three others do what there is to do. Each takes itself for the only one: the worst there can be.
    let _still = city.hold().await;
    let stop = CancellationToken::new();
    let mut working = JoinSet::new();
    for _ in 0..PROCESSES {
        let app = city.opened_again().await;
        let (engine, projector) = (app.services().engine.clone(), app.services().projector.clone());
        let (alone, stopped) = (Members::alone(Duty::ALL), stop.clone());
        let moved = alone.clone();
        working.spawn(async move { engine.run(alone, stopped.cancelled_owned()).await });
        let stopped = stop.clone();
        working.spawn(async move { projector.run(moved, stopped.cancelled_owned()).await });
    }
    city.clock.advance(TimeDelta::days(1));
    let wishes = (0..2).map(|wish| {
        let (wish, admin) = (format!("wish {wish}"), &market.admin);
        async move { admin.answer(given("runPayouts", &wish, json!({ "reason": wish }), "")).await }
    });
    for answer in join_all(wishes).await {
        assert_eq!(answer["__typename"], "PayoutRunStarted");
    }
    let log = city.app().services().executor.store();
    let begun = Instant::now();
    let events = loop {
        let head = log.head().await.unwrap();
        let events = city.log_of(&market.tenant).await;
        let of = |wanted: fn(&Event) -> bool| events.iter().filter(|it| wanted(&it.event)).count();
        let begun_and_over = [
            of(|event| matches!(event, Event::Payout(payout::Event::Requested { .. }))),
            of(|event| {
                matches!(event, Event::Payout(payout::Event::Paid { .. } | payout::Event::Voided { .. }))
            }),
        ];
        let fired = of(|event| matches!(event, Event::Tenant(tenant::Event::PayoutsDue { .. })));
        if fired > 0 && begun_and_over[0] == begun_and_over[1] {
            assert_eq!(fired, 1, "the timer fires once");
            break events;
        }
        assert!(begun.elapsed() < PATIENCE, "the payouts do not end: {begun_and_over:?}");
        log.changed(head, Duration::from_secs(1)).await;
    };
    stop.cancel();
    working.join_all().await;

    let (mut claims, mut claimed) = (BTreeMap::new(), BTreeSet::new());
    for event in &events {
        if let Event::Payout(payout::Event::Claimed { vendor, amount }) = &event.event {
            let before = claims.insert((*vendor, amount.currency), amount.minor);
            assert_eq!(before, None, "a second payout");
        } else if let Event::Ledger(month::Event::EntriesClaimed { entries, .. }) = &event.event {
            entries.iter().for_each(|entry| assert!(claimed.insert(*entry), "an entry in two payouts"));
        }
    }
    // What is too little, and the debt, are carried.
    assert_eq!((claims.len(), claimed.len()), (4, ENTRIES - 2));
    let by_hand: i64 =
        (4..ENTRIES as i64).map(|number| if number % 2 == 0 { 10 + number } else { 20 + number }).sum();
    assert_eq!(claims.values().sum::<i64>(), 100 * (by_hand + 25 + 30));
    let sent = city.sandbox.done(Operation::Transfer).await.unwrap();
    assert_eq!(sent.into_iter().filter_map(|sent| sent.minor).sum::<i64>(), 100 * (by_hand + 25 + 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_version_takes_no_work_away_and_what_it_may_know_is_left_to_it() {
    let city = City::on_postgres().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let (offer, customer) = (market.offer(&vendor, "soap", "10.00", "0.00").await, market.customer().await);
    city.settle().await;
    let _still = city.hold().await;
    let database = city.app().settings().database.get().expect("it is on a server").to_owned();
    let server = Server::new(&database, None, Limits::default()).unwrap();
    let newer = Membership::join(&server, Duty::ALL, Uuid::new_v4()).await.unwrap();
    let app = city.opened_again().await;
    let moving = app.start(Duty::ALL).await.unwrap();

    let (partition, run) = (Partition::Tenant(named(&market.tenant)), RunId(Uuid::new_v4()));
    let (command, cause) = (CommandId(Uuid::new_v4()), EventId(Uuid::new_v4()));
    let steps = vec![PlannedStep { name: "fly".into(), way: Way::Back }];
    let started = saga_run::Event::Started { saga: "moonshot".into(), steps, input: json!({}), cause };
    let stream = SagaRun::stream(partition, run);
    let log = app.services().executor.store();
    let append = Append {
        partition,
        relies_on: vec![(stream, Version(0))],
        events: vec![NewEvent { id: command.event(0), stream, at: city.clock.now(), event: started.into() }],
        meta: Meta::of(command, Actor::user("tomorrow"), Origin::Live),
        input: InputHash([0; 32]),
    };
    let appended = log.append(append).await.unwrap();
    let happened = async |after: u64| log.read(stream, Version(after), 10).await.unwrap();

    // It falls due before what this order calls for.
    assert!(app.services().projector.reached(appended.position, PATIENCE).await.unwrap());
    let (order, _) = market.order(&customer, &[(&offer, 1)]).await;
    assert!(app.services().projector.reached(log.head().await.unwrap(), PATIENCE).await.unwrap());
    let shown = market.admin.ask(&format!("{{ order(id: \"{order}\") {{ status }} }}")).await;
    assert_eq!(shown["order"]["status"], "PLACED", "{shown}");
    assert_eq!(happened(1).await, [], "the newer program may know what that is");

    newer.leave().await;
    let begun = Instant::now();
    while happened(1).await.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "nobody says that nobody knows it");
        log.changed(log.head().await.unwrap(), Duration::from_millis(100)).await;
    }
    let parked = happened(1).await.remove(0).event;
    assert!(matches!(&parked, Event::SagaRun(saga_run::Event::Parked { .. })), "{parked:?}");
    moving.stop().await;
}
