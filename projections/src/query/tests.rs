//! Filters, sorts, pages in both directions and sums, and the indexes they use.

use super::*;
use crate::history::{self, id};
use crate::models::offers::{Offer, Offers};
use crate::models::products::{Product, Products};
use crate::models::saga_runs::{RunState, SagaRun, SagaRuns};
use crate::models::tenant_days::{TenantDay, TenantDays};
use crate::models::vendors::{Vendor, Vendors};
use crate::models::{REGISTRY, Visitor, visit};
use crate::rehearsal::{On, Stage, on_every_database};
use crate::row::ColumnSpec;
use crate::session::{Session, Statement};
use chrono::DateTime;
use cityos_domain::ids::VendorId;
use cityos_domain::marketplace::vendor;
use cityos_domain::money::Currency;

async fn projected(on: On) -> Stage {
    let stage = Stage::set(on).await;
    stage.projector().await.catch_up().await.unwrap();
    stage
}

fn bazaar() -> Partition {
    history::partition("bazaar")
}

fn handles(rows: &[Vendor]) -> Vec<&str> {
    rows.iter().map(|vendor| vendor.handle.as_str()).collect()
}

async fn no_query_of_one_partition_sees_another(on: On) {
    let stage = projected(on).await;
    for name in ["bazaar", "souk"] {
        let own = history::partition(name);
        assert_eq!(Query::<Vendors>::new(own).count(&stage.reads).await.unwrap(), 5);
    }
    let strangers = history::partition("nobody");
    assert_eq!(Query::<Vendors>::new(strangers).count(&stage.reads).await.unwrap(), 0);
    let keys = [id::<VendorId>("potter")];
    assert!(by_keys::<Vendors>(&stage.reads, strangers, keys).await.unwrap().is_empty());
    assert_eq!(by_keys::<Vendors>(&stage.reads, bazaar(), keys).await.unwrap().len(), 1);
    assert_eq!(Query::<Vendors>::everywhere().count(&stage.reads).await.unwrap(), 10);
}

async fn filters_meet_and_sorts_order(on: On) {
    let stage = projected(on).await;
    let query = || Query::<Vendors>::new(bazaar());
    let by_handle = query().sort(Vendor::handle().descending()).fetch(&stage.reads).await.unwrap();
    assert_eq!(handles(&by_handle), ["weaver", "smith", "potter", "lamp-maker", "carver"]);
    let approved = query()
        .filter(Vendor::status().is(vendor::Stage::Approved))
        .sort(Vendor::handle().ascending())
        .fetch(&stage.reads)
        .await
        .unwrap();
    assert_eq!(handles(&approved), ["lamp-maker", "potter"]);
    let either = query()
        .filter(Vendor::status().is_in([vendor::Stage::Applied, vendor::Stage::Terminated]))
        .filter(Vendor::handle().starts_with("car"))
        .fetch(&stage.reads)
        .await
        .unwrap();
    assert_eq!(handles(&either), ["carver"]);
    let from = Vendor::handle().from(either[0].handle.clone());
    let below = Vendor::handle().below(approved[1].handle.clone());
    assert_eq!(query().filter(from).filter(below).count(&stage.reads).await.unwrap(), 2);
}

async fn pages_meet_end_to_end_in_both_directions(on: On) {
    let stage = projected(on).await;
    let sorted = || Query::<Vendors>::new(bazaar()).sort(Vendor::status().descending());
    let all = sorted().page(&stage.reads).await.unwrap();
    assert!(!all.more);
    let wanted: Vec<_> = all.rows.iter().map(|(_, row)| row.clone()).collect();
    let (mut forward, mut after) = (Vec::new(), None);
    loop {
        let query = sorted().first(2);
        let query = if let Some(cursor) = after { query.after(cursor) } else { query };
        let page = query.page(&stage.reads).await.unwrap();
        after = page.rows.last().map(|(cursor, _)| cursor.clone());
        forward.extend(page.rows.into_iter().map(|(_, row)| row));
        if !page.more {
            break;
        }
    }
    assert_eq!(forward, wanted);
    let last = sorted().last(2).page(&stage.reads).await.unwrap();
    assert!(last.more);
    let before = sorted().last(2).before(last.rows[0].0.clone()).fetch(&stage.reads).await.unwrap();
    assert_eq!(before, wanted[1..3]);
    let between = sorted()
        .after(all.rows[0].0.clone())
        .before(all.rows[3].0.clone())
        .fetch(&stage.reads)
        .await
        .unwrap();
    assert_eq!(between, wanted[1..3]);
}

