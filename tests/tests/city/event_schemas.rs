//! One JSON Schema per type of event in `schemas/events/`, generated from the code. Run with
//! CITYOS_UPDATE_SCHEMAS=1 to rewrite them; a schema that could not read old events is refused even then, every time.

use cityos_domain::event::{Event, Kind};
use cityos_domain::upcast::current_version;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events")
}

/// The schema of each type of event, by file name.
fn generated() -> BTreeMap<String, Value> {
    let whole = serde_json::to_value(schemars::schema_for!(Event)).unwrap();
    let definitions = whole["$defs"].as_object().unwrap();
    let mut schemas = BTreeMap::new();
    for kind in one_of(&whole) {
        let (kind_name, own) = only_property(kind);
        for variant in one_of(resolve(own, definitions)) {
            let (event_name, body) = only_property(variant);
            let type_name = format!("{kind_name}.{event_name}");
            let body = resolve(body, definitions);
            let mut schema = body.as_object().unwrap().clone();
            schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
            schema.insert("title".into(), json!(type_name));
            if let Some(description) = variant.get("description") {
                schema.insert("description".into(), description.clone());
            }
            let used = used_definitions(body, definitions);
            if !used.is_empty() {
                schema.insert("$defs".into(), Value::Object(used));
            }
            let file = format!("{type_name}.v{}.json", current_version(&type_name));
            schemas.insert(file, Value::Object(schema));
        }
    }
    schemas
}

fn one_of(schema: &Value) -> &Vec<Value> {
    schema["oneOf"].as_array().expect("an enum of events is a oneOf")
}

fn only_property(variant: &Value) -> (&String, &Value) {
    variant["properties"].as_object().unwrap().iter().next().expect("a variant has its name as only property")
}

fn resolve<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => &definitions[reference.trim_start_matches("#/$defs/")],
        None => schema,
    }
}

fn used_definitions(schema: &Value, definitions: &Map<String, Value>) -> Map<String, Value> {
    let mut used = Map::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                    let name = name.trim_start_matches("#/$defs/");
                    if !used.contains_key(name) {
                        used.insert(name.to_owned(), definitions[name].clone());
                        open.push(&definitions[name]);
                    }
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    used
}

