//! Rebuilding the read model of orders from a million events, beside the least code that comes to the same rows and may be
//! broken off: pages of the log, each folded in memory, whose rows are written with one statement, checkpoint and all.

use super::Bench;
use crate::orders::{EVENTS_AN_ORDER, write};
use crate::rebuild::{ROUNDS, rebuilt};
use crate::replay::{EVENTS, median};
use crate::{Measured, memory};
use anyhow::Context;
use chrono::DateTime;
use cityos_domain::event::{Event, Kind};
use cityos_domain::ids::{EventId, OrderId};
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::database::postgres::Server;
use cityos_eventstore::postgres::PostgresStore;
use cityos_projections::models::REGISTRY;
use cityos_projections::models::orders::{Order, Orders};
use cityos_projections::{Keys, ReadModel, ReadStore, TableState, drop_table, tables};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

const PAGE: i64 = 5_000;

const READ: &str = "SELECT position, partition, kind, id, version, event_id, type, at, recorded_at, body, meta \
     FROM log.events WHERE position > $1 ORDER BY position LIMIT $2";

const TABLE: &str = "
    DROP TABLE IF EXISTS orders, checkpoint;
    CREATE TABLE checkpoint AS SELECT 0::bigint AS position;
    CREATE TABLE orders (
        partition uuid NOT NULL, id uuid NOT NULL, customer uuid NOT NULL, store uuid NOT NULL, status text NOT NULL,
        requested_at timestamptz NOT NULL, reference text, currency text NOT NULL, payment uuid, placed_on date,
        lines bigint NOT NULL, parts bigint NOT NULL, parts_canceled bigint NOT NULL, parts_shipped bigint NOT NULL,
        parts_delivered bigint NOT NULL, parts_captured bigint NOT NULL, placed jsonb NOT NULL, canceled jsonb NOT NULL,
        captured jsonb NOT NULL, declined_code text, declined_message text, version bigint NOT NULL,
        PRIMARY KEY (partition, id)
    )";

/// What changes about an order that is there.
const WRITE: &str = "
    INSERT INTO orders SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::text[],
        $8::text[], $9::uuid[], $10::date[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
        $16::bigint[], $17::text[]::jsonb[], $18::text[]::jsonb[], $19::text[]::jsonb[], $20::text[], $21::text[], $22::bigint[])
    ON CONFLICT (partition, id) DO UPDATE SET status = excluded.status, reference = excluded.reference,
        payment = excluded.payment, placed_on = excluded.placed_on, lines = excluded.lines, parts = excluded.parts,
        parts_canceled = excluded.parts_canceled, parts_shipped = excluded.parts_shipped,
        parts_delivered = excluded.parts_delivered, parts_captured = excluded.parts_captured, placed = excluded.placed,
        canceled = excluded.canceled, captured = excluded.captured, declined_code = excluded.declined_code,
        declined_message = excluded.declined_message, version = excluded.version";

/// Our rebuild and the pages in turn, the median round of each.
pub async fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let city = bench.database();
    let store = PostgresStore::open(&city, Arc::new(SystemClock)).await?;
    write(&store, EVENTS / EVENTS_AN_ORDER).await?;
    city.connect(None).await?.batch_execute("VACUUM ANALYZE log.events").await?;
    let reads = ReadStore::on(&city).await?;
    let model =
        REGISTRY.iter().copied().find(|model| model.name() == "orders").context("the model is there")?;
    rebuilt(&store, &reads, model).await?;
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    let (mut last, mut peak_mib) = (None, 0);
    for _ in 0..ROUNDS {
        memory::begin()?;
        let (rate, spent) = rebuilt(&store, &reads, model).await?;
        peak_mib = peak_mib.max(memory::peak_mib()?);
        ours.push(rate);
        last = Some(spent);
        for table in tables(&reads).await?.into_iter().filter(|table| table.state == TableState::Old) {
            drop_table(&reads, REGISTRY, table).await?;
        }
        raw.push(limit(&city).await?);
    }
    let (ours, raw) = (median(ours), median(raw));
    let spent = last.context("there was a round")?;
    Ok(Measured {
        what: "PostgreSQL: rebuild of orders from 1,000,000 events",
        ours: format!("{ours:.0}/s, at most {peak_mib} MiB"),
        limit: format!("restartable pages {raw:.0}/s"),
        ratio: ours / raw,
        target: 1.0,
        note: format!(
            "{spent}; the limit folds alone: pages of {PAGE}, one thread, an UNNEST a page; median of {ROUNDS} rounds"
        ),
    })
}

