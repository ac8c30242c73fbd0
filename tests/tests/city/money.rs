//! The books of a whole city, added up from outside: what they come to, and that a cent out of place is found.

use crate::program::Installation;
use crate::{importing, sample};
use rusqlite::Connection;
use serde_json::{Value, json};

fn audit(at: &Installation, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let ended = at.run(&[&["audit", "money", "--json"], arguments].concat());
    let lines = ended.said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ended.code, lines, ended.complained)
}

#[tokio::test]
async fn the_books_of_the_sample_city_add_up_beside_its_server() {
    let at = Installation::new();
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    let (code, covered, complained) = audit(&at, &[]);
    assert_eq!((code, covered.len(), &*complained), (Some(0), 1, ""));
    let figures =
        ["currency", "orders", "orders_open", "payouts", "payouts_paid", "received_minor", "refunded_minor"];
    let expected = json!(["SAR", 3, 2, 1, 1, 42_625, 0]);
    assert_eq!(json!(figures.map(|figure| &covered[0][figure])), expected);
    assert!(covered[0]["transactions"].as_u64().unwrap() >= 7, "{covered:?}");
    assert_eq!(audit(&at, &["--tenant", "souq"]), (Some(0), covered, String::new()));

    let human = at.run(&["audit", "money"]);
    assert_eq!(human.code, Some(0));
    assert!(human.said.ends_with("All of it adds up.\n") && human.said.contains("souq"), "{}", human.said);
}

#[tokio::test]
async fn the_books_of_an_imported_marketplace_come_to_what_was_imported() {
    let at = importing::with_files(importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let (code, covered, complained) = audit(&at, &["--tenant", "bazar"]);
    assert_eq!((code, covered.len(), &*complained), (Some(0), 1, ""));
    let covered = &covered[0];
    let expected = json!({
        "tenant": covered["tenant"], "currency": "BRL", "transactions": covered["transactions"],
        "moved_minor": covered["moved_minor"], "orders": 7, "orders_open": 3, "payouts": 0, "payouts_paid": 0,
        "paid_minor": 0, "received_minor": 52_200 + 6_575, "credit_redeemed_minor": 0, "borne_minor": 0,
        "refunded_minor": 0, "earned_minor": 53_555, "commission_minor": 5_220, "tax_held_minor": 0,
    });
    assert_eq!(*covered, expected);
}

#[tokio::test]
async fn a_cent_out_of_place_is_found_with_its_tenant_position_order_and_vendor() {
    let at = importing::given(Installation::in_files(), importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let log = Connection::open(at.data().join("log.db")).unwrap();
    let (position, tenant, order): (i64, Vec<u8>, String) = log
        .query_row(
            "UPDATE events SET body = json_set(body, '$.minor', json_extract(body, '$.minor') + 1)
                WHERE position = (SELECT max(position) FROM events WHERE type = 'payment.captured')
                RETURNING position, partition, json_extract(body, '$.order')",
            [],
            |row| row.try_into(),
        )
        .unwrap();
    drop(log);
    let (code, found, complained) = audit(&at, &[]);
    assert_eq!((code, &*complained), (Some(3), "cityos: 4 things do not add up\n"));
    let tenant = uuid::Uuid::from_slice(&tenant).unwrap();
    let violations: Vec<_> = found.iter().filter_map(|line| line["violation"].as_str()).collect();
    assert_eq!(violations, ["held", "received", "order_sum", "currency_sum"]);
    let sum = &found[2];
    assert_eq!((&sum["tenant"], &sum["order"]), (&json!(tenant), &json!(order)));
    assert_eq!(sum["found_minor"].as_i64().unwrap() - sum["expected_minor"].as_i64().unwrap(), 1);
    assert!(sum["position"].as_i64().unwrap() >= position && found[0]["vendor"].is_string(), "{found:?}");
    assert_eq!(found.len(), 5, "what was covered is told, too");

    let human = at.run(&["audit", "money"]);
    assert!(human.said.contains(&format!("order {order}")) && human.said.contains("bazar"), "{}", human.said);
    assert!(!human.said.contains("All of it adds up"), "{}", human.said);
}

#[tokio::test]
async fn money_that_turns_into_that_of_another_currency_or_vendor_is_found_where_it_does() {
    let at = importing::given(Installation::in_files(), importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let changes = [
        ("payment.captured", "$.currency", "SAR", "other_currency"),
        ("vendor_order.captured", "$.belongs.currency", "SAR", "other_currency"),
        ("vendor_order.captured", "$.belongs.vendor", "00000000-0000-0000-0000-00000000000e", "other_vendor"),
    ];
    for (event, field, other, violation) in changes {
        let log = Connection::open(at.data().join("log.db")).unwrap();
        let (position, body): (i64, String) = log
            .query_row("SELECT max(position), body FROM events WHERE type = ?1", [event], |row| {
                row.try_into()
            })
            .unwrap();
        let change = "UPDATE events SET body = json_set(body, ?2, ?3) WHERE position = ?1";
        assert_eq!(log.execute(change, (position, field, other)).unwrap(), 1);
        let (code, found, _) = audit(&at, &[]);
        assert_eq!(code, Some(3), "{event} {field}");
        let named = format!("found_{}", violation.trim_start_matches("other_"));
        let first = ["violation", "position", &named].map(|name| &found[0][name]);
        assert_eq!(json!(first), json!([violation, position, other]), "{event} {field}");
        log.execute("UPDATE events SET body = ?2 WHERE position = ?1", (position, body)).unwrap();
    }
    assert_eq!(audit(&at, &[]).0, Some(0));
}

#[tokio::test]
async fn amounts_beyond_all_numbers_are_told_to_the_cent() {
    let at = importing::given(Installation::in_files(), importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let log = Connection::open(at.data().join("log.db")).unwrap();
    let leg = json!({ "account": "vendor_pending", "minor": i64::MAX });
    let change = "UPDATE events SET body = json_set(body, '$.transaction.legs', json(?1))
        WHERE position = (SELECT min(position) FROM events
            WHERE type = 'ledger.posted' AND json_extract(body, '$.transaction.occasion.captured') IS NOT NULL)";
    assert_eq!(log.execute(change, [json!([leg, leg, leg]).to_string()]).unwrap(), 1);
    drop(log);
    let (code, found, complained) = audit(&at, &[]);
    assert_eq!(code, Some(3), "{complained}");
    let thrice = 3 * i128::from(i64::MAX);
    let earned = found.iter().find(|line| line["found_minor"] == json!((-thrice).to_string()));
    assert_eq!(earned.unwrap()["violation"], "booked");
    let moved: i128 = found.last().unwrap()["moved_minor"].as_str().unwrap().parse().unwrap();
    assert!(moved > thrice, "{moved}");

    let human = at.run(&["audit", "money"]);
    assert_eq!(human.code, Some(3), "{}", human.complained);
    let decimal = format!("{}.{:02}", moved / 100, moved % 100);
    assert!(human.said.contains(&(-thrice).to_string()) && human.said.contains(&decimal), "{}", human.said);
}

#[tokio::test]
async fn no_transaction_at_all_proves_nothing() {
    let at = importing::with_files("");
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let (code, covered, complained) = audit(&at, &[]);
    assert_eq!((code, covered), (Some(4), vec![]));
    assert!(complained.contains("this proves nothing"), "{complained}");
    let nobody = at.run(&["audit", "money", "--tenant", "nobody"]);
    assert!(nobody.code == Some(1) && nobody.complained.contains("--tenant"), "{}", nobody.complained);
}
