//! Runs of sagas that end in every way, and one that still waits.

use super::{History, id};
use chrono::TimeDelta;
use cityos_domain::drill::{self, Failing, Step};
use cityos_domain::ids::{DrillId, RunId, VendorId};
use cityos_domain::log::{Partition, Version};
use cityos_domain::saga_run::{Direction, Event as E, FailureKind, Outcome, PlannedStep, Way};
use serde_json::json;

pub(super) fn end_in_every_way(history: &mut History, own: Partition) {
    let failing = vec![Failing {
        step: Step::Reserve,
        direction: Direction::Back,
        kind: FailureKind::Permanent,
        attempts: 1,
    }];
    history.happens(own, id::<DrillId>("drill"), drill::Event::Started { failing });

    let completed = started(history, own, "completed run");
    attempted(history, own, completed, "first", Direction::Forward, 1);
    history.happens(own, completed, E::Done { step: "first".into(), memo: json!({"found": 1}) });
    attempted(history, own, completed, "second", Direction::Forward, 1);
    history.happens(own, completed, E::Done { step: "second".into(), memo: json!({}) });
    history.happens(own, completed, E::ended(Outcome::Completed));

    let compensated = started(history, own, "compensated run");
    attempted(history, own, compensated, "first", Direction::Forward, 1);
    failed(history, own, compensated, FailureKind::Transient);
    attempted(history, own, compensated, "first", Direction::Forward, 2);
    history.happens(own, compensated, E::Done { step: "first".into(), memo: json!({}) });
    attempted(history, own, compensated, "second", Direction::Forward, 1);
    failed(history, own, compensated, FailureKind::Permanent);
    let turned = E::Turned { code: "OUT_OF_STOCK".into(), reason: "nothing is left".into() };
    history.happens(own, compensated, turned);
    attempted(history, own, compensated, "first", Direction::Back, 1);
    history.happens(own, compensated, E::Undone { step: "first".into() });
    history.happens(own, compensated, E::ended(Outcome::Compensated));

    let abandoned = started(history, own, "abandoned run");
    waits(history, own, abandoned);
    history.happens(own, abandoned, E::Woken { step: "first".into() });
    history.happens(own, abandoned, E::Parked { reason: "the pivot may have happened".into() });
    history.happens(own, abandoned, E::Retried {});
    history.happens(own, abandoned, E::Parked { reason: "it may have happened again".into() });
    history.happens(own, abandoned, E::Skipped { step: "first".into(), memo: Some(json!({"found": 2})) });
    let [stays, may_stay, not_done] = ["first", "second", "third"].map(|step| vec![step.into()]);
    history.happens(own, abandoned, E::given_up(stays, may_stay, not_done));

    let waiting = started(history, own, "waiting run");
    waits(history, own, waiting);
    let parked = started(history, own, "parked run");
    history.happens(own, parked, E::Parked { reason: "its plan is another program's".into() });
}

fn started(history: &mut History, own: Partition, run: &str) -> RunId {
    let step = |name: &str| PlannedStep { name: name.into(), way: Way::Back };
    let started = E::Started {
        saga: "rehearsed".into(),
        steps: vec![step("first"), step("second")],
        input: json!({"run": run}),
        cause: history.latest(),
    };
    let run: RunId = id(run);
    history.happens(own, run, started);
    run
}

fn attempted(
    history: &mut History,
    own: Partition,
    run: RunId,
    step: &str,
    direction: Direction,
    attempt: u32,
) {
    history.wait(1);
    let attempted = E::Attempted {
        step: step.into(),
        direction,
        attempt,
        key: format!("{run} {step} {attempt}"),
        lease_until: history.now() + TimeDelta::minutes(1),
    };
    history.happens(own, run, attempted);
}

fn failed(history: &mut History, own: Partition, run: RunId, kind: FailureKind) {
    let retry_at = (kind == FailureKind::Transient).then(|| history.now() + TimeDelta::minutes(5));
    let failed = E::Failed {
        step: "first".into(),
        direction: Direction::Forward,
        attempt: 1,
        kind,
        code: "UNAVAILABLE".into(),
        error: "the provider did not answer".into(),
        retry_at,
    };
    history.happens(own, run, failed);
}

fn waits(history: &mut History, own: Partition, run: RunId) {
    let waiting = E::Waiting {
        step: "first".into(),
        on_kind: "vendor".into(),
        on_id: id::<VendorId>("weaver").0,
        seen: Version(5),
        until: history.now() + TimeDelta::days(30),
    };
    history.happens(own, run, waiting);
}
