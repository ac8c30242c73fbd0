//! Whose keys they are, and that looking for one takes nobody's turn. The tests of sealing are tests of key stores, too.

use super::*;
use crate::database::postgres::Server;
use crate::database::postgres::private_server::PrivateServer;
use crate::database::sqlite;
use crate::database::tests::{On, on_each_database};
use cityos_domain::ids::derive;
use std::sync::Arc;
use tempfile::TempDir;

/// Somewhere keys are kept.
pub enum Shelf {
    File(TempDir),
    Database(Box<Server>),
}

impl Shelf {
    pub fn new(on: On) -> Self {
        match on {
            On::Sqlite => Shelf::File(tempfile::tempdir().unwrap()),
            On::Postgres => Shelf::Database(Box::new(PrivateServer::shared().new_city())),
        }
    }

    /// The keys, as another process would open them.
    pub async fn open(&self) -> Arc<dyn KeyRows> {
        match self {
            Shelf::File(folder) => Arc::new(KeyFile::open(&folder.path().join("keys.db")).unwrap()),
            Shelf::Database(server) => Arc::new(KeyDatabase::open(server).await.unwrap()),
        }
    }
}

on_each_database! {
    keys_belong_to_one_log_and_say_so_when_there_is_none
    of_many_logs_that_take_the_keys_at_once_one_has_them
    the_largest_tree_that_was_signed_is_remembered_until_another_takes_its_place
    the_largest_of_many_trees_that_are_signed_at_once_is_remembered
    who_is_forgotten_while_others_have_them_found_is_not_found_again
}

async fn keys_belong_to_one_log_and_say_so_when_there_is_none(on: On) {
    let shelf = Shelf::new(on);
    let keys = shelf.open().await;
    let (own, other) = (derive(&["own"]), derive(&["other"]));
    assert!(!keys.belong_to(own).await.unwrap(), "there are no keys yet: the log's must be elsewhere");
    keys.secret(Secret::InputHash).await.unwrap();
    assert_eq!(keys.log().await.unwrap(), None);
    for _ in 0..2 {
        assert!(keys.belong_to(own).await.unwrap());
        assert!(!keys.belong_to(other).await.unwrap());
        assert_eq!(keys.log().await.unwrap(), Some(own));
    }
}

async fn of_many_logs_that_take_the_keys_at_once_one_has_them(on: On) {
    let shelf = Shelf::new(on);
    shelf.open().await.secret(Secret::InputHash).await.unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..8 {
        let keys = shelf.open().await;
        asking.spawn(async move { keys.belong_to(derive(&["log", &n.to_string()])).await.unwrap() });
    }
    let taken = asking.join_all().await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
}

#[tokio::test]
async fn a_secret_that_is_there_is_found_while_another_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let keys = KeyFile::open(&path).unwrap();
    let made = keys.secret(Secret::PersonLookups).await.unwrap();
    let other = sqlite::open(&path, &SCHEMA).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(keys.secret(Secret::PersonLookups).await.unwrap(), made);
}

async fn the_largest_tree_that_was_signed_is_remembered_until_another_takes_its_place(on: On) {
    let shelf = Shelf::new(on);
    let keys = shelf.open().await;
    assert_eq!(keys.signed().await.unwrap(), None);
    let [small, large] = [3, 5].map(|size| Signed { size, root: [size as u8; 32] });
    for (remembered, largest) in [(small, small), (large, large), (small, large), (large, large)] {
        keys.remember_signed(remembered).await.unwrap();
        assert_eq!(shelf.open().await.signed().await.unwrap(), Some(largest));
    }
    keys.replace_signed(small).await.unwrap();
    assert_eq!(keys.signed().await.unwrap(), Some(small));
}

async fn the_largest_of_many_trees_that_are_signed_at_once_is_remembered(on: On) {
    let shelf = Shelf::new(on);
    let mut signing = tokio::task::JoinSet::new();
    for size in [4, 16, 7, 2, 15, 9, 16, 1] {
        let keys = shelf.open().await;
        signing.spawn(async move {
            keys.remember_signed(Signed { size, root: [size as u8; 32] }).await.unwrap();
        });
    }
    signing.join_all().await;
    let remembered = shelf.open().await.signed().await.unwrap();
    assert_eq!(remembered, Some(Signed { size: 16, root: [16; 32] }));
}

async fn who_is_forgotten_while_others_have_them_found_is_not_found_again(on: On) {
    let shelf = Shelf::new(on);
    let tenant = TenantId(derive(&["tenant"]));
    let (desk, other) = (shelf.open().await, shelf.open().await);
    for n in 0..40_u8 {
        let (person, hash) = (PersonId(derive(&["person", &n.to_string()])), [n; 32]);
        desk.person_key(tenant, person).await.unwrap();
        let remembering = tokio::spawn({
            let other = other.clone();
            async move { other.add_lookup(tenant, person, hash).await }
        });
        desk.forget(tenant, person).await.unwrap();
        let remembered = remembering.await.unwrap();
        assert!(matches!(remembered, Ok(()) | Err(KeyError::Forgotten)), "{remembered:?}");
        assert_eq!(desk.find_persons(tenant, hash).await.unwrap(), []);
        assert!(matches!(other.person_key(tenant, person).await, Err(KeyError::Forgotten)));
    }
}
