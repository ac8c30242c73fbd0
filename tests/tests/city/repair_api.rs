//! The operator's desk for runs of sagas through the API: what admins see and do of their own tenant's runs.

use chrono::TimeDelta;
use cityos_connectors::sandbox::{Fault, Operation};
use cityos_domain::aggregate::Aggregate;
use cityos_domain::drill::{Command, Drill, Failing, Step};
use cityos_domain::ids::{CommandId, DrillId, EventId, RunId, TenantId};
use cityos_domain::log::{Actor, Meta, Origin, Partition, Version};
use cityos_domain::saga_run::{self, Direction, FailureKind, PlannedStep, SagaRun, Way};
use cityos_domain::workspace::Tell;
use cityos_eventstore::clock::Clock;
use cityos_eventstore::executor;
use cityos_eventstore::store::{Append, EVENTS_PER_APPEND_MAX, InputHash, NewEvent};
use cityos_gateway::graphql::ids::Id;
use cityos_sagas::registry::run_of;
use cityos_tests::callers::{code_of, given};
use cityos_tests::city::{City, named};
use cityos_tests::market::Market;
use cityos_tests::schema::{list, text};
use serde_json::{Value, json};
use uuid::Uuid;

/// Fails for good at a step, once.
fn fails(step: Step, direction: Direction, kind: FailureKind, attempts: u32) -> Failing {
    Failing { step, direction, kind, attempts }
}

/// A drill of a tenant, played as far as it goes by itself: the id of its run.
async fn drill(city: &City, tenant: &str, failing: Vec<Failing>) -> String {
    let executor = &city.app().services().executor;
    let partition = Partition::Tenant(named::<TenantId>(tenant));
    let id = CommandId(Uuid::new_v4());
    let start = Tell::<Drill> { id: id.creates::<DrillId>("drill"), command: Command::Start { failing } };
    let meta = Meta::of(id, Actor::user("trainer"), Origin::Live);
    let (at, input) = (city.clock.now(), InputHash([0; 32]));
    let command = executor::Command { partition, at, meta, input, expected: None };
    executor.execute(&command, &start).await.unwrap();
    for _ in 0..5 {
        city.pass(TimeDelta::seconds(5)).await;
    }
    Id::<RunId>(run_of("drill", id.event(0))).encode()
}

