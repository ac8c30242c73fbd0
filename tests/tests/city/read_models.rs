//! `cityos projection` beside a running server and without one: it finds what was edited, goes on where it was killed, is
//! one at a time, and readers notice nothing.

use crate::program::{Ended, Installation, Server};
use crate::sample;
use regex::Regex;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long something may take that is waited for.
const AT_MOST: Duration = Duration::from_secs(60);

/// What readers ask for while tables are switched.
const ORDERS: &str =
    "{ orders(orderBy: OLDEST) { totalCount nodes { id status placed { payable { amount } } } } }";

/// A served sample city that has come to rest, and a token of its admin.
async fn city() -> (Installation, Server, String) {
    let at = Installation::in_files();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    (at, server, token)
}

/// The database of the read models, as somebody with a tool sees it.
pub fn reads(at: &Installation) -> Connection {
    let reads = Connection::open(at.data().join("read.db")).unwrap();
    reads.busy_timeout(AT_MOST).unwrap();
    reads
}

/// The live table of a model.
pub fn table(reads: &Connection, model: &str) -> String {
    let sql = "SELECT concat_ws('_', model, fingerprint, build) FROM live WHERE model = ?";
    reads.query_row(sql, [model], |row| row.get(0)).unwrap()
}

/// Freezes an order, as a projector does that meets an event which does not fit it.
pub fn freeze(at: &Installation, reads: &Connection) {
    let log = Connection::open(at.data().join("log.db")).unwrap();
    let sql = "SELECT partition, id, position, event_id FROM events WHERE kind = 'order' ORDER BY position DESC LIMIT 1";
    type Event = ([u8; 16], [u8; 16], i64, [u8; 16]);
    let (partition, id, position, event): Event = log.query_row(sql, [], |row| row.try_into()).unwrap();
    let key = json!([{ "Uuid": Uuid::from_bytes(partition) }, { "Uuid": Uuid::from_bytes(id) }]);
    let frozen = params![
        table(reads, "orders"),
        key.to_string(),
        position,
        event,
        "it contradicts what happened before"
    ];
    let sql = "INSERT INTO frozen (build, key, position, event, error) VALUES (?, ?, ?, ?, ?)";
    assert_eq!(reads.execute(sql, frozen), Ok(1));
}

fn projection(at: &Installation, arguments: &[&str]) -> Ended {
    at.run(&[&["projection"], arguments].concat())
}

/// What it prints, having done as it was told.
fn prints(at: &Installation, arguments: &[&str]) -> String {
    let ended = projection(at, arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.said, ended.complained);
    ended.said
}

