//! Marketplaces brought in from files: what comes in to the cent, what is refused, and that stopping it anywhere
//! and running it again ends the same.

use crate::program::{Ended, Installation, events_after, grown_to};
use chrono::TimeDelta;
use cityos_connectors::sandbox::{Operation, Sandbox};
use cityos_domain::log::Position;
use cityos_domain::orders::order::LINES_MAX;
use cityos_eventstore::backup::KEYS_FILE;
use cityos_eventstore::clock::{Clock, SystemClock};
use cityos_gateway::app::App;
use cityos_gateway::context::RequestContext;
use cityos_gateway::graphql;
use cityos_projections::digest;
use cityos_projections::models::REGISTRY;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use uuid::Uuid;

const SELLERS: &str = "\
seller_id,zip_prefix,city,state
north,01310,sao paulo,SP
south,90010,porto alegre,RS
";

const PRODUCTS: &str = "\
product_id,category,weight_g
lamp,home_decor,500
chair,furniture,7000
cup,,
";

const HEADER: &str = "order_id,line,product_id,seller_id,unit_price,freight,currency,ship_by,order_status,\
purchased_at,approved_at,delivered_at\n";

/// Every status; an order of two vendors; a lamp and a cup that change their price.
pub const ORDER_LINES: &str = "\
arrived,1,lamp,north,100.00,10.00,BRL,2018-01-12T00:00:00Z,delivered,2018-01-10T09:00:00Z,2018-01-10T10:00:00Z,2018-01-15T12:00:00Z
undated,1,cup,south,20.50,5.25,BRL,2018-01-13T00:00:00Z,,,,
both,1,lamp,north,110.00,10.00,BRL,2018-02-03T00:00:00Z,delivered,2018-02-01T09:00:00Z,2018-02-01T10:00:00Z,2018-02-07T12:00:00Z
both,2,chair,south,250.00,30.00,BRL,2018-02-04T00:00:00Z,delivered,2018-02-01T09:00:00Z,2018-02-01T10:00:00Z,2018-02-07T12:00:00Z
both,3,cup,south,20.50,5.25,BRL,2018-02-04T00:00:00Z,delivered,2018-02-01T09:00:00Z,2018-02-01T10:00:00Z,2018-02-07T12:00:00Z
sent,1,cup,south,21.00,5.25,BRL,2018-02-05T00:00:00Z,shipped,2018-02-02T09:00:00Z,2018-02-02T10:00:00Z,
billed,1,chair,south,250.00,30.00,BRL,2018-02-06T00:00:00Z,invoiced,2018-02-03T09:00:00Z,2018-02-03T10:00:00Z,
begun,1,lamp,north,110.00,10.00,BRL,2018-02-07T00:00:00Z,processing,2018-02-04T09:00:00Z,,
dropped,1,cup,south,21.00,5.25,BRL,2018-02-08T00:00:00Z,canceled,2018-02-05T09:00:00Z,,
";

const TOTALS: &str = "{ marketplaceTotals {
    vendors products offers customers orders ordersOfSeveralVendors lines capturedLines
    sums { currency goods { amount } freight { amount } canceledGoods { amount } commissionFrozen { amount }
        commissionReversed { amount } capturedGoods { amount } capturedFreight { amount }
        capturedCommission { amount } owed { amount } } } }";

/// Imports the files of a folder.
pub fn import(at: &Installation, files: impl AsRef<Path>) -> Ended {
    let arguments = arguments(files);
    at.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn arguments(files: impl AsRef<Path>) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["import", "--tenant", "bazar", "--timezone", "America/Sao_Paulo", "--currency", "BRL"]
            .map(str::to_owned)
            .into();
    for (flag, file) in
        [("--sellers", "sellers"), ("--products", "products"), ("--order-lines", "order_lines")]
    {
        let path = files.as_ref().join(format!("{file}.csv"));
        arguments.extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
    }
    arguments.extend(["--commission-percent", "10"].map(str::to_owned));
    arguments
}

/// A folder with the sellers, the products, and these order lines.
pub fn with_files(order_lines: &str) -> Installation {
    given(Installation::new(), order_lines)
}

/// Puts them into this one.
pub fn given(at: Installation, order_lines: &str) -> Installation {
    at.write("sellers.csv", SELLERS);
    at.write("products.csv", PRODUCTS);
    at.write("order_lines.csv", &format!("{HEADER}{order_lines}"));
    at
}

/// The city over a data directory that nothing else uses, with everything in the log in the read models. Nothing
/// moves by itself.
async fn at_rest(at: &Installation) -> App {
    let app = at.open(Arc::new(SystemClock)).await;
    app.services().projector.catch_up().await.unwrap();
    app
}

/// A token of the imported tenant's admin.
fn admin(at: &Installation) -> String {
    at.token(&["--role", "tenant_admin", "--tenant", "bazar"])
}

/// What the imported tenant's admin is answered.
async fn answers(at: &Installation, query: &str) -> Value {
    asked(&at_rest(at).await, &admin(at), query).await
}

/// What whoever has this token is answered.
async fn asked(app: &App, token: &str, document: &str) -> Value {
    let caller = app.services().tokens.as_ref().unwrap().verify(token, SystemClock.now());
    let context = RequestContext { caller, locale: None, correlation: Uuid::new_v4(), traceparent: None };
    let answer = graphql::execute(app.schema(), app.services(), document.into(), context).await;
    let mut answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer.get("errors"), None, "{document}");
    answer["data"].take()
}

