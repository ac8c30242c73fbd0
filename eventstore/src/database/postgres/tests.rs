//! Schemas and roles on a real server: who brings tables to a new version, and who is refused.

use super::private_server::PrivateServer;
use super::*;
use tokio::task::JoinSet;

const FIRST: Schema = Schema {
    name: "shop",
    steps: &["CREATE SCHEMA shop; CREATE TABLE shop.about (schema_version integer NOT NULL); \
              INSERT INTO shop.about VALUES (1); CREATE TABLE shop.cats (name text); \
              GRANT USAGE ON SCHEMA shop TO cityos_app; GRANT SELECT ON shop.about TO cityos_app"],
};

const SECOND: Schema =
    Schema { name: "shop", steps: &[FIRST.steps[0], "ALTER TABLE shop.cats ADD COLUMN color text"] };

/// The same database for a login that has only these roles.
pub async fn login(city: &Server, name: &str, roles: &[Role]) -> Server {
    let administrator = city.connect(None).await.unwrap();
    administrator.batch_execute(&format!("CREATE ROLE {name} LOGIN")).await.unwrap();
    for role in roles {
        let grant = format!("GRANT {} TO {name}", role.name());
        administrator.batch_execute(&grant).await.unwrap();
    }
    let url = PrivateServer::shared().url(name, city.database());
    Server::new(&url, None, Limits::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_start_at_once_each_finds_the_tables_of_its_version() {
    let city = PrivateServer::shared().new_city();
    for schema in [&FIRST, &SECOND] {
        let mut starting = JoinSet::new();
        for _ in 0..8 {
            let (city, schema) = (city.clone(), *schema);
            starting.spawn(async move { city.prepare(&schema).await });
        }
        for started in starting.join_all().await {
            started.unwrap();
        }
        let version = city.connect(None).await.unwrap();
        let version = version.query_one("SELECT schema_version FROM shop.about", &[]).await.unwrap();
        assert_eq!(version.get::<_, i32>(0) as usize, schema.steps.len());
    }
    let refused = city.prepare(&FIRST).await;
    assert!(matches!(refused, Err(StoreError::Newer { found: 2, known: 1 })), "{refused:?}");
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_version_before_it() {
    let city = PrivateServer::shared().new_city();
    city.prepare(&FIRST).await.unwrap();
    const BROKEN: Schema =
        Schema { name: "shop", steps: &[FIRST.steps[0], "DROP TABLE shop.cats; SELECT 1/0"] };
    city.prepare(&BROKEN).await.unwrap_err();
    city.prepare(&FIRST).await.unwrap();
    city.connect(None).await.unwrap().query("SELECT * FROM shop.cats", &[]).await.unwrap();
}

#[tokio::test]
async fn a_login_that_owns_nothing_uses_what_is_there_and_is_told_what_is_not() {
    let city = PrivateServer::shared().new_city();
    city.prepare(&FIRST).await.unwrap();
    let clerk = login(&city, "clerk", &[Role::App]).await;
    clerk.prepare(&FIRST).await.unwrap();
    clerk.connect(Some(Role::App)).await.unwrap();
    let refused = clerk.prepare(&SECOND).await;
    assert!(matches!(refused, Err(StoreError::Older { found: 1, known: 2 })), "{refused:?}");
    let refused = clerk.connect(Some(Role::Owner)).await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
}

#[tokio::test]
async fn a_login_that_may_not_make_the_roles_is_told_who_can() {
    let city = PrivateServer::shared().new_city();
    let administrator = city.connect(None).await.unwrap();
    administrator.batch_execute("CREATE ROLE stranger LOGIN").await.unwrap();
    let url = PrivateServer::shared().url("stranger", city.database());
    let stranger = Server::new(&url, None, Limits::default()).unwrap();
    let refused = stranger.prepare(&FIRST).await.unwrap_err();
    let StoreError::Database(why) = refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains("schemas/roles.postgres.sql"), "{why}");
}

#[tokio::test]
async fn what_does_not_answer_is_unreachable_and_passwords_are_not_repeated() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgres://city:s3cret@{}/city", listener.local_addr().unwrap());
    let limits = Limits { connect_at_most: Duration::from_millis(50), ..Limits::default() };
    let server = Server::new(&silent, None, limits).unwrap();
    let refused = server.connect(None).await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");
    let pool = server.pool(Role::App).unwrap();
    let refused = pooled(&pool).await.map(|_| ());
    assert!(matches!(refused, Err(StoreError::Unreachable(_))), "{refused:?}");

    let refused = Server::new("postgres://city:s3cret@host:port/city", None, Limits::default()).map(|_| ());
    let Err(StoreError::Database(why)) = refused else { panic!("{refused:?}") };
    assert!(!format!("{why} {why:?}").contains("s3cret"), "{why:?}");
}