async fn rows_without_a_value_are_paged_over_like_others(on: On) {
    let stage = projected(on).await;
    for descending in [false, true] {
        let category = Product::category();
        let sort = || if descending { category.descending() } else { category.ascending() };
        let query = || Query::<Products>::everywhere().sort(sort());
        let all = query().page(&stage.reads).await.unwrap().rows;
        let without: Vec<_> = all.iter().map(|(_, product)| product.category.is_none()).collect();
        let expected = if descending {
            [false, false, false, false, true, true]
        } else {
            [true, true, false, false, false, false]
        };
        assert_eq!(without, expected);
        for (place, (cursor, _)) in all.iter().enumerate() {
            let rest = query().after(cursor.clone()).page(&stage.reads).await.unwrap().rows;
            assert_eq!(rest, all[place + 1..]);
            let rest = query().before(cursor.clone()).page(&stage.reads).await.unwrap().rows;
            assert_eq!(rest, all[..place]);
        }
    }
}

async fn the_platform_finds_what_waits_in_every_partition(on: On) {
    let stage = projected(on).await;
    let weaver = id::<VendorId>("weaver").0;
    let waiting = Query::<SagaRuns>::everywhere().filter(SagaRun::waiting_id().is(Some(weaver)));
    let found = waiting.fetch_with_partition(&stage.reads).await.unwrap();
    let partitions: std::collections::BTreeSet<_> = found.iter().map(|(partition, _)| *partition).collect();
    assert_eq!(partitions, [bazaar(), history::partition("souk")].into());
    assert!(found.iter().all(|(_, run)| run.state == RunState::Waiting));
}

async fn sums_are_taken_by_group(on: On) {
    let stage = projected(on).await;
    let sums = Query::<TenantDays>::new(bazaar())
        .sums_by(&stage.reads, TenantDay::currency(), [TenantDay::lines(), TenantDay::captured_lines()])
        .await
        .unwrap();
    let (currency, [lines, captured]): (Currency, _) = sums[0];
    assert_eq!((sums.len(), currency, lines, captured), (1, history::brl(), 4, 2));
}

async fn a_cursor_of_another_list_is_refused(on: On) {
    let stage = projected(on).await;
    let by_status = Query::<Vendors>::new(bazaar()).sort(Vendor::status().ascending()).first(1);
    let cursor = by_status.page(&stage.reads).await.unwrap().rows.remove(0).0;
    let text = serde_json::to_string(&cursor).unwrap();
    let cursor: Cursor = serde_json::from_str(&text).unwrap();
    let others = [
        Query::<Vendors>::new(bazaar()),
        Query::<Vendors>::new(bazaar()).sort(Vendor::known_since().ascending()),
        Query::<Vendors>::everywhere().sort(Vendor::status().ascending()),
    ];
    for query in others {
        let refused = query.after(cursor.clone()).fetch(&stage.reads).await;
        assert!(matches!(refused, Err(ReadError::ForeignCursor)));
    }
    let by_key = Query::<Vendors>::new(bazaar()).first(1).page(&stage.reads).await.unwrap().rows.remove(0).0;
    let refused = Query::<Products>::new(bazaar()).after(by_key).fetch(&stage.reads).await;
    assert!(matches!(refused, Err(ReadError::ForeignCursor)), "their keys look alike");
    let too_many = Vendor::id().is_in(vec![id("x"); IN_VALUES_MAX + 1]);
    let refused = Query::<Vendors>::new(bazaar()).filter(too_many).fetch(&stage.reads).await;
    assert!(matches!(refused, Err(ReadError::TooManyValues)));
}

async fn a_page_and_a_load_by_keys_are_one_statement_each(on: On) {
    let stage = projected(on).await;
    let before = stage.reads.statements_read();
    let offers =
        Query::<Offers>::new(bazaar()).filter(Offer::on_sale().is(true)).fetch(&stage.reads).await.unwrap();
    let sellers = offers.iter().map(|offer| offer.vendor);
    let vendors = by_keys::<Vendors>(&stage.reads, bazaar(), sellers).await.unwrap();
    assert_eq!((offers.len(), vendors.len()), (2, 2));
    assert_eq!(stage.reads.statements_read() - before, 2);
}

/// Explains the pages that go on from a place in any sorted list.
struct Plans<'c> {
    on: On,
    session: &'c dyn Session,
    explained: usize,
}

