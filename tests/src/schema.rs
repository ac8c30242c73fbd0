//! What the API's schema says of itself, asked by introspection: so that tests walk all of it, and what is added
//! later is walked too.

use cityos_gateway::graphql;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TYPE: &str = "type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The types by name.
pub struct Schema {
    types: BTreeMap<String, Value>,
}

impl Schema {
    /// The schema that is served.
    pub async fn served() -> Self {
        let query = format!(
            "{{ __schema {{ types {{ kind name possibleTypes {{ name }} enumValues {{ name }} \
             inputFields {{ name defaultValue {TYPE} }} \
             fields {{ name args {{ name defaultValue {TYPE} }} {TYPE} }} }} }} }}"
        );
        let answer = graphql::schema().execute(query).await.into_result().expect("it describes itself");
        let described = answer.data.into_json().expect("answers are JSON");
        let types = list(&described["__schema"]["types"]);
        Schema { types: types.iter().map(|this| (text(&this["name"]), this.clone())).collect() }
    }

    /// The fields of a root: `Query` or `Mutation`.
    pub fn fields(&self, of: &str) -> &[Value] {
        list(&self.types[of]["fields"])
    }

    /// One field of a type.
    pub fn field(&self, of: &str, name: &str) -> &Value {
        let found = self.fields(of).iter().find(|field| field["name"] == name);
        found.unwrap_or_else(|| panic!("{of} has no field {name}"))
    }

    /// The type of this name.
    pub fn named(&self, name: &str) -> &Value {
        &self.types[name]
    }

    /// Everything that may be asked for of a type, `depth` levels down, as a selection.
    pub fn selection(&self, of: &str, depth: usize) -> String {
        let this = self.named(of);
        if this["kind"] == "UNION" {
            let members = list(&this["possibleTypes"]).iter().map(|member| {
                let member = text(&member["name"]);
                format!("... on {member} {{ {} }}", self.selection(&member, depth))
            });
            return format!("__typename {}", members.collect::<Vec<_>>().join(" "));
        }
        let parts = self.fields(of).iter().filter_map(|field| {
            let (name, kind) = (text(&field["name"]), base(&field["type"]));
            match text(&self.named(&kind)["kind"]).as_str() {
                "SCALAR" | "ENUM" => Some(name),
                _ if depth == 0 || has_required(field) => None,
                _ => Some(format!("{name} {{ {} }}", self.selection(&kind, depth - 1))),
            }
        });
        // A type of which nothing is left at this depth still needs a selection.
        format!("__typename {}", parts.collect::<Vec<_>>().join(" "))
    }

    /// A document that gives one mutation, with its arguments as variables; `show` is asked of what has changed.
    pub fn mutation(&self, field: &str, show: &str) -> String {
        let this = self.field("Mutation", field);
        let arguments = list(&this["args"]);
        let declared = arguments.iter().map(|it| format!("${}: {}", text(&it["name"]), written(&it["type"])));
        let passed = arguments.iter().map(|it| format!("{0}: ${0}", text(&it["name"])));
        let members = list(&self.named(&base(&this["type"]))["possibleTypes"]).iter().map(|member| {
            let member = text(&member["name"]);
            let show = if member.ends_with("Changed") { show } else { "" };
            format!("... on {member} {{ {} {show} }}", self.selection(&member, 0))
        });
        format!(
            "mutation({}) {{ answer: {field}({}) {{ __typename {} }} }}",
            declared.collect::<Vec<_>>().join(", "),
            passed.collect::<Vec<_>>().join(", "),
            members.collect::<Vec<_>>().join(" "),
        )
    }
}

/// Whether a field cannot be asked without saying more.
pub fn has_required(field: &Value) -> bool {
    list(&field["args"]).iter().any(is_required)
}

/// Whether an argument or input field must be given.
pub fn is_required(argument: &Value) -> bool {
    argument["type"]["kind"] == "NON_NULL" && argument["defaultValue"].is_null()
}

/// The name of a type without lists and bangs.
pub fn base(this: &Value) -> String {
    if this["ofType"].is_null() { text(&this["name"]) } else { base(&this["ofType"]) }
}

/// Whether a type is a list of something.
pub fn is_list(this: &Value) -> bool {
    this["kind"] == "LIST" || (!this["ofType"].is_null() && is_list(&this["ofType"]))
}

/// A type as it is written in a document.
pub fn written(this: &Value) -> String {
    match this["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&this["ofType"])),
        Some("LIST") => format!("[{}]", written(&this["ofType"])),
        Some(_) | None => text(&this["name"]),
    }
}

/// The elements of a list, none where there is no list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text as it is.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A name in one language, as the API wants it.
pub fn english(name: &str) -> Value {
    json!([{ "locale": "en", "text": name }])
}
