//! Operators who step in: while nobody knows how far a step came, and in the place of steps.

use crate::ending::assert_nothing_hangs;
use crate::mortal::{Mortality, When};
use crate::sabotage::{At, Often, Saboteur, Trouble};
use crate::unwinding::sabotaged;
use crate::world::{Life, World};
use chrono::TimeDelta;
use cityos_connectors::sandbox::{Fault, Operation};
use cityos_domain::drill::{Command, Drill, Failing, Step};
use cityos_domain::event::Event;
use cityos_domain::ids::RunId;
use cityos_domain::log::{Actor, Envelope, Position};
use cityos_domain::orders::{order, vendor_order};
use cityos_domain::rehearsal::id;
use cityos_domain::saga_run::{Direction, Event as Run, FailureKind, Intervention, Measure, Outcome};
use cityos_domain::workspace::Tell;
use cityos_eventstore::executor::ExecuteError;
use cityos_sagas::registry::{AnySaga, sagas};
use cityos_sagas::rehearsal::drills::drill;
use cityos_sagas::rehearsal::market::{of_city, opened, order as bought, reason, request, stocked};
use cityos_sagas::rehearsal::orders::captures;
use cityos_sagas::rehearsal::{Act, Rehearsal};
use cityos_sagas::repair::{NotTaken, Taken};
use cityos_sagas::settle;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// More than a checkout writes, or asks the outside world to do.
const CHECKOUT_WRITES_MAX: usize = 40;

/// A checkout that has come as far as it comes at this moment.
async fn checking_out(world: &World, registry: Vec<Box<dyn AnySaga>>, mortality: &Arc<Mortality>) -> Life {
    let life = world.mortal_life(registry, mortality.clone()).await;
    life.play("setting", &stocked(Default::default()), 0).await.unwrap();
    life.play("bought", &[request(bought(), 2)], 0).await.unwrap();
    mortality.arm();
    life
}

/// The registry, with a step that cannot be taken now.
fn troubled(saga: &str, step: &str, often: Often) -> (Vec<Box<dyn AnySaga>>, Arc<Saboteur>) {
    let at = At { step: step.into(), direction: Direction::Forward, trouble: Trouble::Unavailable, often };
    let trouble = Arc::new(Saboteur::default());
    trouble.arm(true);
    (sabotaged(saga, &[(at, trouble.clone())]), trouble)
}

async fn is_placed(world: &World) -> bool {
    let placed = |it: &Envelope| matches!(&it.event, Event::Order(order::Event::Placed { .. }));
    world.log().await.iter().any(placed)
}

/// The last that happened to the checkout's run.
async fn last(world: &World) -> Run {
    world.history("checkout").await.pop().unwrap().1
}

/// What an operator is told who would do this to the checkout's run.
async fn told(world: &World, life: &Life, measure: Measure) -> Result<(), String> {
    let [(partition, run)] = world.runs("checkout", Position::START).await[..] else { panic!("one run") };
    let planned = life.engine.plan(partition, run, &measure).await.unwrap();
    planned.outlook.map(|_| ()).map_err(|rejected| rejected.code)
}

#[tokio::test]
async fn a_checkout_whose_order_may_be_in_the_log_is_not_turned_back() {
    for write in 1..CHECKOUT_WRITES_MAX {
        let (world, mortality) = (World::new(), Mortality::at(write, When::Unheard));
        let life = checking_out(&world, sagas(), &mortality).await;
        // Where the read models could not look, this is not the write that is looked for.
        drop(settle(&life.engine).await);
        if !is_placed(&world).await
            || !matches!(last(&world).await, Run::Failed { step, .. } if step == "place")
        {
            continue;
        }
        assert_eq!(told(&world, &life, Measure::Compensate).await, Err("SAGA_RUN_PAST_RETURN".into()));
        life.settle().await;
        assert!(matches!(last(&world).await, Run::Ended { .. }));
        assert_nothing_hangs(&world, "the order was placed unheard").await;
        return;
    }
    panic!("the placing of the order was always heard of");
}

#[tokio::test]
async fn a_checkout_whose_process_died_between_the_order_and_the_run_is_not_turned_back() {
    for write in 1..CHECKOUT_WRITES_MAX {
        let (world, mortality) = (World::new(), Mortality::at(write, When::After));
        let (registry, _trouble) = troubled("checkout", "place", Often::Once);
        let life = checking_out(&world, registry, &mortality).await;
        life.settle().await;
        if !is_placed(&world).await {
            continue;
        }
        drop(life);
        // The run has been told nothing: to it the step failed once, and is due again.
        assert!(matches!(last(&world).await, Run::Failed { step, .. } if step == "place"));
        let operator = world.life(sagas()).await;
        for measure in [Measure::Compensate, Measure::Abandon] {
            assert_eq!(told(&world, &operator, measure).await, Err("SAGA_RUN_GOES_ON".into()));
        }
        world.clock.advance(TimeDelta::hours(1));
        operator.settle().await;
        assert!(matches!(last(&world).await, Run::Ended { .. }));
        assert_nothing_hangs(&world, "the order was placed by a process that died").await;
        return;
    }
    panic!("no process died after it had placed the order");
}