/// The JSON lines it prints.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn last(text: &str) -> Value {
    lines(text).pop().expect("it prints a line")
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < AT_MOST, "{what}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_the_read_models_moves_none_and_makes_none() {
    let (at, server, _) = city().await;
    assert!(server.interrupt().success());
    let head = at.log().await.head().await.unwrap().0;
    assert!(lines(&prints(&at, &["status", "--json"])).iter().all(|line| line["lag_events"] == 0));
    for file in ["read.db", "read.db-wal", "read.db-shm"] {
        drop(std::fs::remove_file(at.data().join(file)));
    }
    let status = lines(&prints(&at, &["status", "--json"]));
    assert!(status.len() > 10);
    for line in &status {
        assert_eq!((&line["lag_events"], &line["position"]), (&json!(head), &json!(0)), "{line}");
        assert_eq!(line["events_per_second"], Value::Null, "it stands still");
        assert!(line["lag_seconds"].as_i64().unwrap() >= 0);
    }
    let list = lines(&prints(&at, &["list", "--json"]));
    assert!(list.len() == status.len() && list.iter().all(|line| line["state"] == "missing"), "{list:?}");
    let verify = projection(&at, &["verify", "--all"]);
    assert_eq!(verify.code, Some(1));
    assert!(verify.complained.contains("there are no read models yet"), "{}", verify.complained);
    assert!(!at.data().join("read.db").exists());

    let built = lines(&prints(&at, &["rebuild", "--all", "--json"]));
    let folding: Vec<_> = built.iter().filter(|line| line["doing"] == "folding").collect();
    assert!(folding.len() >= status.len(), "each says where it is: {folding:?}");
    assert!(
        folding.iter().all(|line| line["to"] == head && line["position"].as_u64() <= Some(head)),
        "{folding:?}"
    );
    let done: Vec<_> = built.iter().filter(|line| line["doing"] == "done").collect();
    assert_eq!(done.len(), status.len());
    assert!(done.iter().all(|line| line["position"] == head && line["identical"].is_null()), "{done:?}");
    let verified = lines(&prints(&at, &["verify", "--all", "--json"]));
    let verified: Vec<_> = verified.iter().filter(|line| line["doing"] == "done").collect();
    assert!(verified.len() == status.len() && verified.iter().all(|line| line["identical"] == true));
    let server = at.serve(&[]);
    assert!(server.interrupt().success());
    assert_eq!(at.log().await.head().await.unwrap().0, head, "no event was written by any of this");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_by_hand_is_found_mended_and_rolled_back_beside_a_running_server() {
    let (at, server, token) = city().await;
    let good = server.ask(&token, ORDERS, json!({})).await;
    let first = {
        let reads = reads(&at);
        let orders = table(&reads, "orders");
        let edit = "SET status = 'canceled', reference = 'forged'";
        assert_eq!(
            reads.execute(
                &format!("UPDATE \"{orders}\" {edit} WHERE id = (SELECT min(id) FROM \"{orders}\")"),
                []
            ),
            Ok(1)
        );
        let gone = format!("DELETE FROM \"{orders}\" WHERE id = (SELECT max(id) FROM \"{orders}\")");
        assert_eq!(reads.execute(&gone, []), Ok(1));
        orders
    };
    assert_ne!(server.ask(&token, ORDERS, json!({})).await, good);

    let found = projection(&at, &["verify", "orders", "order_parts"]);
    assert_eq!(found.code, Some(3), "{}", found.complained);
    assert!(found.said.contains("orders: 2 keys differ from the log, of 3 rows"), "{}", found.said);
    assert!(found.said.contains("reference: the table says `forged`, the log `SAMPLE-"), "{}", found.said);
    assert!(found.said.contains("status: the table says `canceled`, the log `"), "{}", found.said);
    assert!(found.said.contains(": not in the table\n"), "{}", found.said);
    assert!(found.said.contains("order_parts: identical"), "{}", found.said);
    let found = projection(&at, &["verify", "orders", "--json"]);
    let line = last(&found.said);
    assert_eq!((found.code, &line["missing"], &line["changed"]), (Some(3), &json!(1), &json!(1)), "{line}");
    assert_eq!((line["differences"].as_array().unwrap().len(), &line["differences_more"]), (2, &json!(0)));

    let said = prints(&at, &["rebuild", "orders"]);
    assert!(said.contains("2 keys differ from the table before, of 3 rows"), "{said}");
    assert_eq!(server.ask(&token, ORDERS, json!({})).await, good);
    assert!(prints(&at, &["verify", "orders"]).starts_with("orders: identical, 3 rows at "));

    prints(&at, &["rollback", "orders"]);
    assert_ne!(server.ask(&token, ORDERS, json!({})).await, good);
    let live = projection(&at, &["drop", &first]);
    assert_eq!(live.code, Some(1), "{}", live.said);
    assert!(live.complained.contains("is live: it is not dropped"), "{}", live.complained);
    prints(&at, &["rebuild", "orders"]);
    assert_eq!(server.ask(&token, ORDERS, json!({})).await, good);
    let dropped = prints(&at, &["drop", "orders"]);
    assert_eq!(dropped.lines().count(), 2, "{dropped}");
    let none = projection(&at, &["rollback", "orders"]);
    assert_eq!(none.code, Some(1));
    assert!(
        none.complained.contains("there is no table of orders before the live one"),
        "{}",
        none.complained
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_at_several_moments_goes_on_where_it_was_and_ends_with_the_same_rows() {
    let (at, server, token) = city().await;
    let good = server.ask(&token, ORDERS, json!({})).await;
    let head = at.log().await.head().await.unwrap().0;
    let reads = reads(&at);
    let built = || -> Option<u64> {
        let sql = "SELECT position FROM builds JOIN unfinished USING (model, fingerprint, build) WHERE model = 'orders'";
        reads.query_row(sql, [], |row| row.get::<_, i64>(0)).optional().unwrap().map(i64::unsigned_abs)
    };
    let arguments = ["projection", "rebuild", "orders", "--checkpoint-events", "1"];
    let mut reached = 0;
    for part in [head / 10, head / 3, head / 2] {
        let mut rebuild = at.start(&arguments);
        until("it comes to where it is killed", || built().filter(|position| *position >= part));
        // It cannot write on, and so cannot come to its end, before it is killed.
        reads.execute_batch("BEGIN IMMEDIATE").unwrap();
        rebuild.kill().unwrap();
        rebuild.wait().unwrap();
        reads.execute_batch("ROLLBACK").unwrap();
        let position = built().expect("it was killed before its end");
        assert!(reached < position && position < head, "{reached} {position} {head}");
        reached = position;
        assert_eq!(server.ask(&token, ORDERS, json!({})).await, good, "readers see what was live");
    }
    let line = last(&prints(&at, &["rebuild", "orders", "--json"]));
    assert_eq!((&line["from"], &line["position"]), (&json!(reached), &json!(head)), "{line}");
    assert_eq!(line["identical"], true, "{line}");
    assert!(prints(&at, &["verify", "orders"]).contains("identical"));
    assert_eq!(server.ask(&token, ORDERS, json!({})).await, good);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_rebuilds_of_one_model_is_refused_and_told_of_the_first() {
    let (at, _server, _) = city().await;
    let reads = reads(&at);
    // Nobody can write: the first waits where it begins.
    reads.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut first: Child = at.start(&["projection", "rebuild", "orders"]);
    let lock = until("it says that it is at work", || {
        let mut files = std::fs::read_dir(at.data()).unwrap().map(|file| file.unwrap().path());
        let lock = files.find(|path| path.to_string_lossy().ends_with(".orders.lock"))?;
        std::fs::read_to_string(lock).ok().filter(|text| text.ends_with('}'))
    });
    let second = projection(&at, &["rebuild", "orders"]);
    assert_eq!(second.code, Some(1));
    let told = Regex::new(r"orders is being rebuilt by process (\d+) since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
        .unwrap();
    let told = told.captures(&second.complained).unwrap_or_else(|| panic!("{} ({lock})", second.complained));
    assert_eq!(told[1], first.id().to_string());
    for other in ["rollback", "retry"] {
        assert_eq!(projection(&at, &[other, "orders"]).code, Some(1), "{other}");
    }
    assert!(prints(&at, &["verify", "orders"]).contains("identical"), "who only looks waits for nobody");
    reads.execute_batch("ROLLBACK").unwrap();
    assert!(first.wait().unwrap().success());
    prints(&at, &["rebuild", "orders"]);
    assert_eq!(prints(&at, &["retry", "orders"]), "orders: no row is frozen\n");
    assert_eq!(prints(&at, &["retry"]), "no row is frozen\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_in_a_tight_loop_notice_nothing_of_rebuilds_and_rollbacks() {
    let (at, server, token) = city().await;
    let good = server.ask(&token, ORDERS, json!({})).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = async {
        let mut seen = 0;
        while !done.load(Ordering::SeqCst) {
            let mut answer = server.post(&token, ORDERS, json!({})).await.unwrap();
            assert_eq!(answer["data"].take(), good, "{answer}");
            seen += 1;
        }
        seen
    };
    let work = async {
        let (at, done) = (Arc::new(at), done.clone());
        tokio::task::spawn_blocking(move || {
            for _ in 0..3 {
                prints(&at, &["rebuild", "orders", "order_parts"]);
            }
            prints(&at, &["rollback", "orders", "order_parts"]);
            done.store(true, Ordering::SeqCst);
            at
        })
        .await
        .unwrap()
    };
    let (seen, _at) = tokio::join!(reader, work);
    assert!(seen > 3, "{seen} answers");
}
