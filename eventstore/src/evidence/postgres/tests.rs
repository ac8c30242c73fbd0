//! What only a server can show: who may do what to the evidence there, and what becomes of it where somebody is cut off.

use crate::database::postgres::tests::login;
use crate::database::postgres::{Role, Server};
use crate::database::tests::On;
use crate::evidence::tests::City;
use crate::evidence::verify::tests::{SIZES, is_doubted_and_the_log_is_held_to_what_is_remembered};
use crate::evidence::{Evidence, Place, Verified, Verifying, begin_anew};
use crate::store::StoreError;

async fn verified_by(city: &City, login: &Server) -> Verified {
    let verifying = Verifying {
        log: &*city.log,
        evidence: &Place::Server(Box::new(login.clone())),
        key: &city.key().await,
        remembered: city.keys.signed().await.unwrap(),
        kept: None,
    };
    verifying.verify().await.unwrap()
}

async fn is_denied(login: &Server, sql: &str) -> bool {
    let refused = login.connect(None).await.unwrap().batch_execute(sql).await;
    refused.is_err_and(|error| error.code().is_some_and(|code| code.code() == "42501"))
}

#[tokio::test]
async fn the_application_adds_to_the_evidence_and_takes_none_of_it_away() {
    let city = City::signed_at(On::Postgres, &[30, 60]).await;
    let clerk = login(city.server(), "evidence_clerk", &[Role::App]).await;
    let place = Place::Server(Box::new(clerk.clone()));
    city.grow_to(90).await;
    let evidence = Evidence::open(&place, city.log.clone(), city.keys.clone()).await.unwrap();
    evidence.cover().await.unwrap();
    assert_eq!(evidence.sign().await.unwrap().checkpoint.size, 90);
    for forbidden in [
        "DELETE FROM evidence.tiles",
        "TRUNCATE evidence.tiles",
        "UPDATE evidence.tiles SET number = number + 1",
        "DELETE FROM evidence.checkpoints",
        "UPDATE evidence.checkpoints SET note = ''",
        "DELETE FROM evidence.generations",
        "UPDATE evidence.generations SET number = 9",
        "UPDATE evidence.about SET schema_version = 9",
        "DROP SCHEMA evidence CASCADE",
        "ALTER TABLE evidence.tiles RENAME TO old",
    ] {
        assert!(is_denied(&clerk, forbidden).await, "{forbidden}");
    }
    let begun = begin_anew(&place, city.log.clone(), city.keys.clone(), "old".as_ref());
    assert_eq!(begun.await.unwrap().goes_on, Some(true), "what was there is put aside, and stays");
    assert!(verified_by(&city, &clerk).await.is_intact());
}

#[tokio::test]
async fn analysts_verify_the_log_and_change_nothing() {
    let city = City::signed_at(On::Postgres, &SIZES).await;
    let analyst = login(city.server(), "evidence_analyst", &[Role::Analyst]).await;
    let verified = verified_by(&city, &analyst).await;
    assert!(verified.is_intact(), "{verified:?}");
    assert_eq!((verified.events, verified.checkpoints), (600, 3));
    for table in ["about", "generations", "tiles", "checkpoints"] {
        assert!(is_denied(&analyst, &format!("DELETE FROM evidence.{table}")).await, "{table}");
        assert!(is_denied(&analyst, &format!("INSERT INTO evidence.{table} VALUES (2)")).await, "{table}");
    }
    let stranger = login(city.server(), "evidence_stranger", &[]).await;
    let doubts = verified_by(&city, &stranger).await.doubts;
    assert!(doubts[0].to_string().contains("permission denied for schema evidence"), "{doubts:?}");
}

#[tokio::test]
async fn evidence_whose_tables_are_not_what_they_were_is_a_doubt() {
    let cases = [
        ("relation \"evidence.tiles\" does not exist", "DROP TABLE tiles"),
        ("relation \"evidence.checkpoints\" does not exist", "DROP TABLE checkpoints"),
        ("no generation of the evidence is in use", "UPDATE generations SET aside = 'nowhere'"),
        ("the database has schema version 2", "UPDATE about SET schema_version = 2"),
    ];
    for (why, damage) in cases {
        let city = City::signed_at(On::Postgres, &SIZES).await;
        city.tamper_with_evidence(damage).await;
        let place = city.place.to_string();
        is_doubted_and_the_log_is_held_to_what_is_remembered(&city, &place, why).await;
    }
}

#[tokio::test]
async fn who_comes_second_to_write_waits_and_sees_what_the_first_has_written() {
    let city = City::signed_at(On::Postgres, &[30]).await;
    let mut first = city.place.open().await.unwrap().write().await.unwrap();
    let other = city.place.open().await.unwrap();
    let second = tokio::spawn(async move {
        let mut second = other.write().await.unwrap();
        second.last_tile().await.unwrap().unwrap().leaves.len()
    });
    let looking = city.server().connect(None).await.unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND wait_event = 'advisory')";
    while !looking.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(!second.is_finished(), "it does not wait");
    }
    let mut tile = first.last_tile().await.unwrap().unwrap();
    tile.leaves.truncate(3);
    first.keep_tiles(vec![tile]).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), 3);
}

#[tokio::test]
async fn who_is_cut_off_in_the_middle_of_writing_leaves_nothing_and_stands_in_nobodys_way() {
    let city = City::signed_at(On::Postgres, &[30]).await;
    city.grow_to(60).await;
    let records = city.place.open().await.unwrap();
    let mut writing = records.write().await.unwrap();
    let mut tile = writing.last_tile().await.unwrap().unwrap();
    tile.leaves.truncate(3);
    writing.keep_tiles(vec![tile]).await.unwrap();
    let cut_off = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND state = 'idle in transaction'";
    let cut_off = city.server().connect(None).await.unwrap().query(cut_off, &[]).await.unwrap();
    assert_eq!(cut_off.len(), 1);
    let lost = writing.commit().await;
    assert!(matches!(lost, Err(StoreError::Unreachable(_))), "{lost:?}");
    drop(records.write().await.unwrap());
    assert_eq!(city.sign().await.checkpoint.size, 60);
    assert!(city.verify(&city.key().await, None).await.is_intact());
}
