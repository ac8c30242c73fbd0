//! Who may do what in the log's tables.

use super::*;
use crate::contract::whole_log;
use crate::store::AppendError;
use tokio_postgres::error::SqlState;

/// What nobody who serves or analyses may do.
const FORBIDDEN: [&str; 8] = [
    "UPDATE log.events SET body = '{}'",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "DROP TABLE log.events",
    "ALTER TABLE log.events ADD COLUMN more text",
    "UPDATE log.receipts SET position = 0",
    "UPDATE log.about SET schema_version = 0",
    "CREATE TABLE log.mine (name text)",
];

#[tokio::test]
async fn nobody_but_the_owner_changes_an_event() {
    let city = PrivateServer::shared().new_city();
    let store = open(&city).await;
    store.append(shelf("1", 0)).await.unwrap();
    for role in [Role::App, Role::Analyst, Role::Projector, Role::Api] {
        let client = city.connect(Some(role)).await.unwrap();
        for statement in FORBIDDEN {
            let refused = client.batch_execute(statement).await.unwrap_err();
            let code = refused.code();
            assert_eq!(code, Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role:?}: {statement}: {refused:?}");
        }
    }
    let log = whole_log(&store, 10).await;
    assert_eq!(log.len(), 1);
}

#[tokio::test]
async fn those_who_only_ask_read_models_see_nothing_of_the_log() {
    let city = PrivateServer::shared().new_city();
    open(&city).await;
    for role in [Role::Projector, Role::Api] {
        let client = city.connect(Some(role)).await.unwrap();
        for table in ["log.events", "log.receipts", "log.about"] {
            let refused = client.query(&format!("SELECT * FROM {table}"), &[]).await.unwrap_err();
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{role:?}: {table}");
        }
    }
}

#[tokio::test]
async fn an_analyst_reads_the_log_and_writes_nothing() {
    let city = PrivateServer::shared().new_city();
    let store = open(&city).await;
    store.append(shelf("1", 0)).await.unwrap();
    let reader = PostgresStore::open_read_only(&city).await.unwrap();
    assert_eq!(whole_log(&reader, 10).await, whole_log(&store, 10).await);
    let refused = reader.append(shelf("2", 1)).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::ReadOnly))), "{refused:?}");
    let kept = reader.forget_receipts(Utc::now(), 1).await;
    assert!(matches!(kept, Err(StoreError::ReadOnly)), "{kept:?}");
}