/// The rows that were refused, by where they stand.
fn refused(at: &Installation) -> Vec<String> {
    let mut rows: Vec<_> = at.read("rejects.csv").lines().skip(1).map(str::to_owned).collect();
    rows.sort_by_key(|row| row.split(',').nth(1).unwrap().parse::<u64>().unwrap());
    rows
}

/// The lines of the orders that came in.
async fn lines_of_orders(at: &Installation) -> Vec<(String, usize)> {
    let orders = answers(at, "{ orders { nodes { reference parts { lines { sku } } } } }").await;
    let lines = |order: &Value| {
        let parts = order["parts"].as_array().unwrap();
        parts.iter().map(|part| part["lines"].as_array().unwrap().len()).sum()
    };
    let of = |order: &Value| (order["reference"].as_str().unwrap().to_owned(), lines(order));
    let mut orders: Vec<_> = orders["orders"]["nodes"].as_array().unwrap().iter().map(of).collect();
    orders.sort();
    orders
}

async fn head(at: &Installation) -> Position {
    at.log().await.head().await.unwrap()
}

fn amount(amount: &str) -> Value {
    json!({ "amount": amount })
}

#[tokio::test]
async fn every_row_comes_in_once_to_the_cent_however_often_it_is_imported() {
    let at = with_files(ORDER_LINES);
    let first = import(&at, at.path(""));
    assert_eq!(first.code, Some(0), "{}", first.complained);
    for made in
        ["2 vendors, 3 products, 3 offers,", "7 orders with 9 lines, 2 price changes", "rejected: 0 orders"]
    {
        assert!(first.said.contains(made), "{made}: {}", first.said);
    }
    let sums = json!({
        "currency": "BRL",
        "goods": amount("903.00"),
        "freight": amount("111.00"),
        "canceledGoods": amount("21.00"),
        "commissionFrozen": amount("90.30"),
        "commissionReversed": amount("2.10"),
        "capturedGoods": amount("522.00"),
        "capturedFreight": amount("65.75"),
        "capturedCommission": amount("52.20"),
        "owed": amount("535.55"),
    });
    let totals = json!({ "marketplaceTotals": {
        "vendors": 2, "products": 3, "offers": 3, "customers": 7, "orders": 7, "ordersOfSeveralVendors": 1,
        "lines": 9, "capturedLines": 6, "sums": [sums],
    } });
    assert_eq!(answers(&at, TOTALS).await, totals);
    let orders =
        answers(&at, "{ orders(orderBy: OLDEST) { nodes { reference status placedOn parts { status } } } }")
            .await;
    let orders: Vec<_> = orders["orders"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| {
            let text = |field: &str| order[field].as_str().unwrap().to_owned();
            (text("reference"), text("status"), text("placedOn"), order["parts"].as_array().unwrap().len())
        })
        .collect();
    let expected = [
        ("arrived", "CLOSED", "2018-01-10", 1),
        ("undated", "CLOSED", "2018-01-12", 1),
        ("both", "CLOSED", "2018-02-01", 2),
        ("sent", "SHIPPED", "2018-02-02", 1),
        ("billed", "PLACED", "2018-02-03", 1),
        ("begun", "PLACED", "2018-02-04", 1),
        ("dropped", "CANCELED", "2018-02-05", 1),
    ];
    let expected = expected.map(|(name, status, day, parts)| (name.into(), status.into(), day.into(), parts));
    assert_eq!(orders, expected);

    let before = head(&at).await;
    let second = import(&at, at.path(""));
    assert_eq!(second.code, Some(0), "{}", second.complained);
    assert!(second.said.contains("there already: 7 orders"), "{}", second.said);
    assert!(second.said.contains("0 vendors, 0 products, 0 offers,"), "{}", second.said);
    assert_eq!(head(&at).await, before);
    assert!(!at.path("rejects.csv").exists());
}

