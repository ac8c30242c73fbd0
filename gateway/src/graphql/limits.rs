//! What a request may be. Looked at before anything parses, validates or carries it out: the library's parser goes
//! as deep into values as they are nested, and its own limits expand fragments as often as they are spread.

use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use quick_cache::sync::Cache;
use std::sync::{Arc, LazyLock};

/// The longest query, in bytes; values may be sent as variables.
pub const QUERY_BYTES_MAX: usize = 65_536;

/// How deep brackets of any kind may be nested.
pub const NESTING_MAX: usize = 64;

/// How deep a request may nest its fields.
pub const DEPTH_MAX: usize = 15;

/// How many fields and arguments a request may name, over all its operations and fragments and introspection
/// included: those of a fragment once, and again as often as it is spread. A page counts once, not per row.
pub const FIELDS_MAX: usize = 1_000;

/// How many errors are told of a request that is not carried out.
pub const ERRORS_MAX: usize = 20;

/// The longest query that is remembered, and how many: they come from whoever can reach the server.
const REMEMBERED_BYTES_MAX: usize = 8_192;
const REMEMBERED_MAX: usize = 256;

/// What queries ask for that were within limits: callers ask the same again and again, with other variables.
static REMEMBERED: LazyLock<Cache<String, Arc<ExecutableDocument>>> =
    LazyLock::new(|| Cache::new(REMEMBERED_MAX));

/// What a query asks for, if it stays within limits.
pub fn document(query: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
    if let Some(document) = REMEMBERED.get(query) {
        return Ok(document);
    }
    let document = Arc::new(parsed(query)?);
    if query.len() <= REMEMBERED_BYTES_MAX {
        REMEMBERED.insert(query.to_owned(), document.clone());
    }
    Ok(document)
}

fn parsed(query: &str) -> Result<ExecutableDocument, ServerError> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(beyond(format!("a query has at most {QUERY_BYTES_MAX} bytes: send values as variables")));
    }
    if nesting(query) > NESTING_MAX {
        return Err(beyond(format!("a query nests its brackets at most {NESTING_MAX} deep")));
    }
    let document = parse_query(query)?;
    // Validation reads all of it, whichever operation is carried out, and fragments that nothing spreads.
    let mut walk = Walk { document: &document, items: 0 };
    for (_, operation) in document.operations.iter() {
        walk.through(&operation.node.selection_set.node, 1)?;
    }
    for fragment in document.fragments.values() {
        walk.through(&fragment.node.selection_set.node, 1)?;
    }
    Ok(document)
}

fn beyond(rule: String) -> ServerError {
    ServerError::new(rule, None)
}

/// How deep brackets are nested, outside texts and comments.
fn nesting(query: &str) -> usize {
    let (mut depth, mut deepest, mut rest) = (0_usize, 0, query);
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '#' => rest.split_once(['\n', '\r']).map_or("", |(_, after)| after),
            '"' => after_text(rest),
            _ => &rest[next.len_utf8()..],
        };
        match next {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What follows the text that `rest` begins with: a block of three quotes, or of one.
fn after_text(rest: &str) -> &str {
    let quotes = if rest.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    let mut inside = &rest[quotes.len()..];
    while let Some(at) = inside.find(['\\', '"']) {
        inside = &inside[at..];
        if let Some(after) = inside.strip_prefix(quotes) {
            return after;
        }
        // A backslash and what it escapes, or a quote within a block.
        let skipped: usize =
            inside.chars().take(if inside.starts_with('\\') { 2 } else { 1 }).map(char::len_utf8).sum();
        inside = &inside[skipped..];
    }
    ""
}

/// A walk through all that a request names. Spreads count like fields, or those of fragments that spread each other
/// would never end.
struct Walk<'d> {
    document: &'d ExecutableDocument,
    items: usize,
}

