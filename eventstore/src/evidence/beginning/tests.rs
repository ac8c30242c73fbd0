//! Evidence begun anew says what was there before, wherever it was interrupted, and loses nothing of it.

use super::*;
use crate::database::tests::{On, on_each_database};
use crate::evidence::tests::{City, polled};
use rusqlite::Connection;
use std::fs;

on_each_database! {
    evidence_begun_anew_says_whether_the_log_is_still_the_one_that_was_signed
    beginning_anew_that_was_killed_anywhere_and_is_run_again_gives_the_same_answer
}

/// How many checkpoints were put aside under this name.
async fn notes_aside(city: &City, old: &str) -> i64 {
    let old = city.path(old);
    match &city.place {
        Place::File(_) => {
            let count = "SELECT count(*) FROM checkpoints";
            Connection::open(old).unwrap().query_row(count, [], |row| row.get(0)).unwrap()
        }
        Place::Server(server) => {
            let count = "SELECT count(note) FROM evidence.generations AS old \
                         LEFT JOIN evidence.checkpoints ON generation = old.number WHERE aside = $1";
            let counted = server.connect(None).await.unwrap();
            counted.query_one(count, &[&old.to_str().unwrap()]).await.unwrap().get(0)
        }
    }
}

async fn evidence_begun_anew_says_whether_the_log_is_still_the_one_that_was_signed(on: On) {
    for (damage, goes_on) in [
        ("", true),
        ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 7", false),
        ("DELETE FROM events WHERE position > 20", false),
    ] {
        let city = City::signed_at(on, &[30, 60]).await;
        let before = city.keys.signed().await.unwrap();
        city.tamper(damage);
        let beside = city.open().await.unwrap();
        let begun = city.begin_anew("old").await.unwrap();
        assert_eq!((begun.before, begun.goes_on), (before, Some(goes_on)), "{damage}");
        assert!(city.verify(&city.key().await, None).await.is_intact(), "{damage}");
        assert_eq!(beside.sign().await.unwrap(), begun.signature, "who has it open goes on with the new");
        assert_eq!(notes_aside(&city, "old").await, 2, "what there was is put aside");
        let refused = city.begin_anew("old").await;
        assert!(matches!(refused, Err(EvidenceError::Aside(_))), "{refused:?}");
    }
}

async fn beginning_anew_that_was_killed_anywhere_and_is_run_again_gives_the_same_answer(on: On) {
    // One step with a server is several polls.
    let some = if on == On::Postgres { 3 } else { 1 };
    for polls in (1..).step_by(some) {
        let city = City::signed_at(on, &[30]).await;
        city.tamper("DELETE FROM events WHERE position > 20");
        let (before, key) = (city.keys.signed().await.unwrap(), city.key().await);
        let done = polled(polls, std::pin::pin!(city.begin_anew("old"))).await;
        if done.is_some() || city.keys.signed().await.unwrap() != before {
            assert!(
                city.verify(&key, None).await.is_intact(),
                "what is remembered last says that it is done"
            );
            assert!(polls > 3, "it was killed somewhere");
            return;
        }
        let again = city.begin_anew("again").await.unwrap();
        assert_eq!((again.before, again.goes_on), (before, Some(false)), "killed after {polls} polls");
        assert!(city.verify(&key, None).await.is_intact(), "killed after {polls} polls");
    }
}

#[tokio::test]
async fn evidence_that_cannot_be_copied_is_moved_aside_as_it_is() {
    for rubbish in [String::new(), "rubbish ".repeat(1_000)] {
        let city = City::signed_at(On::Sqlite, &[30, 60]).await;
        let (path, old) = (city.path("evidence.db"), city.path("old.db"));
        for beside in ["evidence.db-wal", "evidence.db-shm"] {
            drop(fs::remove_file(city.path(beside)));
        }
        fs::write(&path, &rubbish).unwrap();
        let begun = city.begin_anew("old.db").await.unwrap();
        assert_eq!(begun.goes_on, Some(true));
        assert_eq!(fs::read_to_string(&old).unwrap(), rubbish);
        assert!(city.verify(&city.key().await, None).await.is_intact());
    }
}