#[tokio::test]
async fn an_imported_vendor_is_paid_to_the_cent_once_it_is_proven() {
    let at = with_files(ORDER_LINES);
    assert_eq!(import(&at, at.path("")).code, Some(0));
    let (app, token) = (at_rest(&at).await, admin(&at));
    let ask = async |document: String| asked(&app, &token, &document).await;
    let vendor = ask("{ vendors(filter: { handlePrefix: \"north\" }) { nodes { id } } }".into()).await;
    let vendor = vendor["vendors"]["nodes"][0]["id"].clone();
    let request = async |key: &str| {
        let mutation = format!(
            "mutation {{ requestPayout(input: {{ vendor: {vendor}, currency: \"BRL\" }}, idempotencyKey: \"{key}\") {{
                ... on PayoutChanged {{ payout {{ status }} }} ... on Rejection {{ code }} }} }}"
        );
        ask(mutation).await["requestPayout"].take()
    };
    assert_eq!(request("unproven").await, json!({ "code": "VENDOR_KYC_NOT_VERIFIED" }));
    for status in ["PENDING", "VERIFIED"] {
        let mutation = format!(
            "mutation {{ changeVendorKyc(input: {{ vendor: {vendor}, status: {status}, reason: \"papers seen\" }},
                idempotencyKey: \"{status}\") {{ ... on VendorChanged {{ vendor {{ kyc canBePaid }} }} }} }}"
        );
        let changed = ask(mutation).await["changeVendorKyc"].take();
        assert_eq!(changed, json!({ "vendor": { "kyc": status, "canBePaid": false } }));
    }
    assert_eq!(request("no account").await, json!({ "code": "VENDOR_PAYOUT_ACCOUNT_MISSING" }));

    app.settle().await.unwrap();
    assert_eq!(request("proven").await, json!({ "payout": { "status": "REQUESTED" } }));
    app.settle().await.unwrap();
    let books = format!(
        "{{ vendor(id: {vendor}) {{ canBePaid balances {{ available {{ amount }} earned {{ amount }} paid {{ amount }} }} }}
            payouts {{ nodes {{ status amount {{ amount }} }} }} }}"
    );
    let balance =
        json!({ "available": amount("0.00"), "earned": amount("209.00"), "paid": amount("209.00") });
    let expected = json!({
        "vendor": { "canBePaid": true, "balances": [balance] },
        "payouts": { "nodes": [{ "status": "PAID", "amount": amount("209.00") }] },
    });
    assert_eq!(ask(books).await, expected);
    let sandbox = Sandbox::open(&at.data().join("sandbox.db"), Arc::new(SystemClock)).unwrap();
    let transfers = sandbox.done(Operation::Transfer).await.unwrap();
    assert_eq!(transfers.iter().map(|transfer| transfer.minor).collect::<Vec<_>>(), [Some(20_900)]);
    assert_eq!(sandbox.done(Operation::OpenAccount).await.unwrap().len(), 1);
}

/// Orders with one bad row each: the file's lines, the bad one of them counted from 1, and what is said of it.
const BAD: &[(&str, &str, u64, &str, &str)] = &[
    (
        "no-seller",
        "lamp,nobody,1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,",
        1,
        "seller_id",
        "has no sound row in the sellers file",
    ),
    ("blank-seller", "lamp,,1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,", 1, "seller_id", "is missing"),
    (
        "no-product",
        "sofa,north,1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,",
        1,
        "product_id",
        "has no sound row in the products file",
    ),
    (
        "negative",
        "lamp,north,-1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,",
        1,
        "unit_price",
        "must not be negative",
    ),
    ("currency", "lamp,north,1.00,0.00,XQZ,2018-03-01T00:00:00Z,,,,", 1, "currency", ""),
    ("broken", "lamp,north,1.x0,0.00,BRL,2018-03-01T00:00:00Z,,,,", 1, "unit_price", ""),
    ("too-fine", "lamp,north,1.00,0.005,BRL,2018-03-01T00:00:00Z,,,,", 1, "freight", ""),
    ("status", "lamp,north,1.00,0.00,BRL,2018-03-01T00:00:00Z,eaten,,,", 1, "order_status", "is none of"),
    ("moment", "lamp,north,1.00,0.00,BRL,yesterday,,,,", 1, "ship_by", "is not an RFC 3339 instant"),
    ("short", "lamp,north,1.00", 1, "", "has 5 fields where the header has 12"),
];

#[tokio::test]
async fn a_bad_row_keeps_its_whole_order_out_and_nothing_else_until_it_is_corrected() {
    let good = "chair,south,250.00,30.00,BRL,2018-03-01T00:00:00Z,,,,";
    let mut rows = String::from("fine,1,chair,south,250.00,30.00,BRL,2018-02-28T00:00:00Z,,,,\n");
    let mut expected = Vec::new();
    for (order, bad, number, field, reason) in BAD {
        let line = 1 + rows.lines().count() as u64 + number;
        expected.push((line, *order, *field, *reason));
        rows += &format!("{order},1,{bad}\n{order},2,{good}\n");
    }
    rows += &format!("twice,1,{good}\ntwice,1,{good}\n");
    expected.push((
        1 + rows.lines().count() as u64,
        "twice",
        "line",
        "stands at line 23 of the file already",
    ));
    let at = with_files(&rows);

    let some = import(&at, at.path(""));
    assert_eq!(some.code, Some(3), "{}{}", some.said, some.complained);
    assert!(some.said.contains("rejected: 11 orders"), "{}", some.said);
    let refused = refused(&at);
    assert_eq!(refused.len(), expected.len(), "{refused:#?}");
    for (row, (line, order, field, reason)) in refused.iter().zip(&expected) {
        assert!(
            row.starts_with(&format!("order_lines,{line},{order},{field},")),
            "{row}: {line} {order} {field}"
        );
        assert!(
            row.contains(reason) && row.split(',').nth(4).is_some_and(|said| !said.is_empty()),
            "{row}: {reason}"
        );
    }
    let totals = "{ marketplaceTotals { orders lines vendors offers } }";
    let only_the_good = json!({ "orders": 1, "lines": 1, "vendors": 1, "offers": 1 });
    assert_eq!(answers(&at, totals).await["marketplaceTotals"], only_the_good);
    let before = head(&at).await;
    assert_eq!(import(&at, at.path("")).code, Some(3));
    assert_eq!(head(&at).await, before);

    let names = BAD.iter().map(|(order, ..)| *order).chain(["twice"]);
    let corrected: String = names
        .map(|order| {
            format!("{order},1,lamp,north,1.00,0.00,{}\n{order},2,{good}\n", "BRL,2018-03-01T00:00:00Z,,,,")
        })
        .collect();
    at.write("order_lines.csv", &format!("{HEADER}{corrected}"));
    let rest = import(&at, at.path(""));
    assert_eq!(rest.code, Some(0), "{}{}", rest.said, rest.complained);
    let all = json!({ "orders": 12, "lines": 23, "vendors": 2, "offers": 2 });
    assert_eq!(answers(&at, totals).await["marketplaceTotals"], all);
    assert!(!at.path("rejects.csv").exists());
}

