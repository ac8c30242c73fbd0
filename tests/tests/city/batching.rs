//! Nested answers are fetched in batches: how many statements the driver runs does not grow with the rows.

use cityos_gateway::storage::READS_FILE;
use cityos_tests::city::City;
use cityos_tests::market::Market;
use cityos_tests::schema::{english, list, text};
use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::{Value, json};

const ORDERS: usize = 100;

/// One for each kind of thing that is asked for, a second where it is asked for in two places, and the count.
const STATEMENTS_MAX: u64 = 15;

/// How many orders are placed at once.
const AT_ONCE: usize = 10;

async fn ask(market: &Market<'_>, first: usize) -> (u64, Value) {
    let query = format!(
        "{{ orders(first: {first}) {{ totalCount nodes {{ id customer {{ id }} store {{ slug }} payment {{ open {{ amount }} }}
            parts {{ id vendor {{ handle balances {{ currency pending {{ amount }} }} }}
              lines {{ sku commission {{ amount {{ amount }} }} vendor {{ handle }} product {{ code category {{ slug }} }}
                offer {{ sku vendor {{ handle balances {{ available {{ amount }} }} }} }} }} }} }} }} }}"
    );
    let reads = &market.city.app().services().reads;
    let before = reads.statements_read();
    let answer = market.admin.ask(&query).await;
    (reads.statements_read() - before, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_a_hundred_orders_with_all_below_them_take_no_more_statements_than_ten() {
    let city = City::with(|settings| settings.run_wait_ms = 60_000).await;
    let market = Market::open(&city, "bazaar").await;
    let mut offers = Vec::new();
    for vendor in ["alma", "basil", "cedar"] {
        let vendor_id = market.vendor(vendor).await;
        offers.push(market.offer(&vendor_id, &format!("{vendor}-cup"), "5.00", "1.00").await);
    }
    let customers = join_all((0..AT_ONCE).map(|_| market.customer())).await;
    for _ in 0..ORDERS / AT_ONCE {
        let lines = [(offers[0].as_str(), 1), (offers[1].as_str(), 2), (offers[2].as_str(), 1)];
        let orders = customers.iter().map(|customer| market.order(customer, &lines));
        join_all(orders).await;
    }
    city.settle().await;
    let _quiet = city.hold().await;
    // The first questions open connections, which takes statements too.
    ask(&market, ORDERS).await;

    let (few, ten) = ask(&market, 10).await;
    let (many, hundred) = ask(&market, ORDERS).await;
    assert_eq!(list(&ten["orders"]["nodes"]).len(), 10);
    let orders = list(&hundred["orders"]["nodes"]);
    assert_eq!((orders.len(), hundred["orders"]["totalCount"].as_u64()), (ORDERS, Some(ORDERS as u64)));
    for order in orders {
        let parts = list(&order["parts"]);
        assert_eq!(parts.len(), 3);
        for part in parts {
            assert_eq!(part["vendor"]["handle"], part["lines"][0]["offer"]["vendor"]["handle"]);
            assert!(text(&part["lines"][0]["sku"]).starts_with(&text(&part["vendor"]["handle"])));
        }
    }
    assert_eq!(few, many, "statements for 10 and for 100 orders");
    assert!(many <= STATEMENTS_MAX, "{many} statements");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_to_lie_below_one_answer_is_refused_and_not_cut_off() {
    const TOO_MANY: usize = 50_001;
    let city = City::in_files(|_| ()).await;
    let mayor = city.city_admin();
    let mut parent = Value::Null;
    for (level, slug) in [("COUNTRY", "sa"), ("SCOPE", "riyadh")] {
        let place = json!({ "level": level, "parent": parent, "slug": slug, "name": english(slug) });
        parent = mayor.does("createPlace", place, "place { id parent { id } }").await["place"]["id"].clone();
    }
    city.settle().await;
    let _quiet = city.hold().await;
    let countries = "{ places(filter: { level: COUNTRY }) { nodes { children { slug } } } }";
    let few = mayor.ask(countries).await;
    assert_eq!(few["places"]["nodes"], json!([{ "children": [{ "slug": "riyadh" }] }]));

    let reads = Connection::open(city.app().settings().data_dir.join(READS_FILE)).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = reads.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<_, _>>().unwrap()
    };
    let table = &names("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'places_*'")[0];
    let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
    let copied: Vec<_> =
        columns.iter().map(|name| if name == "id" { "randomblob(16)" } else { name.as_str() }).collect();
    let multiply = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {TOO_MANY})
         INSERT INTO \"{table}\" SELECT {} FROM (SELECT * FROM \"{table}\" WHERE slug = 'riyadh'), n",
        copied.join(", ")
    );
    reads.execute_batch(&multiply).unwrap();
    assert_eq!(mayor.refused(countries).await, "BAD_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_lie_below_each_other_both_ways_end_where_an_answer_is_full() {
    const LINES: usize = 10;
    let city = City::open().await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let mut offers = Vec::new();
    for n in 0..LINES {
        offers.push(market.offer(&vendor, &format!("cup-{n}"), "5.00", "1.00").await);
    }
    let lines: Vec<_> = offers.iter().map(|offer| (offer.as_str(), 1)).collect();
    market.order(&market.customer().await, &lines).await;
    city.settle().await;
    let there_and_back = |times| {
        let (there, back) = ("lines { part { ".repeat(times), " } }".repeat(times));
        format!("{{ orderParts {{ nodes {{ {there} lines {{ number }} {back} }} }} }}")
    };
    let answer = market.admin.ask(&there_and_back(2)).await;
    assert_eq!(answer.to_string().matches("number").count(), LINES.pow(3));
    assert_eq!(market.admin.refused(&there_and_back(4)).await, "BAD_REQUEST");
}
