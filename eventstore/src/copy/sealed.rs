//! Whose keys a log needs, told from its events as they are stored: an object of a person and a ciphertext is a sealed value,
//! whatever event it stands in.

use crate::store::{EventStore, StoreError};
use cityos_domain::log::Position;
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Events read at a time.
const PAGE_EVENTS: u32 = 5_000;

/// Tenant and person of every value that is sealed in the log.
pub async fn sealed_for(log: &dyn EventStore) -> Result<BTreeSet<(Uuid, Uuid)>, StoreError> {
    let (mut found, mut after) = (BTreeSet::new(), Position::START);
    loop {
        let page = log.read_stored(after, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.position;
        for event in page.iter().filter(|event| event.body.contains("\"ciphertext\"")) {
            // What is no JSON nobody can open either.
            if let Ok(body) = serde_json::from_str(&event.body) {
                look(&body, &mut |person| {
                    found.insert((event.partition, person));
                });
            }
        }
    }
}

fn look(value: &Value, found: &mut impl FnMut(Uuid)) {
    match value {
        Value::Object(fields) => {
            let person = fields.get("person").and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok());
            if let (Some(person), Some(Value::String(_))) = (person, fields.get("ciphertext")) {
                found(person);
            }
            fields.values().for_each(|inner| look(inner, found));
        }
        Value::Array(values) => values.iter().for_each(|inner| look(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
