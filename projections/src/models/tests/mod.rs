//! Events in, rows out: what each model makes of the history, and what it refuses to make of contradictions.

mod city;
mod marketplace;
mod money;
mod orders;
mod runs;

use super::REGISTRY;
use crate::history::{History, partition};
use crate::model::{KeyOf, ReadModel, Unfit};
use crate::replay::{Rows, replay};
use crate::row::RowKey;
use cityos_domain::text::LocalText;

/// The rows that the first tenant's history makes.
fn rows<M: ReadModel>() -> Rows<M> {
    let mut rows = replay::<M>(History::of_everything().events()).unwrap();
    rows.retain(|(of, _), _| *of == partition("bazaar"));
    rows
}

/// The row of one key in it.
fn row<M: ReadModel>(key: impl Into<KeyOf<M>>) -> M::Row {
    rows::<M>().remove(&(partition("bazaar"), key.into())).expect("the history makes this row")
}

/// A name's text in one locale.
fn text_in<'a>(locale: &str, texts: &'a LocalText) -> &'a str {
    texts.iter().find(|(has, _)| *has == locale).map(|(_, text)| text).expect("it is named in this locale")
}

/// What becomes of a row as the first tenant's history goes on, change by change.
fn steps<M: ReadModel, T: PartialEq>(key: KeyOf<M>, look: impl Fn(&M::Row) -> T) -> Vec<T> {
    let mut seen = Vec::new();
    let mut row = None;
    for event in History::of_everything().events() {
        let own = event.stream.partition == partition("bazaar");
        if own && M::keys(event).into_iter().any(|touched| touched == key) {
            row = M::evolve(row, &key, event).unwrap();
            if let Some(look) = row.as_ref().map(&look)
                && seen.last() != Some(&look)
            {
                seen.push(look);
            }
        }
    }
    seen
}

/// What the rows of a model say to a history of their own.
fn told<M: ReadModel>(tell: impl FnOnce(&mut History)) -> Result<Rows<M>, Unfit> {
    let mut history = History::new();
    tell(&mut history);
    replay::<M>(history.events())
}

#[test]
fn what_happens_to_nothing_is_unfit_and_never_a_panic() {
    let history = History::of_everything();
    let mut missing = 0;
    for model in REGISTRY {
        for event in history.events() {
            for key in model.keys(event).unwrap() {
                let Some((_, unfit)) = model.fold(None, &key, &[event]).poison else { continue };
                assert_eq!(unfit, Unfit::Missing, "{} at {}", model.name(), event.event.encode().type_name);
                missing += 1;
            }
        }
    }
    assert!(missing > 100, "{missing}");
}

#[test]
fn keys_and_rows_survive_their_stored_form() {
    use crate::row::Row;
    fn survives<M: ReadModel>() {
        for ((_, key), row) in rows::<M>() {
            assert_eq!(M::Row::from_values(row.clone().into_values()).unwrap(), row);
            assert_eq!(KeyOf::<M>::from_values(key.clone().into_values()).unwrap(), key);
            assert_eq!(row.key(), key);
        }
    }
    survives::<super::due_timers::DueTimers>();
    survives::<super::order_lines::OrderLines>();
    survives::<super::saga_runs::SagaRuns>();
    survives::<super::stores::Stores>();
    survives::<super::tenant_days::TenantDays>();
}
