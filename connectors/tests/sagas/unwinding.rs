//! Every saga, every step: refused, unavailable, lost, done twice, and the process dying around every write.

use crate::ending::{Ending, assert_nothing_hangs, direction, steps_taken};
use crate::mortal::{Mortality, When};
use crate::sabotage::{At, Often, Sabotaged, Saboteur, Trouble};
use crate::world::{Died, Life, World};
use cityos_domain::log::Position;
use cityos_domain::saga_run::{Direction, Measure, PlannedStep, Way};
use cityos_sagas::registry::{AnySaga, sagas};
use cityos_sagas::rehearsal::{End, Rehearsal};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How often an operator steps in at most before a rehearsal has to come to its end.
const INTERVENTIONS_MAX: usize = 5;

/// Steps that do nothing forward, and are there for their way back: nobody can refuse them.
const NEVER_REFUSED: &[(&str, &str)] = &[("checkout", "answer"), ("payout", "answer")];

/// Everything there is to play: a saga's name and plan, and one situation.
fn situations() -> Vec<(&'static str, Vec<PlannedStep>, usize)> {
    let mut situations = Vec::new();
    for saga in sagas() {
        situations.extend((0..saga.rehearsals().len()).map(|index| (saga.name(), saga.plan(), index)));
    }
    situations
}

fn rehearsal(saga: &str, index: usize) -> Rehearsal {
    let all = sagas();
    let saga = all.iter().find(|known| known.name() == saga).unwrap();
    saga.rehearsals().swap_remove(index)
}

/// The registry with trouble at some steps of one saga.
pub fn sabotaged(saga: &str, at: &[(At, Arc<Saboteur>)]) -> Vec<Box<dyn AnySaga>> {
    let wrap = |known: Box<dyn AnySaga>| -> Box<dyn AnySaga> {
        if known.name() == saga { Box::new(Sabotaged { inner: known, at: at.to_vec() }) } else { known }
    };
    sagas().into_iter().map(wrap).collect()
}

/// What came of a situation.
struct Played {
    world: World,
    ending: Ending,
    /// Whether any run parked.
    parked: bool,
    /// How often there was trouble.
    hits: usize,
    /// How many acts were refused.
    refused: usize,
}

/// Plays a situation with trouble at some steps; where a run parks and the trouble is over, an operator has it tried
/// again.
async fn play_with(saga: &str, index: usize, at: Vec<At>) -> Played {
    let rehearsal = rehearsal(saga, index);
    let at: Vec<_> = at.into_iter().map(|at| (at, Arc::new(Saboteur::default()))).collect();
    let world = World::new();
    let life = world.life(sabotaged(saga, &at)).await;
    assert_eq!(life.play("setting", &rehearsal.setting, 0).await.unwrap(), 0);
    let before = head(&world).await;
    at.iter().for_each(|(_, saboteur)| saboteur.arm(true));
    let refused = life.play("acts", &rehearsal.acts, 0).await.unwrap();
    at.iter().for_each(|(_, saboteur)| saboteur.arm(false));
    let parked = help_parked(&world, &life, saga, before).await;
    let hits = at.iter().map(|(_, saboteur)| saboteur.hits()).sum();
    Played { ending: Ending::of(&world).await, world, parked, hits, refused }
}

async fn help_parked(world: &World, life: &Life, saga: &str, before: Position) -> bool {
    let mut any = false;
    for _ in 0..INTERVENTIONS_MAX {
        let ending = Ending::of(world).await;
        let mut parked = Vec::new();
        for (partition, run) in world.runs(saga, before).await {
            let is_parked = |(stream, end): (&cityos_domain::log::StreamId, &Option<End>)| {
                stream.id == run.0 && *end == Some(End::Parked)
            };
            if ending.runs.iter().any(is_parked) {
                parked.push((partition, run));
            }
        }
        if parked.is_empty() {
            return any;
        }
        any = true;
        for (partition, run) in parked {
            life.intervene(partition, run, Measure::Retry).await;
        }
        life.settle().await;
    }
    panic!("{saga} parks again and again");
}

