//! Whose keys they are, and that looking for one takes nobody's turn.

use super::*;
use crate::database::sqlite;
use cityos_domain::ids::derive;

#[tokio::test]
async fn keys_belong_to_one_log_and_say_so_when_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyFile::open(&folder.path().join("keys.db")).unwrap();
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

#[tokio::test]
async fn the_largest_tree_that_was_signed_is_remembered_until_another_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let keys = KeyFile::open(&path).unwrap();
    assert_eq!(keys.signed().await.unwrap(), None);
    let [small, large] = [3, 5].map(|size| Signed { size, root: [size as u8; 32] });
    for (remembered, largest) in [(small, small), (large, large), (small, large), (large, large)] {
        keys.remember_signed(remembered).await.unwrap();
        assert_eq!(KeyFile::open(&path).unwrap().signed().await.unwrap(), Some(largest));
    }
    keys.replace_signed(small).await.unwrap();
    assert_eq!(keys.signed().await.unwrap(), Some(small));
}