#[tokio::test]
async fn an_order_that_comes_again_with_other_content_is_refused_and_stays_as_it_is() {
    let at = with_files(ORDER_LINES);
    assert_eq!(import(&at, at.path("")).code, Some(0));
    let before = head(&at).await;
    at.write(
        "order_lines.csv",
        &format!(
            "{HEADER}{}",
            ORDER_LINES.replace("arrived,1,lamp,north,100.00", "arrived,1,lamp,north,90.00")
        ),
    );
    let again = import(&at, at.path(""));
    assert_eq!(again.code, Some(3), "{}{}", again.said, again.complained);
    assert!(
        at.read("rejects.csv")
            .contains("order_lines,2,arrived,order_id,was imported before with other content")
    );
    assert_eq!(head(&at).await, before);
}

/// A sound row of an order, but for its order and number.
const SOUND: &str = "lamp,north,1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,";

#[tokio::test]
async fn a_stray_quote_keeps_out_the_order_of_its_own_line_and_swallows_no_other() {
    let rows = [
        format!("first,1,{SOUND}"),
        "price,1,lamp,north,\"1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,".into(),
        format!("first,2,{SOUND}"),
        "last,1,lamp,north,1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,\"".into(),
        format!("\"name,1,{SOUND}"),
        "wide,1,\"lamp,north\",1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,".into(),
        format!("\"wider,1\",{SOUND}"),
        format!("quoted,1,\"lamp\",{}", SOUND.strip_prefix("lamp,").unwrap()),
        ["price", "last", "name", "wide", "wider"].map(|order| format!("{order},2,{SOUND}")).join("\n"),
        format!("first,3,{SOUND}\n"),
    ];
    let at = with_files(&rows.join("\n"));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let expected = [
        "order_lines,3,price,,has a quote that is not closed",
        "order_lines,5,last,,has a quote that is not closed",
        "order_lines,6,name,,has a quote that is not closed",
        "order_lines,7,wide,,has 11 fields where the header has 12",
        "order_lines,8,wider,,has 11 fields where the header has 12",
    ];
    assert_eq!(refused(&at), expected);
    assert_eq!(lines_of_orders(&at).await, [("first".into(), 3), ("quoted".into(), 1)]);
}

#[tokio::test]
async fn a_refused_row_is_found_where_it_stands_whatever_ends_a_line_and_however_many_are_blank() {
    let bad = "bad,1,lamp,north,1.00,0.00,BRL,yesterday,,,,";
    for (end, blank, line) in [("\n", "", 3), ("\r\n", "", 3), ("\n", "\n \n", 5), ("\r\n", "\r\n\r\n", 5)] {
        let at = with_files("");
        let header = HEADER.trim_end();
        at.write(
            "order_lines.csv",
            &format!("{header}{end}good,1,{SOUND}{end}{blank}{bad}{end}good,2,{SOUND}"),
        );
        let ended = import(&at, at.path(""));
        assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
        let [row] = &*refused(&at) else { panic!("{:?}", refused(&at)) };
        assert!(row.starts_with(&format!("order_lines,{line},bad,ship_by,")), "{end:?} {blank:?}: {row}");
        assert_eq!(lines_of_orders(&at).await, [("good".into(), 2)]);
    }
}

#[tokio::test]
async fn a_product_whose_row_says_something_else_by_now_stays_as_it_is_and_new_orders_come_in() {
    let at = with_files(&format!("old,1,{SOUND}\n"));
    assert_eq!(import(&at, at.path("")).code, Some(0));
    at.write("products.csv", &PRODUCTS.replace("lamp,home_decor,500", "lamp,furniture,900"));
    at.write("order_lines.csv", &format!("{HEADER}old,1,{SOUND}\nnew,1,{SOUND}\n"));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(0), "{}{}", ended.said, ended.complained);
    assert_eq!(lines_of_orders(&at).await, [("new".into(), 1), ("old".into(), 1)]);
    let products = answers(&at, "{ products { nodes { code category { slug } } } }").await;
    let lamp = json!({ "code": "lamp", "category": { "slug": "home_decor" } });
    assert!(products["products"]["nodes"].as_array().unwrap().contains(&lamp), "{products}");
}

