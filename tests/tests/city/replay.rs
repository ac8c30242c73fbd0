//! The log as an auditor reads it: each filter, one aggregate as it was, what changed, and read models as they stood. All
//! of it beside a running server or on a log that nothing else uses, and nothing is changed by it.

use crate::program::{Ended, Installation, Server};
use crate::{importing, sample};
use cityos_domain::ids::VendorId;
use cityos_gateway::graphql::ids::Id;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

/// The sample city, served, its sagas at rest.
async fn sample_city(at: Installation) -> (Installation, Server, String) {
    let server = at.serve(&["--sample"]);
    let token = sample::admin(&at);
    sample::settled(&at, &server, &token).await;
    (at, server, token)
}

/// What `replay --json` prints, read.
fn lines(at: &Installation, arguments: &[&str]) -> Vec<Value> {
    let ended = at.run(&[&["replay", "--json"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.complained);
    ended.said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_else(|| panic!("{field} of {event}"))
}

fn find(events: &[Value], is: impl Fn(&Value) -> bool) -> &Value {
    events.iter().find(|event| is(event)).expect("the sample city has one")
}

fn refused(at: &Installation, arguments: &[&str]) -> String {
    let Ended { code, said, complained } = at.run(&[&["replay"], arguments].concat());
    assert!(matches!(code, Some(1 | 2)), "{arguments:?} ended with {code:?}: {said}{complained}");
    complained
}

/// Every file of the data directory.
fn files(at: &Installation) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(at.data()).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn each_filter_prints_what_fits_and_all_of_them_what_fits_them_all() {
    let (at, server, token) = sample_city(Installation::new()).await;
    let all = lines(&at, &[]);
    let positions: Vec<_> = all.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert!(positions.is_sorted() && positions.len() > 200, "{}", positions.len());
    let placed = find(&all, |event| event["type"] == "order.placed");
    let tenant = text(placed, "tenant");
    let order = text(placed, "id");
    let answer = server.ask(&token, "{ orders { nodes { id } } }", json!({})).await;
    let same_order = |stream: String| {
        lines(&at, &["--stream", &stream]).first() == Some(find(&all, |event| event["id"] == order))
    };
    let opaque: Vec<_> =
        answer["orders"]["nodes"].as_array().unwrap().iter().map(|node| text(node, "id")).collect();
    assert_eq!(opaque.iter().filter(|id| same_order(format!("order/{id}"))).count(), 1);

    let (correlation, actor) = (text(&placed["meta"], "correlation"), text(&placed["meta"], "actor"));
    let (since, after) = (text(placed, "recorded_at"), placed["position"].to_string());
    let stream = format!("order/{order}");
    type Fits<'a> = Box<dyn Fn(&Value) -> bool + 'a>;
    let filters: [(Vec<&str>, Fits); 13] = [
        (vec!["--tenant", "souq"], Box::new(|event| event["tenant"] == tenant)),
        (vec!["--tenant", tenant], Box::new(|event| event["tenant"] == tenant)),
        (vec!["--tenant", "platform"], Box::new(|event| event["tenant"].is_null())),
        (vec!["--stream", &stream], Box::new(|event| event["id"] == order && event["kind"] == "order")),
        (vec!["--type", "order.placed"], Box::new(|event| event["type"] == "order.placed")),
        (vec!["--type", "order.*"], Box::new(|event| event["kind"] == "order")),
        (vec!["--actor", actor], Box::new(|event| event["meta"]["actor"] == actor)),
        (vec!["--actor", "saga:*"], Box::new(|event| text(&event["meta"], "actor").starts_with("saga:"))),
        (vec!["--correlation", correlation], Box::new(|event| event["meta"]["correlation"] == correlation)),
        (vec!["--since", since], Box::new(|event| text(event, "recorded_at") >= since)),
        (vec!["--until", since], Box::new(|event| text(event, "recorded_at") <= since)),
        (vec!["--after", &after], Box::new(|event| event["position"].as_u64() > placed["position"].as_u64())),
        (
            vec!["--tenant", "souq", "--type", "payment.*", "--since", since, "--actor", "saga:*"],
            Box::new(|event| {
                event["kind"] == "payment"
                    && text(event, "recorded_at") >= since
                    && text(&event["meta"], "actor").starts_with("saga:")
            }),
        ),
    ];
    for (arguments, fits) in &filters {
        let expected: Vec<_> = all.iter().filter(|event| fits(event)).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{arguments:?} chooses");
        // Beside a server the log goes on.
        let mut printed = lines(&at, arguments);
        printed.retain(|event| event["position"].as_u64() <= positions.last().copied());
        assert_eq!(printed, expected, "{arguments:?}");
    }
    assert_eq!(lines(&at, &["--type", "order.*", "--limit", "2"]).len(), 2);
    assert_eq!(lines(&at, &["--limit", "0"]), Vec::<Value>::new());
    assert_eq!(lines(&at, &["--type", "order.conjured"]), Vec::<Value>::new());

    let human = at.run(&["replay", "--stream", &stream, "--bodies"]).said;
    let rows: Vec<_> = human.lines().collect();
    assert_eq!(
        rows.len(),
        1 + all.iter().filter(|event| event["id"] == order && event["kind"] == "order").count()
    );
    let column = rows[0].find("STREAM").unwrap();
    assert!(rows[1..].iter().all(|row| row[column..].starts_with(&stream)), "{human}");
    assert!(
        rows.iter().any(|row| row.contains("souq") && row.contains("order.placed") && row.ends_with('}')),
        "{human}"
    );
}

#[tokio::test]
async fn one_aggregate_is_told_as_it_was_and_what_changed_in_it() {
    let (at, _server, _) = sample_city(Installation::new()).await;
    let all = lines(&at, &[]);
    let released = find(&all, |event| event["type"] == "vendor_order.earnings_released");
    let part = format!("vendor_order/{}", text(released, "id"));
    let versions = lines(&at, &["--stream", &part]);
    let state = |arguments: &[&str]| lines(&at, &[&["--state", &part], arguments].concat()).remove(0);
    let now = state(&[]);
    assert_eq!(
        (&now["version"], &now["state"]["known"]["money"]),
        (&released["version"], &json!("earnings_released"))
    );
    let first = state(&["--at-version", "1"]);
    assert_eq!(first["state"]["known"]["shipment"], "open");
    assert_eq!(state(&["--at", text(&versions[0], "recorded_at")])["state"], first["state"]);

    let end = versions.len().to_string();
    let changes = lines(&at, &["--state", &part, "--diff", "1", &end]);
    let expected = |field: &str, before: Value, after: Value| json!({ "field": field, "before": before, "after": after });
    let available_at = now["state"]["known"]["shipment"]["delivered"]["available_at"].clone();
    assert_eq!(
        changes,
        [
            expected("known.money", json!("held"), json!("earnings_released")),
            expected("known.shipment", json!("open"), Value::Null),
            expected("known.shipment.delivered.available_at", Value::Null, available_at),
        ]
    );
    let by_time = [text(&versions[0], "recorded_at"), text(&versions[versions.len() - 1], "recorded_at")];
    assert_eq!(lines(&at, &["--stream", &part, "--diff", by_time[0], by_time[1]]), changes);
    assert_eq!(lines(&at, &["--state", &part, "--diff", "2", "2"]), Vec::<Value>::new());
    assert_eq!(
        lines(&at, &["--state", &part, "--diff", "0", "1"])[0],
        expected("state", json!("unknown"), Value::Null)
    );

    let human = at.run(&["replay", "--state", &part]).said;
    assert!(human.starts_with(&format!("{part} of souq at version {end} of {end}, recorded at ")), "{human}");
    assert!(
        human.lines().any(|line| line.split_whitespace().eq(["known.money", "earnings_released"])),
        "{human}"
    );

    // A customer's name stays sealed, and every kind there is has a state that can be told.
    let customer = find(&all, |event| event["type"] == "customer.registered");
    let sealed = lines(&at, &["--state", &format!("customer/{}", text(customer, "id"))]).remove(0);
    assert!(sealed["state"]["registered"]["contact"]["ciphertext"].is_string(), "{sealed}");
    let mut streams: BTreeMap<&str, &str> = BTreeMap::new();
    streams.extend(all.iter().map(|event| (text(event, "kind"), text(event, "id"))));
    assert!(streams.len() > 15, "{streams:?}");
    for (kind, id) in streams {
        let told = lines(&at, &["--state", &format!("{kind}/{id}")]).remove(0);
        assert_ne!(told["state"], "unknown", "{kind}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_the_option_and_the_rule() {
    let (at, server, _) = sample_city(Installation::new()).await;
    drop(server);
    let answer = lines(&at, &["--type", "order.placed", "--limit", "1"]).remove(0);
    let order = format!("order/{}", text(&answer, "id"));
    let nobody = "order/00000000-0000-0000-0000-000000000001";
    let vendor = format!("order/{}", Id(VendorId::default()).encode());
    let cases: [(&[&str], &[&str]); 20] = [
        (&["--tenant", "nobody"], &["--tenant", "there is no tenant `nobody`"]),
        (&["--stream", "ordr/x"], &["--stream", "there is no kind `ordr`", "vendor_order"]),
        (&["--stream", "order"], &["--stream", "KIND/ID"]),
        (&["--stream", "order/x"], &["--stream", "`x` is no id"]),
        (&["--stream", &vendor], &["--stream", "the id of a vendor, not of order"]),
        (&["--type", "placed"], &["--type", "order.placed"]),
        (&["--type", "ordr.placed"], &["--type", "there is no kind `ordr`"]),
        (&["--since", "yesterday"], &["--since", "2026-03-02T08:00:00Z"]),
        (
            &["--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"],
            &["--until", "before --since"],
        ),
        (&["--state", nobody], &["there is no order/00000000"]),
        (&["--state", &order, "--tenant", "platform"], &["there is no order/", "of this tenant"]),
        (&["--state", &order, "--at-version", "99"], &["--at-version", "ends at version 2", "no version 99"]),
        (&["--state", &order, "--at-version", "0"], &["--at-version", "the first version is 1"]),
        (
            &["--state", &order, "--at", "2001-01-01T00:00:00Z"],
            &["--at", "nothing had happened", "first event"],
        ),
        (&["--state", &order, "--diff", "1", "99"], &["--diff", "no version 99"]),
        (
            &["--state", &order, "--diff", "1", "soon"],
            &["--diff", "a version of the stream, such as 3, or a time"],
        ),
        (&["--diff", "1", "2"], &["--diff", "--state KIND/ID"]),
        (
            &["--as-of", "2026-01-01T00:00:00Z", "--model", "ordrs"],
            &["there is no read model `ordrs`", "order_parts"],
        ),
        (
            &["--as-of", "2026-01-01T00:00:00Z", "--model", "orders", "--where", "state=x"],
            &["--where", "no column `state`", "status"],
        ),
        (
            &["--as-of", "2026-01-01T00:00:00Z", "--model", "tenant_days", "--key", "2026-01-01"],
            &["--key", "date/currency"],
        ),
    ];
    for (arguments, says) in cases {
        let complained = refused(&at, arguments);
        for part in says {
            assert!(complained.contains(part), "{arguments:?} says {complained}");
        }
    }
    for together in [
        ["--as-of", "2026-01-01T00:00:00Z", "--as-of-business", "2026-01-01T00:00:00Z"],
        ["--state", &order, "--type", "order.placed"],
        ["--state", &order, "--as-of", "2026-01-01T00:00:00Z"],
    ] {
        assert!(
            refused(&at, &[&together[..], &["--model", "orders"]].concat()).contains("cannot be used with")
        );
    }
    assert!(refused(&Installation::new(), &[]).contains("there is no city in"));
}

#[tokio::test]
async fn an_id_that_two_tenants_have_is_told_of_the_one_that_is_named() {
    let at = importing::with_files(importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let into_another = "cityos --data-dir data import --tenant feira --timezone America/Sao_Paulo --currency BRL \
        --sellers sellers.csv --products products.csv --order-lines order_lines.csv";
    assert_eq!(at.shell(into_another).code, Some(0));
    let reserved = lines(&at, &["--tenant", "feira", "--type", "reservation.*"]);
    let name = find(&reserved, |event| event["body"]["scope"] == "order_reference");
    let reservation = format!("reservation/{}", text(name, "id"));
    let ambiguous = format!("--tenant: more than one tenant has {reservation}");
    for arguments in [&["--state", &reservation][..], &["--stream", &reservation, "--diff", "0", "1"]] {
        assert!(refused(&at, arguments).contains(&ambiguous), "{arguments:?}");
    }
    let of = |tenant| lines(&at, &["--state", &reservation, "--tenant", tenant]).remove(0);
    assert_eq!(of("feira")["tenant"], name["tenant"]);
    assert_ne!(of("bazar")["state"], of("feira")["state"]);
    assert_eq!(lines(&at, &["--stream", &reservation]).len(), 2);
}

#[tokio::test]
async fn a_reader_that_goes_early_is_no_error_and_nothing_is_changed() {
    let (at, server, _) = sample_city(Installation::in_files()).await;
    assert!(server.interrupt().success());
    let before = files(&at);
    let piped = at.shell("{ cityos --data-dir data replay --json; echo $? > code; } | head -n 1");
    assert_eq!((piped.said.lines().count(), at.read("code").trim(), &*piped.complained), (1, "0", ""));
    let order = lines(&at, &["--type", "order.placed", "--limit", "1"]).remove(0);
    let order = format!("order/{}", text(&order, "id"));
    for arguments in [
        &["replay"][..],
        &["replay", "--state", &order],
        &["replay", "--as-of", "2100-01-01T00:00:00Z", "--model", "orders"],
        &["audit", "money"],
    ] {
        assert_eq!(at.run(arguments).code, Some(0), "{arguments:?}");
    }
    assert_eq!(files(&at), before);

    // The log alone is enough.
    for file in ["evidence.db", "keys.db", "read.db", "sandbox.db"] {
        fs::remove_file(at.data().join(file)).unwrap();
    }
    assert_eq!(lines(&at, &["--state", &order]).len(), 1);
    assert_eq!(files(&at).len(), 1);
}

#[tokio::test]
async fn an_event_that_nobody_can_read_any_more_is_printed_and_marked() {
    let (at, server, _) = sample_city(Installation::in_files()).await;
    drop(server);
    let placed = lines(&at, &["--type", "order.placed", "--limit", "2"]);
    let [conjured, broken] = [&placed[0], &placed[1]].map(|event| event["position"].as_i64().unwrap());
    let log = Connection::open(at.data().join("log.db")).unwrap();
    log.execute("UPDATE events SET type = 'order.conjured' WHERE position = ?1", [conjured]).unwrap();
    log.execute("UPDATE events SET body = '{ not' || char(10) || 'json' WHERE position = ?1", [broken])
        .unwrap();
    drop(log);

    let all = lines(&at, &[]);
    let marked: Vec<_> = all.iter().filter(|event| event.get("unreadable").is_some()).collect();
    assert_eq!(
        marked.iter().map(|event| event["position"].as_i64().unwrap()).collect::<Vec<_>>(),
        [conjured, broken]
    );
    assert_eq!((&marked[0]["type"], &marked[0]["body"]), (&json!("order.conjured"), &placed[0]["body"]));
    assert!(text(marked[0], "unreadable").contains("conjured"), "{}", marked[0]);
    assert_eq!(marked[1]["body"], "{ not\njson");

    let stream = format!("order/{}", text(&placed[0], "id"));
    let human = at.run(&["replay", "--stream", &stream, "--bodies"]);
    assert_eq!(human.code, Some(0));
    assert!(
        human.said.lines().any(|line| line.contains("order.conjured") && line.contains("CANNOT BE READ: "))
    );
    let named = format!("the event at position {conjured} cannot be read");
    assert!(refused(&at, &["--state", &stream]).contains(&named));
    assert!(refused(&at, &["--as-of", "2100-01-01T00:00:00Z", "--model", "orders"]).contains(&named));
    let audit = at.run(&["audit", "money", "--json"]);
    let found: Value = serde_json::from_str(audit.said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (audit.code, &found["violation"], &found["position"]),
        (Some(3), &json!("unreadable"), &json!(conjured))
    );
}

/// References and statuses of the orders there were.
fn orders(at: &Installation, time: [&str; 2]) -> Vec<(String, String)> {
    let rows = lines(at, &[&time[..], &["--model", "orders", "--tenant", "bazar"]].concat());
    let mut orders: Vec<_> =
        rows.iter().map(|row| (text(row, "reference").into(), text(row, "status").into())).collect();
    orders.sort();
    orders
}

#[tokio::test]
async fn rows_stand_as_they_were_known_at_a_recorded_time_and_as_they_were_at_a_business_time() {
    let at = importing::with_files(importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let all = lines(&at, &[]);
    let as_of = |time: &str| orders(&at, ["--as-of", time]);
    let business = |time: &str| orders(&at, ["--as-of-business", time]);
    let stands = |orders: &[(&str, &str)]| -> Vec<(String, String)> {
        orders.iter().map(|(reference, status)| ((*reference).into(), (*status).into())).collect()
    };
    // On that day in 2018 three orders had been placed, and nobody here knew of any.
    let that_day = "2018-02-01T09:30:00Z";
    assert_eq!(as_of(that_day), []);
    let three = [("arrived", "closed"), ("both", "placed"), ("undated", "closed")];
    assert_eq!(business(that_day), stands(&three));
    assert_eq!(business("2018-02-01T10:00:00Z")[1], ("both".into(), "shipped".into()));
    assert_eq!(business("2018-01-10T08:59:59Z"), []);
    // What was recorded by the time the second order was known is the first two, whatever they tell of.
    let second =
        find(&all, |event| event["type"] == "order.placed" && event["body"]["reference"] == "undated");
    let known: Vec<_> =
        as_of(text(second, "recorded_at")).into_iter().map(|(reference, _)| reference).collect();
    assert!(known.contains(&"undated".to_owned()) && !known.contains(&"dropped".to_owned()), "{known:?}");
    let now = as_of("2100-01-01T00:00:00Z");
    assert_eq!((now.len(), business("2100-01-01T00:00:00Z")), (7, now));

    let time = ["--as-of", "2100-01-01T00:00:00Z", "--model", "orders"];
    let canceled = lines(&at, &[&time[..], &["--where", "status=canceled"]].concat());
    assert_eq!((canceled.len(), &canceled[0]["reference"]), (1, &json!("dropped")));
    let by_key = lines(&at, &[&time[..], &["--key", text(&canceled[0], "id")]].concat());
    assert_eq!(by_key, canceled);
    let undeclined = lines(&at, &[&time[..], &["--where", "declined_code=", "--where", "parts=2"]].concat());
    assert_eq!((undeclined.len(), &undeclined[0]["reference"]), (1, &json!("both")));
    let day = ["--as-of", "2100-01-01T00:00:00Z", "--model", "tenant_days", "--key", "2018-02-01/BRL"];
    assert_eq!(lines(&at, &day)[0]["orders"], 1);
    let human = at.run(&[
        "replay",
        time[0],
        time[1],
        time[2],
        time[3],
        "--columns",
        "reference,status",
        "--where",
        "status=canceled",
    ]);
    let rows: Vec<Vec<_>> = human.said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["TENANT", "REFERENCE", "STATUS"], ["bazar", "dropped", "canceled"]]);
    assert_eq!(human.complained, "");
    for form in [&["--json"][..], &[]] {
        let nobody = ["--key", "00000000-0000-0000-0000-000000000001"];
        let ended = at.run(&[&["replay"], &time[..], &nobody, form].concat());
        assert_eq!((ended.code, &*ended.complained), (Some(0), "cityos: no row fits\n"), "{form:?}");
    }
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_named_and_its_row_stays_as_it_was() {
    let at = importing::given(Installation::in_files(), importing::ORDER_LINES);
    assert_eq!(importing::import(&at, at.path("")).code, Some(0));
    let placed = lines(&at, &["--type", "order.*", "--limit", "2"]);
    let (first, id) = (placed[1]["position"].as_i64().unwrap(), text(&placed[1], "id").to_owned());
    let log = Connection::open(at.data().join("log.db")).unwrap();
    // An order of no parts of which parts are shipped.
    log.execute(
        "UPDATE events SET body = json_set(body, '$.parts', json('[]')) WHERE position = ?1",
        [first],
    )
    .unwrap();
    log.execute("UPDATE events SET type = 'vendor_order.canceled', body = json_object('belongs', json_extract(body, '$.belongs'), 'cause', 'customer')
        WHERE type = 'vendor_order.shipped' AND json_extract(body, '$.belongs.order') = ?1", [&id]).unwrap();
    drop(log);
    let ended = at.run(&["replay", "--json", "--as-of", "2100-01-01T00:00:00Z", "--model", "orders"]);
    assert_eq!((ended.code, ended.said.lines().count()), (Some(3), 7), "{}", ended.complained);
    for part in ["the event at position ", &id, "bazar", "more parts are canceled than it has"] {
        assert!(ended.complained.contains(part), "{}", ended.complained);
    }
}
