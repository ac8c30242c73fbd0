//! How things stand at the end: what happened to everything but the runs, how the runs ended, and what the sandbox
//! has in its books. Times are left out, for trouble takes time.

use crate::world::World;
use chrono::{DateTime, NaiveDate};
use cityos_connectors::sandbox::Operation;
use cityos_domain::event::Event;
use cityos_domain::ledger::payout;
use cityos_domain::log::{Envelope, StreamId};
use cityos_domain::marketplace::{stock, vendor};
use cityos_domain::orders::{order, payment};
use cityos_domain::saga_run::{self, Direction, Outcome};
use cityos_sagas::rehearsal::End;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const OPERATIONS: [Operation; 6] = [
    Operation::Authorise,
    Operation::Capture,
    Operation::Release,
    Operation::OpenAccount,
    Operation::CloseAccount,
    Operation::Transfer,
];

#[derive(Clone, PartialEq, Debug)]
pub struct Ending {
    pub events: BTreeMap<StreamId, Vec<String>>,
    pub runs: BTreeMap<StreamId, Option<End>>,
    /// Operation, key, subject and amount of everything the sandbox did.
    pub books: BTreeSet<(String, String, String, Option<i64>)>,
    /// How many things it did: more than `books` if any was done twice.
    pub done: usize,
}

impl Ending {
    pub async fn of(world: &World) -> Self {
        let mut events: BTreeMap<StreamId, Vec<String>> = BTreeMap::new();
        let mut runs = BTreeMap::new();
        for envelope in world.log().await {
            if let Event::SagaRun(event) = &envelope.event {
                runs.insert(envelope.stream, end_after(event));
            } else {
                events.entry(envelope.stream).or_default().push(timeless(&envelope));
            }
        }
        let (mut books, mut done) = (BTreeSet::new(), 0);
        for operation in OPERATIONS {
            for entry in world.sandbox.done(operation).await.unwrap() {
                done += 1;
                books.insert((operation.name().into(), entry.key, entry.subject, entry.minor));
            }
        }
        Ending { events, runs, books, done }
    }

    /// With what happened to each thing in no particular order.
    pub fn in_any_order(mut self) -> Self {
        self.events.values_mut().for_each(|events| events.sort());
        self
    }

    /// Fails with what differs.
    pub fn assert_is(&self, expected: &Ending, what: &str) {
        for stream in self.events.keys().chain(expected.events.keys()) {
            assert_eq!(self.events.get(stream), expected.events.get(stream), "{what}: {stream}");
        }
        assert_eq!(self.runs, expected.runs, "{what}");
        assert_eq!((&self.books, self.done), (&expected.books, expected.done), "{what}");
    }
}

fn end_after(event: &saga_run::Event) -> Option<End> {
    if matches!(event, saga_run::Event::Parked { .. }) {
        return Some(End::Parked);
    }
    let saga_run::Event::Ended { outcome, .. } = event else { return None };
    match outcome {
        Outcome::Completed => Some(End::Completed),
        Outcome::Compensated => Some(End::Compensated),
        Outcome::Abandoned => None,
    }
}

fn timeless(envelope: &Envelope) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => *text = "a moment".into(),
            Value::String(text) if text.parse::<NaiveDate>().is_ok() => *text = "a day".into(),
            Value::Array(values) => values.iter_mut().for_each(strip),
            Value::Object(fields) => fields.values_mut().for_each(strip),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let encoded = envelope.event.encode();
    let mut body = serde_json::from_str(&encoded.body).unwrap();
    strip(&mut body);
    format!("{} {body}", encoded.type_name)
}

/// The steps that were done, and undone, as (saga, step, direction).
pub async fn steps_taken(world: &World) -> BTreeSet<(String, String, &'static str)> {
    let mut sagas = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for envelope in world.log().await {
        let Event::SagaRun(event) = envelope.event else { continue };
        if let saga_run::Event::Started { saga, .. } = event {
            sagas.insert(envelope.stream, saga);
        } else if let saga_run::Event::Done { step, .. } = event {
            taken.insert((sagas[&envelope.stream].clone(), step, direction(Direction::Forward)));
        } else if let saga_run::Event::Undone { step } = event {
            taken.insert((sagas[&envelope.stream].clone(), step, direction(Direction::Back)));
        }
    }
    taken
}