#[tokio::test]
async fn a_price_younger_than_an_order_stands_again_after_it_and_freight_and_tax_stay_in_any_case() {
    let at = with_files(&format!("old,1,{SOUND}\n"));
    assert_eq!(import(&at, at.path("")).code, Some(0));
    let order = async |name: &str, price: &str, day: &str| {
        let row = SOUND.replace("1.00", price).replace("2018-03-01T00:00:00Z", day);
        at.write("order_lines.csv", &format!("{HEADER}{name},1,{row}\n"));
        let ended = import(&at, at.path(""));
        assert_eq!(ended.code, Some(0), "{}", ended.complained);
        let found = "{ offers { nodes { prices { unit { amount } freight { amount } includesTax } } }
            orders { nodes { reference parts { lines { unitPrice { amount } } } } } }";
        let mut found = answers(&at, found).await;
        let orders = found["orders"]["nodes"].as_array().unwrap();
        let placed = orders.iter().find(|order| order["reference"] == name).unwrap();
        assert_eq!(placed["parts"][0]["lines"][0]["unitPrice"], amount(price));
        found["offers"]["nodes"][0]["prices"].take()
    };
    let price = |unit: &str, freight: &str, taxed: bool| json!([{ "unit": amount(unit), "freight": amount(freight), "includesTax": taxed }]);
    assert_eq!(order("young", "2.00", "2018-05-01T00:00:00Z").await, price("2.00", "0.00", false));
    for (name, day) in [("late", "2018-02-01T00:00:00Z"), ("later", "2018-04-01T00:00:00Z")] {
        assert_eq!(order(name, "1.50", day).await, price("2.00", "0.00", false), "{name}");
    }
    {
        let (app, token) = (at_rest(&at).await, admin(&at));
        let offers = asked(&app, &token, "{ offers { nodes { id } } }").await;
        let offer = &offers["offers"]["nodes"][0]["id"];
        let price = "{ unit: { amount: \"3.00\", currency: \"BRL\" }, freight: \"5.00\", includesTax: true }";
        let change = format!(
            "mutation {{ changeOfferPrice(input: {{ offer: {offer}, price: {price} }}, idempotencyKey: \"live\") {{
                __typename }} }}"
        );
        let changed = json!({ "changeOfferPrice": { "__typename": "OfferChanged" } });
        assert_eq!(asked(&app, &token, &change).await, changed);
    }
    assert_eq!(order("before", "2.50", "2018-06-01T00:00:00Z").await, price("3.00", "5.00", true));
    let soon = (SystemClock.now() + TimeDelta::days(30)).to_rfc3339();
    assert_eq!(order("after", "4.00", &soon).await, price("4.00", "5.00", true));
}

#[tokio::test]
async fn an_order_of_too_many_lines_is_refused_and_the_next_comes_in() {
    let rows = |order: &str, lines: usize| -> String {
        (1..=lines).map(|number| format!("{order},{number},{SOUND}\n")).collect()
    };
    let at = with_files(&[rows("over", LINES_MAX + 1), rows("full", LINES_MAX)].concat());
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let line = 1 + LINES_MAX + 1;
    let expected =
        format!("order_lines,{line},over,order_id,has more than the {LINES_MAX} lines an order may have");
    assert_eq!(refused(&at), [expected]);
    assert_eq!(lines_of_orders(&at).await, [("full".into(), LINES_MAX)]);
}

#[tokio::test]
async fn a_product_the_rules_refuse_keeps_its_orders_out_and_no_other() {
    let at = with_files("");
    at.write("products.csv", "product_id,category,weight_g\nlamp,home_decor,500\n");
    assert_eq!(import(&at, at.path("")).code, Some(0));
    {
        let (app, token) = (at_rest(&at).await, admin(&at));
        let categories = asked(&app, &token, "{ productCategories { nodes { id } } }").await;
        let category = &categories["productCategories"]["nodes"][0]["id"];
        let archive = format!(
            "mutation {{ archiveProductCategory(input: {{ productCategory: {category} }}, idempotencyKey: \"over\") {{
                ... on ProductCategoryChanged {{ productCategory {{ archived }} }} }} }}"
        );
        let archived = json!({ "archiveProductCategory": { "productCategory": { "archived": true } } });
        assert_eq!(asked(&app, &token, &archive).await, archived);
    }
    at.write("products.csv", &PRODUCTS.replace("chair,furniture", "chair,home_decor"));
    let rows = ["chair", "lamp", "cup"].map(|product| {
        let rest = SOUND.strip_prefix("lamp,").unwrap();
        format!("{product}s,1,cup,{rest}\n{product}s,2,{product},{rest}\n")
    });
    at.write("order_lines.csv", &format!("{HEADER}{}", rows.concat()));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    assert!(ended.said.contains("rejected: 1 orders"), "{}", ended.said);
    let expected = [
        "products,3,,,PRODUCT_CATEGORY_ARCHIVED: the product category is archived",
        "order_lines,3,chairs,product_id,was refused: see its row of the products file",
    ];
    assert_eq!(refused(&at), expected);
    assert_eq!(lines_of_orders(&at).await, [("cups".into(), 2), ("lamps".into(), 2)]);
}

#[tokio::test]
async fn rows_that_were_refused_are_told_also_where_the_import_cannot_go_on() {
    let at = with_files(&format!("old,1,{SOUND}\n"));
    assert_eq!(import(&at, at.path("")).code, Some(0));
    at.write("order_lines.csv", &format!("{HEADER}new,1,{SOUND}\nshort,1\n"));
    let elsewhere = arguments(at.path("")).join(" ").replace("America/Sao_Paulo", "Asia/Riyadh");
    let ended = at.run(&elsewhere.split(' ').collect::<Vec<_>>());
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.complained.contains("has the time zone"), "{}", ended.complained);
    assert_eq!(refused(&at), ["order_lines,3,short,,has 2 fields where the header has 12"]);
}