#[tokio::test]
async fn money_taken_by_hand_is_told_to_a_capture_as_its_books_can_take_it() {
    let world = World::new();
    let life = world.life(sagas()).await;
    let Rehearsal { setting, acts, .. } = captures().swap_remove(0);
    life.play("setting", &setting, 0).await.unwrap();
    world.sandbox.faults().cue(Operation::Capture, Fault::Refuse("CARD_EXPIRED".into()));
    life.play("acts", &acts, 0).await.unwrap();
    let [(partition, run)] = world.runs("capture", Position::START).await[..] else { panic!("one run") };
    let told = |learned: Value| Measure::Skip {
        step: "capture".into(),
        learned: learned.as_object().cloned().unwrap_or_default(),
    };
    let taken = |reference: &str, minor: i64| json!({ "taken": { "reference": reference, "minor": minor } });
    for (learned, why) in [
        (json!({}), "need to know `taken`"),
        (taken(" ", 9_000), "the reference is blank"),
        (taken("terminal-7", 1_000), "it comes to 9000"),
        (taken("terminal-7", -9_000), "it comes to 9000"),
    ] {
        let refused = life.engine.plan(partition, run, &told(learned)).await.unwrap().outlook.unwrap_err();
        assert_eq!(refused.field.as_deref(), Some("learned"));
        assert!(refused.message.contains(why), "{refused}");
    }
    let by_hand = told(taken("terminal-7", 9_000));
    assert!(life.engine.plan(partition, run, &by_hand).await.unwrap().outlook.is_ok());
    life.intervene(partition, run, by_hand).await;
    life.settle().await;
    let (_, ended) = world.history("capture").await.pop().unwrap();
    assert_eq!(ended, Run::ended(Outcome::Completed));
    let recorded = |it: &Envelope| matches!(&it.event, Event::VendorOrder(vendor_order::Event::Captured { reference, .. }) if reference == "terminal-7");
    assert_eq!(world.log().await.iter().filter(|it| recorded(it)).count(), 1);
}

#[tokio::test]
async fn nobody_answers_for_a_step_that_only_writes_down_what_is_settled() {
    let mut never = Vec::new();
    for saga in sagas() {
        for step in saga.plan().into_iter().filter(|step| saga.never_skipped(&step.name).is_some()) {
            let (registry, trouble) = troubled(saga.name(), &step.name, Often::Always);
            let (world, Rehearsal { setting, acts, .. }) = (World::new(), saga.rehearsals().swap_remove(0));
            let life = world.life(registry).await;
            trouble.arm(false);
            life.play("setting", &setting, 0).await.unwrap();
            let before = world.log().await.last().map_or(Position::START, |last| last.position);
            trouble.arm(true);
            life.play("acts", &acts, 0).await.unwrap();
            trouble.arm(false);
            let what = format!("{}.{}", saga.name(), step.name);
            let [(partition, run), ..] = world.runs(saga.name(), before).await[..] else { panic!("{what}") };
            let skip = Measure::Skip { step: step.name, learned: Map::new() };
            let refused = life.engine.plan(partition, run, &skip).await.unwrap().outlook;
            assert_eq!(refused.unwrap_err().code, "SAGA_RUN_NEVER_SKIPPED", "{what}");
            life.intervene(partition, run, Measure::Retry).await;
            life.settle().await;
            let (_, ended) = world.history(saga.name()).await.pop().unwrap();
            assert_eq!(ended, Run::ended(Outcome::Completed), "{what}");
            never.push(what);
        }
    }
    assert_eq!(
        never,
        [
            "tenant_opening.provision",
            "tenant_opening.activate",
            "tenant_closing.leave",
            "payout_account.link_account",
            "checkout.place",
            "capture.record",
            "payout.submit",
            "payout.settle",
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_written_for_one_tenant_hides_nothing_that_was_done_for_another() {
    let (world, mortality) = (World::new(), Mortality::at(2, When::Before));
    let life = world.mortal_life(sagas(), mortality.clone()).await;
    life.play("setting", &opened(), 0).await.unwrap();
    let failing = || {
        let (step, direction) = (Step::Record, Direction::Forward);
        vec![Failing { step, direction, kind: FailureKind::Permanent, attempts: 1 }]
    };
    let of_the_city = Tell::<Drill> { id: id("the city's"), command: Command::Start { failing: failing() } };
    life.play("drills", &[drill(failing()), of_city(of_the_city), Act::Settle], 0).await.unwrap();
    let mut plans = Vec::new();
    for (partition, run) in world.runs("drill", Position::START).await {
        plans.push(life.engine.plan(partition, run, &Measure::Abandon).await.unwrap());
    }
    mortality.arm();
    let intervention = Intervention { measure: Measure::Abandon, reason: reason("practice") };
    let taken = life.engine.carry_out(plans, &intervention, &Actor::user("bob")).await;
    assert_eq!(taken.len(), 2);
    let failed = |it: &&Taken| matches!(it.done, Err(NotTaken::Failed(ExecuteError::Store(_))));
    assert_eq!(taken.iter().filter(failed).count(), 1);
    let done = taken.iter().find(|it| matches!(it.done, Ok(false))).expect("the other was reached");
    let given_up = |it: &Envelope| matches!(&it.event, Event::SagaRun(Run::Ended { outcome, .. }) if *outcome == Outcome::Abandoned);
    let given_up = world.log().await.into_iter().filter(given_up).map(|it| RunId(it.stream.id));
    assert_eq!(given_up.collect::<Vec<_>>(), [done.planned.run]);
}