impl Walk<'_> {
    fn through(&mut self, set: &SelectionSet, depth: usize) -> Result<(), ServerError> {
        for item in &set.items {
            let arguments =
                if let Selection::Field(field) = &item.node { field.node.arguments.len() } else { 0 };
            self.items += 1 + arguments;
            if self.items > FIELDS_MAX {
                return Err(beyond(format!("a request names at most {FIELDS_MAX} fields and arguments")));
            }
            match &item.node {
                Selection::Field(field) if depth > DEPTH_MAX => {
                    let name = &field.node.name.node;
                    return Err(beyond(format!("`{name}` is nested deeper than {DEPTH_MAX} fields")));
                }
                Selection::Field(field) => self.through(&field.node.selection_set.node, depth + 1)?,
                Selection::InlineFragment(fragment) => {
                    self.through(&fragment.node.selection_set.node, depth)?;
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.through(&fragment.node.selection_set.node, depth)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(query: &str) -> Option<String> {
        document(query).err().map(|error| error.message)
    }

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let texts = r#"{ a(b: "((\"((", c: """[[ " \""" [[""", d: "") # [[[[ (
            { e } }"#;
        assert_eq!(nesting(texts), 2);
        assert_eq!(nesting("{ a(b: [[{c: 1}]]) }"), 5);
        assert_eq!(nesting("}}}{"), 1);
        assert_eq!(nesting("{ \"\"\"{{{ \" { é"), 1);
    }

    #[test]
    fn what_was_within_limits_is_read_once_and_what_is_long_is_not_kept() {
        let [short, long] =
            [1, REMEMBERED_BYTES_MAX].map(|length| format!("{{ once }} # {}", "x".repeat(length)));
        let same = |query| Arc::ptr_eq(&document(query).unwrap(), &document(query).unwrap());
        assert!(same(&short));
        assert!(!same(&long));
    }

    #[test]
    fn what_is_nested_deeper_than_any_stack_is_never_parsed() {
        let values = |depth| format!("{{ a(b: {}{}) }}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(refusal(&values(NESTING_MAX - 2)), None);
        assert!(refusal(&values(NESTING_MAX - 1)).unwrap().contains("64 deep"));
        assert!(refusal(&values(20_000)).unwrap().contains("64 deep"));
        assert!(refusal(&format!("{{ a }} # {}", "x".repeat(QUERY_BYTES_MAX))).unwrap().contains("bytes"));
    }

    #[test]
    fn fragments_count_as_often_as_they_are_spread_and_may_not_spread_each_other() {
        let doubling = |levels: usize| {
            let fragment = |n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1);
            let fragments: String = (0..levels).map(fragment).collect();
            format!("{{ ...f0 }} {fragments} fragment f{levels} on Query {{ a }}")
        };
        assert_eq!(refusal(&doubling(6)), None);
        assert!(refusal(&doubling(29)).unwrap().contains("1000 fields"));
        assert!(refusal("{ ...f } fragment f on Query { ...f }").unwrap().contains("1000 fields"));
    }

    #[test]
    fn what_is_not_carried_out_counts_too() {
        let unspread = |times: usize| {
            let (spreads, fields) = ("a { ...f } ".repeat(times), "x: a x: b ".repeat(times));
            format!("{{ __typename }} fragment g on Query {{ {spreads} }} fragment f on Query {{ {fields} }}")
        };
        let operations =
            |many: usize| -> String { (0..many).map(|n| format!("query q{n} {{ ...f }} ")).collect() };
        let sharing = |many| format!("{} fragment f on Query {{ a }}", operations(many));
        assert_eq!(refusal(&unspread(20)), None);
        assert!(refusal(&unspread(3_000)).unwrap().contains("1000 fields"));
        assert_eq!(refusal(&sharing(400)), None);
        assert!(refusal(&sharing(3_000)).unwrap().contains("1000 fields"));
    }

    #[test]
    fn arguments_count_like_fields() {
        let named = |many: usize| -> String { (0..many).map(|n| format!("a{n}: 1 ")).collect() };
        let twice = |many| format!("{{ a({0}) a({0}) }}", named(many));
        assert_eq!(refusal(&twice(FIELDS_MAX / 2 - 1)), None);
        assert!(refusal(&twice(FIELDS_MAX / 2)).unwrap().contains("1000 fields"));
    }
}