#[tokio::test]
async fn a_tenant_that_is_not_as_the_import_says_is_left_as_it_is() {
    let at = with_files(&format!("old,1,{SOUND}\n"));
    let with = |from: &str, to: &str| {
        let arguments = arguments(at.path("")).join(" ");
        assert!(arguments.contains(from), "{arguments}");
        at.run(&arguments.replace(from, to).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    };
    assert_eq!(with("--commission-percent 10", "").code, Some(0));
    at.write("order_lines.csv", &format!("{HEADER}new,1,{SOUND}\n"));
    let before = head(&at).await;
    for (from, to) in [("BRL", "SAR"), ("America/Sao_Paulo", "Asia/Riyadh")] {
        let ended = with(from, to);
        assert_eq!(ended.code, Some(1), "{}", ended.said);
        assert!(ended.complained.contains("has the time zone"), "{}", ended.complained);
        assert_eq!(head(&at).await, before, "{to}");
    }
    // Nothing was decided about the commission yet.
    assert_eq!(with(" 10", " 10").code, Some(0));
    let before = head(&at).await;
    let ended = with(" 10", " 12");
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.complained.contains("has a commission of its own"), "{}", ended.complained);
    assert_eq!(head(&at).await, before);
    assert_eq!(with(" 10", " 10").code, Some(0));
    assert_eq!(head(&at).await, before);
}

#[tokio::test]
async fn a_time_of_another_age_is_refused_and_nothing_is_told_to_happen_later_than_now() {
    let now = SystemClock.now();
    let soon = (now + TimeDelta::days(30)).to_rfc3339();
    let rows = [
        "mistyped,1,lamp,north,1.00,0.00,BRL,2208-03-01T00:00:00Z,,,,\n".to_owned(),
        "never,1,lamp,north,1.00,0.00,BRL,2018-03-01T00:00:00Z,,,,9999-12-31T00:00:00Z\n".into(),
        format!("promised,1,lamp,north,1.00,0.00,BRL,{soon},,,,\n"),
    ];
    let at = with_files(&rows.concat());
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let expected = [
        "order_lines,2,mistyped,ship_by,lies more than 365 days ahead",
        "order_lines,3,never,delivered_at,lies more than 365 days ahead",
    ];
    assert_eq!(refused(&at), expected);
    assert_eq!(lines_of_orders(&at).await, [("promised".into(), 1)]);
    let events = events_after(&*at.log().await, Position(0)).await;
    let latest = events.iter().map(|event| event.at).max().unwrap();
    assert!((now..SystemClock.now()).contains(&latest), "{latest}");
    let again = import(&at, at.path(""));
    assert!(again.said.contains("there already: 1 orders"), "{}", again.said);
}

#[tokio::test]
async fn sellers_and_products_come_in_before_there_is_any_order() {
    let at = with_files("");
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
    assert!(ended.said.contains("made: 0 vendors, 3 products, 0 offers,"), "{}", ended.said);
    at.write("order_lines.csv", &format!("{HEADER}{ORDER_LINES}"));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
    let totals =
        answers(&at, "{ marketplaceTotals { products orders sums { commissionFrozen { amount } } } }").await;
    let sums = json!([{ "commissionFrozen": amount("90.30") }]);
    assert_eq!(totals["marketplaceTotals"], json!({ "products": 3, "orders": 7, "sums": sums }));
}

#[tokio::test]
async fn rows_of_one_seller_or_product_that_differ_keep_its_orders_out_and_a_plain_repeat_does_not() {
    let at = with_files(&format!(
        "lamps,1,{SOUND}\ncups,1,{}\nsouth,1,{}\n",
        SOUND.replace("lamp", "cup"),
        SOUND.replace("lamp,north", "chair,south")
    ));
    at.write("sellers.csv", &format!("{SELLERS}south,90010,canoas,RS\nnorth,01310,sao paulo,SP\n"));
    at.write("products.csv", &format!("{PRODUCTS}cup,furniture,\nlamp,home_decor,500\n"));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let expected = [
        "order_lines,3,cups,product_id,has no sound row in the products file",
        "sellers,4,,seller_id,differs from the row at line 3 of the file",
        "order_lines,4,south,seller_id,has no sound row in the sellers file",
        "products,5,,product_id,differs from the row at line 4 of the file",
    ];
    assert_eq!(refused(&at), expected);
    assert_eq!(lines_of_orders(&at).await, [("lamps".into(), 1)]);
}

#[tokio::test]
async fn a_seller_or_product_with_a_bad_row_keeps_out_the_orders_that_name_it_also_where_another_row_is_good()
{
    let at = with_files(&format!(
        "lamps,1,{SOUND}\ncups,1,{}\nsouth,1,{}\n",
        SOUND.replace("lamp", "cup"),
        SOUND.replace("lamp,north", "chair,south")
    ));
    at.write("sellers.csv", &format!("{SELLERS}south,90010\n"));
    at.write("products.csv", &format!("{PRODUCTS}cup,,heavy\ntwo words,,\n"));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let expected = [
        "order_lines,3,cups,product_id,has no sound row in the products file",
        "sellers,4,,,has 2 fields where the header has 4",
        "order_lines,4,south,seller_id,has no sound row in the sellers file",
        "products,5,,weight_g,is not a whole number",
    ];
    let found = refused(&at);
    assert_eq!(found[..4], expected, "{found:?}");
    assert_eq!(found.len(), 5, "{found:?}");
    assert_eq!(lines_of_orders(&at).await, [("lamps".into(), 1)]);
}

