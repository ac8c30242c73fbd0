//! Whatever is done to log or evidence is found, and named for what it is and where.

use super::*;
use crate::database::tests::{On, on_each_database};
use crate::evidence::records::KeptNote;
use crate::evidence::tests::City;
use crate::keys::Secret;
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::time::Duration;

on_each_database! {
    the_first_event_that_was_tampered_with_is_named_with_its_tenant_and_what_was_done
    a_log_as_it_was_is_verified_to_its_end_and_what_is_not_signed_is_told
    a_log_that_nothing_was_signed_of_is_not_called_intact
    an_event_that_is_covered_and_not_yet_signed_is_missed_too
    a_row_that_cannot_be_read_is_laid_to_no_event_that_the_evidence_does_not_know
    evidence_that_was_altered_is_told_from_a_log_that_was
    a_checkpoint_of_another_key_is_no_checkpoint
    a_log_and_evidence_that_were_altered_alike_are_not_as_they_were_signed
    altered_evidence_hides_no_event_that_was_tampered_with
    evidence_that_was_made_anew_over_a_tampered_log_is_shown_by_a_checkpoint_kept_elsewhere
}

pub const SIZES: [u64; 3] = [100, 300, 600];

/// How long verifying so small a log may take.
const AT_MOST: Duration = Duration::from_secs(60);

/// All columns but the position and the version, by which copies differ.
const COPY: &str = "INSERT INTO events (position, partition, kind, id, version, event_id, type, schema_version, at, recorded_at, body, meta) SELECT";

/// Where there was one event, there are two, and all behind them have moved on.
fn inserted(event_id: &str) -> String {
    format!(
        "UPDATE events SET position = -(position + 1) WHERE position > 57; \
         UPDATE events SET position = -position WHERE position < 0; \
         {COPY} 58, partition, kind, id, 999, {event_id}, type, schema_version, at, recorded_at, body, meta \
         FROM events WHERE position = 57"
    )
}

fn swapped(one: u64, other: u64) -> String {
    format!(
        "UPDATE events SET position = 0 WHERE position = {one}; \
         UPDATE events SET position = {one} WHERE position = {other}; \
         UPDATE events SET position = {other} WHERE position = 0"
    )
}

async fn a_log_as_it_was_is_verified_to_its_end_and_what_is_not_signed_is_told(on: On) {
    let city = City::signed_at(on, &SIZES).await;
    let key = city.key().await;
    let verified = city.verify(&key, None).await;
    assert!(verified.is_intact(), "{verified:?}");
    assert_eq!((verified.events, verified.checkpoints, verified.size), (600, 3, 600));
    assert_eq!(verified.uncovered, None);

    city.grow_to(620).await;
    for covered in [false, true] {
        if covered {
            city.open().await.unwrap().cover().await.unwrap();
        }
        let verified = city.verify(&key, None).await;
        assert!(verified.is_intact(), "{verified:?}");
        assert_eq!(verified.uncovered, Some(Uncovered { events: 20, from: 601, to: 620 }));
        assert_eq!((verified.events, verified.size), (620, 600));
    }
}

async fn a_log_that_nothing_was_signed_of_is_not_called_intact(on: On) {
    let city = City::new(on).await;
    let nobody = crate::evidence::public_key(&city.keys.secret(Secret::Evidence).await.unwrap(), Uuid::nil());
    assert!(city.verify(&nobody, None).await.is_intact(), "there is nothing");
    city.grow_to(10).await;
    let key = city.key().await;
    assert_eq!(city.verify(&key, None).await.doubts, [Doubt::NothingSigned]);
    city.open().await.unwrap().cover().await.unwrap();
    assert_eq!(city.verify(&key, None).await.doubts, [Doubt::NothingSigned]);
}