impl Plans<'_> {
    /// Fails unless the page is read off an index from its place on.
    fn check<M: ReadModel>(&mut self, query: &Query<M>, column: &ColumnSpec) {
        let Statement { sql, parameters } = sql::page(self.session.dialect(), query);
        self.explained += 1;
        match self.on {
            On::Sqlite => {
                let explain = format!("EXPLAIN QUERY PLAN {sql}");
                let steps = self.session.all(&explain, &parameters, |row| Ok(row.get::<String>(3)?)).unwrap();
                // The parts of one statement are merged as they are read.
                let merging = ["MERGE (UNION ALL)", "LEFT", "RIGHT"];
                let steps: Vec<_> = steps.iter().filter(|step| !merging.contains(&step.as_str())).collect();
                let told = format!("{sql}: {steps:?}");
                assert!((1..=2).contains(&steps.len()), "{told}");
                for step in &steps {
                    let narrowed = step.split_once('(').is_some_and(|(_, to)| to.contains(column.name));
                    // Rows without a value are equal there: the table itself has them in order.
                    let in_order = column.nullable && step.contains("USING PRIMARY KEY (");
                    assert!(step.starts_with("SEARCH") && (narrowed || in_order), "{told}");
                }
            }
            On::Postgres => {
                let (role, own) = match query.partition {
                    Some(own) => ("cityos_api", own.id().to_string()),
                    None => ("cityos_projector", String::new()),
                };
                let settings = format!(
                    "SET LOCAL ROLE {role}; SET LOCAL cityos.tenant = '{own}'; SET LOCAL enable_seqscan = off;
                     SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
                );
                self.session.batch(&settings).unwrap();
                let explain = format!("EXPLAIN {sql}");
                let steps = self.session.all(&explain, &parameters, |row| Ok(row.get::<String>(0)?)).unwrap();
                let told = format!("{sql}:\n{}", steps.join("\n"));
                // Parts are merged by a key, too.
                let sorted = steps.iter().any(|step| step.contains("Sort") && !step.contains("Sort Key"));
                assert!(!sorted && !steps.iter().any(|step| step.contains("Seq Scan")), "{told}");
                let narrowed = |step: &&String| step.contains("Index Cond") && step.contains(column.name);
                assert!(steps.iter().any(|step| narrowed(&step)), "{told}");
            }
        }
    }
}

fn sample(kind: Type) -> Value {
    match kind {
        Type::Bool => Value::Bool(false),
        Type::Integer => Value::Integer(1),
        Type::Text => Value::Text("some".into()),
        Type::Json => Value::Text("{}".into()),
        Type::Uuid => Value::Uuid(Uuid::from_u128(1)),
        Type::Instant => Value::Instant(DateTime::UNIX_EPOCH),
        Type::Date => Value::Date(DateTime::UNIX_EPOCH.date_naive()),
    }
}

impl Visitor for Plans<'_> {
    fn visit<M: ReadModel>(&mut self) {
        let columns = M::Row::COLUMNS;
        // A list sorted by the second column of a key is sorted anew.
        let sorted = columns.iter().enumerate().filter(|(at, column)| *at == 0 || column.role != Role::Key);
        for (_, column) in sorted.filter(|(_, column)| column.role != Role::Plain) {
            let everywhere = (column.role == Role::Across).then_some(None);
            for partition in std::iter::once(Some(bazaar())).chain(everywhere) {
                let rest = |other: &&ColumnSpec| other.role == Role::Key && other.name != column.name;
                let key = partition.is_none().then_some(Type::Uuid).into_iter();
                let key: Vec<_> =
                    key.chain(columns.iter().filter(rest).map(|column| column.kind)).map(sample).collect();
                let nothing = column.nullable.then_some(Value::Null);
                for value in std::iter::once(sample(column.kind)).chain(nothing) {
                    for descending in [false, true] {
                        let place = [std::slice::from_ref(&value), &key[..]].concat();
                        let query = Query::<M> {
                            partition,
                            sort: Sort { column: Some(column.name), descending, row: PhantomData },
                            after: Some(Cursor { list: String::new(), place }),
                            ..Query::everywhere()
                        };
                        self.check(&query, column);
                    }
                }
            }
        }
    }
}

async fn a_sorted_page_is_read_off_an_index_from_its_place_on(on: On) {
    let stage = projected(on).await;
    let explain = move |session: &dyn Session| {
        let mut plans = Plans { on, session, explained: 0 };
        visit(&mut plans);
        Ok(plans.explained)
    };
    assert!(stage.reads.read(explain).await.unwrap() > 2 * REGISTRY.len());
}

on_every_database! {
    a_sorted_page_is_read_off_an_index_from_its_place_on,
    no_query_of_one_partition_sees_another,
    filters_meet_and_sorts_order,
    pages_meet_end_to_end_in_both_directions,
    rows_without_a_value_are_paged_over_like_others,
    the_platform_finds_what_waits_in_every_partition,
    sums_are_taken_by_group,
    a_cursor_of_another_list_is_refused,
    a_page_and_a_load_by_keys_are_one_statement_each,
}