async fn head(world: &World) -> Position {
    world.log().await.last().map_or(Position::START, |last| last.position)
}

fn forward(step: &str, trouble: Trouble, often: Often) -> At {
    At { step: step.into(), direction: Direction::Forward, trouble, often }
}

fn back(step: &str, trouble: Trouble, often: Often) -> At {
    At { step: step.into(), direction: Direction::Back, trouble, often }
}

#[tokio::test]
async fn every_situation_ends_as_its_saga_says_and_leaves_nothing_hanging() {
    for (saga, _, index) in situations() {
        let Rehearsal { name, setting, acts, end } = rehearsal(saga, index);
        let world = World::new();
        let life = world.life(sagas()).await;
        assert_eq!(life.play("setting", &setting, 0).await.unwrap(), 0);
        let before = head(&world).await;
        assert_eq!(life.play("acts", &acts, 0).await.unwrap(), 0, "{saga}, {name}");
        let runs = world.runs(saga, before).await;
        assert!(!runs.is_empty(), "{saga}, {name}: no run was started");
        let ending = Ending::of(&world).await;
        for (_, run) in runs {
            let (_, ended) = ending.runs.iter().find(|(stream, _)| stream.id == run.0).unwrap();
            assert_eq!(*ended, Some(end), "{saga}, {name}");
        }
        assert_nothing_hangs(&world, &format!("{saga}, {name}")).await;
    }
}

#[tokio::test]
async fn a_step_that_fails_once_loses_its_answer_panics_or_is_repeated_changes_nothing_in_the_end() {
    for (saga, plan, index) in situations() {
        let expected = play_with(saga, index, vec![]).await.ending;
        for step in &plan {
            for trouble in
                [Trouble::Unavailable, Trouble::Lost, Trouble::Missed, Trouble::Panic, Trouble::Twice]
            {
                let at = forward(&step.name, trouble, Often::Once);
                let played = play_with(saga, index, vec![at.clone()]).await;
                assert!(!played.parked, "{saga} {at:?}");
                played.ending.assert_is(&expected, &format!("{saga} {at:?}"));
            }
        }
    }
}

#[tokio::test]
async fn a_step_that_is_refused_or_never_succeeds_turns_the_run_back_cleanly_or_parks_it_until_an_operator_helps()
 {
    for (saga, plan, index) in situations() {
        let expected = play_with(saga, index, vec![]).await.ending;
        for step in &plan {
            for trouble in [Trouble::Refused, Trouble::Unavailable, Trouble::Lost, Trouble::Missed] {
                if trouble == Trouble::Refused && NEVER_REFUSED.contains(&(saga, step.name.as_str())) {
                    continue;
                }
                let at = forward(&step.name, trouble, Often::Always);
                let played = play_with(saga, index, vec![at.clone()]).await;
                let what = format!("{saga} {at:?}");
                assert_nothing_hangs(&played.world, &what).await;
                let turns = match step.way {
                    Way::Back => true,
                    Way::Pivot => trouble == Trouble::Refused,
                    Way::Onward => false,
                };
                if played.hits > 0 && !(trouble == Trouble::Lost && expected_refusal(&expected)) {
                    assert_eq!(played.parked, !turns, "{what}");
                }
                if played.parked && played.refused == 0 {
                    played.ending.in_any_order().assert_is(&expected.clone().in_any_order(), &what);
                }
            }
        }
    }
}

/// In a situation that ends with everything undone some step says no by itself, whatever becomes of its answer.
fn expected_refusal(expected: &Ending) -> bool {
    expected.runs.values().any(|end| *end == Some(End::Compensated))
}

#[tokio::test]
async fn a_way_back_that_fails_once_loses_its_answer_panics_or_is_repeated_changes_nothing_in_the_end() {
    for (saga, turn, undone, index) in ways_back() {
        let expected = play_with(saga, index, vec![turn.clone()]).await.ending;
        for trouble in [Trouble::Unavailable, Trouble::Lost, Trouble::Missed, Trouble::Panic, Trouble::Twice]
        {
            let at = back(&undone, trouble, Often::Once);
            let played = play_with(saga, index, vec![turn.clone(), at.clone()]).await;
            assert!(!played.parked, "{saga} {at:?}");
            played.ending.assert_is(&expected, &format!("{saga} {at:?}"));
        }
    }
}