async fn the_first_event_that_was_tampered_with_is_named_with_its_tenant_and_what_was_done(on: On) {
    let alter = |set: &str| format!("UPDATE events SET {set} WHERE position = 57");
    let cases = [
        (alter("body = replace(body, 'number 57', 'number 58')"), How::Altered, 57),
        (alter("body = body || ' '"), How::Altered, 57),
        (alter("meta = replace(meta, '4711', '4712')"), How::Altered, 57),
        (alter("recorded_at = recorded_at + 1"), How::Altered, 57),
        (alter("at = at - 1"), How::Altered, 57),
        (alter("partition = zeroblob(16)"), How::Altered, 57),
        (alter("id = zeroblob(16)"), How::Altered, 57),
        (alter("kind = 'order'"), How::Altered, 57),
        (alter("version = 77"), How::Altered, 57),
        (alter("event_id = randomblob(16)"), How::Altered, 57),
        (alter("type = 'stock.received'"), How::Altered, 57),
        (alter("schema_version = 2"), How::Altered, 57),
        (alter("body = CAST(x'ff' AS TEXT)"), How::Altered, 57),
        (alter("partition = x'00'"), How::Altered, 57),
        (alter("event_id = x''"), How::Altered, 57),
        ("UPDATE events SET body = body || ' ' WHERE position IN (600, 300, 58)".into(), How::Altered, 58),
        ("DELETE FROM events WHERE position = 57".into(), How::Removed, 57),
        ("DELETE FROM events WHERE position = 1".into(), How::Removed, 1),
        ("DELETE FROM events WHERE position = 600".into(), How::Removed, 600),
        ("DELETE FROM events WHERE position > 450".into(), How::Removed, 451),
        ("DELETE FROM events".into(), How::Removed, 1),
        (
            "DELETE FROM events WHERE position = 57; \
             UPDATE events SET position = position - 1 WHERE position > 57"
                .into(),
            How::Removed,
            57,
        ),
        (inserted("randomblob(16)"), How::Inserted, 58),
        (inserted("event_id"), How::Inserted, 58),
        (
            format!(
                "{COPY} 0, partition, kind, id, 999, randomblob(16), type, schema_version, at, recorded_at, body, meta FROM events WHERE position = 9"
            ),
            How::Inserted,
            0,
        ),
        (
            format!(
                "{COPY} 0, partition, kind, id, 999, randomblob(16), type, schema_version, at, recorded_at, body, meta FROM events WHERE position = 9; \
                 {}",
                alter("body = CAST(x'ff' AS TEXT)")
            ),
            How::Inserted,
            0,
        ),
        (
            format!(
                "{COPY} -3, partition, kind, id, 999, randomblob(16), type, schema_version, at, recorded_at, body, meta FROM events WHERE position = 9"
            ),
            How::Inserted,
            -3,
        ),
        (
            format!(
                "{COPY} -9223372036854775808, partition, kind, id, 999, x'', type, schema_version, at, recorded_at, body, meta FROM events WHERE position = 9"
            ),
            How::Inserted,
            i64::MIN,
        ),
        (
            "DELETE FROM events WHERE position = 57; UPDATE events SET event_id = x'' WHERE position = 58"
                .into(),
            How::Removed,
            57,
        ),
        (swapped(57, 58), How::Reordered, 57),
        (swapped(57, 457), How::Reordered, 57),
        ("UPDATE events SET position = 700 WHERE position = 57".into(), How::Reordered, 57),
        ("UPDATE events SET position = 700 WHERE position = 600".into(), How::Reordered, 600),
    ];
    let city = City::signed_at(on, &SIZES).await;
    let key = city.key().await;
    // More in the log than is covered must not confuse.
    city.grow_to(650).await;
    city.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    let whole = fs::read(city.path("log.db")).unwrap();
    for (damage, how, position) in cases {
        let copy = city.path("tampered.db");
        for leftover in ["tampered.db", "tampered.db-wal", "tampered.db-shm"] {
            drop(fs::remove_file(city.path(leftover)));
        }
        fs::write(&copy, &whole).unwrap();
        Connection::open(&copy).unwrap().execute_batch(&damage).unwrap();
        let log = crate::sqlite::SqliteStore::open(&copy, std::sync::Arc::new(crate::clock::SystemClock));
        let verifying = Verifying {
            log: &log.unwrap(),
            evidence: &city.place,
            key: &key,
            remembered: city.keys.signed().await.unwrap(),
            kept: None,
        };
        let verified = tokio::time::timeout(AT_MOST, verifying.verify()).await.expect("it ends").unwrap();
        // What stands before the first event is a copy of another one.
        let partition = Some(city.tenant_at(if position > 0 { position as u64 } else { 9 }));
        assert_eq!(
            verified.difference,
            Some(Difference { how, partition, position, signed: true }),
            "{damage}"
        );
        assert_eq!(verified.doubts, [], "{damage}");
        assert_eq!(verified.events, position.max(1) as u64 - 1, "{damage}");
    }
}

