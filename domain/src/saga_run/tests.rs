//! What a run does next, what it refuses, and what operators may do with it.

use super::*;
use crate::event::AggregateEvent;
use crate::log::Partition;
use crate::rehearsal::scene::reason;
use crate::rehearsal::{City, id};
use crate::workspace::{Stop, Tell};
use chrono::TimeDelta;
use serde_json::{Map, json};

const LEASE: TimeDelta = TimeDelta::seconds(60);

/// A run of a saga that reserves (there is a way back), pays (there is none) and records.
struct Rehearsed {
    city: City,
    run: RunId,
}

impl Rehearsed {
    fn of(ways: &[(&str, Way)]) -> Self {
        let run = id("run");
        let steps = ways.iter().map(|(name, way)| PlannedStep { name: (*name).into(), way: *way }).collect();
        let started =
            Event::Started { saga: "rehearsed".into(), steps, input: json!({}), cause: id("cause") };
        let mut city = City::platform();
        city.given::<SagaRun>(run, [started]);
        Rehearsed { city, run }
    }

    fn started() -> Self {
        Self::of(&[("reserve", Way::Back), ("pay", Way::Pivot), ("record", Way::Back)])
    }

    fn state(&self) -> SagaRun {
        self.city.state::<SagaRun>(self.run)
    }

    fn live(&self) -> Run {
        let SagaRun::Live(run) = self.state() else { panic!("the run is over") };
        *run
    }

