//! Evidence grows with its log, whoever keeps it, and is never signed over what was tampered with.

use super::*;
use crate::contract::{append, stream, tenant};
use crate::database::tests::{On, on_each_database};
use crate::evidence::tests::{City, polled};

on_each_database! {
    a_log_without_events_is_not_signed
    a_log_of_large_events_is_covered_to_its_end
    evidence_that_grew_in_pieces_signs_what_evidence_made_at_once_does
    two_who_keep_the_same_evidence_at_once_do_not_disturb_each_other
    evidence_that_another_has_just_made_is_not_missing
    evidence_that_is_gone_is_not_made_again_by_itself
    nothing_is_signed_over_evidence_that_was_altered
    nothing_is_covered_behind_an_end_of_the_log_that_is_not_the_one_covered
}

async fn a_log_without_events_is_not_signed(on: On) {
    let city = City::new(on).await;
    let evidence = city.open().await.unwrap();
    assert_eq!(evidence.cover().await.unwrap(), Position::START);
    assert!(matches!(evidence.sign().await, Err(EvidenceError::Empty)));
}

async fn a_log_of_large_events_is_covered_to_its_end(on: On) {
    let city = City::new(on).await;
    let (shelf, large) = (stream(tenant("a"), "shelf"), "x".repeat(1_000_000));
    for index in 0..10 {
        let write = append(&index.to_string(), &[(shelf, index)], &[(shelf, &large)]);
        city.log.append(write).await.unwrap();
    }
    assert_eq!(city.open().await.unwrap().cover().await.unwrap(), Position(10));
}

async fn evidence_that_grew_in_pieces_signs_what_evidence_made_at_once_does(on: On) {
    let grown = City::new(on).await;
    for size in [10, 250, 260, 510, 520, 1_000] {
        grown.grow_to(size).await;
        let signature = grown.sign().await;
        assert_eq!(signature.checkpoint.size, size);
        assert_eq!(grown.sign().await, signature, "there is nothing new to sign");
    }
    let whole = City { log: grown.log.clone(), keys: grown.keys.clone(), ..City::new(on).await };
    let begun = whole.begin_anew("old").await.unwrap();
    assert_eq!(begun.signature, grown.sign().await);
    assert_eq!(begun.goes_on, Some(true));
    assert!(!whole.path("old").exists(), "there was nothing to be put aside");
}

async fn two_who_keep_the_same_evidence_at_once_do_not_disturb_each_other(on: On) {
    let city = Arc::new(City::new(on).await);
    city.grow_to(10).await;
    let keeping = (0..2).map(|_| {
        let city = city.clone();
        tokio::spawn(async move {
            let evidence = city.open().await.unwrap();
            let mut signed = 0;
            while signed < 600 {
                evidence.cover().await.unwrap();
                signed = evidence.sign().await.unwrap().checkpoint.size;
            }
        })
    });
    let keeping: Vec<_> = keeping.collect();
    city.grow_to(600).await;
    for keeper in keeping {
        keeper.await.unwrap();
    }
    let verified = city.verify(&city.key().await, None).await;
    assert!(verified.is_intact(), "{verified:?}");
    assert_eq!((verified.events, verified.size), (600, 600));
    assert_eq!(verified.checkpoints, city.notes().await.len() as u64);
}

/// However far the slower of the two has come when the other is through. When it is its turn to write, the other waits.
async fn evidence_that_another_has_just_made_is_not_missing(on: On) {
    for polls in 0..16 {
        let city = City::new(on).await;
        city.grow_to(10).await;
        let slow = city.open().await.unwrap();
        let mut covering = std::pin::pin!(slow.cover());
        let done = polled(polls, covering.as_mut()).await;
        if done.is_none() && !city.is_being_written().await {
            city.sign().await;
        }
        let covered = match done {
            Some(covered) => covered,
            None => covering.await,
        };
        assert!(matches!(covered, Ok(Position(10))), "after {polls} polls: {covered:?}");
    }
}

async fn evidence_that_is_gone_is_not_made_again_by_itself(on: On) {
    let city = City::signed_at(on, &[30, 60]).await;
    for gone in ["DELETE FROM tiles", "DELETE FROM tiles; DELETE FROM checkpoints"] {
        city.tamper_with_evidence(gone).await;
        let refused = city.open().await.unwrap().cover().await;
        assert!(matches!(refused, Err(EvidenceError::Missing(60))), "{gone}: {refused:?}");
    }
    city.lose_evidence().await;
    assert!(matches!(city.open().await, Err(EvidenceError::Missing(60))));
    assert!(!city.place.is_there().await.unwrap(), "nothing is put in its place");
}

async fn nothing_is_signed_over_evidence_that_was_altered(on: On) {
    let damages = [
        "DELETE FROM checkpoints WHERE number = 2",
        "DELETE FROM checkpoints",
        "DELETE FROM checkpoints WHERE number = 2; UPDATE tiles SET leaves = substr(leaves, 1, 72 * 30)",
        "UPDATE checkpoints SET note = replace(note, 'cityos', 'sitios') WHERE number = 2",
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE number = 1) WHERE number = 2",
        "UPDATE tiles SET leaves = CAST(substr(leaves, 1, 72 * 10) || zeroblob(72) || substr(leaves, 72 * 11 + 1) AS BLOB)",
        "UPDATE tiles SET leaves = substr(leaves, 1, 72 * 59)",
        "UPDATE tiles SET leaves = CAST(leaves || leaves || leaves || leaves || leaves AS BLOB)",
        "UPDATE checkpoints SET number = 9223372036854775807 WHERE number = 2",
    ];
    for damage in damages {
        let city = City::signed_at(on, &[30, 60]).await;
        city.tamper_with_evidence(damage).await;
        city.grow_to(80).await;
        let evidence = city.open().await.unwrap();
        // Cut off, it is covered again from the log: only what was signed is missed.
        let signed = match evidence.cover().await {
            Ok(_) => evidence.sign().await.map(|_| ()),
            Err(error) => Err(error),
        };
        let mended = damage.contains("72 * 59");
        assert_eq!(signed.is_ok(), mended, "{damage}: {signed:?}");
    }
}

async fn nothing_is_covered_behind_an_end_of_the_log_that_is_not_the_one_covered(on: On) {
    for (damage, grown) in [
        ("DELETE FROM events WHERE position > 50", 50),
        ("DELETE FROM events WHERE position > 50", 90),
        ("UPDATE events SET body = body || ' ' WHERE position = 60", 60),
    ] {
        let city = City::signed_at(on, &[60]).await;
        city.tamper(damage);
        // The writer knows by itself that somebody else has written.
        city.grow_to(grown).await;
        let refused = city.open().await.unwrap().cover().await;
        assert!(matches!(refused, Err(EvidenceError::LogDiffers { position: 60 })), "{damage}: {refused:?}");
    }
}