#[tokio::test]
async fn no_key_is_made_for_a_seller_who_is_there_already() {
    let at = given(Installation::in_files(), &format!("old,1,{SOUND}\n"));
    assert_eq!(import(&at, at.path("")).code, Some(0));
    let keys = || {
        let keys = Connection::open(at.data().join(KEYS_FILE)).unwrap();
        keys.query_row("SELECT count(*) FROM persons", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(keys(), 1);
    at.write("sellers.csv", &SELLERS.replace("north", "NORTH"));
    let again = SOUND.replace("north", "NORTH");
    at.write("order_lines.csv", &format!("{HEADER}new,1,{again}\n"));
    assert_eq!(import(&at, at.path("")).code, Some(0));
    assert_eq!(keys(), 1);
    assert_eq!(lines_of_orders(&at).await, [("new".into(), 1), ("old".into(), 1)]);
}

#[tokio::test]
async fn sellers_whose_ids_differ_in_case_alone_are_not_taken_for_one() {
    let other = SOUND.replace("lamp,north", "chair,South");
    let at = with_files(&format!("lamps,1,{SOUND}\nother,1,{other}\n"));
    at.write("sellers.csv", &format!("{SELLERS}South,90010,canoas,RS\n"));
    let ended = import(&at, at.path(""));
    assert_eq!(ended.code, Some(3), "{}{}", ended.said, ended.complained);
    let expected = [
        "order_lines,3,other,seller_id,has no sound row in the sellers file",
        "sellers,3,,seller_id,differs from another in the case of its letters alone",
        "sellers,4,,seller_id,differs from another in the case of its letters alone",
    ];
    let mut found = refused(&at);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(lines_of_orders(&at).await, [("lamps".into(), 1)]);
}

/// What begins as rejects do, but for one more column.
const LONG: &str = "file,line,order_id,field,reason,mine\n";

#[test]
fn rejects_go_nowhere_that_something_else_is_lost() {
    let at = with_files(&format!("lamps,1,{SOUND}\n"));
    let mut arguments = arguments(at.path(""));
    arguments.push("--rejects".into());
    let others = [
        ("notes.md", "# Notes\n"),
        ("log.db", "SQLite format 3\0"),
        ("short.csv", "file,line"),
        ("long.csv", LONG),
    ];
    for (name, text) in others {
        at.write(name, text);
    }
    for (place, why) in [
        (at.path("sellers.csv"), "which is read"),
        (at.path(""), "no plain file"),
        (at.path("nowhere/rejects.csv"), "cannot be written"),
        (at.path("notes.md"), "which holds something else"),
        (at.path("log.db"), "which holds something else"),
        (at.path("short.csv"), "which holds something else"),
        (at.path("long.csv"), "which holds something else"),
    ] {
        arguments.push(place.to_str().unwrap().to_owned());
        let ended = at.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ended.code, Some(1), "{}", ended.said);
        assert!(ended.complained.contains(why), "{}", ended.complained);
        assert!(ended.said.is_empty(), "nothing was brought in: {}", ended.said);
        arguments.pop();
    }
    for (name, text) in others.into_iter().chain([("sellers.csv", SELLERS)]) {
        assert_eq!(at.read(name), text, "{name}");
    }

    for older in ["", "file,line,order_id,field,reason\norder_lines,2,old,,is older\n"] {
        at.write("older.csv", older);
        let place = at.path("older.csv").to_str().unwrap().to_owned();
        let ended = at.run(&arguments.iter().chain([&place]).map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ended.code, Some(0), "{}", ended.complained);
        assert!(!at.path("older.csv").exists());
    }
}

/// How many orders the marketplace has that is made up here.
const ORDERS: usize = 150;

/// Where it is killed: so much of all events, in percent.
const KILLED_AT: [u64; 5] = [0, 2, 25, 60, 90];

/// Puts files of so many orders, made up, beside the data directory.
pub fn write_files(at: &Installation, orders: usize) {
    at.write("sellers.csv", SELLERS);
    at.write("products.csv", PRODUCTS);
    at.write("order_lines.csv", &format!("{HEADER}{}", made_up(orders)));
}

/// Starts to import the files that were put there, and leaves it running.
pub fn start(at: &Installation) -> Child {
    let arguments = arguments(at.path(""));
    at.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Imports what is missing of the files that were put there: then all orders are there, once.
pub fn finish(at: &Installation, orders: usize) {
    let ended = import(at, at.path(""));
    assert_eq!(ended.code, Some(0), "{}", ended.complained);
    let again = import(at, at.path(""));
    assert!(again.said.contains(&format!("there already: {orders} orders")), "{}", again.said);
}

fn many_orders() -> String {
    made_up(ORDERS)
}

fn made_up(orders: usize) -> String {
    let line = |order: usize, number: usize| {
        let product = ["lamp", "chair", "cup"][(order + number) % 3];
        let seller = ["north", "south"][(order / 2 + number) % 2];
        let price = 10 + order / 7 + number;
        let cents = (order * 7 + number * 13) % 100;
        let status = ["delivered", "", "shipped", "invoiced", "canceled"][order % 5];
        let day = 1 + order % 28;
        let (hour, minute) = (order / 28 % 24, order / 28 / 24);
        format!(
            "order-{order:03},{number},{product},{seller},{price}.{cents:02},2.05,BRL,2018-04-{day:02}T{hour:02}:{minute:02}:00Z,{status},,,\n"
        )
    };
    (0..orders).flat_map(|order| (1..=1 + order % 3).map(move |number| line(order, number))).collect()
}

/// What must be the same at the end: every row of every read model. What is sealed is told by opening it.
async fn end_of(at: &Installation) -> (Vec<(&'static str, u64, String)>, Value) {
    let vendors = answers(
        at,
        "{ vendors { nodes {
        handle status version name { text } contact { name email phone address }
        balances { currency pending { amount } available { amount } } } } }",
    )
    .await;
    let app = at_rest(at).await;
    let mut models = Vec::new();
    for model in REGISTRY.iter().filter(|model| model.name() != "vendors") {
        let digest = digest(&app.services().reads, *model).await.unwrap();
        models.push((model.name(), digest.rows, digest.hash.to_string()));
    }
    (models, vendors)
}

