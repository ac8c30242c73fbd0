//! Runs of sagas that went wrong, and the operator's desk: the real program beside a server, and without one.

use crate::program::{Installation, Server, events_after};
use chrono::Utc;
use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::AggregateEvent;
use cityos_domain::ids::{CommandId, EventId, RunId, TenantId};
use cityos_domain::log::{Actor, Envelope, Meta, Origin, Partition, Position, StreamId, Version};
use cityos_domain::saga_run::{self, Outcome, PlannedStep, SagaRun, Way};
use cityos_eventstore::copy::LogRows;
use cityos_eventstore::store::{Append, EventStore, InputHash, NewEvent};
use cityos_gateway::sample;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a run may take to come where it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sample's tenant.
const SOUQ: &str = "souq";

/// What happened to a run, in order.
pub async fn history(log: &dyn EventStore, run: &str) -> Vec<saga_run::Event> {
    let run = Uuid::parse_str(run).unwrap();
    let of_run = |envelope: Envelope| {
        let event = saga_run::Event::of(&envelope.event).filter(|_| envelope.stream.id == run)?;
        Some(event.clone())
    };
    events_after(log, Position::START).await.into_iter().filter_map(of_run).collect()
}

/// Returns once a run has come to something. A server must be at work.
pub async fn comes_to(log: &dyn EventStore, run: &str, is_it: impl Fn(&saga_run::Event) -> bool) {
    let begun = Instant::now();
    loop {
        let head = log.head().await.unwrap();
        let happened = history(log, run).await;
        if happened.last().is_some_and(&is_it) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "run {run} does not come to it: {happened:?}");
        log.changed(head, PATIENCE).await;
    }
}

pub fn is_parked(event: &saga_run::Event) -> bool {
    matches!(event, saga_run::Event::Parked { .. })
}

pub fn is_over(event: &saga_run::Event) -> bool {
    matches!(event, saga_run::Event::Ended { .. })
}

fn ended(outcome: Outcome) -> saga_run::Event {
    saga_run::Event::ended(outcome)
}

/// A city with a log to look into.
struct Desk {
    city: Installation,
    log: Arc<dyn LogRows>,
}

impl Desk {
    /// With the sample, served.
    async fn open() -> (Desk, Server) {
        let city = Installation::new();
        let server = city.serve(&["--sample"]);
        let log = city.log().await;
        (Desk { city, log }, server)
    }

    /// Runs `cityos saga …`: the exit code, and the JSON lines.
    fn saga(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let ended = self.city.run(&[&["saga"], arguments, &["--json"]].concat());
        let lines = ended.said.lines().map(|line| serde_json::from_str(line).unwrap());
        (ended.code, lines.collect())
    }