async fn limit(city: &Server) -> anyhow::Result<f64> {
    let city = city.clone();
    let pages = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let mut client = city.connect(None).await?;
            client.batch_execute(TABLE).await?;
            let (read, upsert) = (client.prepare(READ).await?, client.prepare(WRITE).await?);
            let begun = Instant::now();
            let (mut after, mut orders) = (0_i64, HashMap::new());
            loop {
                let rows = client.query(&read, &[&after, &PAGE]).await?;
                let Some(last) = rows.last() else { break };
                after = last.get(0);
                let mut touched = HashSet::new();
                for row in &rows {
                    let event = envelope(row)?;
                    if let Keys::One(id) = Orders::keys(&event) {
                        let order = Orders::evolve(orders.remove(&id), &id, &event)?;
                        orders.extend(order.map(|order| (id, order)));
                        touched.insert(id);
                    }
                }
                put(&mut client, &upsert, touched, &orders, after).await?;
            }
            let rate = EVENTS as f64 / begun.elapsed().as_secs_f64();
            let rows: i64 = client.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
            anyhow::ensure!(rows as u64 == EVENTS / EVENTS_AN_ORDER, "{rows} orders were written");
            Ok(rate)
        })
    });
    pages.await?
}

fn envelope(row: &Row) -> anyhow::Result<Envelope> {
    let time = |column| DateTime::from_timestamp_micros(row.get(column)).context("it is a time");
    Ok(Envelope {
        id: EventId(row.get(5)),
        stream: StreamId {
            partition: Partition::from_id(row.get(1)),
            kind: Kind::from_name(row.get(2)).context("the kind is known")?,
            id: row.get(3),
        },
        version: Version(row.get::<_, i64>(4).unsigned_abs()),
        position: Position(row.get::<_, i64>(0).unsigned_abs()),
        at: time(7)?,
        recorded_at: time(8)?,
        meta: serde_json::from_str(row.get(10))?,
        event: Event::decode(row.get(6), row.get(9))?,
    })
}

async fn put(
    client: &mut Client,
    upsert: &Statement,
    touched: HashSet<OrderId>,
    orders: &HashMap<OrderId, Order>,
    to: i64,
) -> anyhow::Result<()> {
    let rows: Vec<&Order> = touched.iter().filter_map(|id| orders.get(id)).collect();
    let columns: [&(dyn ToSql + Sync); 22] = [
        &crate::events::partition().id(),
        &column(&rows, |row| row.id.0),
        &column(&rows, |row| row.customer.0),
        &column(&rows, |row| row.store.0),
        &json(&rows, |row| &row.status)?,
        &column(&rows, |row| row.requested_at),
        &column(&rows, |row| row.reference.as_ref().map(|reference| reference.as_str().to_owned())),
        &column(&rows, |row| row.currency.code()),
        &column(&rows, |row| row.payment.map(|payment| payment.0)),
        &column(&rows, |row| row.placed_on),
        &column(&rows, |row| i64::from(row.lines)),
        &column(&rows, |row| i64::from(row.parts)),
        &column(&rows, |row| i64::from(row.parts_canceled)),
        &column(&rows, |row| i64::from(row.parts_shipped)),
        &column(&rows, |row| i64::from(row.parts_delivered)),
        &column(&rows, |row| i64::from(row.parts_captured)),
        &json(&rows, |row| &row.placed)?,
        &json(&rows, |row| &row.canceled)?,
        &json(&rows, |row| &row.captured)?,
        &column(&rows, |row| row.declined_code.clone()),
        &column(&rows, |row| row.declined_message.clone()),
        &column(&rows, |row| row.version as i64),
    ];
    let writing = client.transaction().await?;
    writing.execute(upsert, &columns).await?;
    writing.execute("UPDATE checkpoint SET position = $1", &[&to]).await?;
    Ok(writing.commit().await?)
}

fn column<T>(rows: &[&Order], value: impl Fn(&Order) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}

/// Documents, and words without their quotes.
fn json<T: Serialize>(rows: &[&Order], value: fn(&Order) -> &T) -> serde_json::Result<Vec<String>> {
    let text = |row: &&Order| Ok(serde_json::to_string(value(row))?.trim_matches('"').to_owned());
    rows.iter().map(text).collect()
}