#[tokio::test]
async fn an_import_killed_anywhere_and_run_again_ends_as_if_it_had_never_been_stopped() {
    let whole = with_files(&many_orders());
    assert_eq!(import(&whole, whole.path("")).code, Some(0));
    let length = head(&whole).await.0;
    let expected = end_of(&whole).await;
    assert!(
        expected.0.iter().any(|(name, rows, _)| (*name, *rows) == ("orders", ORDERS as u64)),
        "{:?}",
        expected.0
    );
    assert!(expected.1.to_string().contains("01310 sao paulo SP"), "{}", expected.1);

    let at = with_files(&many_orders());
    let log = at.log().await;
    let arguments = arguments(at.path(""));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    for percent in KILLED_AT {
        let mut process = at.start(&arguments);
        grown_to(&*log, Position(1.max(length * percent / 100))).await;
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(log.head().await.unwrap().0 < length, "it was over before it was killed");
    }
    drop(log);
    let last = import(&at, at.path(""));
    assert_eq!(last.code, Some(0), "{}", last.complained);
    assert_eq!(head(&at).await.0, length);
    assert_eq!(end_of(&at).await, expected);
}

/// The figures of a marketplace: how many of what, sums, and what one vendor earned.
#[derive(PartialEq, Debug)]
struct Figures {
    /// Vendors, products, offers, orders, lines, orders of several vendors, captured lines.
    counts: [u64; 7],
    /// Goods, freight and commission, of all that was ordered and then of all that was captured.
    sums: [String; 6],
    earned: String,
}

async fn figures(at: &Installation, vendor: &str) -> Figures {
    let totals = answers(at, TOTALS).await["marketplaceTotals"].take();
    let counts =
        ["vendors", "products", "offers", "orders", "lines", "ordersOfSeveralVendors", "capturedLines"];
    let sums =
        ["goods", "freight", "commissionFrozen", "capturedGoods", "capturedFreight", "capturedCommission"];
    let text = |amount: &Value| amount["amount"].as_str().unwrap().to_owned();
    let vendor = format!(
        "{{ vendors(filter: {{ handlePrefix: \"{vendor}\" }}) {{ nodes {{ balances {{ earned {{ amount }} }} }} }} }}"
    );
    let vendor = answers(at, &vendor).await;
    Figures {
        counts: counts.map(|count| totals[count].as_u64().unwrap()),
        sums: sums.map(|sum| text(&totals["sums"][0][sum])),
        earned: text(&vendor["vendors"]["nodes"][0]["balances"][0]["earned"]),
    }
}

/// The commission is rounded line by line: a tenth of the sum would be 672.75, and 400.11 of what was captured.
#[tokio::test]
async fn a_marketplace_comes_in_with_exactly_its_figures() {
    let at = with_files(&many_orders());
    assert_eq!(import(&at, at.path("")).code, Some(0));
    let expected = Figures {
        counts: [2, 3, 6, 150, 300, 100, 180],
        sums: ["6727.50", "615.00", "672.90", "4001.10", "369.00", "400.25"].map(str::to_owned),
        earned: "1983.50".into(),
    };
    assert_eq!(figures(&at, "north").await, expected);
}

/// The order lines of a real marketplace, where this machine has them.
const REAL: &str = "../../shared/data/olist";

#[tokio::test]
async fn a_real_marketplace_comes_in_with_exactly_its_figures() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join(REAL);
    if !files.exists() {
        println!("{} is not there: only the figures of a made-up marketplace are looked at", files.display());
        return;
    }
    let at = Installation::new();
    let imported = import(&at, &files);
    assert_eq!(imported.code, Some(0), "{}{}", imported.said, imported.complained);
    let amounts = ["838023.56", "137639.06", "83804.72", "836613.34", "137470.21", "83663.70"];
    let expected = Figures {
        counts: [1_314, 4_425, 4_508, 6_000, 6_833, 69, 6_824],
        sums: amounts.map(str::to_owned),
        earned: "18729.91".into(),
    };
    assert_eq!(figures(&at, "53243585a1d6dc2643021fd1853d8905").await, expected);
}