    /// Runs `cityos saga …`, which is refused: what it complains of.
    fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.city.run(&[&["saga"], arguments].concat());
        assert!(!matches!(ended.code, Some(0 | 3)), "{arguments:?}: {}", ended.said);
        ended.complained
    }

    /// Starts a drill: its run.
    fn drill(&self, failing: &[&str]) -> String {
        let failing: Vec<_> = failing.iter().flat_map(|fail| ["--fail", fail]).collect();
        let (code, lines) = self.saga(&[&["drill", "--tenant", SOUQ], &failing[..]].concat());
        assert_eq!(code, Some(0));
        lines[0]["run"].as_str().unwrap().to_owned()
    }

    /// Starts drills that park, and waits until all have.
    async fn parked<const N: usize>(&self, failing: [&[&str]; N]) -> [String; N] {
        let runs = failing.map(|failing| self.drill(failing));
        for run in &runs {
            comes_to(&*self.log, run, is_parked).await;
        }
        runs
    }

    fn show(&self, run: &str) -> Value {
        let (code, mut lines) = self.saga(&["show", run]);
        assert_eq!((code, lines.len()), (Some(0), 1));
        lines.remove(0)
    }

    async fn head(&self) -> Position {
        self.log.head().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d38_a_run_that_fails_while_it_undoes_is_listed_others_go_on_and_an_operator_has_it_finish() {
    let (desk, _server) = Desk::open().await;
    let [stuck] = desk.parked([&["commit", "reserve:undo"]]).await;
    let healthy = desk.drill(&["prepare=transient"]);
    comes_to(&*desk.log, &healthy, |event| *event == ended(Outcome::Completed)).await;

    let (_, parked) = desk.saga(&["list", "--state", "parked"]);
    let [row] = &parked[..] else { panic!("{parked:?}") };
    assert_eq!((&row["run"], &row["tenant"], &row["saga"]), (&json!(stuck), &json!(SOUQ), &json!("drill")));
    assert_eq!((&row["step"], &row["direction"]), (&json!("reserve"), &json!("back")));
    assert_eq!(row["error_code"], "DRILL_REFUSED");
    let shown = desk.show(&stuck);
    assert_eq!(shown["way_back"], "would undo `reserve`, then `prepare`");

    let by = ["--operator", "bob", "--reason", "the warehouse is back"];
    let (code, done) = desk.saga(&[&["retry", &stuck], &by[..]].concat());
    assert_eq!((code, &done[0]["outcome"]), (Some(0), &json!("done")));
    comes_to(&*desk.log, &stuck, |event| *event == ended(Outcome::Compensated)).await;
    let shown = desk.show(&stuck);
    let timeline = shown["timeline"].as_array().unwrap();
    let retried = timeline.iter().find(|entry| entry["what"] == "retried").unwrap();
    assert_eq!(
        (&retried["actor"], &retried["reason"]),
        (&json!("operator:bob"), &json!("the warehouse is back"))
    );
    let undone: Vec<_> = timeline.iter().filter(|entry| entry["what"] == "undone").collect();
    assert_eq!(undone.len(), 2, "{timeline:?}");
    assert!(undone[0]["attempt"] == 2 && undone[0]["key"].is_string(), "{undone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measure_that_the_run_does_not_admit_is_refused_with_the_reason_and_changes_nothing() {
    let (desk, _server) = Desk::open().await;
    let [past, unsure] = desk.parked([&["record"], &["commit=unknown:3"]]).await;
    let over = desk.drill(&[]);
    comes_to(&*desk.log, &over, is_over).await;
    let head = desk.head().await;
    for (arguments, code) in [
        (&["compensate", &past[..]][..], "SAGA_RUN_PAST_RETURN"),
        (&["compensate", &unsure], "SAGA_RUN_PAST_RETURN"),
        (&["skip", "commit", &past], "SAGA_RUN_OTHER_STEP"),
        (&["retry", &over], "SAGA_RUN_ENDED"),
        (&["abandon", &over], "SAGA_RUN_ENDED"),
        (&["skip", "record", &past, "--learned", r#"{"done": 7}"#], "INVALID_INPUT"),
    ] {
        for how in [&["--reason", "try"][..], &["--dry-run"]] {
            let (exit, lines) = desk.saga(&[arguments, how].concat());
            assert_eq!((exit, &lines[0]["code"]), (Some(3), &json!(code)), "{arguments:?}: {lines:?}");
            let field = if code == "INVALID_INPUT" { json!("learned") } else { Value::Null };
            assert_eq!(lines[0]["field"], field, "{arguments:?}: {lines:?}");
        }
    }
    assert_eq!(desk.show(&past)["way_back"].as_str().unwrap().split(':').next(), Some("none"));
    let complaint = desk.refused(&["retry", &past]);
    assert!(complaint.contains("--reason"), "{complaint}");
    assert!(desk.refused(&["retry", &past, "--reason", " "]).contains("--reason"));
    assert!(desk.refused(&["retry", "--reason", "all"]).contains("name a run"));
    assert!(desk.refused(&["show", &Uuid::new_v4().to_string()]).contains("there is no run"));
    let misspelt = desk.refused(&["list", "--saga", "payuot"]);
    assert!(
        misspelt.contains("there is no saga `payuot`, but: ") && misspelt.contains("payout"),
        "{misspelt}"
    );
    let none = desk.city.run(&["saga", "retry", "--saga", "payout", "--state", "parked", "--reason", "all"]);
    assert_eq!((none.code, &none.said[..]), (Some(0), "No run is found: nothing was done.\n"));
    assert_eq!(desk.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_bulk_nothing_is_done_without_the_right_count_and_a_run_that_refuses_stops_no_other() {
    let (desk, _server) = Desk::open().await;
    let [back, past, other] =
        desk.parked([&["commit=transient:3"], &["commit=unknown:3"], &["record=permanent"]]).await;
    let head = desk.head().await;
    let bulk = |measure, more: &[&'static str]| {
        desk.saga(&[&[measure, "--saga", "drill", "--state", "parked"], more].concat())
    };
    let of_all = ["compensate", "--saga", "drill", "--state", "parked", "--reason", "no"];
    assert!(desk.refused(&of_all).contains("3 runs found: nothing was done; --confirm 3 does it"));
    let of_many = ["skip", "commit", "--saga", "drill", "--learned", "{}", "--reason", "no"];
    assert!(desk.refused(&of_many).contains("--learned is about one run"));
    let wrong = desk.refused(&[&of_all[..], &["--confirm", "2"]].concat());
    assert!(wrong.contains("3 runs found, not the 2 confirmed: nothing was done"), "{wrong}");
    let (code, foreseen) = bulk("compensate", &["--dry-run"]);
    assert_eq!((code, foreseen.len()), (Some(3), 3));
    assert_eq!(desk.head().await, head, "nothing was written so far");

    let (code, done) = bulk("compensate", &["--reason", "the fair is off", "--confirm", "3"]);
    assert_eq!(code, Some(3));
    let outcome = |run: &str| {
        let line = done.iter().find(|line| line["run"] == run).unwrap();
        (line["outcome"].as_str().unwrap(), line["code"].as_str())
    };
    assert_eq!(outcome(&back), ("done", None));
    assert_eq!(outcome(&past), ("refused", Some("SAGA_RUN_PAST_RETURN")));
    assert_eq!(outcome(&other), ("refused", Some("SAGA_RUN_PAST_RETURN")));
    comes_to(&*desk.log, &back, |event| *event == ended(Outcome::Compensated)).await;

    let (code, done) = desk.saga(&[
        "retry",
        "--cause",
        "DRILL_REFUSED",
        "--older-than",
        "0s",
        "--tenant",
        SOUQ,
        "--reason",
        "the books are open",
        "--confirm",
        "1",
    ]);
    assert_eq!((code, &done[0]["run"]), (Some(0), &json!(other)));
    comes_to(&*desk.log, &other, |event| *event == ended(Outcome::Completed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d45_a_run_that_is_given_up_says_in_the_log_and_to_operators_what_stays() {
    let (desk, _server) = Desk::open().await;
    let [run] = desk.parked([&["commit=unknown:3"]]).await;
    let (code, foreseen) = desk.saga(&["abandon", &run, "--dry-run"]);
    let foreseen = (code, foreseen[0]["then"].as_str().unwrap().to_owned());
    let told = "is given up; done and not undone: `prepare`, then `reserve`; perhaps done: `commit`; \
                 not done: `record`";
    assert_eq!(foreseen, (Some(0), told.to_owned()));
    desk.saga(&["abandon", &run, "--reason", "it was done by hand"]);
    let stays = vec!["prepare".into(), "reserve".into()];
    let given_up = saga_run::Event::given_up(stays, vec!["commit".into()], vec!["record".into()]);
    assert_eq!(history(&*desk.log, &run).await.last(), Some(&given_up));
    let shown = desk.show(&run);
    assert_eq!(shown["state"], "abandoned");
    let last = shown["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["message"], &last["reason"]), (&json!(told), &json!("it was done by hand")));
    assert_eq!(shown["steps"][2], json!({ "step": "commit", "way": "pivot", "is": "perhaps_done" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_a_measure_waits_for_the_next_one_and_its_repetition_is_refused() {
    let (desk, server) = Desk::open().await;
    let [skipped, retried] = desk.parked([&["record=permanent:20"], &["record"]]).await;
    assert!(server.interrupt().success());

    let skip = ["skip", "record", &skipped, "--learned", r#"{"done": {}}"#, "--reason", "written by hand"];
    assert_eq!(desk.saga(&skip).0, Some(0));
    assert_eq!(history(&*desk.log, &skipped).await.last(), Some(&ended(Outcome::Completed)));
    let retry = ["retry", &retried, "--reason", "the books are open"];
    assert_eq!(desk.saga(&retry).0, Some(0));
    assert_eq!(history(&*desk.log, &retried).await.last(), Some(&saga_run::Event::Retried {}));
    let (code, again) = desk.saga(&retry);
    assert_eq!((code, &again[0]["code"]), (Some(3), &json!("SAGA_RUN_GOES_ON")));

    let _server = desk.city.serve(&[]);
    comes_to(&*desk.log, &retried, |event| *event == ended(Outcome::Completed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d44_a_run_of_a_saga_this_program_does_not_have_is_parked_and_can_be_looked_at_and_given_up() {
    let (desk, _server) = Desk::open().await;
    let TenantId(tenant) = sample::tenant();
    let partition = Partition::Tenant(TenantId(tenant));
    let id = CommandId(Uuid::new_v4());
    let run = RunId(Uuid::new_v4());
    let steps = vec![PlannedStep { name: "fly".into(), way: Way::Back }];
    let (input, cause) = (json!({ "to": "the moon" }), EventId(Uuid::new_v4()));
    let started = saga_run::Event::Started { saga: "moonshot".into(), steps, input, cause };
    let stream: StreamId = SagaRun::stream(partition, run);
    let append = Append {
        partition,
        relies_on: vec![(stream, Version(0))],
        events: vec![NewEvent { id: id.event(0), stream, at: Utc::now(), event: started.into() }],
        meta: Meta::of(id, Actor::user("tomorrow"), Origin::Live),
        input: InputHash([0; 32]),
    };
    desk.log.append(append).await.unwrap();
    let run = run.to_string();
    comes_to(&*desk.log, &run, is_parked).await;
    let shown = desk.show(&run);
    assert_eq!((&shown["saga"], &shown["input"]), (&json!("moonshot"), &json!({ "to": "the moon" })));
    assert_eq!(shown["not_driven"], "this program has no saga `moonshot`");
    let (_, listed) = desk.saga(&["list", "--saga", "moonshot"]);
    assert_eq!((listed.len(), &listed[0]["run"]), (1, &json!(run)));
    let (_, foreseen) = desk.saga(&["retry", &run, "--dry-run"]);
    let then = foreseen[0]["then"].as_str().unwrap();
    assert!(then.contains("no saga `moonshot`: this program would park it"), "{then}");
    assert_eq!(desk.saga(&["abandon", &run, "--reason", "nobody flies"]).0, Some(0));
    assert_eq!(
        history(&*desk.log, &run).await.last(),
        Some(&saga_run::Event::given_up(vec![], vec![], vec!["fly".into()]))
    );
}
