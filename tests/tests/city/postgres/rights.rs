//! Logins that have no more than their roles: one that serves, one that makes the tables, one that looks.

use super::{Databases, connect};
use crate::program::Installation;
use crate::sample::{self, Market, PLACE_ORDER};
use cityos_domain::ids::TenantId;
use cityos_eventstore::database::postgres::Role;
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_tests::city::named;
use serde_json::json;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// What a server acts as.
const SERVES: [Role; 3] = [Role::App, Role::Projector, Role::Api];

/// What nobody does to what has happened.
const TO_THE_LOG: [&str; 7] = [
    "UPDATE log.events SET body = '{}'",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "ALTER TABLE log.events DISABLE TRIGGER ALL",
    "UPDATE log.receipts SET position = 0",
    "DELETE FROM evidence.checkpoints",
    "SET ROLE cityos_owner",
];

/// A login with these roles and nothing else: its URL.
async fn login(databases: &Databases<'_>, name: &str, roles: &[Role]) -> String {
    let roles: Vec<_> = roles.iter().map(|role| role.name()).collect();
    let make = format!("CREATE ROLE {name} LOGIN; GRANT {} TO {name}", roles.join(", "));
    connect(&databases.url()).await.batch_execute(&make).await.unwrap();
    databases.server.url(name, &databases.city)
}

async fn refused(client: &Client, statements: &[&str]) {
    for statement in statements {
        let error = client.batch_execute(statement).await.expect_err(statement);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{statement}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_owns_nothing_serves_a_whole_city_and_can_change_nothing_that_has_happened() {
    let databases = Databases::made_in(PrivateServer::shared());
    let clerk = login(&databases, "clerk", &SERVES).await;
    let at = Installation::on(clerk.clone());
    let early = at.run(&["serve", "--set", "bind=127.0.0.1:0"]);
    assert_eq!(early.code, Some(1), "{}", early.said);
    assert!(early.complained.contains("a login that is granted cityos_owner"), "{}", early.complained);
    let chief = login(&databases, "chief", &[&SERVES[..], &[Role::Owner]].concat()).await;
    assert!(Installation::on(chief).serve(&[]).interrupt().success());

    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let market = Market::of(&server, &token).await;
    let order = json!({ "input": market.order(1), "key": "with few rights" });
    let placed = server.ask(&token, PLACE_ORDER, order).await;
    assert_eq!(placed["placeOrder"]["__typename"], "OrderChanged", "{placed}");
    let city = sample::settled(&at, &server, &token).await;
    let own = server.ask(&token, "{ tenant { id } }", json!({})).await;
    let own = named::<TenantId>(own["tenant"]["id"].as_str().unwrap());
    assert!(server.interrupt().success());
    let customer = &city["customers"]["nodes"][0];
    assert!(customer["contact"]["name"].is_string(), "its key was made and opens: {customer}");
    let verified = at.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}", verified.complained);
    assert!(verified.said.contains("The log is as it was signed."), "{}", verified.said);

    let client = connect(&clerk).await;
    refused(&client, &TO_THE_LOG).await;
    let keys = connect(&databases.server.url("clerk", &databases.keys)).await;
    refused(&keys, &["DELETE FROM keys.persons", "UPDATE keys.secrets SET key = key"]).await;
    sees_one_tenant(&client, &own.0.to_string()).await;
}

/// Where the rows of the read models are found.
async fn views(client: &Client) -> Vec<String> {
    let views =
        "SELECT format('reads.%I', table_name) FROM information_schema.views WHERE table_schema = 'reads'";
    client.query(views, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Of every read model the API's role sees the rows of the tenant it names, and of none where it names none.
async fn sees_one_tenant(client: &Client, own: &str) {
    let views = views(client).await;
    let counts: Vec<_> = views.iter().map(|view| format!("SELECT \"partition\" FROM {view}")).collect();
    let counts = format!(
        "SELECT count(*) FILTER (WHERE \"partition\" = '{own}'), count(*) FILTER (WHERE \"partition\" <> '{own}')
         FROM ({}) AS all_rows",
        counts.join(" UNION ALL ")
    );
    let count = async |begin: &str| {
        client.batch_execute(begin).await.unwrap();
        let row = client.query_one(&counts, &[]).await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let (all_own, all_others) = count("BEGIN; SET LOCAL ROLE cityos_projector").await;
    assert!(all_own > 0 && all_others > 0, "{all_own} and {all_others}");
    let named = format!("BEGIN; SET LOCAL ROLE cityos_api; SET LOCAL cityos.tenant = '{own}'");
    assert_eq!(count(&named).await, (all_own, 0));
    assert_eq!(count("BEGIN; SET LOCAL ROLE cityos_api").await, (0, 0));
    client.batch_execute("SET ROLE cityos_api").await.unwrap();
    let delete = format!("DELETE FROM {}", views[0]);
    refused(client, &[&delete, "SELECT FROM log.events", "CREATE TABLE reads.mine ()"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_analyses_reads_all_but_the_keys_and_writes_nothing() {
    let databases = Databases::made_in(PrivateServer::shared());
    assert!(Installation::on(databases.url()).serve(&["--sample"]).interrupt().success());
    let analyst = login(&databases, "analyst", &[Role::Analyst]).await;
    let at = Installation::on(analyst.clone());
    let told = at.run(&["replay", "--type", "order.placed"]);
    assert_eq!(told.code, Some(0), "{}", told.complained);
    assert!(told.said.contains("order.placed"), "{}", told.said);
    for command in [&["serve", "--set", "bind=127.0.0.1:0"][..], &["token", "--role", "platform_admin"]] {
        assert_eq!(at.run(command).code, Some(1), "{command:?}");
    }

    let client = connect(&analyst).await;
    let views = views(&client).await;
    let of_orders = views.iter().find(|view| view.starts_with("reads.orders_")).unwrap();
    for table in ["log.events", "evidence.checkpoints", of_orders] {
        let rows = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        assert!(rows.get::<_, i64>(0) > 0, "{table}");
    }
    refused(&client, &TO_THE_LOG).await;
    let writes = [
        "INSERT INTO log.events SELECT * FROM log.events",
        "DELETE FROM log.receipts",
        &format!("DELETE FROM {of_orders}"),
        "UPDATE reads.builds SET position = 0",
        "INSERT INTO evidence.generations (number) VALUES (2)",
        "CREATE TABLE log.mine ()",
        "CREATE SCHEMA mine",
    ];
    refused(&client, &writes).await;
    let keys = connect(&databases.server.url("analyst", &databases.keys)).await;
    refused(&keys, &["SELECT FROM keys.persons", "SELECT FROM keys.secrets"]).await;
}
