//! Answers whose fields stand in the order they were asked for, as the GraphQL specification has it (§ 3.6, Objects):
//! the library collects fields as they are resolved, so that two answers to one question could differ.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Response, Value};

/// The fields asked for, by the name they have in the answer, each with those below it.
#[derive(Default)]
struct Asked<'d>(IndexMap<&'d Name, Asked<'d>>);

/// Puts the fields of an answer into the order of the operation it answers.
pub fn arrange(response: &mut Response, document: &ExecutableDocument, operation: Option<&str>) {
    let operation = match (&document.operations, operation) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(_), None) => None,
    };
    if let Some(operation) = operation {
        let mut asked = Asked::default();
        asked.collect(&operation.node.selection_set.node, document);
        asked.order(&mut response.data);
    }
}

impl<'d> Asked<'d> {
    fn collect(&mut self, set: &'d SelectionSet, document: &'d ExecutableDocument) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let below = self.0.entry(&field.node.response_key().node).or_default();
                    below.collect(&field.node.selection_set.node, document);
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.collect(&fragment.node.selection_set.node, document);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    self.collect(&fragment.node.selection_set.node, document);
                }
            }
        }
    }

    fn order(&self, answered: &mut Value) {
        match answered {
            Value::Object(fields) => {
                // What had not to be waited for is in order already.
                if !fields.keys().eq(self.0.keys().copied()) {
                    fields.sort_by_cached_key(|name, _| self.0.get_index_of(name));
                }
                for (name, field) in fields {
                    if let Some(below) = self.0.get(name) {
                        below.order(field);
                    }
                }
            }
            Value::List(values) => values.iter_mut().for_each(|one| self.order(one)),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::json;

    fn arranged(query: &str, operation: Option<&str>, data: serde_json::Value) -> String {
        let mut response = Response::new(Value::from_json(data).unwrap());
        arrange(&mut response, &parse_query(query).unwrap(), operation);
        serde_json::to_string(&response.data).unwrap()
    }

    #[test]
    fn fields_stand_where_they_were_asked_for_through_lists_aliases_and_fragments() {
        let query = "query Two { z list { b ...rest ... on T { d } } list { e } aliased: a }
                     fragment rest on T { c { y x } b } query One { a z }";
        let data = json!({ "aliased": 1, "list": [{ "b": 1, "c": { "x": 1, "y": 2 }, "d": 3, "e": 4 }, null], "z": 2 });
        let expected = r#"{"z":2,"list":[{"b":1,"c":{"y":2,"x":1},"d":3,"e":4},null],"aliased":1}"#;
        assert_eq!(arranged(query, Some("Two"), data), expected);
        assert_eq!(arranged(query, Some("One"), json!({ "z": 1, "a": 2 })), r#"{"a":2,"z":1}"#);
        assert_eq!(arranged("{ b a }", None, json!(null)), "null");
    }
}
