//! Evidence begun anew says what was there before, wherever it was interrupted, and loses nothing of it.

use super::*;
use crate::evidence::tests::{City, polled};
use std::fs;

#[tokio::test]
async fn evidence_begun_anew_says_whether_the_log_is_still_the_one_that_was_signed() {
    for (damage, goes_on) in [
        ("", true),
        ("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 7", false),
        ("DELETE FROM events WHERE position > 20", false),
    ] {
        let city = City::signed_at(&[30, 60]).await;
        let before = city.keys.signed().await.unwrap();
        city.tamper(damage);
        let old = city.path("old.db");
        let path = city.path("evidence.db");
        let beside = city.open().await.unwrap();
        let begun = begin_anew(&path, city.log.clone(), city.keys.clone(), &old).await.unwrap();
        assert_eq!((begun.before, begun.goes_on), (before, Some(goes_on)), "{damage}");
        assert!(city.verify(&city.key().await, None).await.is_intact(), "{damage}");
        assert_eq!(beside.sign().await.unwrap(), begun.signature, "who has it open goes on with the new");
        let kept = Connection::open(&old).unwrap();
        assert_eq!(file::last_note(&kept).unwrap().unwrap().number, 2, "what there was is put aside");
        let refused = begin_anew(&path, city.log.clone(), city.keys.clone(), &old).await;
        assert!(matches!(refused, Err(EvidenceError::Aside(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn beginning_anew_that_was_killed_anywhere_and_is_run_again_gives_the_same_answer() {
    for polls in 1.. {
        let city = City::signed_at(&[30, 60]).await;
        city.tamper("DELETE FROM events WHERE position > 20");
        let (path, key) = (city.path("evidence.db"), city.key().await);
        let before = city.keys.signed().await.unwrap();
        let anew = |old: &str| {
            let (path, old, log, keys) = (&path, city.path(old), city.log.clone(), city.keys.clone());
            async move { begin_anew(path, log, keys, &old).await }
        };
        let done = polled(polls, std::pin::pin!(anew("old.db"))).await;
        if done.is_some() || city.keys.signed().await.unwrap() != before {
            assert!(
                city.verify(&key, None).await.is_intact(),
                "what is remembered last says that it is done"
            );
            assert!(polls > 3, "it was killed somewhere");
            return;
        }
        let again = anew("again.db").await.unwrap();
        assert_eq!((again.before, again.goes_on), (before, Some(false)), "killed after {polls} polls");
        assert!(city.verify(&key, None).await.is_intact(), "killed after {polls} polls");
    }
}

#[tokio::test]
async fn evidence_that_cannot_be_copied_is_moved_aside_as_it_is() {
    for rubbish in [String::new(), "rubbish ".repeat(1_000)] {
        let city = City::signed_at(&[30, 60]).await;
        let (path, old) = (city.path("evidence.db"), city.path("old.db"));
        for beside in ["evidence.db-wal", "evidence.db-shm"] {
            drop(fs::remove_file(city.path(beside)));
        }
        fs::write(&path, &rubbish).unwrap();
        let begun = begin_anew(&path, city.log.clone(), city.keys.clone(), &old).await.unwrap();
        assert_eq!(begun.goes_on, Some(true));
        assert_eq!(fs::read_to_string(&old).unwrap(), rubbish);
        assert!(city.verify(&city.key().await, None).await.is_intact());
    }
}