async fn an_event_that_is_covered_and_not_yet_signed_is_missed_too(on: On) {
    let city = City::signed_at(on, &SIZES).await;
    city.grow_to(620).await;
    city.open().await.unwrap().cover().await.unwrap();
    city.tamper("UPDATE events SET body = body || ' ' WHERE position = 615");
    let verified = city.verify(&city.key().await, None).await;
    let partition = Some(city.tenant_at(615));
    let altered = Difference { how: How::Altered, partition, position: 615, signed: false };
    assert_eq!((verified.difference, verified.doubts), (Some(altered), vec![]));
}

async fn a_row_that_cannot_be_read_is_laid_to_no_event_that_the_evidence_does_not_know(on: On) {
    let city = City::signed_at(on, &SIZES).await;
    city.grow_to(620).await;
    city.tamper("UPDATE events SET body = CAST(x'ff' AS TEXT) WHERE position = 615");
    let verified = city.verify(&city.key().await, None).await;
    let partition = Some(city.tenant_at(615));
    let unreadable = Difference { how: How::Unreadable, partition, position: 615, signed: false };
    assert_eq!((verified.difference, verified.doubts), (Some(unreadable), vec![]));
    city.tamper("UPDATE events SET partition = x'00' WHERE position = 615");
    let verified = city.verify(&city.key().await, None).await;
    assert_eq!(verified.difference, Some(Difference { partition: None, ..unreadable }));
}

async fn evidence_that_was_altered_is_told_from_a_log_that_was(on: On) {
    let altered_note = |number| Doubt::CheckpointAltered { number, reason: String::new() };
    let leaf = |at: u64, byte: u64| {
        let from = at * 72 + byte;
        format!(
            "UPDATE tiles SET leaves = CAST(substr(leaves, 1, {from}) || unhex('abcd') || substr(leaves, {from} + 3) AS BLOB) \
             WHERE number = 1"
        )
    };
    let cases = [
        (
            leaf(3, 50),
            vec![Doubt::LeavesAltered { from: 100, to: 299 }, Doubt::NodeAltered { from: 256, to: 511 }],
        ),
        (leaf(3, 30), vec![Doubt::LabelAltered { position: 260 }]),
        (leaf(3, 5), vec![Doubt::LabelAltered { position: 260 }]),
        (
            "UPDATE tiles SET root = zeroblob(5) WHERE number = 1".into(),
            vec![Doubt::NodeAltered { from: 256, to: 511 }],
        ),
        (
            "UPDATE tiles SET root = NULL".into(),
            vec![Doubt::NodeAltered { from: 0, to: 255 }, Doubt::NodeAltered { from: 256, to: 511 }],
        ),
        ("DELETE FROM tiles WHERE number = 2".into(), vec![Doubt::Short { held: 512, size: 600 }]),
        ("DELETE FROM tiles WHERE number = 1".into(), vec![Doubt::Short { held: 256, size: 600 }]),
        (
            "UPDATE tiles SET leaves = zeroblob(0) WHERE number = 0".into(),
            vec![Doubt::NodeAltered { from: 0, to: 0 }, Doubt::Short { held: 0, size: 600 }],
        ),
        (
            "UPDATE tiles SET number = -number WHERE number > 0".into(),
            vec![Doubt::Short { held: 256, size: 600 }],
        ),
        (
            "UPDATE tiles SET leaves = substr(leaves, 1, 100) WHERE number = 2".into(),
            vec![Doubt::Short { held: 513, size: 600 }],
        ),
        ("DELETE FROM tiles".into(), vec![Doubt::Short { held: 0, size: 600 }]),
        ("DELETE FROM checkpoints WHERE number = 1".into(), vec![Doubt::CheckpointMissing { number: 1 }]),
        ("DELETE FROM checkpoints WHERE number = 2".into(), vec![Doubt::CheckpointMissing { number: 2 }]),
        ("DELETE FROM checkpoints WHERE number = 3".into(), vec![Doubt::LastMissing { size: 600 }]),
        ("DELETE FROM checkpoints".into(), vec![Doubt::Missing { size: 600 }]),
        (
            "DELETE FROM checkpoints; DELETE FROM tiles".into(),
            vec![Doubt::Missing { size: 600 }, Doubt::Short { held: 0, size: 600 }],
        ),
        ("UPDATE checkpoints SET note = replace(note, '300', '301')".into(), vec![altered_note(2)]),
        (
            "UPDATE checkpoints SET note = CAST(x'ff' AS TEXT) WHERE number = 3".into(),
            vec![altered_note(3), Doubt::LastMissing { size: 600 }],
        ),
        (
            "UPDATE checkpoints SET number = 9223372036854775807 WHERE number = 3".into(),
            vec![Doubt::CheckpointMissing { number: 3 }],
        ),
        (
            "UPDATE checkpoints SET number = -1 WHERE number = 1".into(),
            vec![Doubt::CheckpointMissing { number: 1 }, Doubt::CheckpointMissing { number: u64::MAX }],
        ),
        (
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE number = 1) WHERE number = 2"
                .into(),
            vec![Doubt::CheckpointOutOfOrder { number: 2 }],
        ),
    ];
    for (damage, doubts) in cases {
        let city = City::signed_at(on, &SIZES).await;
        city.tamper_with_evidence(&damage).await;
        let mut verified = city.verify(&city.key().await, None).await;
        for doubt in &mut verified.doubts {
            if let Doubt::CheckpointAltered { reason, .. } = doubt {
                assert!(!std::mem::take(reason).is_empty());
            }
        }
        assert_eq!(verified.doubts, doubts, "{damage}");
        assert_eq!((verified.difference, verified.events), (None, 600), "{damage}: the log is as it was");
    }
}