pub fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Back => "back",
    }
}

/// Nothing is left hanging where no run is parked: no stock or money held for nobody, no order or payout without an
/// end, no account without a vendor, nothing done twice in the outside world, no money moved there that is not in the
/// log once.
pub async fn assert_nothing_hangs(world: &World, what: &str) {
    let ending = Ending::of(world).await;
    assert_eq!(ending.done, ending.books.len(), "{what}: something was done twice: {:#?}", ending.books);
    let unended: Vec<_> = ending.runs.iter().filter(|(_, end)| end.is_none()).collect();
    assert!(unended.is_empty(), "{what}: runs go on: {unended:?}");
    if ending.runs.values().any(|end| *end == Some(End::Parked)) {
        return;
    }

    let mut hanging = BTreeSet::new();
    let mut authorised = BTreeSet::new();
    let mut linked = BTreeMap::new();
    let mut recorded: Vec<String> = Vec::new();
    for envelope in world.log().await {
        let stream = envelope.stream;
        if let Event::Stock(stock::Event::Reserved { reservation, .. }) = &envelope.event {
            hanging.insert(format!("claim {reservation}"));
        } else if let Event::Stock(
            stock::Event::Released { reservation, .. } | stock::Event::Allocated { reservation, .. },
        ) = &envelope.event
        {
            hanging.remove(&format!("claim {reservation}"));
        } else if let Event::Order(event) = &envelope.event {
            match event {
                order::Event::Requested { .. } => hanging.insert(stream.to_string()),
                order::Event::Placed { .. } | order::Event::Declined { .. } => {
                    hanging.remove(&stream.to_string())
                }
            };
        } else if let Event::Payout(event) = &envelope.event {
            match event {
                payout::Event::Requested { .. } => {
                    hanging.insert(stream.to_string());
                }
                payout::Event::Paid { .. } | payout::Event::Failed { .. } | payout::Event::Voided { .. } => {
                    hanging.remove(&stream.to_string());
                }
                payout::Event::Submitted { reference, .. } => recorded.push(reference.clone()),
                payout::Event::Claimed { .. } => {}
            }
        } else if let Event::Payment(payment::Event::Authorised { reference, .. }) = &envelope.event {
            authorised.insert(reference.clone());
        } else if let Event::Payment(payment::Event::Captured { reference, .. }) = &envelope.event {
            recorded.push(reference.clone());
        } else if let Event::Vendor(vendor::Event::PayoutAccountOpened { account }) = &envelope.event {
            linked.insert(stream, account.clone());
        } else if let Event::Vendor(vendor::Event::PayoutAccountClosed {}) = &envelope.event {
            linked.remove(&stream);
        }
    }
    for operation in [Operation::Capture, Operation::Transfer] {
        for moved in world.sandbox.done(operation).await.unwrap() {
            let times = recorded.iter().filter(|reference| **reference == moved.reference).count();
            assert_eq!(times, 1, "{what}: {} is in the log {times} times", moved.reference);
        }
    }
    for held in world.sandbox.done(Operation::Authorise).await.unwrap() {
        let released = world.sandbox.done(Operation::Release).await.unwrap();
        let released = released.iter().filter(|release| release.subject == held.reference);
        let released: i64 = released.filter_map(|release| release.minor).sum();
        if !authorised.contains(&held.reference) && Some(released) != held.minor {
            hanging.insert(format!("held money {}", held.reference));
        }
    }
    let closed = world.sandbox.done(Operation::CloseAccount).await.unwrap();
    for opened in world.sandbox.done(Operation::OpenAccount).await.unwrap() {
        let is_closed = closed.iter().any(|closing| closing.subject == opened.reference);
        if is_closed == linked.values().any(|account| *account == opened.reference) {
            hanging.insert(format!("account {}", opened.reference));
        }
    }
    assert!(hanging.is_empty(), "{what}: left hanging: {hanging:#?}");
}