async fn run(market: &Market<'_>, id: &str) -> Value {
    let query = "query($id: ID!) { sagaRun(id: $id) { state step version memo errorCode
        timeline { what step attempt key failure code actor reason message }
        compensationPreview { undoes noWayBack { code } } } }";
    market.admin.ask_with(query, &json!({ "id": id })).await["sagaRun"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_what_happened_to_a_run_and_what_it_would_undo_and_has_it_go_on() {
    use Direction::{Back, Forward};
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let refused = |step, direction| fails(step, direction, FailureKind::Permanent, 1);
    let stuck =
        drill(&city, &market.tenant, vec![refused(Step::Commit, Forward), refused(Step::Reserve, Back)])
            .await;
    let shown = run(&market, &stuck).await;
    assert_eq!((&shown["state"], &shown["step"]), (&json!("PARKED"), &json!("reserve")));
    assert_eq!(shown["compensationPreview"], json!({ "undoes": ["reserve", "prepare"], "noWayBack": null }));
    let happened: Vec<_> = list(&shown["timeline"]).iter().map(|entry| text(&entry["what"])).collect();
    assert_eq!(happened, ["STARTED", "DONE", "DONE", "FAILED", "TURNED", "FAILED", "PARKED"]);
    let failed = &shown["timeline"][5];
    assert_eq!((&failed["failure"], &failed["code"]), (&json!("PERMANENT"), &json!("DRILL_REFUSED")));
    assert!(text(&failed["key"]).ends_with(":reserve:back"), "{failed}");

    let show = "run { state timeline { what actor reason } }";
    let retry = || {
        let input = json!({ "id": stuck, "reason": "the warehouse is back" });
        market.admin.answer(given("retrySagaRun", "once", input, show))
    };
    let first = retry().await;
    assert_eq!((&first["run"]["state"], &first["replayed"]), (&json!("RUNNING"), &json!(false)));
    let retried = json!({ "what": "RETRIED", "actor": "user:ada", "reason": "the warehouse is back" });
    assert_eq!(list(&first["run"]["timeline"]).last(), Some(&retried));
    city.settle().await;
    assert_eq!(run(&market, &stuck).await["state"], "COMPENSATED");
    let mut again = retry().await;
    assert_eq!(again["replayed"].take(), true);
    again["replayed"] = json!(false);
    assert_eq!(again, first, "a repeated mutation answers as the first time, its timeline too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_does_not_admit_is_a_rejection_and_a_stale_look_at_it_a_conflict() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let lost = fails(Step::Commit, Direction::Forward, FailureKind::Unknown, 3);
    let unsure = drill(&city, &market.tenant, vec![lost]).await;
    let over = drill(&city, &market.tenant, vec![]).await;
    let shown = run(&market, &unsure).await;
    let no_way_back = json!({ "undoes": [], "noWayBack": { "code": "SAGA_RUN_PAST_RETURN" } });
    assert_eq!((&shown["state"], &shown["compensationPreview"]), (&json!("PARKED"), &no_way_back));
    assert_eq!(run(&market, &over).await["compensationPreview"], Value::Null);
    let because = |id: &str| json!({ "id": id, "reason": "try" });
    let skip = |step: &str| json!({ "id": unsure, "step": step, "reason": "try" });
    let unfit = json!({ "id": unsure, "step": "commit", "reason": "try", "learned": { "done": 7 } });
    for (field, input, code) in [
        ("compensateSagaRun", because(&unsure), "SAGA_RUN_PAST_RETURN"),
        ("skipSagaRunStep", skip("record"), "SAGA_RUN_OTHER_STEP"),
        ("skipSagaRunStep", unfit, "INVALID_INPUT"),
        ("retrySagaRun", because(&over), "SAGA_RUN_ENDED"),
        ("abandonSagaRun", because(&over), "SAGA_RUN_ENDED"),
        ("abandonSagaRun", json!({ "id": unsure, "reason": " " }), "INVALID_INPUT"),
    ] {
        assert_eq!(market.admin.is_rejected(field, input).await, code, "{field}");
    }
    let version = shown["version"].as_u64().unwrap();
    let mut stale = given("abandonSagaRun", "stale", because(&unsure), "run { state }");
    stale.expected = Some(version - 1);
    assert_eq!(market.admin.answer(stale.clone()).await["__typename"], "VersionConflict");
    let learned = json!({ "done": { "commit": "by hand" } });
    let preview = "query($filter: SagaRunFilter!, $learned: JSON) {
        sagaRunRepairs(filter: $filter, measure: SKIP, step: \"commit\", learned: $learned) {
            runs { then notDriven refused { code field } } } }";
    let foreseen = async |learned: &Value| {
        let variables = json!({ "filter": { "id": unsure }, "learned": learned });
        market.admin.ask_with(preview, &variables).await["sagaRunRepairs"]["runs"][0].take()
    };
    let goes = json!({ "then": "goes on with `record`", "notDriven": null, "refused": null });
    assert_eq!(foreseen(&learned).await, goes);
    let refused = json!({ "code": "INVALID_INPUT", "field": "learned" });
    assert_eq!(foreseen(&json!({ "done": 7 })).await["refused"], refused);
    let of_all = json!({ "filter": { "saga": "drill" }, "learned": learned });
    assert_eq!(code_of(&market.admin.respond(preview, &of_all).await), "BAD_REQUEST");
    let by_hand = json!({ "id": unsure, "step": "commit", "reason": "by hand", "learned": learned });
    market.admin.does("skipSagaRunStep", by_hand, "").await;
    city.settle().await;
    let shown = run(&market, &unsure).await;
    assert_eq!((&shown["state"], &shown["memo"]["done"]["commit"]), (&json!("COMPLETED"), &json!("by hand")));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_runs_are_helped_at_once_if_they_are_as_many_as_expected() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let forward = |step, kind, attempts| vec![fails(step, Direction::Forward, kind, attempts)];
    let back = drill(&city, &market.tenant, forward(Step::Commit, FailureKind::Transient, 3)).await;
    let past = drill(&city, &market.tenant, forward(Step::Record, FailureKind::Permanent, 1)).await;
    let parked = json!({ "saga": "drill", "state": "PARKED" });
    let preview = "query($filter: SagaRunFilter!, $measure: SagaMeasure!) {
        sagaRunRepairs(filter: $filter, measure: $measure) {
            count runs { run { id } then undoes ends stays refused { code } } } }";
    let before = city.log_of(&market.tenant).await.len();
    let foreseen =
        market.admin.ask_with(preview, &json!({ "filter": parked, "measure": "COMPENSATE" })).await;
    let foreseen = &foreseen["sagaRunRepairs"];
    assert_eq!(foreseen["count"], 2);
    assert_eq!(foreseen["runs"][0]["undoes"], json!(["reserve", "prepare"]));
    assert_eq!(foreseen["runs"][1]["refused"]["code"], "SAGA_RUN_PAST_RETURN");
    let nameless = market.admin.respond(preview, &json!({ "filter": parked, "measure": "SKIP" })).await;
    assert_eq!(code_of(&nameless), "BAD_REQUEST");
    let why = text(&nameless["errors"][0]["message"]);
    assert_eq!(why, "step: whoever skips a step names it");
    let repair = |expected: u32| json!({ "filter": parked, "expectedCount": expected, "measure": "COMPENSATE", "reason": "the fair is off" });
    assert_eq!(market.admin.is_rejected("repairSagaRuns", repair(1)).await, "SAGA_RUN_COUNT_DIFFERS");
    assert_eq!(city.log_of(&market.tenant).await.len(), before, "nothing was written so far");

    let show = "refusals { run rejection { code } }";
    let give = || market.admin.answer(given("repairSagaRuns", "once", repair(2), show));
    let mut first = give().await;
    assert_eq!((&first["done"], &first["refused"]), (&json!([back]), &json!(1)));
    let refusal = json!({ "run": past, "rejection": { "code": "SAGA_RUN_PAST_RETURN" } });
    assert_eq!(first["refusals"].take(), json!([refusal]), "only a repetition does not know it any more");
    city.settle().await;
    assert_eq!(run(&market, &back).await["state"], "COMPENSATED");
    assert_eq!(run(&market, &past).await["state"], "PARKED");
    let mut again = give().await;
    assert_eq!(again["replayed"].take(), true);
    again["replayed"] = json!(false);
    assert_eq!(again, first, "whichever runs meet the filter now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_that_is_over_left_parked_is_still_repaired() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let (_, parts) = market.order(&market.customer().await, &[(&offer, 2)]).await;
    city.sandbox.faults().cue(Operation::Release, Fault::Refuse("AUTHORISATION_UNKNOWN".into()));
    let cancel = json!({ "part": parts[0], "cause": "OPERATOR" });
    market.admin.does("cancelPart", cancel, "").await;
    let practice = fails(Step::Record, Direction::Forward, FailureKind::Permanent, 1);
    let practice = drill(&city, &market.tenant, vec![practice]).await;
    let mayor = city.city_admin();
    let winds_up = json!({ "tenant": market.tenant, "reason": "winds up" });
    mayor.does("startClosingTenant", winds_up, "").await;
    mayor.does("closeTenant", json!({ "tenant": market.tenant }), "tenant { status }").await;
    city.settle().await;

    let query = "{ sagaRuns(filter: { saga: \"payment_release\", state: PARKED }) { nodes { id } } }";
    let parked = text(&market.admin.ask(query).await["sagaRuns"]["nodes"][0]["id"]);
    let retry = json!({ "id": parked, "reason": "the provider knows it again" });
    market.admin.does("retrySagaRun", retry, "").await;
    let others = json!({ "filter": { "saga": "drill", "state": "PARKED" }, "expectedCount": 1,
        "measure": "RETRY", "reason": "practice" });
    let helped = market.admin.does("repairSagaRuns", others, "").await;
    assert_eq!(helped["done"], json!([practice]));
    city.settle().await;
    assert_eq!(run(&market, &parked).await["state"], "COMPLETED");
    assert_eq!(run(&market, &practice).await["state"], "COMPLETED");
    assert_eq!(city.sandbox.done(Operation::Release).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_to_which_much_has_happened_is_read_once_for_all_that_is_shown_and_counts_as_much() {
    const HAPPENED: usize = 20_000;
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let steps = vec![PlannedStep { name: "fly".into(), way: Way::Back }];
    let (input, cause) = (json!({ "to": "the moon" }), EventId(Uuid::new_v4()));
    let mut events = vec![saga_run::Event::Started { saga: "moonshot".into(), steps, input, cause }];
    events.resize(HAPPENED - 1, saga_run::Event::Woken { step: "fly".into() });
    events.push(saga_run::Event::Parked { reason: "it never flies".into() });
    let partition = Partition::Tenant(named::<TenantId>(&market.tenant));
    let run = RunId(Uuid::new_v4());
    let stream = SagaRun::stream(partition, run);
    let turn = city.hold().await;
    let mut seen = Version(0);
    for events in events.chunks(EVENTS_PER_APPEND_MAX) {
        let (id, at) = (CommandId(Uuid::new_v4()), city.clock.now());
        let new = |(place, event): (usize, &saga_run::Event)| {
            let (id, event) = (id.event(place), event.clone().into());
            NewEvent { id, stream, at, event }
        };
        let append = Append {
            partition,
            relies_on: vec![(stream, seen)],
            events: events.iter().enumerate().map(new).collect(),
            meta: Meta::of(id, Actor::user("tomorrow"), Origin::Live),
            input: InputHash([0; 32]),
        };
        city.app().services().executor.store().append(append).await.unwrap();
        seen = Version(seen.0 + events.len() as u64);
    }
    drop(turn);
    city.settle().await;
    let of_run = json!({ "id": Id::<RunId>(run).encode() });
    let all = "query($id: ID!) { sagaRun(id: $id) { input memo notDriven compensationPreview { undoes }
        timeline { what } } }";
    let once = market.admin.ask_with(all, &of_run).await;
    assert_eq!(once["sagaRun"]["input"], json!({ "to": "the moon" }));
    assert_eq!(once["sagaRun"]["notDriven"], "this program has no saga `moonshot`");
    assert_eq!(list(&once["sagaRun"]["timeline"]).len(), HAPPENED);
    let thrice = "query($id: ID!) { a: sagaRun(id: $id) { memo } b: sagaRun(id: $id) { memo }
        c: sagaRun(id: $id) { memo } }";
    assert_eq!(code_of(&market.admin.respond(thrice, &of_run).await), "BAD_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_found_by_what_went_wrong_and_only_admins_of_the_tenant_touch_them() {
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let neighbour = Market::open(&city, "neighbour").await;
    let refused = fails(Step::Record, Direction::Forward, FailureKind::Permanent, 1);
    let stuck = drill(&city, &market.tenant, vec![refused]).await;
    let query =
        "query($code: String!) { sagaRuns(filter: { errorCode: $code, saga: \"drill\" }) { nodes { id } } }";
    let found = async |who: &Market<'_>, code: &str| {
        let found = who.admin.ask_with(query, &json!({ "code": code })).await;
        list(&found["sagaRuns"]["nodes"]).len()
    };
    assert_eq!((found(&market, "DRILL_REFUSED").await, found(&market, "OTHER").await), (1, 0));
    assert_eq!(found(&neighbour, "DRILL_REFUSED").await, 0);
    let because = json!({ "id": stuck, "reason": "mine" });
    assert_eq!(neighbour.admin.is_rejected("abandonSagaRun", because.clone()).await, "SAGA_RUN_UNKNOWN");
    let vendor = market.vendor("alma").await;
    let seller = city.vendor_of(&market.tenant, &vendor);
    let attempt = seller.try_answer(given("retrySagaRun", "a", because.clone(), "")).await;
    assert_eq!(code_of(&attempt), "FORBIDDEN");
    // The city's own runs are the city's admins', who without a tenant reach no tenant's.
    let mayor = city.city_admin();
    assert_eq!(mayor.is_rejected("retrySagaRun", because).await, "SAGA_RUN_UNKNOWN");
    let own = mayor.ask("{ sagaRuns(filter: { saga: \"tenant_opening\" }) { nodes { id } } }").await;
    let opening = json!({ "id": own["sagaRuns"]["nodes"][0]["id"], "reason": "again" });
    assert_eq!(mayor.is_rejected("retrySagaRun", opening).await, "SAGA_RUN_ENDED");
}