async fn a_checkpoint_of_another_key_is_no_checkpoint(on: On) {
    let (city, other) = (City::signed_at(on, &SIZES).await, City::signed_at(on, &SIZES).await);
    let verified = city.verify(&other.key().await, None).await;
    assert!(matches!(
        verified.doubts[..],
        [
            Doubt::CheckpointAltered { number: 1, .. },
            Doubt::CheckpointAltered { number: 2, .. },
            Doubt::CheckpointAltered { number: 3, .. },
            Doubt::LastMissing { size: 600 },
        ]
    ));
    // The same origin, and a signature by someone else.
    let forged = public_key_of(&other, &city).await;
    let note = city.sign().await.checkpoint.sign(&forged);
    city.tamper_with_evidence("DELETE FROM checkpoints WHERE number = 3").await;
    let mut writing = city.place.open().await.unwrap().write().await.unwrap();
    writing.keep_note(KeptNote { number: 3, note }).await.unwrap();
    writing.commit().await.unwrap();
    let verified = city.verify(&city.key().await, None).await;
    let [Doubt::CheckpointAltered { number: 3, reason }, Doubt::LastMissing { size: 600 }] =
        &verified.doubts[..]
    else {
        panic!("{verified:?}")
    };
    assert_eq!(reason, "it is not signed by this key");
    assert_eq!(verified.difference, None);
}

/// Someone else who signs in the name of a city.
async fn public_key_of(signing: &City, named: &City) -> crate::evidence::note::Signer {
    let seed = signing.keys.secret(Secret::Evidence).await.unwrap();
    crate::evidence::note::Signer::new(named.key().await.name().to_owned(), &seed)
}

async fn a_log_and_evidence_that_were_altered_alike_are_not_as_they_were_signed(on: On) {
    let city = City::signed_at(on, &SIZES).await;
    city.tamper("UPDATE events SET body = body || ' ' WHERE position = 257");
    city.falsify_leaf(257).await;
    let verified = city.verify(&city.key().await, None).await;
    assert_eq!(
        verified.doubts,
        [Doubt::LeavesAltered { from: 100, to: 299 }, Doubt::EventsAltered { from: 101, to: 300 }]
    );
    assert_eq!(verified.difference, None, "nobody can tell which event it was");
}

