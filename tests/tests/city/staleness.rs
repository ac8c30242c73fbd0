//! A row that an event did not fit is marked wherever it is shown, listed for those who look after it, and waits; everything
//! else goes on.

use cityos_domain::ids::{OrderId, TenantId};
use cityos_gateway::graphql::ids::{Id, Named};
use cityos_gateway::storage::READS_FILE;
use cityos_projections::models::REGISTRY;
use cityos_projections::{AnyModel, retry_frozen, verify};
use cityos_tests::city::{City, named};
use cityos_tests::market::Market;
use cityos_tests::schema::{list, text};
use rusqlite::{Connection, params};
use serde_json::json;

const ORDERS: &str = "{ orders { nodes { id status stale payment { stale } store { stale }
    parts { status stale vendor { stale } lines { stale } } } } }";

fn model(name: &str) -> &'static dyn AnyModel {
    *REGISTRY.iter().find(|model| model.name() == name).unwrap()
}

/// Freezes an order as a projector does that has met an event which does not fit it.
async fn freeze(city: &City, tenant: &str, order: &str) {
    let (partition, id) = (bare::<TenantId>(tenant), bare::<OrderId>(order));
    let of_order = |event: &&cityos_domain::log::Envelope| event.stream.id.to_string() == id;
    let event = city.log_of(tenant).await.iter().rfind(of_order).unwrap().clone();
    let reads = Connection::open(city.app().settings().data_dir.join(READS_FILE)).unwrap();
    let key = json!([{ "Uuid": partition }, { "Uuid": id }]).to_string();
    let sql = "INSERT INTO frozen (build, key, position, event, error)
        SELECT concat_ws('_', model, fingerprint, build), ?, ?, ?, 'it contradicts what happened before'
        FROM live WHERE model = 'orders'";
    let frozen = params![key, event.position.0 as i64, event.id.0.as_bytes()];
    assert_eq!(reads.execute(sql, frozen), Ok(1));
}

fn bare<T: Named>(id: &str) -> String {
    let id: uuid::Uuid = Id(named::<T>(id)).0.into();
    id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_row_is_marked_and_listed_and_the_retry_shows_what_waited() {
    let city = City::in_files(|settings| settings.run_wait_ms = 60_000).await;
    let market = Market::open(&city, "bazaar").await;
    let other = Market::open(&city, "souk").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let customer = market.customer().await;
    for _ in 0..2 {
        market.order(&customer, &[(&offer, 1)]).await;
    }
    city.settle().await;
    let before = market.admin.ask(ORDERS).await;
    assert!(!before.to_string().contains("true"), "{before}");
    assert_eq!(market.admin.ask("{ frozenRows { model } }").await["frozenRows"], json!([]));

    let orders: Vec<_> = list(&before["orders"]["nodes"]).iter().map(|order| text(&order["id"])).collect();
    freeze(&city, &market.tenant, &orders[0]).await;
    let parts = "{ orderParts { nodes { id } } }";
    for part in list(&market.admin.ask(parts).await["orderParts"]["nodes"]) {
        market.admin.does("shipPart", json!({ "part": part["id"] }), "").await;
    }
    city.settle().await;
    let shown = market.admin.ask(ORDERS).await;
    for order in list(&shown["orders"]["nodes"]) {
        let frozen = order["id"] == orders[0].as_str();
        assert_eq!(order["stale"], frozen, "{order}");
        assert_eq!(order["status"], if frozen { "PLACED" } else { "SHIPPED" }, "{order}");
        assert_eq!(order["parts"][0]["status"], "SHIPPED", "other read models go on");
        let others = [&order["parts"][0]["stale"], &order["payment"]["stale"], &order["store"]["stale"]];
        assert_eq!(others, [false, false, false], "{order}");
    }
    let rows = "{ frozenRows { model key { column value } eventId position error since } }";
    let rows = market.admin.ask(rows).await;
    let [row] = list(&rows["frozenRows"]) else { panic!("{rows}") };
    assert_eq!(
        (&row["model"], &row["error"]),
        (&json!("orders"), &json!("it contradicts what happened before"))
    );
    assert_eq!(row["key"], json!([{ "column": "id", "value": bare::<OrderId>(&orders[0]) }]));
    assert!(row["since"].is_string(), "{row}");
    assert_eq!(other.admin.ask("{ frozenRows { model } }").await["frozenRows"], json!([]));
    assert_eq!(
        city.vendor_of(&market.tenant, &vendor).refused("{ frozenRows { model } }").await,
        "FORBIDDEN"
    );

    let services = city.app().services();
    let log = services.executor.store().as_ref();
    let retried = retry_frozen(log, &services.reads, model("orders")).await.unwrap();
    assert_eq!((retried.healed, retried.frozen.len()), (1, 0));
    assert!(verify(log, &services.reads, model("orders"), |_| {}).await.unwrap().is_sound());
    let shown = market.admin.ask(ORDERS).await;
    for order in list(&shown["orders"]["nodes"]) {
        assert_eq!((&order["stale"], &order["status"]), (&json!(false), &json!("SHIPPED")), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_rows_are_stale_takes_one_statement_for_each_read_model_however_many_they_are() {
    let city = City::with(|settings| settings.run_wait_ms = 60_000).await;
    let market = Market::open(&city, "bazaar").await;
    let vendor = market.vendor("alma").await;
    let offer = market.offer(&vendor, "cup", "5.00", "1.00").await;
    let customer = market.customer().await;
    for _ in 0..6 {
        market.order(&customer, &[(&offer, 1)]).await;
    }
    city.settle().await;
    let _quiet = city.hold().await;
    let statements = async |query: &str| {
        let reads = &city.app().services().reads;
        let before = reads.statements_read();
        let answer = market.admin.ask(query).await;
        (reads.statements_read() - before, answer)
    };
    let asked = |first: usize, stale: &str| {
        format!(
            "{{ orders(first: {first}) {{ nodes {{ id {stale} parts {{ id {stale} lines {{ sku {stale} }} }} }} }} }}"
        )
    };
    // The first question opens connections, which takes statements too.
    statements(&asked(6, "stale")).await;
    let (without, _) = statements(&asked(6, "")).await;
    let (few, _) = statements(&asked(1, "stale")).await;
    let (many, answer) = statements(&asked(6, "stale")).await;
    assert_eq!(list(&answer["orders"]["nodes"]).len(), 6);
    assert_eq!(few, many, "statements for 1 and for 6 orders");
    assert_eq!(many, without + 3, "one for each of three read models");
}
