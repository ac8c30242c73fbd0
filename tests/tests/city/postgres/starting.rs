//! Programs that start: together on a database without tables, and on tables of a newer program.

use super::{Databases, connect};
use crate::program::Installation;
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use serde_json::json;

/// How many start together.
const PROCESSES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn three_that_start_at_once_on_an_empty_database_all_come_up_and_are_one_city() {
    let database = PrivateServer::shared().new_database();
    let starting = [(); PROCESSES].map(|()| {
        let at = Installation::on(database.clone());
        tokio::task::spawn_blocking(|| {
            let server = at.serve(&[]);
            (at, server)
        })
    });
    let (mut running, mut token) = (Vec::new(), None);
    for started in starting {
        let (at, server) = started.await.unwrap();
        assert_eq!(server.get("/health").await.0, 200);
        // What one of them has made tokens with, all the others know.
        let token = token.get_or_insert_with(|| at.token(&["--role", "platform_admin"]));
        let tenant = json!({ "slug": "souq", "name": [{ "locale": "en", "text": "Souq" }], "timeZone": "Asia/Riyadh",
            "locale": "en", "currency": "SAR" });
        let create = "mutation($input: CreateTenantInput!) {
            createTenant(input: $input, idempotencyKey: \"first\") { __typename ... on TenantChanged { replayed } } }";
        let created = server.ask(token, create, json!({ "input": tenant })).await;
        let first = running.is_empty();
        assert_eq!(created["createTenant"], json!({ "__typename": "TenantChanged", "replayed": !first }));
        running.push((at, server));
    }
    for (_, server) in running {
        assert!(server.interrupt().success());
    }
}

#[tokio::test]
async fn a_program_that_is_older_than_the_tables_does_not_serve_and_says_so() {
    let databases = Databases::made_in(PrivateServer::shared());
    let at = Installation::on(databases.url());
    assert!(at.serve(&[]).interrupt().success());
    for (database, schema) in [
        (&databases.city, "log"),
        (&databases.city, "evidence"),
        (&databases.city, "reads"),
        (&databases.keys, "keys"),
    ] {
        let administrator = connect(&databases.server.url("postgres", database)).await;
        let moved = |by: &str| format!("UPDATE {schema}.about SET schema_version = schema_version {by}");
        administrator.batch_execute(&moved("+ 1")).await.unwrap();
        let refused = at.run(&["serve", "--set", "bind=127.0.0.1:0"]);
        assert_eq!(refused.code, Some(1), "{schema}: {}", refused.said);
        let why = "schema version 2; this program knows versions up to 1";
        assert!(refused.complained.contains(why), "{schema}: {}", refused.complained);
        administrator.batch_execute(&moved("- 1")).await.unwrap();
    }
    assert!(at.serve(&[]).interrupt().success());
}
