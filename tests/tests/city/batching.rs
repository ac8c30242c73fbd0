//! Nested answers are fetched in batches: how many statements the driver runs does not grow with the rows.

use cityos_tests::city::City;
use cityos_tests::market::Market;
use cityos_tests::schema::{list, text};
use futures_util::future::join_all;
use serde_json::Value;

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
