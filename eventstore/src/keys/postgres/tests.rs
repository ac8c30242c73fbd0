//! What only a server can show: who may do what there, who makes the database, and what a crash leaves.

use super::*;
use crate::database::postgres::Limits;
use crate::database::postgres::private_server::PrivateServer;
use crate::database::postgres::tests::login;
use cityos_domain::ids::derive;

/// A database with a key store.
async fn made() -> Server {
    let server = PrivateServer::shared().new_city();
    KeyDatabase::open(&server).await.unwrap();
    server
}

async fn refusal(server: &Server, role: Option<Role>, sql: &str) -> Option<String> {
    let refused = server.connect(role).await.unwrap().batch_execute(sql).await;
    refused.err().map(|error| error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned()))
}

const DENIED: &str = "42501";

fn someone() -> (TenantId, PersonId) {
    (TenantId(derive(&["tenant"])), PersonId(derive(&["person"])))
}

#[tokio::test]
async fn the_application_uses_keys_and_changes_none() {
    let owner = made().await;
    let clerk = login(&owner, "keys_clerk", &[Role::App]).await;
    let keys = KeyDatabase::open(&clerk).await.unwrap();
    let (tenant, person) = someone();
    let log = derive(&["log"]);
    keys.secret(Secret::InputHash).await.unwrap();
    keys.person_key(tenant, person).await.unwrap();
    keys.add_lookup(tenant, person, [1; 32]).await.unwrap();
    keys.remember_signed(Signed { size: 5, root: [5; 32] }).await.unwrap();
    assert!(keys.belong_to(log).await.unwrap());
    for forbidden in [
        "DROP TABLE keys.persons",
        "TRUNCATE keys.persons",
        "DELETE FROM keys.persons",
        "UPDATE keys.persons SET key = decode(repeat('00', 32), 'hex')",
        "UPDATE keys.persons SET person = tenant",
        "ALTER TABLE keys.persons DISABLE ROW LEVEL SECURITY",
        "UPDATE keys.secrets SET key = decode(repeat('00', 32), 'hex')",
        "DELETE FROM keys.secrets",
        "DELETE FROM keys.signed",
        "UPDATE keys.about SET schema_version = 9",
        "DELETE FROM keys.about",
        "CREATE TABLE keys.more ()",
    ] {
        for role in [None, Some(Role::App)] {
            let refused = refusal(&clerk, role, forbidden).await;
            assert_eq!(refused.as_deref(), Some(DENIED), "{forbidden}");
        }
    }
    // Whose keys they are is not to be seen again once it is said.
    assert_eq!(refusal(&clerk, None, "UPDATE keys.about SET log = NULL").await, None);
    assert_eq!(keys.log().await.unwrap(), Some(log));

    keys.forget(tenant, person).await.unwrap();
    let again = "UPDATE keys.persons SET key = decode(repeat('00', 32), 'hex')";
    assert_eq!(refusal(&clerk, None, again).await.as_deref(), Some(DENIED));
    let owners = KeyDatabase::open(&owner).await.unwrap();
    assert!(matches!(owners.person_key(tenant, person).await, Err(KeyError::Forgotten)));
}

#[tokio::test]
async fn analysts_and_strangers_see_no_key() {
    let analyst = login(&made().await, "keys_analyst", &[Role::Analyst, Role::Api, Role::Projector]).await;
    for table in ["about", "persons", "lookups", "secrets", "signed"] {
        let refused = refusal(&analyst, None, &format!("SELECT * FROM keys.{table}")).await;
        assert_eq!(refused.as_deref(), Some(DENIED), "{table}");
    }
}

#[tokio::test]
async fn the_database_is_made_where_the_login_may_and_otherwise_it_is_said_how() {
    let elsewhere = made().await;
    let clerk = login(&elsewhere, "keys_visitor", &[Role::Owner, Role::App]).await;
    let builder = login(&elsewhere, "keys_builder", &[Role::Owner, Role::App]).await;
    let administrator = elsewhere.connect(None).await.unwrap();
    administrator.batch_execute("ALTER ROLE keys_builder CREATEDB").await.unwrap();
    const NAME: &str = "keys of \"our\" city";
    let refused = KeyDatabase::open(&clerk.in_database(NAME)).await.map(|_| ()).unwrap_err();
    let StoreError::Database(why) = refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains(&format!("`createdb {NAME}`")), "{why}");

    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let server = builder.in_database(NAME);
        opening.spawn(async move {
            let keys = KeyDatabase::open(&server).await.unwrap();
            keys.secret(Secret::Evidence).await.unwrap()
        });
    }
    let made = opening.join_all().await;
    assert!(made.iter().all(|key| *key == made[0]));
}

#[tokio::test]
async fn keys_are_not_kept_beside_the_log() {
    let server = PrivateServer::shared().new_city();
    server.connect(None).await.unwrap().batch_execute("CREATE SCHEMA log").await.unwrap();
    let refused = KeyDatabase::open(&server).await.map(|_| ()).unwrap_err();
    let StoreError::Database(why) = refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains("keys must lie in another"), "{why}");
    let made = server.check(&SCHEMA).await;
    assert!(matches!(made, Ok(false)), "{made:?}");
}

#[tokio::test]
async fn who_only_looks_makes_nothing() {
    let server = PrivateServer::shared().new_city();
    let none = KeyDatabase::open_to_look(&server).await.map(|_| ()).unwrap_err();
    let StoreError::Database(why) = none else { panic!("{none:?}") };
    assert!(why.to_string().contains(server.database()), "{why}");
    let made = KeyDatabase::open(&server).await.unwrap().secret(Secret::Evidence).await.unwrap();
    let looking = KeyDatabase::open_to_look(&server).await.unwrap();
    assert_eq!(looking.secret(Secret::Evidence).await.unwrap(), made);
    let refused = looking.secret(Secret::InputHash).await;
    assert!(matches!(refused, Err(KeyError::Store(StoreError::ReadOnly))), "{refused:?}");
}

#[tokio::test]
async fn a_key_that_was_given_out_is_there_after_a_crash_of_a_server_that_flushes_late() {
    let server = PrivateServer::durable();
    let city = Server::new(&server.new_database(), None, Limits::default()).unwrap();
    let administrator = city.connect(None).await.unwrap();
    // Left to itself it would flush ten seconds after a commit.
    for late in ["wal_writer_delay = 10000", "synchronous_commit = off"] {
        administrator.batch_execute(&format!("ALTER SYSTEM SET {late}")).await.unwrap();
    }
    administrator.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let keys = KeyDatabase::open(&city).await.unwrap();
    let (tenant, person) = someone();
    let made =
        (keys.secret(Secret::InputHash).await.unwrap(), keys.person_key(tenant, person).await.unwrap());
    server.crash();
    server.go_on();
    let keys = KeyDatabase::open(&city).await.unwrap();
    assert_eq!(keys.secret(Secret::InputHash).await.unwrap(), made.0);
    assert_eq!(keys.person_key(tenant, person).await.unwrap(), made.1);
}
