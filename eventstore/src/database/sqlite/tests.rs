//! What is made of a file, and what is left alone.

use super::*;
use crate::sqlite::SCHEMA;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A file that another program made by these statements.
fn made_by(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (folder, path)
}

#[test]
fn a_file_of_another_program_is_refused_and_stays_as_it_is() {
    let others = [
        "CREATE TABLE pictures (name TEXT); INSERT INTO pictures VALUES ('cat')",
        "CREATE TABLE about (schema_version INTEGER); INSERT INTO about VALUES (1)",
        "CREATE TABLE gone (name TEXT); DROP TABLE gone; PRAGMA application_id = 1",
    ];
    for other in others {
        let (folder, path) = made_by(other);
        let before = fs::read(&path).unwrap();
        let refused = open(&path, &SCHEMA).map(|_| ());
        assert!(matches!(refused, Err(StoreError::Foreign)), "{other}: {refused:?}");
        assert_eq!(fs::read(&path).unwrap(), before, "{other}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{other}: nothing beside it");
    }
}

#[test]
fn only_a_version_beyond_the_known_one_is_called_newer() {
    for (damage, newer) in [
        ("UPDATE about SET schema_version = 2", true),
        ("UPDATE about SET schema_version = 0", false),
        ("DELETE FROM about", false),
        ("DROP TABLE about", false),
    ] {
        let (_folder, path) = made_by("");
        open(&path, &SCHEMA).unwrap().execute_batch(damage).unwrap();
        match open(&path, &SCHEMA).map(|_| ()) {
            Err(StoreError::Newer { found: 2, known: 1 }) => assert!(newer, "{damage}"),
            Err(StoreError::Foreign) => assert!(!newer, "{damage}"),
            other => panic!("{damage}: {other:?}"),
        }
    }
}

#[test]
fn a_file_at_rest_is_read_whatever_its_name_is_and_nothing_is_made_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% of? #1.db");
    drop(open(&path, &SCHEMA).unwrap());
    let before = fs::read(&path).unwrap();
    let connection = open_at_rest(&path).unwrap();
    check(&connection, &SCHEMA).unwrap();
    assert!(connection.execute_batch("DELETE FROM about").is_err());
    drop(open_to_look(&path, &SCHEMA).unwrap());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(open_to_look(&folder.path().join("none.db"), &SCHEMA).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
