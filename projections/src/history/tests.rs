//! The history holds every type of event, and gives every read model rows.

use super::*;
use crate::models::REGISTRY;
use cityos_domain::event::Kind;
use std::collections::BTreeSet;

/// The names of all types of events, read off the schema of `Event`.
fn all_types() -> BTreeSet<String> {
    let schema = schemars::schema_for!(Event);
    let definitions = &schema.as_value()["$defs"];
    let variants = |schema: &serde_json::Value| -> Vec<(String, serde_json::Value)> {
        let one_of = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        let properties = one_of.iter().filter_map(|variant| variant["properties"].as_object());
        properties.flatten().map(|(name, inner)| (name.clone(), inner.clone())).collect()
    };
    let mut types = BTreeSet::new();
    for (kind, inner) in variants(schema.as_value()) {
        let reference = inner["$ref"].as_str().expect("each aggregate's events are a definition");
        let definition = &definitions[reference.rsplit('/').next().unwrap()];
        types.extend(variants(definition).into_iter().map(|(name, _)| format!("{kind}.{name}")));
    }
    types
}

#[test]
fn every_type_of_event_is_in_the_history() {
    let types = all_types();
    for kind in Kind::ALL {
        assert!(
            types.iter().any(|name| name.starts_with(&format!("{}.", kind.name()))),
            "{kind:?} is missing"
        );
    }
    let history = History::of_everything();
    let there: BTreeSet<_> = history.events().iter().map(|event| event.event.encode().type_name).collect();
    let missing: Vec<_> = types.difference(&there).collect();
    assert!(missing.is_empty(), "not in the history: {missing:?}");
}

#[test]
fn every_model_can_follow_the_history_and_has_rows_of_both_tenants() {
    let history = History::of_everything();
    for model in REGISTRY {
        let groups = crate::apply::by_key(*model, history.events()).unwrap();
        let mut partitions = BTreeSet::new();
        for (key, events) in groups {
            let folded = model.fold(None, &key, &events);
            assert_eq!(folded.poison, None, "{} {key:?}", model.name());
            partitions.extend(folded.row.map(|_| key[0].clone()));
        }
        let city_wide = ["places", "tenants"].contains(&model.name());
        assert_eq!(partitions.len() >= 2, !city_wide, "{}: rows in {partitions:?}", model.name());
        assert!(!partitions.is_empty(), "{} has no rows", model.name());
    }
}
