//! Operators who step in while nobody knows how far a step came.

use crate::ending::assert_nothing_hangs;
use crate::mortal::{Mortality, When};
use crate::sabotage::{At, Often, Sabotaged, Saboteur, Trouble};
use crate::world::{Life, World};
use chrono::TimeDelta;
use cityos_domain::event::Event;
use cityos_domain::log::{Envelope, Position};
use cityos_domain::orders::order;
use cityos_domain::saga_run::{Direction, Event as Run, Measure};
use cityos_sagas::registry::{AnySaga, sagas};
use cityos_sagas::rehearsal::market::{order as bought, request, stocked};
use cityos_sagas::settle;
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
    let once = |step: &str| At {
        step: step.into(),
        direction: Direction::Forward,
        trouble: Trouble::Unavailable,
        often: Often::Once,
    };
    for write in 1..CHECKOUT_WRITES_MAX {
        let (world, mortality) = (World::new(), Mortality::at(write, When::After));
        let trouble = Arc::new(Saboteur::default());
        trouble.arm(true);
        let wrap = |inner: Box<dyn AnySaga>| -> Box<dyn AnySaga> {
            let at = if inner.name() == "checkout" { vec![(once("place"), trouble.clone())] } else { vec![] };
            Box::new(Sabotaged { inner, at })
        };
        let life = checking_out(&world, sagas().into_iter().map(wrap).collect(), &mortality).await;
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
