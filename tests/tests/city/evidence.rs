//! The evidence of a log, kept by the program itself: what was done to the log is found, an order is proven to whoever has
//! the public key, and nothing that happens to the program disturbs it.

use crate::program::{Ended, Installation, Server, grown_to};
use crate::sample::{self, Market, PLACE_ORDER};
use cityos_domain::event::Kind;
use cityos_domain::ids::PersonId;
use cityos_domain::log::Position;
use cityos_eventstore::evidence::PublicKey;
use cityos_eventstore::keys::{KeyFile, KeyStore};
use cityos_gateway::order_proof::{OrderProof, Refused};
use cityos_gateway::sample::tenant;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// How long something may take that a test waits for.
const WAIT_AT_MOST: Duration = Duration::from_secs(60);

/// A sample city that was served, has come to rest, and was stopped; and one of its orders.
async fn stopped_city() -> (Installation, String) {
    let at = Installation::in_files();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    let city = sample::settled(&at, &server, &token).await;
    assert!(server.interrupt().success());
    let order = city["orders"]["nodes"][0]["id"].as_str().unwrap().to_owned();
    (at, order)
}

fn log_of(at: &Installation, data: &str) -> Connection {
    Connection::open(at.path(data).join("log.db")).unwrap()
}

fn number(log: &Connection, sql: &str) -> u64 {
    log.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

/// Copies the data directory of a city that does not run.
fn copy(at: &Installation, to: &str) {
    drop(fs::remove_dir_all(at.path(to)));
    fs::create_dir(at.path(to)).unwrap();
    for file in fs::read_dir(at.data()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), at.path(to).join(file.file_name())).unwrap();
    }
}

/// What `audit verify --json` says of a data directory, and its exit code.
fn verified(at: &Installation, data: &str) -> (i32, Value) {
    let ended = at.run(&["audit", "--data-dir", data, "verify", "--json"]);
    let told =
        serde_json::from_str(&ended.said).unwrap_or_else(|_| panic!("{}{}", ended.said, ended.complained));
    (ended.code.unwrap(), told)
}

/// That the log of a data directory is as it was signed: how many events, and how many of them are signed.
fn intact(at: &Installation, data: &str) -> (u64, u64) {
    let (code, told) = verified(at, data);
    assert_eq!((code, &told["intact"]), (0, &json!(true)), "{told}");
    (told["events"].as_u64().unwrap(), told["size"].as_u64().unwrap())
}

