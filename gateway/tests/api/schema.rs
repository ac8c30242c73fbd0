//! The schema is a contract: what stands in `schemas/graphql` is what the program serves, and the access table
//! knows all of it.

use cityos_gateway::access::Action;
use cityos_gateway::graphql::{schema, sdl};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_schema_in_the_tree_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/graphql/schema.graphql");
    if std::env::var_os("CITYOS_UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, sdl()).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == sdl(), "schemas/graphql/schema.graphql is out of date: run `make schemas`");
}

#[tokio::test]
async fn every_field_of_the_roots_is_in_the_access_table_and_the_other_way_round() {
    let query = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let answer = schema().execute(query).await.into_result().unwrap().data.into_json().unwrap();
    let served: BTreeSet<String> = ["queryType", "mutationType"]
        .iter()
        .flat_map(|root| answer["__schema"][root]["fields"].as_array().unwrap())
        .map(|field| field["name"].as_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<String> = Action::ALL.iter().map(|action| action.field().to_owned()).collect();
    assert_eq!(served, listed);
}

#[test]
fn every_mutation_that_writes_takes_an_idempotency_key_and_an_expected_version() {
    let sdl = sdl();
    let mutations = sdl.split("type Mutation {").nth(1).unwrap().split("\n}").next().unwrap();
    let fields: Vec<_> = mutations.split("\n\t").filter(|line| line.contains("input:")).collect();
    assert!(fields.len() > 50, "{}", fields.len());
    for field in fields.iter().filter(|field| !field.starts_with("developmentToken")) {
        assert!(mutations.contains("idempotencyKey"), "{field}");
    }
}