    fn tell(&mut self, command: Command) -> Result<Vec<Event>, String> {
        match self.city.when(&Tell::<SagaRun> { id: self.run, command }) {
            Ok(events) => {
                let own = |event| Event::of(event).expect("only the run was told").clone();
                Ok(events.iter().map(own).collect())
            }
            Err(Stop::Rejected(rejected)) => Err(rejected.code),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn task(&self) -> Task {
        let run = self.live();
        let under_way = matches!(run.stand, Stand::Attempting { .. });
        run.task(if under_way { run.attempts } else { run.attempts + 1 })
    }

    fn attempt(&mut self) -> Result<Vec<Event>, String> {
        let Task { step, direction, .. } = self.task();
        let lease_until = self.city.now() + LEASE;
        self.tell(Command::Attempt { step, direction, key: "key".into(), lease_until })
    }

    fn done(&mut self) -> Result<Vec<Event>, String> {
        let Task { step, attempt, .. } = self.task();
        self.tell(Command::Done { step, attempt, memo: json!({}) })
    }

    fn undone(&mut self) -> Result<Vec<Event>, String> {
        let Task { step, attempt, .. } = self.task();
        self.tell(Command::Undone { step, attempt })
    }

    fn fail(&mut self, kind: FailureKind, retry_in: Option<TimeDelta>) -> Vec<Event> {
        let Task { step, direction, attempt, .. } = self.task();
        let retry_at = retry_in.map(|delay| self.city.now() + delay);
        let (code, error) = ("NO_LUCK".into(), "no luck".into());
        self.tell(Command::Fail { step, direction, attempt, kind, code, error, retry_at })
            .expect("the attempt under way may fail")
    }

    fn intervene(&mut self, measure: Measure) -> Result<Vec<Event>, String> {
        let foreseen =
            self.state().outlook(&measure, self.city.now()).map_err(|rejection| rejection.code().to_owned());
        let events = self.tell(Command::Intervene(Intervention { measure, reason: reason() }));
        let outcome = self.state();
        match (&foreseen, &events) {
            (Err(foreseen), Err(code)) => assert_eq!(foreseen, code),
            (Ok(Outlook::Ends { outcome: ended, .. }), Ok(_)) => assert_eq!(outcome, SagaRun::Ended(*ended)),
            (Ok(Outlook::Goes { step }), Ok(_)) => assert_eq!(step, self.live().step()),
            (Ok(Outlook::Undoes { steps }), Ok(_)) => assert_eq!(*steps, self.live().to_undo()),
            (foreseen, events) => panic!("{foreseen:?} was foreseen, and then {events:?}"),
        }
        events
    }

    fn skip(&mut self, step: &str) -> Result<Vec<Event>, String> {
        self.intervene(Measure::Skip { step: step.into(), learned: Map::new() })
    }
}

fn turned() -> Event {
    Event::Turned { code: "NO_LUCK".into(), reason: "no luck".into() }
}

#[test]
fn a_run_whose_steps_are_done_is_completed_and_refuses_everything_after() {
    let mut run = Rehearsed::started();
    for _ in 0..2 {
        run.done().unwrap();
    }
    let Task { step, attempt, .. } = run.task();
    let events = run.done().unwrap();
    assert_eq!(events.last(), Some(&Event::ended(Outcome::Completed)));
    assert_eq!(run.state().next(run.city.now()), Next::Nothing);
    for command in [
        Command::Done { step: step.clone(), attempt, memo: json!({}) },
        Command::Undone { step, attempt },
        Command::Wake,
        Command::Park { reason: "late".into() },
        Command::Intervene(Intervention { measure: Measure::Retry, reason: reason() }),
    ] {
        assert_eq!(run.tell(command), Err("SAGA_RUN_ENDED".into()));
    }
}

#[test]
fn only_one_worker_gets_the_attempt_and_the_overtaken_one_cannot_record_its_outcome() {
    let mut run = Rehearsed::started();
    run.attempt().unwrap();
    let lease_until = run.city.now() + LEASE;
    let again = Command::Attempt {
        step: "reserve".into(),
        direction: Direction::Forward,
        key: "key".into(),
        lease_until,
    };
    assert_eq!(run.tell(again.clone()), Err("SAGA_RUN_TAKEN".into()));
    assert_eq!(run.state().next(run.city.now()), Next::Later(lease_until));

    run.city.pass(LEASE);
    let lost = run.task();
    assert_eq!(run.state().next(run.city.now()), Next::Lost(lost.clone()));
    assert_eq!(run.tell(again), Err("SAGA_RUN_TAKEN".into()));
    run.fail(FailureKind::Unknown, Some(TimeDelta::zero()));
    run.attempt().unwrap();
    let late = Command::Done { step: "reserve".into(), attempt: lost.attempt, memo: json!({}) };
    assert_eq!(run.tell(late), Err("SAGA_RUN_OVERTAKEN".into()));
    assert_eq!(run.live().stand, Stand::Attempting { lease_until: run.city.now() + LEASE });
}

#[test]
fn a_step_that_is_not_next_or_goes_the_other_way_is_refused() {
    let mut run = Rehearsed::started();
    let early = Command::Done { step: "pay".into(), attempt: 1, memo: json!({}) };
    assert_eq!(run.tell(early), Err("SAGA_RUN_STEP_NOT_NEXT".into()));
    let back = Command::Undone { step: "reserve".into(), attempt: 1 };
    assert_eq!(run.tell(back), Err("SAGA_RUN_STEP_NOT_NEXT".into()));
}

#[test]
fn a_failed_step_turns_the_run_and_what_was_done_is_undone_newest_first() {
    let mut run = Rehearsed::of(&[("a", Way::Back), ("b", Way::Back), ("c", Way::Back)]);
    run.done().unwrap();
    run.done().unwrap();
    let events = run.fail(FailureKind::Permanent, None);
    assert_eq!(events[1..], [turned()]);
    assert_eq!(run.live().to_undo(), ["b", "a"]);
    assert_eq!(run.undone().unwrap(), [Event::Undone { step: "b".into() }]);
    let last = run.undone().unwrap();
    let ended = Event::ended(Outcome::Compensated);
    assert_eq!(last, [Event::Undone { step: "a".into() }, ended]);
}

#[test]
fn a_run_that_has_done_nothing_yet_is_over_as_soon_as_it_turns() {
    let mut run = Rehearsed::started();
    let events = run.fail(FailureKind::Permanent, None);
    assert_eq!(events[1..], [turned(), Event::ended(Outcome::Compensated)]);
}

#[test]
fn a_step_that_may_have_happened_is_undone_like_one_that_did() {
    let mut run = Rehearsed::started();
    run.attempt().unwrap();
    run.fail(FailureKind::Unknown, Some(TimeDelta::zero()));
    assert_eq!(run.live().steps[0].1, Mark::Unsure);
    run.fail(FailureKind::Transient, None);
    assert_eq!(run.live().to_undo(), ["reserve"]);
}

#[test]
fn a_step_that_failed_for_now_may_have_come_part_of_the_way_and_is_undone_too() {
    let mut run = Rehearsed::started();
    let events = run.fail(FailureKind::Transient, None);
    assert!(matches!(events[1..], [Event::Turned { .. }]));
    assert_eq!(run.live().to_undo(), ["reserve"]);
}

#[test]
fn a_refusal_settles_that_an_unsure_step_did_not_happen() {
    let mut run = Rehearsed::started();
    run.done().unwrap();
    run.attempt().unwrap();
    run.fail(FailureKind::Unknown, Some(TimeDelta::zero()));
    run.attempt().unwrap();
    assert_eq!(run.fail(FailureKind::Permanent, None)[1..], [turned()]);
    assert_eq!(run.live().to_undo(), ["reserve"]);
}

#[test]
fn a_pivot_parks_unless_it_is_refused_for_good() {
    for kind in [FailureKind::Unknown, FailureKind::Transient] {
        let mut run = Rehearsed::started();
        run.done().unwrap();
        run.attempt().unwrap();
        let events = run.fail(kind, None);
        assert!(matches!(events[1..], [Event::Parked { .. }]), "{events:?}");
        assert_eq!(run.state().next(run.city.now()), Next::Nothing);
    }
}

#[test]
fn a_failure_past_a_pivot_parks_whatever_it_is() {
    let mut run = Rehearsed::started();
    run.done().unwrap();
    run.done().unwrap();
    let events = run.fail(FailureKind::Permanent, None);
    assert!(matches!(events[1..], [Event::Parked { .. }]), "{events:?}");
    assert_eq!(run.intervene(Measure::Compensate), Err("SAGA_RUN_PAST_RETURN".into()));
}

#[test]
fn what_a_step_without_any_way_back_is_for_is_not_forgotten_by_turning_the_run_back() {
    let steps = [("capture", Way::Onward), ("record", Way::Onward)];
    let (mut refused, mut tried_again) = (Rehearsed::of(&steps), Rehearsed::of(&steps));
    let events = refused.fail(FailureKind::Permanent, None);
    assert!(matches!(events[1..], [Event::Parked { .. }]), "{events:?}");
    tried_again.fail(FailureKind::Transient, Some(TimeDelta::minutes(5)));
    for mut run in [refused, tried_again] {
        assert_eq!(run.live().way_back(), Err(Rejection::Onward("capture".into())));
        assert_eq!(run.intervene(Measure::Compensate), Err("SAGA_RUN_ONWARD".into()));
        let events = run.intervene(Measure::Abandon).unwrap();
        let not_done = vec!["capture".into(), "record".into()];
        assert_eq!(events, [Event::given_up(vec![], vec![], not_done)]);
    }
}

#[test]
fn a_failed_undo_parks_and_an_operator_may_have_it_tried_again_or_answer_for_it() {
    let skip = Measure::Skip { step: "reserve".into(), learned: Map::new() };
    for (measure, ends) in [(Measure::Retry, false), (skip, true)] {
        let mut run = Rehearsed::started();
        run.done().unwrap();
        run.fail(FailureKind::Permanent, None);
        let events = run.fail(FailureKind::Transient, None);
        assert!(matches!(events[1..], [Event::Parked { .. }]), "{events:?}");
        let events = run.intervene(measure).unwrap();
        assert_eq!(events.last() == Some(&Event::ended(Outcome::Compensated)), ends);
        assert_eq!(run.state().next(run.city.now()) == Next::Nothing, ends);
    }
}

#[test]
fn retries_wait_for_their_time_unless_an_operator_is_impatient() {
    let mut run = Rehearsed::started();
    run.fail(FailureKind::Transient, Some(TimeDelta::minutes(5)));
    let due = run.city.now() + TimeDelta::minutes(5);
    assert_eq!(run.state().next(run.city.now()), Next::Later(due));
    let early = Command::Done { step: "reserve".into(), attempt: 2, memo: json!({}) };
    assert_eq!(run.tell(early), Err("SAGA_RUN_OVERTAKEN".into()));
    run.intervene(Measure::Retry).unwrap();
    let task = run.task();
    assert_eq!((task.attempt, task.failures), (2, 0));
}

#[test]
fn a_waiting_run_is_woken_once_and_then_looks_again() {
    let mut run = Rehearsed::started();
    let until = run.city.now() + TimeDelta::days(30);
    let on = SagaRun::stream(Partition::Platform, id("other"));
    let Task { step, attempt, .. } = run.task();
    run.tell(Command::Wait { step: step.clone(), attempt, on, seen: Version(3), until }).unwrap();
    let wait = Wait { on_kind: "saga_run".into(), on_id: on.id, seen: Version(3), until };
    assert_eq!(run.state().next(run.city.now()), Next::Look(wait));
    assert_eq!(run.tell(Command::Wake), Ok(vec![Event::Woken { step }]));
    assert_eq!(run.tell(Command::Wake), Ok(vec![]));
    assert!(matches!(run.state().next(run.city.now()), Next::Take(_)));
}

#[test]
fn a_run_is_not_parked_while_an_attempt_is_under_way() {
    let mut run = Rehearsed::started();
    run.attempt().unwrap();
    let park = || Command::Park { reason: "unknown plan".into() };
    assert_eq!(run.tell(park()), Err("SAGA_RUN_TAKEN".into()));
    run.city.pass(LEASE);
    assert_eq!(run.tell(park()), Err("SAGA_RUN_TAKEN".into()), "whether it was taken must be said first");
    run.fail(FailureKind::Unknown, Some(TimeDelta::zero()));
    run.tell(park()).unwrap();
    assert_eq!(run.live().to_undo(), ["reserve"]);
}

#[test]
fn why_a_step_could_not_be_tried_is_not_told_to_whoever_the_run_is_about() {
    let turned = |kind| {
        let mut run = Rehearsed::started();
        let events = run.fail(kind, None);
        events
            .into_iter()
            .find_map(|event| if let Event::Turned { reason, .. } = event { Some(reason) } else { None })
    };
    assert_eq!(turned(FailureKind::Permanent).as_deref(), Some("no luck"));
    assert_eq!(turned(FailureKind::Transient).as_deref(), Some("it could not be done for now"));
}

#[test]
fn operators_do_not_disturb_a_run_that_goes_on() {
    let mut run = Rehearsed::started();
    assert_eq!(run.intervene(Measure::Abandon), Err("SAGA_RUN_GOES_ON".into()));
    run.attempt().unwrap();
    assert_eq!(run.intervene(Measure::Abandon), Err("SAGA_RUN_TAKEN".into()));
    run.fail(FailureKind::Transient, Some(TimeDelta::minutes(5)));
    assert_eq!(run.skip("reserve"), Err("SAGA_RUN_NOT_PARKED".into()));
    assert!(run.intervene(Measure::Abandon).is_ok());
}

#[test]
fn a_run_whose_step_is_due_again_may_be_at_it_and_is_neither_turned_back_nor_given_up() {
    for waits_s in [0, 30] {
        let mut run = Rehearsed::started();
        run.done().unwrap();
        run.fail(FailureKind::Transient, Some(TimeDelta::seconds(waits_s)));
        run.city.pass(TimeDelta::seconds(waits_s));
        assert_eq!(run.intervene(Measure::Compensate), Err("SAGA_RUN_GOES_ON".into()));
        assert_eq!(run.intervene(Measure::Abandon), Err("SAGA_RUN_GOES_ON".into()));
        assert!(run.intervene(Measure::Retry).is_ok());
    }
}

#[test]
fn a_step_whose_undoing_may_have_happened_may_stay_and_is_undone_again() {
    let mut run = Rehearsed::started();
    run.done().unwrap();
    run.fail(FailureKind::Permanent, None);
    run.fail(FailureKind::Unknown, Some(TimeDelta::minutes(5)));
    assert_eq!(run.live().to_undo(), ["reserve"]);
    let given_up = run.intervene(Measure::Abandon).unwrap();
    assert_eq!(given_up, [Event::given_up(vec![], vec!["reserve".into()], vec![])]);
}

#[test]
fn a_run_that_is_given_up_says_which_effects_stay_which_may_and_what_was_still_to_be_done() {
    let mut run = Rehearsed::started();
    run.done().unwrap();
    run.attempt().unwrap();
    run.fail(FailureKind::Unknown, None);
    let events = run.intervene(Measure::Abandon).unwrap();
    let [stays, may_stay, not_done] = ["reserve", "pay", "record"].map(|step| vec![step.into()]);
    assert_eq!(events, [Event::given_up(stays, may_stay, not_done)]);
    assert_eq!(run.intervene(Measure::Retry), Err("SAGA_RUN_ENDED".into()));

    // On the way back nothing was to be done any more.
    let mut back = Rehearsed::started();
    back.done().unwrap();
    back.fail(FailureKind::Permanent, None);
    back.fail(FailureKind::Permanent, None);
    let events = back.intervene(Measure::Abandon).unwrap();
    assert_eq!(events, [Event::given_up(vec!["reserve".into()], vec![], vec![])]);
}

#[test]
fn a_step_is_skipped_only_by_its_name_and_what_it_would_have_learned_may_be_told() {
    let mut run = Rehearsed::started();
    run.done().unwrap();
    run.fail(FailureKind::Unknown, None);
    assert_eq!(run.skip("record"), Err("SAGA_RUN_OTHER_STEP".into()), "seen before it came to `pay`");
    let learned = Map::from_iter([("paid".to_owned(), json!("by hand"))]);
    let events = run.intervene(Measure::Skip { step: "pay".into(), learned: learned.clone() }).unwrap();
    assert_eq!(events, [Event::Skipped { step: "pay".into(), memo: Some(json!({ "paid": "by hand" })) }]);
    assert_eq!(run.live().memo, json!({ "paid": "by hand" }));

    let mut back = Rehearsed::started();
    back.done().unwrap();
    back.fail(FailureKind::Permanent, None);
    back.fail(FailureKind::Permanent, None);
    let told = Measure::Skip { step: "reserve".into(), learned };
    assert_eq!(back.intervene(told), Err("SAGA_RUN_LEARNS_NOTHING".into()));
    assert!(back.skip("reserve").is_ok());
}

#[test]
fn of_several_runs_those_that_moved_or_say_no_keep_no_other_from_being_helped() {
    let mut rehearsed = Rehearsed::started();
    let started = rehearsed.city.log()[0].event.clone();
    let parked = Event::Parked { reason: "unknown plan".into() };
    for run in ["second", "moved"] {
        let started = Event::of(&started).unwrap().clone();
        rehearsed.city.given::<SagaRun>(id(run), [started, parked.clone()]);
    }
    let seen = |run: &str, version| (id::<RunId>(run), Version(version));
    let runs = vec![seen("run", 1), seen("moved", 1), seen("nobody's", 0), seen("second", 2)];
    let intervention = Intervention { measure: Measure::Abandon, reason: reason() };
    rehearsed.city.when(&InterveneAll { runs, intervention }).unwrap();
    let state = |run: &str| rehearsed.city.state::<SagaRun>(id(run));
    assert_eq!(state("second"), SagaRun::Ended(Outcome::Abandoned));
    assert!(matches!((state("run"), state("moved")), (SagaRun::Live(_), SagaRun::Live(_))));
    assert_eq!(state("nobody's"), SagaRun::Absent);
}

#[test]
fn a_skipped_pivot_is_passed_and_a_skipped_step_is_not_undone() {
    let mut run = Rehearsed::of(&[("a", Way::Back), ("b", Way::Back)]);
    run.tell(Command::Park { reason: "unknown plan".into() }).unwrap();
    run.skip("a").unwrap();
    let events = run.fail(FailureKind::Permanent, None);
    assert_eq!(events[1..], [turned(), Event::ended(Outcome::Compensated)]);

    let mut run = Rehearsed::started();
    run.done().unwrap();
    run.fail(FailureKind::Unknown, None);
    run.skip("pay").unwrap();
    run.fail(FailureKind::Permanent, None);
    assert_eq!(run.intervene(Measure::Compensate), Err("SAGA_RUN_PAST_RETURN".into()));
}

#[test]
fn nobody_can_command_a_run_that_was_never_started() {
    let mut city = City::platform();
    let run: RunId = id("nobody's");
    assert_eq!(city.refusal(&Tell::<SagaRun> { id: run, command: Command::Wake }), "SAGA_RUN_UNKNOWN");
}