async fn altered_evidence_hides_no_event_that_was_tampered_with(on: On) {
    for evidence in [
        "DELETE FROM tiles WHERE number = 2",
        "UPDATE tiles SET leaves = zeroblob(72 * 88) WHERE number = 2",
        "DELETE FROM checkpoints WHERE number = 3",
    ] {
        let city = City::signed_at(on, &SIZES).await;
        city.tamper("UPDATE events SET body = body || ' ' WHERE position = 257");
        city.tamper_with_evidence(evidence).await;
        let verified = city.verify(&city.key().await, None).await;
        let found = verified.difference.expect("it is found");
        assert_eq!((found.how, found.position, found.signed), (How::Altered, 257, true), "{evidence}");
        assert!(!verified.doubts.is_empty(), "{evidence}");
    }
    let city = City::signed_at(on, &SIZES).await;
    city.tamper("UPDATE events SET body = body || ' ' WHERE position = 257");
    city.tamper_with_evidence("UPDATE tiles SET leaves = zeroblob(72 * 256) WHERE number = 0").await;
    let verified = city.verify(&city.key().await, None).await;
    assert!(verified.doubts.contains(&Doubt::EventsAltered { from: 101, to: 300 }), "{verified:?}");

    // All leaves in one tile: where an event's own is looked for there is none.
    let city = City::signed_at(on, &SIZES).await;
    city.tamper("UPDATE events SET body = body || ' ' WHERE position = 257");
    city.tamper_with_evidence(
        "UPDATE tiles SET root = NULL, leaves = CAST(leaves || (SELECT leaves FROM tiles WHERE number = 1) || \
         (SELECT leaves FROM tiles WHERE number = 2) AS BLOB) WHERE number = 0; DELETE FROM tiles WHERE number > 0",
    )
    .await;
    let verified = city.verify(&city.key().await, None).await;
    assert!(verified.doubts.contains(&Doubt::EventsAltered { from: 101, to: 300 }), "{verified:?}");

    let city = City::signed_at(on, &SIZES).await;
    let kept = city.sign().await.checkpoint;
    city.lose_evidence().await;
    let key = city.key().await;
    assert_eq!(city.verify(&key, None).await.doubts, [Doubt::Missing { size: 600 }]);
    assert_eq!(city.verify(&key, None).await.difference, None, "the key store knows what it signed");
    city.tamper("DELETE FROM events WHERE position > 590");
    let removed = Difference { how: How::Removed, partition: None, position: 591, signed: true };
    assert_eq!(city.verify(&key, Some(&kept)).await.difference, Some(removed));
}

async fn evidence_that_was_made_anew_over_a_tampered_log_is_shown_by_a_checkpoint_kept_elsewhere(on: On) {
    let city = City::signed_at(on, &SIZES).await;
    let (key, kept) = (city.key().await, city.sign().await.checkpoint);
    assert!(city.verify(&key, Some(&kept)).await.is_intact());
    city.tamper("UPDATE events SET body = body || ' ' WHERE position = 257");
    city.begin_anew("old").await.unwrap();
    assert!(city.verify(&key, None).await.is_intact(), "nothing here remembers");
    let verified = city.verify(&key, Some(&kept)).await;
    assert_eq!(verified.doubts, [Doubt::OtherThanKept { size: 600 }]);

    // Evidence and keys put back to what they were know less than the checkpoint that was kept.
    let longer = Checkpoint { size: 700, ..kept };
    let verified = city.verify(&key, Some(&longer)).await;
    assert_eq!(verified.doubts, [Doubt::Short { held: 600, size: 700 }]);
    assert_eq!(verified.difference.map(|found| (found.how, found.position)), Some((How::Removed, 601)));
}

type Tampering = fn(&Path);

fn drop_table(file: &Path, table: &str) {
    Connection::open(file).unwrap().execute_batch(&format!("DROP TABLE {table}")).unwrap();
}

#[tokio::test]
async fn evidence_that_cannot_be_read_is_a_doubt_and_what_the_keys_remember_is_still_held_against_the_log() {
    let cases: [(&str, Tampering); 4] = [
        ("it holds something else", |path| fs::write(path, "").unwrap()),
        ("not a database", |path| fs::write(path, "rubbish ".repeat(1_000)).unwrap()),
        ("no such table: tiles", |path| drop_table(path, "tiles")),
        ("no such table: checkpoints", |path| drop_table(path, "checkpoints")),
    ];
    for (why, damage) in cases {
        let city = City::signed_at(On::Sqlite, &SIZES).await;
        damage(&city.path("evidence.db"));
        is_doubted_and_the_log_is_held_to_what_is_remembered(&city, "evidence.db", why).await;
    }
}

/// Of the evidence in such a place, for such a reason.
pub async fn is_doubted_and_the_log_is_held_to_what_is_remembered(city: &City, place: &str, why: &str) {
    let key = city.key().await;
    let verified = city.verify(&key, None).await;
    let told: Vec<_> = verified.doubts.iter().map(|doubt| doubt.to_string()).collect();
    assert!(told.len() == 1 && told[0].contains(place) && told[0].contains(why), "{why}: {told:?}");
    assert_eq!((verified.difference, verified.events), (None, 600), "{why}: the log is as it was");

    city.tamper("UPDATE events SET at = at + 1 WHERE position = 257");
    let doubts = city.verify(&key, None).await.doubts;
    assert_eq!(doubts[1..], [Doubt::EventsAltered { from: 1, to: 600 }], "{why}");
}
