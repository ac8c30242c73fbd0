//! The schema is a contract: what stands in `schemas/graphql` is what is served, the access table knows all of it,
//! and every mutation takes and answers what callers rely on.

use cityos_gateway::access::Action;
use cityos_gateway::graphql::sdl;
use cityos_tests::schema::{Schema, base, list, text, written};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[test]
fn the_schema_in_the_tree_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/graphql/schema.graphql");
    if std::env::var_os("CITYOS_UPDATE_SCHEMAS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, sdl()).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == sdl(), "schemas/graphql/schema.graphql is out of date: run `make schemas`");
}

#[tokio::test]
async fn every_field_of_the_roots_is_in_the_access_table_and_the_other_way_round() {
    let schema = Schema::served().await;
    let fields = ["Query", "Mutation"].map(|root| schema.fields(root)).concat();
    let served: BTreeSet<String> = fields.iter().map(|field| text(&field["name"])).collect();
    let listed: BTreeSet<String> = Action::ALL.iter().map(|action| action.field().to_owned()).collect();
    assert_eq!(served, listed);
}

#[tokio::test]
async fn s49_every_mutation_takes_key_and_version_and_answers_with_errors_of_their_own_type_with_a_code() {
    let schema = Schema::served().await;
    let typed = |fields: &serde_json::Value| -> BTreeMap<String, String> {
        list(fields).iter().map(|field| (text(&field["name"]), written(&field["type"]))).collect()
    };
    let mut checked = 0;
    // A token is no change: nothing is kept that could be repeated.
    for mutation in schema.fields("Mutation").iter().filter(|mutation| mutation["name"] != "developmentToken")
    {
        let arguments = typed(&mutation["args"]);
        assert_eq!(arguments["idempotencyKey"], "String!", "{mutation}");
        assert_eq!(arguments["expectedVersion"], "Int", "{mutation}");
        let answer = schema.named(&base(&mutation["type"]));
        let mut errors = BTreeSet::new();
        for member in list(&answer["possibleTypes"]) {
            let member = text(&member["name"]);
            let fields = typed(&schema.named(&member)["fields"]);
            if fields.get("replayed").is_some_and(|replayed| replayed == "Boolean!") {
                assert_eq!(fields["position"], "Position!", "{member}");
            } else {
                assert_eq!((&*fields["code"], &*fields["message"]), ("String!", "String!"), "{member}");
                errors.insert(member);
            }
        }
        let expected = ["IdempotencyKeyReused", "Rejection", "VersionConflict"].map(str::to_owned);
        assert_eq!(errors, BTreeSet::from(expected), "{mutation}");
        checked += 1;
    }
    assert!(checked > 50, "only {checked} mutations");
}