fn key_of(at: &Installation) -> String {
    let ended = at.run(&["audit", "key"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
    ended.said.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_done_to_a_log_while_nothing_ran_is_named_with_tenant_and_position() {
    let (at, _) = stopped_city().await;
    let (events, signed) = intact(&at, "data");
    assert_eq!((events, signed), (number(&log_of(&at, "data"), "SELECT count(*) FROM events"), events));
    let of_souq = format!("partition = x'{}'", tenant().0.simple());
    let placed = format!("SELECT min(position) FROM events WHERE type = 'order.placed' AND {of_souq}");
    let p = number(&log_of(&at, "data"), &placed);
    let next = p + 1;
    let columns = "partition, kind, id, version + 1000, randomblob(16), type, schema_version, at, recorded_at, body, meta";
    let up = format!(
        "UPDATE events SET position = -(position + 1) WHERE position > {p}; UPDATE events SET position = -position WHERE position < 0"
    );
    let cases = [
        (format!("UPDATE events SET body = replace(body, 'SAR', 'EUR') WHERE position = {p}"), "altered", p),
        (format!("UPDATE events SET meta = meta || ' ' WHERE position = {p}"), "altered", p),
        (format!("UPDATE events SET recorded_at = recorded_at + 1 WHERE position = {p}"), "altered", p),
        (format!("UPDATE events SET partition = randomblob(16) WHERE position = {p}"), "altered", p),
        ("UPDATE events SET recorded_at = recorded_at - 1 WHERE position = 1".into(), "altered", 1),
        (
            format!("INSERT INTO events SELECT {next}, {columns} FROM events WHERE position = {p}"),
            "inserted",
            next,
        ),
        (format!("DELETE FROM events WHERE position = {p}"), "removed", p),
        (
            format!(
                "DELETE FROM events WHERE position = {p}; UPDATE events SET position = position - 1 WHERE position > {p}"
            ),
            "removed",
            p,
        ),
        (format!("DELETE FROM events WHERE position >= {p}"), "removed", p),
        (
            format!(
                "UPDATE events SET position = 0 WHERE position = {p}; UPDATE events SET position = {p} WHERE position = {next}; \
                 UPDATE events SET position = {next} WHERE position = 0"
            ),
            "reordered",
            p,
        ),
    ];
    for (damage, how, position) in cases {
        copy(&at, "tampered");
        let damage = if how == "inserted" { format!("{up}; {damage}") } else { damage };
        log_of(&at, "tampered").execute_batch(&damage).unwrap();
        let (code, told) = verified(&at, "tampered");
        assert_eq!(code, 3, "{damage}: {told}");
        let found = &told["difference"];
        assert_eq!((&found["how"], &found["position"]), (&json!(how), &json!(position)), "{damage}: {told}");
        if position >= p {
            let whose = (&found["partition"], found["tenant"].as_str());
            assert_eq!(whose, (&json!(tenant()), Some("souq")), "{damage}: {told}");
        }
        assert_eq!(told["doubts"], json!([]), "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_tampered_with_is_still_served_and_its_end_not_signed_over() {
    let (at, _) = stopped_city().await;
    let (events, signed) = intact(&at, "data");
    // The last that is covered: what comes next would go on from another log.
    let tamper = "UPDATE events SET at = at + 1 WHERE position = (SELECT max(position) FROM events)";
    log_of(&at, "data").execute_batch(tamper).unwrap();
    let server = at.serve(&[]);
    let token = sample::admin(&at);
    let market = Market::of(&server, &token).await;
    server.ask(&token, PLACE_ORDER, json!({ "input": market.order(1), "key": "after" })).await;
    assert!(server.interrupt().success());
    assert!(at.read("server.log").contains("the log's evidence was not signed"), "{}", at.read("server.log"));
    let (code, told) = verified(&at, "data");
    assert_eq!((code, &told["difference"]["how"], &told["size"]), (3, &json!("altered"), &json!(signed)));
    assert_eq!(told["difference"]["position"], json!(events));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_verified_beside_the_server_that_goes_on_writing_and_signing() {
    let at = Installation::in_files();
    let server = at.serve(&["--sample", "--set", "checkpoint_every_s=1"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let market = Market::of(&server, &token).await;
    let mut sizes = BTreeSet::new();
    let begun = Instant::now();
    let mut order = 0;
    while sizes.len() < 3 {
        assert!(begun.elapsed() < WAIT_AT_MOST, "nothing new is signed: {sizes:?}");
        order += 1;
        let placing = json!({ "input": market.order(1), "key": order.to_string() });
        let placing = tokio::spawn(server.post(&token, PLACE_ORDER, placing));
        let (code, told) = verified(&at, "data");
        // Nothing may have been signed at first.
        if told["size"] != 0 {
            assert_eq!((code, &told["intact"]), (0, &json!(true)), "{told}");
            sizes.insert(told["size"].as_u64());
        }
        placing.await.unwrap().unwrap();
    }
    assert!(server.interrupt().success());
    let (events, signed) = intact(&at, "data");
    assert_eq!(events, signed, "an orderly stop signs all there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_covers_and_signs_leaves_evidence_that_the_next_goes_on_with() {
    let at = Installation::in_files();
    let serve = |at: &Installation| -> Server { at.serve(&["--sample", "--set", "checkpoint_every_s=1"]) };
    let mut server = serve(&at);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let market = Market::of(&server, &token).await;
    let log = at.log().await;
    for round in 0..4 {
        let before = log.head().await.unwrap();
        let orders: Vec<_> = (0..4)
            .map(|number| json!({ "input": market.order(1), "key": format!("{round}/{number}") }))
            .map(|order| tokio::spawn(server.post(&token, PLACE_ORDER, order)))
            .collect();
        grown_to(&*log, Position(before.0 + 20 * round)).await;
        server.kill();
        for order in orders {
            drop(order.await.unwrap());
        }
        server = serve(&at);
    }
    assert!(server.interrupt().success());
    let (events, signed) = intact(&at, "data");
    assert_eq!((events, signed), (log.head().await.unwrap().0, events));
}

/// How many events a log has that takes a while to cover.
const MANY: u64 = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn covering_a_long_log_that_is_killed_in_the_middle_goes_on_and_two_at_once_do_not_disturb_each_other()
{
    let (at, _) = stopped_city().await;
    let head = number(&log_of(&at, "data"), "SELECT max(position) FROM events");
    let copies = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY}) \
         INSERT INTO events SELECT {head} + n, partition, kind, id, version + n, randomblob(16), type, schema_version, at, \
         recorded_at, body, meta FROM events, n WHERE position = {head}"
    );
    log_of(&at, "data").execute_batch(&copies).unwrap();
    let evidence = Connection::open(at.data().join("evidence.db")).unwrap();
    let tiles = || number(&evidence, "SELECT count(*) FROM tiles");
    let before = tiles();
    let mut covering = at.start(&["audit", "checkpoint"]);
    let begun = Instant::now();
    while tiles() == before {
        assert!(begun.elapsed() < WAIT_AT_MOST, "nothing is covered");
        tokio::task::yield_now().await;
    }
    covering.kill().unwrap();
    covering.wait().unwrap();
    assert!(tiles() < MANY / 256, "it was killed when all was covered");
    let (events, signed) = intact(&at, "data");
    assert_eq!((events, signed), (head + MANY, head), "what is covered and not signed is no harm");

    let mut both = [at.start(&["audit", "checkpoint"]), at.start(&["audit", "checkpoint"])];
    for process in &mut both {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(intact(&at, "data"), (head + MANY, head + MANY));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_as_it_was_signed_and_orders_are_proven_after_persons_are_forgotten() {
    let (at, order) = stopped_city().await;
    let persons: Vec<[u8; 16]> = {
        let keys = Connection::open(at.data().join("keys.db")).unwrap();
        let mut all = keys.prepare("SELECT person FROM persons WHERE key IS NOT NULL").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert!(!persons.is_empty(), "somebody is known");
    let before = intact(&at, "data");
    let keys = KeyFile::open(&at.data().join("keys.db")).unwrap();
    for person in persons {
        keys.forget(tenant(), PersonId(uuid::Uuid::from_bytes(person))).await.unwrap();
    }
    assert_eq!(intact(&at, "data"), before);
    let ended = at.run(&["audit", "prove", &order, "--out", "order.proof"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
}

fn prove(at: &Installation, order: &str, file: &str) -> String {
    let ended = at.run(&["audit", "prove", order, "--out", file]);
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
    at.read(file)
}

fn check(at: &Installation, file: &str, key: &str) -> Ended {
    at.run(&["audit", "check", file, "--public-key", key, "--json"])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_proven_where_there_is_nothing_but_the_file_and_the_public_key() {
    let (at, order) = stopped_city().await;
    let proof = prove(&at, &order, "order.proof");
    let key = key_of(&at);
    let auditor = Installation::in_files();
    auditor.write("order.proof", &proof);
    let ended = check(&auditor, "order.proof", &key);
    assert_eq!(ended.code, Some(0), "{}{}", ended.said, ended.complained);
    assert!(!auditor.data().exists());
    let told: Value = serde_json::from_str(&ended.said).unwrap();
    let types: BTreeSet<_> =
        told["events"].as_array().unwrap().iter().map(|event| event["type"].as_str()).collect();
    for one in ["order.requested", "order.placed", "payment.authorised", "vendor_order.placed"] {
        assert!(types.contains(&Some(one)), "{one} in {types:?}");
    }
    // Nothing of others: every id in the file's events is of its own streams.
    let events = told["events"].as_array().unwrap().len();
    assert_eq!(proof.matches("\"event_id\"").count(), events);

    let (other, _) = stopped_city().await;
    let foreign = check(&auditor, "order.proof", &key_of(&other));
    assert_eq!(foreign.code, Some(3), "{}", foreign.said);
    assert!(foreign.said.contains("not signed by this key"), "{}", foreign.said);

    let unknown = at.run(&["audit", "prove", &uuid::Uuid::nil().to_string(), "--out", "none.proof"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.said);
    let nil = uuid::Uuid::nil().to_string();
    assert!(unknown.complained.contains(&nil), "{}", unknown.complained);
    let unknown = at.run(&["audit", "prove", &nil, "--tenant", "souq", "--out", "none.proof"]);
    let named = [nil, tenant().to_string()].iter().all(|id| unknown.complained.contains(id));
    assert!(named, "{}", unknown.complained);
    let mistaken = at.run(&["audit", "prove", "4711", "--out", "none.proof"]);
    assert!(mistaken.complained.contains("ORDER: `4711`"), "{}", mistaken.complained);
    let again = at.run(&["audit", "prove", &order, "--out", "order.proof"]);
    assert_eq!(again.code, Some(1), "a file that is there is not overwritten: {}", again.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_refused_whichever_of_its_lines_was_altered_or_left_out() {
    let (at, order) = stopped_city().await;
    let key: PublicKey = key_of(&at).parse().unwrap();
    let proof = prove(&at, &order, "order.proof");
    let proven = OrderProof::check(proof.as_bytes(), &key).unwrap();
    let mut reasons = BTreeSet::new();
    let mut refuse = |altered: String| {
        let refused = OrderProof::check(altered.as_bytes(), &key);
        let error = refused.err().unwrap_or_else(|| panic!("it is taken for proven:\n{altered}"));
        reasons.insert(format!("{error:?}").split(['(', ' ', '{']).next().unwrap().to_owned());
    };
    let lines: Vec<_> = proof.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let with = |line: Option<String>| {
            let altered = lines.iter().enumerate().filter_map(|(at, kept)| match at == number {
                true => line.clone(),
                false => Some((*kept).to_owned()),
            });
            altered.collect::<Vec<_>>().join("\n") + "\n"
        };
        refuse(with(None));
        let value = line.find(": ").map_or(0, |at| at + 2);
        // Somewhere in the value, near both of its ends, and in the name.
        for at in
            [value, value + 2, value + (line.len() - value) / 2, line.len().saturating_sub(3), value / 2]
        {
            let mut bytes = line.as_bytes().to_vec();
            let Some(byte) = bytes.get_mut(at) else { continue };
            *byte = match *byte {
                b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => *byte + 1,
                b'9' => b'8',
                other => other ^ 1,
            };
            if let Ok(altered) = String::from_utf8(bytes) {
                refuse(with(Some(altered)));
            }
        }
    }
    for end in (0..proof.len()).step_by(97).filter(|end| proof.is_char_boundary(*end)) {
        refuse(proof[..end].to_owned());
    }
    refuse(proof.replace('\n', ""));
    for id in [proven.order.to_string(), proven.tenant.to_string()] {
        refuse(proof.replacen(&id, &uuid::Uuid::nil().to_string(), 1));
    }
    for reason in ["Malformed", "Format", "Rewritten", "Checkpoint", "NotIncluded", "Stranger"] {
        assert!(reasons.contains(reason), "nothing was refused as {reason}: {reasons:?}");
    }
    assert!(proven.events.len() > 5, "there is something to alter");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_to_be_checked_and_is_not_what_was_signed_is_not_proven_whatever_it_is() {
    let ((at, order), (other, _)) = (stopped_city().await, stopped_city().await);
    let key = key_of(&at);
    let mut proof = prove(&at, &order, "order.proof").into_bytes();
    assert_eq!(other.run(&["audit", "checkpoint", "--out", "kept.checkpoint"]).code, Some(0));
    at.write("their.checkpoint", &other.read("kept.checkpoint"));
    fs::write(at.path("no.checkpoint"), [0xff]).unwrap();
    for kept in ["their.checkpoint", "no.checkpoint"] {
        let checked = ["audit", "check", "order.proof", "--public-key", &key, "--since", kept];
        let ended = at.run(&checked);
        assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
        assert!(ended.said.starts_with(&format!("NOT proven: the checkpoint in {kept}: ")), "{}", ended.said);
        let ended = at.run(&[&checked[..], &["--json"]].concat());
        assert_eq!(ended.code, Some(3), "{}", ended.complained);
        let told: Value = serde_json::from_str(&ended.said).unwrap();
        assert_eq!(told["proven"], json!(false));

        let ended = at.run(&["audit", "verify", "--checkpoint", kept, "--json"]);
        assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
        let told: Value = serde_json::from_str(&ended.said).unwrap();
        assert_eq!(told["doubts"][0]["doubt"], json!("kept_altered"));
        assert!(told["doubts"][0]["message"].as_str().unwrap().contains(kept), "{told}");
    }
    let middle = proof.len() / 2;
    proof[middle] = 0xff;
    fs::write(at.path("order.proof"), proof).unwrap();
    let ended = check(&at, "order.proof", &key);
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let told: Value = serde_json::from_str(&ended.said).unwrap();
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.starts_with("this is no proof of an order: "), "{reason}");
    assert_eq!(reason.matches(" at line ").count(), 1, "it is said once: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_none_any_more_is_named_and_begun_anew() {
    let (at, _) = stopped_city().await;
    let (events, _) = intact(&at, "data");
    fs::write(at.data().join("evidence.db"), "").unwrap();
    let (code, told) = verified(&at, "data");
    assert_eq!(
        (code, &told["doubts"][0]["doubt"], &told["events"]),
        (3, &json!("unreadable"), &json!(events))
    );
    let message = told["doubts"][0]["message"].as_str().unwrap();
    assert!(message.contains("data/evidence.db"), "{message}");
    let begun = at.run(&["audit", "begin-anew", "--old", "old.evidence"]);
    assert_eq!(begun.code, Some(0), "{}", begun.complained);
    assert!(begun.said.contains("The log is still the one that was signed before"), "{}", begun.said);
    assert_eq!((at.read("old.evidence").as_str(), intact(&at, "data")), ("", (events, events)));
}

/// Only what came last in its stream may be missing: that nothing more came is not proven.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_lacks_an_event_is_refused_unless_it_is_one_that_came_last() {
    let (at, order) = stopped_city().await;
    let key: PublicKey = key_of(&at).parse().unwrap();
    let proof = prove(&at, &order, "order.proof");
    let events = OrderProof::check(proof.as_bytes(), &key).unwrap().events;
    let begins = "    {\n      \"event\": {";
    let (head, rest) = proof.split_once(begins).unwrap();
    let pieces: Vec<_> = rest.split(begins).collect();
    assert_eq!(pieces.len(), events.len());
    for (number, event) in events[..events.len() - 1].iter().enumerate() {
        let kept = pieces.iter().enumerate().filter(|(at, _)| *at != number);
        let lacking: String =
            [head.to_owned()].into_iter().chain(kept.map(|(_, piece)| format!("{begins}{piece}"))).collect();
        let more = events[number + 1..].iter().any(|later| later.stream == event.stream);
        let refused = OrderProof::check(lacking.as_bytes(), &key).err();
        if event.stream.kind == Kind::Order {
            // Without it nothing says which the other streams are.
            assert!(refused.is_some());
            continue;
        }
        match (more, event.version.0) {
            (true, _) => assert!(matches!(refused, Some(Refused::Gap(_))), "{refused:?}"),
            (false, 1) => assert!(matches!(refused, Some(Refused::StreamMissing(_))), "{refused:?}"),
            (false, _) => assert!(refused.is_none(), "{refused:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_the_evidence_of_its_log_also_where_more_is_signed_meanwhile() {
    let at = Installation::in_files();
    let server = at.serve(&["--sample", "--set", "checkpoint_every_s=1"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let done = at.run(&["audit", "checkpoint", "--out", "kept.checkpoint"]);
    assert_eq!(done.code, Some(0), "{}", done.complained);
    let market = Market::of(&server, &token).await;
    let orders: Vec<_> = (0..8)
        .map(|number| json!({ "input": market.order(1), "key": number.to_string() }))
        .map(|order| tokio::spawn(server.post(&token, PLACE_ORDER, order)))
        .collect();
    let done = at.run(&["backup", "--log", "log.copy", "--keys", "keys.copy"]);
    assert_eq!(done.code, Some(0), "{}", done.complained);
    for order in orders {
        assert!(order.await.unwrap().is_ok());
    }
    assert!(server.interrupt().success());
    let restore = ["restore", "--data-dir", "restored", "--log", "log.copy", "--keys", "keys.copy"];
    assert_eq!(at.run(&restore).code, Some(0));
    let kept = ["audit", "--data-dir", "restored", "verify", "--checkpoint", "kept.checkpoint"];
    let held = at.run(&kept);
    assert_eq!(held.code, Some(0), "{}{}", held.said, held.complained);
    let next = at.run(&["audit", "--data-dir", "restored", "checkpoint"]);
    assert_eq!(next.code, Some(0), "{}", next.complained);

    // The same copy with the keys that were not lost: they remember that more was signed.
    let own = at.data().join("keys.db");
    let older = ["restore", "--data-dir", "older", "--log", "log.copy", "--keys", own.to_str().unwrap()];
    assert_eq!(at.run(&older).code, Some(0));
    let (code, told) = verified(&at, "older");
    assert_eq!(code, 3, "{told}");
    let refused = at.run(&["audit", "--data-dir", "older", "checkpoint"]);
    assert_eq!(refused.code, Some(1), "{}", refused.said);
    let begun = at.run(&["audit", "--data-dir", "older", "begin-anew", "--old", "old.evidence"]);
    assert_eq!(begun.code, Some(0), "{}", begun.complained);
    assert!(begun.said.contains("The log is NOT the one that was signed before"), "{}", begun.said);
    intact(&at, "older");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_tampered_with_is_not_signed_anew_by_the_city_made_from_it() {
    let (at, _) = stopped_city().await;
    let (events, _) = intact(&at, "data");
    let done = at.run(&["backup", "--log", "log.copy", "--keys", "keys.copy"]);
    assert_eq!(done.code, Some(0), "{}", done.complained);
    let alter = "UPDATE events SET at = at + 1 WHERE type = 'order.placed'";
    Connection::open(at.path("log.copy")).unwrap().execute_batch(alter).unwrap();
    fs::remove_file(at.path("log.copy.evidence")).unwrap();
    let restored = at.run(&["restore", "--data-dir", "restored", "--log", "log.copy", "--keys", "keys.copy"]);
    assert_eq!(restored.code, Some(0), "{}", restored.complained);
    assert!(restored.said.contains("there is no log.copy.evidence"), "{}", restored.said);
    assert!(at.serve(&["--data-dir", "restored"]).interrupt().success());
    let (code, told) = verified(&at, "restored");
    assert_eq!(
        (code, &told["doubts"][0]["doubt"], &told["doubts"][0]["size"]),
        (3, &json!("missing"), &json!(events))
    );
}