/// Why a body written under `old` might not be read under `new`.
fn breaks(
    path: &str,
    old: &Value,
    old_root: &Value,
    new: &Value,
    new_root: &Value,
    depth: u32,
) -> Vec<String> {
    const DEPTH_MAX: u32 = 24;
    let defs = |root: &Value| root["$defs"].as_object().cloned().unwrap_or_default();
    let (old_defs, new_defs) = (defs(old_root), defs(new_root));
    let (old, new) = (resolve(old, &old_defs), resolve(new, &new_defs));
    let mut found = Vec::new();
    if depth > DEPTH_MAX {
        return found;
    }
    let types = |schema: &Value| -> Vec<String> {
        match &schema["type"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(several) => several.iter().filter_map(|t| t.as_str().map(Into::into)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => vec![],
        }
    };
    let new_types = types(new);
    for was in types(old) {
        if !new_types.is_empty() && !new_types.contains(&was) {
            found.push(format!("{path}: was {was}, is {new_types:?}"));
        }
    }
    let no_fields = Map::new();
    let fields = |schema: &'_ Value| schema["properties"].as_object().cloned().unwrap_or(no_fields.clone());
    let (old_fields, new_fields) = (fields(old), fields(new));
    for (name, was) in &old_fields {
        match new_fields.get(name) {
            Some(is) => {
                found.extend(breaks(&format!("{path}.{name}"), was, old_root, is, new_root, depth + 1));
            }
            None => found.push(format!("{path}.{name}: is gone")),
        }
    }
    let required = |schema: &Value| -> Vec<String> {
        let names = schema["required"].as_array().cloned().unwrap_or_default();
        names.iter().filter_map(|name| name.as_str().map(Into::into)).collect()
    };
    let was_required = required(old);
    for name in required(new) {
        if !was_required.contains(&name) {
            found.push(format!("{path}.{name}: is required now, and old events do not have it"));
        }
    }
    let values = |schema: &Value| -> Vec<Value> {
        let mut values = schema["enum"].as_array().cloned().unwrap_or_default();
        values.extend(schema.get("const").cloned());
        values
    };
    let variants = |schema: &Value| -> Vec<Value> {
        let of = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
        [of("oneOf"), of("anyOf")].concat()
    };
    let all_values = |schema: &Value| -> Vec<Value> {
        values(schema).into_iter().chain(variants(schema).iter().flat_map(values)).collect()
    };
    let new_values = all_values(new);
    for was in all_values(old) {
        if !new_values.is_empty() && !new_values.contains(&was) {
            found.push(format!("{path}: {was} is gone"));
        }
    }
    for was in variants(old).iter().filter(|variant| values(variant).is_empty()) {
        let fits =
            variants(new).iter().any(|is| breaks(path, was, old_root, is, new_root, depth + 1).is_empty());
        if !fits {
            found.push(format!("{path}: a variant has no successor: {was}"));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let (Some(was @ Value::Object(_)), Some(is @ Value::Object(_))) = (old.get(key), new.get(key)) {
            found.extend(breaks(&format!("{path}[]"), was, old_root, is, new_root, depth + 1));
        }
    }
    found
}

/// How a schema of the code stands to the one that is kept.
#[derive(PartialEq, Debug)]
enum Compared {
    Same,
    /// It may be replaced by this text.
    Differs(String),
    /// It may not: what is stored could not be read for these reasons.
    Breaks(Vec<String>),
}

fn compare(file: &str, stored: Option<&str>, schema: &Value) -> Compared {
    let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    let Some(stored) = stored else { return Compared::Differs(text) };
    let old: Value = serde_json::from_str(stored).unwrap();
    let found = breaks(file, &old, &old, schema, schema, 0);
    if !found.is_empty() {
        Compared::Breaks(found)
    } else if stored == text {
        Compared::Same
    } else {
        Compared::Differs(text)
    }
}

#[test]
fn schemas_are_those_of_the_code_and_read_what_is_stored() {
    let update = std::env::var_os("CITYOS_UPDATE_SCHEMAS").is_some();
    let generated = generated();
    assert!(generated.len() > Kind::ALL.len(), "every kind has events");
    let mut wrong = Vec::new();
    for (file, schema) in &generated {
        let path = folder().join(file);
        let stored = fs::read_to_string(&path).ok();
        match compare(file, stored.as_deref(), schema) {
            Compared::Same => {}
            Compared::Differs(text) if update => {
                fs::create_dir_all(folder()).unwrap();
                fs::write(&path, text).unwrap();
            }
            Compared::Differs(_) => {
                wrong.push(format!("{file}: differs from the code; CITYOS_UPDATE_SCHEMAS=1 rewrites it"));
            }
            Compared::Breaks(found) => wrong.extend(found),
        }
    }
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some((type_name, version)) = name.strip_suffix(".json").and_then(|stem| stem.rsplit_once(".v"))
        else {
            continue;
        };
        let version: u16 = version.parse().unwrap();
        if version > current_version(type_name)
            || !generated.keys().any(|file| file.starts_with(&format!("{type_name}.v")))
        {
            wrong.push(format!("{name}: events that were ever written keep their type"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_change_that_breaks_readers_is_noticed() {
    let old = json!({
        "type": "object",
        "required": ["amount", "state"],
        "properties": {
            "amount": { "type": "integer" },
            "note": { "type": ["string", "null"] },
            "state": { "enum": ["open", "closed"] }
        }
    });
    let changed = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        breaks("it", &old, &old, &new, &new, 0)
    };
    assert_eq!(changed(|new| new["properties"]["more"] = json!({ "type": "integer" })), Vec::<String>::new());
    assert_eq!(
        changed(|new| new["properties"]["state"]["enum"] = json!(["open", "closed", "lost"])),
        Vec::<String>::new()
    );
    for change in [
        (|new| new["properties"]["amount"] = json!({ "type": "string" })) as fn(&mut Value),
        |new| new["properties"]["state"]["enum"] = json!(["open"]),
        |new| new["required"] = json!(["amount", "state", "note"]),
        |new| {
            new["properties"].as_object_mut().unwrap().remove("note");
        },
    ] {
        assert_eq!(changed(change).len(), 1);
    }
}

#[test]
fn a_schema_that_breaks_readers_is_never_rewritten() {
    let text = |schema: &Value| format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
    let kept = json!({ "properties": { "amount": { "type": "integer" } } });
    let grown = json!({ "properties": { "amount": { "type": "integer" }, "note": { "type": "string" } } });
    let stored = text(&kept);
    assert_eq!(compare("it", Some(&stored), &kept), Compared::Same);
    assert_eq!(compare("it", Some(&stored), &grown), Compared::Differs(text(&grown)));
    assert_eq!(compare("it", None, &grown), Compared::Differs(text(&grown)));
    let shrunk = compare("it", Some(&text(&grown)), &kept);
    assert_eq!(shrunk, Compared::Breaks(vec!["it.note: is gone".into()]));
}
