//! A state as its fields: each by the path that leads to it.

use serde_json::Value;
use std::collections::HashMap;

/// Paths such as `known.totals.goods_minor`, with what stands there; a list's places count from 0. What holds nothing
/// inside is a field itself; a state that is one word is the field `state`.
pub fn fields(state: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    walk(state, String::new(), &mut found);
    found
}

fn walk<'a>(value: &'a Value, path: String, found: &mut Vec<(String, &'a Value)>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| walk(value, inside(name), found));
        }
        Value::Array(items) if !items.is_empty() => {
            let places = items.iter().enumerate();
            places.for_each(|(place, item)| walk(item, inside(&place.to_string()), found));
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => {
            found.push((if path.is_empty() { "state".to_owned() } else { path }, value));
        }
    }
}

/// A field that is not the same before and after.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Which.
    pub path: String,
    /// What stood there; none where the field was not there.
    pub before: Option<Value>,
    /// What stands there now.
    pub after: Option<Value>,
}

/// Every field that differs: those there were, then those that are new.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (was, is) = (fields(before), fields(after));
    let mut new: HashMap<_, _> = is.iter().map(|(path, value)| (path.as_str(), *value)).collect();
    let mut changes = Vec::new();
    for (path, before) in was {
        let after = new.remove(path.as_str());
        if after != Some(before) {
            changes.push(Change { path, before: Some(before.clone()), after: after.cloned() });
        }
    }
    let added = is.iter().filter(|(path, _)| new.contains_key(path.as_str()));
    changes.extend(added.map(|(path, after)| Change {
        path: path.clone(),
        before: None,
        after: Some(Value::clone(after)),
    }));
    changes
}

/// A field's value for people: text without quotes.
pub fn plain(value: Option<&Value>) -> String {
    match value {
        None => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)),
        ) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_named_by_its_path() {
        let state = json!({ "known": { "name": "x", "none": [], "parts": ["a", { "b": null }] } });
        let expected = [
            ("known.name".to_owned(), &json!("x")),
            ("known.none".into(), &json!([])),
            ("known.parts.0".into(), &json!("a")),
            ("known.parts.1.b".into(), &json!(null)),
        ];
        assert_eq!(fields(&state), expected);
        assert_eq!(fields(&json!("unknown")), [("state".into(), &json!("unknown"))]);
    }

    #[test]
    fn what_is_added_gone_or_other_is_a_change_and_what_is_the_same_is_none() {
        let before = json!({ "same": 1, "gone": { "a": null }, "other": "x" });
        let after = json!({ "same": 1, "other": "y", "added": true });
        let change = |path: &str, before, after| Change { path: path.into(), before, after };
        let expected = [
            change("gone.a", Some(json!(null)), None),
            change("other", Some(json!("x")), Some(json!("y"))),
            change("added", None, Some(json!(true))),
        ];
        assert_eq!(changes(&before, &after), expected);
    }
}