#[tokio::test]
async fn a_way_back_that_never_succeeds_parks_the_run_until_an_operator_helps() {
    for (saga, turn, undone, index) in ways_back() {
        let expected = play_with(saga, index, vec![turn.clone()]).await.ending;
        for trouble in [Trouble::Refused, Trouble::Unavailable, Trouble::Lost, Trouble::Missed] {
            let at = back(&undone, trouble, Often::Always);
            let played = play_with(saga, index, vec![turn.clone(), at.clone()]).await;
            assert_eq!(played.parked, played.hits > 1, "{saga} {at:?}");
            assert_nothing_hangs(&played.world, &format!("{saga} {at:?}")).await;
            assert_eq!(played.ending.runs, expected.runs, "{saga} {at:?}");
        }
    }
}

/// For each step with a way back: what turns a run back that has come past it.
fn ways_back() -> Vec<(&'static str, At, String, usize)> {
    let mut ways = Vec::new();
    for (saga, plan, index) in situations() {
        for (place, step) in plan.iter().enumerate().filter(|(_, step)| step.way == Way::Back) {
            let later = plan[place + 1..].iter().find(|later| later.way != Way::Onward);
            let turn = match later {
                Some(later) => forward(&later.name, Trouble::Refused, Often::Once),
                None => forward(&step.name, Trouble::Lost, Often::Always),
            };
            ways.push((saga, turn, step.name.clone(), index));
        }
    }
    ways
}

#[tokio::test]
async fn a_process_that_dies_before_or_after_any_write_leaves_the_same_end() {
    for (saga, _, index) in situations() {
        let Rehearsal { name, setting, acts, .. } = rehearsal(saga, index);
        let (expected, writes) = {
            let (world, counted) = (World::new(), Arc::new(Mortality::default()));
            let life = world.mortal_life(sagas(), counted.clone()).await;
            assert_eq!(life.play("setting", &setting, 0).await.unwrap(), 0);
            counted.arm();
            life.play("acts", &acts, 0).await.unwrap();
            (Ending::of(&world).await, counted.writes())
        };
        assert!(writes > acts.len() / 2, "{saga}, {name}: {writes} writes");
        for write in 1..=writes {
            for when in [When::Before, When::After] {
                let (world, mortality) = (World::new(), Mortality::at(write, when));
                let life = world.mortal_life(sagas(), mortality.clone()).await;
                assert_eq!(life.play("setting", &setting, 0).await.unwrap(), 0);
                mortality.arm();
                let Err(Died { act }) = life.play("acts", &acts, 0).await else {
                    panic!("{saga}, {name}: survived write {write}");
                };
                drop(life);
                world.life(sagas()).await.play("acts", &acts, act).await.unwrap();
                let what = format!("{saga}, {name}: died {when:?} write {write} of {writes}");
                Ending::of(&world).await.assert_is(&expected, &what);
                assert_nothing_hangs(&world, &what).await;
            }
        }
    }
}

#[tokio::test]
async fn every_step_is_reached_and_every_way_back_is_gone() {
    let mut taken = BTreeSet::new();
    for (saga, plan, index) in situations() {
        taken.extend(steps_taken(&play_with(saga, index, vec![]).await.world).await);
        for step in &plan {
            let at = forward(&step.name, Trouble::Refused, Often::Once);
            taken.extend(steps_taken(&play_with(saga, index, vec![at]).await.world).await);
        }
    }
    for saga in sagas() {
        for step in saga.plan() {
            let mut ways = vec![Direction::Forward];
            ways.extend((step.way == Way::Back).then_some(Direction::Back));
            for way in ways {
                let step = (saga.name().to_owned(), step.name.clone(), direction(way));
                assert!(taken.contains(&step), "no rehearsal takes {step:?}");
            }
        }
    }
}
