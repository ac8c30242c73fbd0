//! What only a server has: roles that see one tenant, types that refuse, others who cut connections, and readers beside
//! every switch.

use super::Database;
use crate::claim::Holder;
use crate::history;
use crate::model::{AnyModel, Erased, Keys, ReadModel, Unfit};
use crate::models::REGISTRY;
use crate::models::vendors::{Vendor, Vendors};
use crate::query::{Query, by_keys};
use crate::reads::{ReadError, ReadStore};
use crate::rehearsal::{On, Place, Stage, model};
use crate::row::{Row, table};
use crate::sql::{self, Build};
use crate::{Frozen, Projector, digest, frozen, frozen_among, roll_back, verify};
use chrono::DateTime;
use cityos_domain::event::Event;
use cityos_domain::ids::VendorId;
use cityos_domain::log::{Envelope, Partition, Position};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::database::postgres::{Limits, Role, Server};
use cityos_eventstore::members::{Duty, Members};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;

fn tenants() -> [Partition; 2] {
    ["bazaar", "souk"].map(history::partition)
}

async fn projected() -> Stage {
    let stage = Stage::set(On::Postgres).await;
    stage.projector().await.catch_up().await.unwrap();
    stage
}

fn server(stage: &Stage) -> Server {
    let Place::Server(server) = &stage.place else { panic!("it plays on a server") };
    server.with_setting("search_path", "reads")
}

#[tokio::test]
async fn whoever_skips_the_applications_check_sees_one_tenant_and_without_one_nothing() {
    let stage = projected().await;
    let api = server(&stage).connect(Some(Role::Api)).await.unwrap();
    for model in REGISTRY {
        let table = stage.table(*model).await;
        let view = format!("{}_{}", model.name(), model.fingerprint());
        for name in [&table, &view] {
            let count = async |tenant: Option<Partition>| {
                let set =
                    tenant.map_or(String::new(), |own| format!("SET LOCAL cityos.tenant = '{}'", own.id()));
                api.batch_execute(&format!("BEGIN; {set}")).await.unwrap();
                let partitions = format!("SELECT DISTINCT partition FROM \"{name}\"");
                let found = api.query(&partitions, &[]).await.unwrap();
                api.batch_execute("COMMIT").await.unwrap();
                found.iter().map(|row| Partition::from_id(row.get(0))).collect::<Vec<_>>()
            };
            assert_eq!(count(None).await, [], "{name}, before anybody has set one");
            for own in tenants().into_iter().chain([Partition::Platform]) {
                let seen = count(Some(own)).await;
                let rows = digest_of(&stage, *model, own).await;
                assert_eq!(seen, vec![own; usize::from(rows > 0)], "{name}");
            }
            assert_eq!(count(None).await, [], "{name}, after somebody has");
        }
        for forbidden in [
            format!("DELETE FROM \"{table}\""),
            format!("UPDATE \"{table}\" SET partition = partition"),
            format!("INSERT INTO \"{table}\" SELECT * FROM \"{table}\""),
            format!("ALTER TABLE \"{table}\" DISABLE ROW LEVEL SECURITY"),
            format!("DROP VIEW \"{view}\""),
            "SELECT * FROM builds".into(),
        ] {
            let refused = api.batch_execute(&forbidden).await.unwrap_err();
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}");
        }
    }
}

/// How many rows of a partition the owner sees.
async fn digest_of(stage: &Stage, model: &'static dyn AnyModel, own: Partition) -> i64 {
    let owner = server(stage).connect(Some(Role::Projector)).await.unwrap();
    let count = format!("SELECT count(*) FROM \"{}\" WHERE partition = $1", stage.table(model).await);
    owner.query_one(&count, &[&own.id()]).await.unwrap().get(0)
}

#[tokio::test]
async fn analysts_read_all_tenants_and_change_nothing() {
    let stage = projected().await;
    let analyst = server(&stage).connect(Some(Role::Analyst)).await.unwrap();
    for model in REGISTRY {
        let view = format!("{}_{}", model.name(), model.fingerprint());
        let rows = analyst.query_one(&format!("SELECT count(*) FROM \"{view}\""), &[]).await.unwrap();
        let whole = digest(&stage.reads, *model).await.unwrap().rows;
        assert_eq!(rows.get::<_, i64>(0) as u64, whole, "{}", model.name());
        let refused = analyst.batch_execute(&format!("DELETE FROM \"{view}\"")).await.unwrap_err();
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    }
}

/// Writes about a model until it is told to stop.
fn writing(
    reads: ReadStore,
    model: &'static str,
) -> (oneshot::Receiver<()>, oneshot::Sender<()>, JoinHandle<()>) {
    let ((begin, begun), (stop, stopped)) = (oneshot::channel(), oneshot::channel::<()>());
    let writing = tokio::spawn(async move {
        let written: Result<(), ReadError> = reads
            .write(&[model], move |_| {
                begin.send(()).unwrap();
                stopped.blocking_recv().unwrap();
                Ok(())
            })
            .await;
        written.unwrap();
    });
    (begun, stop, writing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_write_about_different_models_at_once_and_about_one_in_turn() {
    let stage = projected().await;
    let (begun, stop, writing_here) = writing(stage.reads.clone(), "places");
    begun.await.unwrap();
    let (begun, stop_other, other) = writing(stage.reopened().await, "vendors");
    begun.await.unwrap();
    let (mut begun, stop_next, next) = writing(stage.reopened().await, "places");
    let administrator = server(&stage).connect(None).await.unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)";
    while !administrator.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {}
    assert!(begun.try_recv().is_err(), "it waits for its turn");
    stop.send(()).unwrap();
    begun.await.unwrap();
    for stop in [stop_next, stop_other] {
        stop.send(()).unwrap();
    }
    for writing in [writing_here, other, next] {
        writing.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_a_pool_is_enough() {
    let Place::Server(server) = Stage::empty(On::Postgres).await.place else { panic!("it is on a server") };
    let narrow = server.with_limits(Limits { connections_max: 1, ..server.limits().clone() });
    let stage = Stage::at(Place::Server(Box::new(narrow))).await;
    stage.history.write(&*stage.store, 0, stage.history.events().len()).await;
    stage.projector().await.catch_up().await.unwrap();
    let model = model("vendors");
    assert!(stage.rebuild(model).await.compared.unwrap().is_identical());
    assert!(verify(&*stage.store, &stage.reads, model, |_| {}).await.unwrap().is_sound());
    roll_back(&*stage.store, &stage.reads, model).await.unwrap();
    let asked = (0..20).map(|_| Query::<Vendors>::new(tenants()[0]).count(&stage.reads));
    assert!(join_all(asked).await.into_iter().all(|count| count.unwrap() > 0));
}

#[tokio::test]
async fn a_claim_ends_with_its_session_and_its_holder_is_told_until_then() {
    let stage = projected().await;
    let model = REGISTRY[0];
    let holder = Holder { pid: 42, doing: "rebuilt".into(), since: DateTime::UNIX_EPOCH };
    let claim = stage.reads.claim(model.name(), &holder).await.unwrap();
    let refused = roll_back(&*stage.store, &stage.reads, model).await.unwrap_err().to_string();
    assert_eq!(refused, "places is being rebuilt by process 42 since 1970-01-01T00:00:00Z");
    let administrator = server(&stage).connect(None).await.unwrap();
    // As if the process were gone: what it has said of itself stays, but nobody believes it.
    let end = "SELECT pg_terminate_backend(backend::int, 10000) FROM reads.claims";
    assert!(administrator.query_one(end, &[]).await.unwrap().get::<_, bool>(0));
    stage.rebuild(model).await;
    drop(claim);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_a_table_at_length_holds_a_switch_up_and_is_not_disturbed() {
    let stage = Arc::new(projected().await);
    let model = model("vendors");
    let view = format!("{}_{}", model.name(), model.fingerprint());
    let analyst = server(&stage).connect(Some(Role::Analyst)).await.unwrap();
    let count = format!("SELECT count(*) FROM \"{view}\"");
    analyst.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let before: i64 = analyst.query_one(&count, &[]).await.unwrap().get(0);
    let rebuilding = {
        let stage = stage.clone();
        tokio::spawn(async move { stage.rebuild(model).await })
    };
    let administrator = server(&stage).connect(None).await.unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted)";
    // One who waits gives up after a while, so that others can read, and comes again.
    for waiting in [true, false, true] {
        while administrator.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) != waiting {
            assert!(!rebuilding.is_finished());
        }
    }
    assert_eq!(analyst.query_one(&count, &[]).await.unwrap().get::<_, i64>(0), before);
    analyst.batch_execute("COMMIT").await.unwrap();
    assert!(rebuilding.await.unwrap().compared.unwrap().is_identical());
}

#[tokio::test]
async fn every_table_of_the_schema_that_holds_what_is_a_tenants_is_behind_a_policy() {
    let stage = projected().await;
    stage.rebuild(model("vendors")).await;
    let owner = server(&stage).connect(Some(Role::Projector)).await.unwrap();
    let open =
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'reads'::regnamespace AND relkind = 'r'
        AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY relname";
    let open = owner.query(open, &[]).await.unwrap();
    let open: Vec<String> = open.iter().map(|row| row.get(0)).collect();
    assert_eq!(open, ["about", "builds", "claims", "live", "rejected", "unfinished"]);
}

#[test]
fn no_name_of_an_index_is_longer_than_the_server_takes() {
    for model in REGISTRY {
        let build = Build {
            model: model.name(),
            fingerprint: model.fingerprint(),
            number: 9_999,
            position: Position::START,
        };
        for index in sql::indexes(Database::DIALECT, *model, &build) {
            let name = index.split('"').nth(1).unwrap();
            assert!(name.starts_with(&build.table()) && name.len() < 64, "{name}");
        }
    }
}

#[tokio::test]
async fn equal_tables_have_equal_digests_on_every_database() {
    let here = projected().await;
    let there = Stage::set(On::Sqlite).await;
    there.projector().await.with_pages_of(7).catch_up().await.unwrap();
    assert_eq!(here.digests().await, there.digests().await);
    for model in REGISTRY {
        let (here, there) = (here.rebuild(*model).await, there.rebuild(*model).await);
        assert_eq!(here.compared.unwrap().log, there.compared.unwrap().log, "{}", model.name());
    }
    assert_eq!(here.digests().await, there.digests().await);
}

table! {
    /// A vendor's name.
    pub struct Named {
        key {
            /// The vendor.
            id: VendorId,
        }
        indexed {
            /// What it is called.
            name: String,
            /// What else it is called.
            names: Vec<String>,
        }
        plain {}
    }
}

/// Vendors of one tenant have names that hold U+0000: as a text, or in a document.
struct Zeroed<const DOCUMENT: bool>;

type Names = Zeroed<false>;
type Lists = Zeroed<true>;

const NAMES: &[&dyn AnyModel] = &[&Erased::<Names>::new(), &Erased::<Lists>::new()];

impl<const DOCUMENT: bool> ReadModel for Zeroed<DOCUMENT> {
    const NAME: &'static str = if DOCUMENT { "vendor_lists" } else { "vendor_names" };
    const VERSION: u32 = 1;
    type Row = Named;

    fn keys(event: &Envelope) -> Keys<VendorId> {
        let Event::Vendor(_) = &event.event else { return Keys::None };
        Keys::One(VendorId(event.stream.id))
    }

    fn evolve(_: Option<Named>, id: &VendorId, event: &Envelope) -> Result<Option<Named>, Unfit> {
        let zero = if event.stream.partition == tenants()[0] { "\0" } else { "" };
        let (name, other) = if DOCUMENT { ("", zero) } else { (zero, "") };
        Ok(Some(Named { id: *id, name: format!("na{name}me"), names: vec![format!("ot{other}her")] }))
    }
}

#[tokio::test]
async fn a_text_that_a_server_cannot_hold_freezes_its_row_and_no_other() {
    let [bad, good] = tenants();
    let on_server = Stage::set(On::Postgres).await;
    on_server.projector_of(NAMES).await.with_pages_of(50).catch_up().await.unwrap();
    let in_lists = frozen(&on_server.reads, NAMES[1]).await.unwrap();
    let frozen = frozen(&on_server.reads, NAMES[0]).await.unwrap();
    let keys = |rows: &[Frozen]| rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&in_lists), keys(&frozen));
    assert!(!frozen.is_empty() && frozen.iter().all(|row| row.error.contains("refused")), "{frozen:?}");
    let rows = Query::<Names>::everywhere()
        .sort(Named::id().ascending())
        .fetch_with_partition(&on_server.reads)
        .await
        .unwrap();
    assert!(rows.len() == frozen.len() && rows.iter().all(|(own, _)| *own == good), "{rows:?}");
    let keys = || rows.iter().map(|(_, row)| row.key());
    let stale = frozen_among::<Names>(&on_server.reads, keys().map(|id| (bad, id))).await.unwrap();
    assert_eq!(stale.len(), frozen.len(), "each tenant's are told to it");
    let stale = frozen_among::<Names>(&on_server.reads, keys().map(|id| (good, id))).await.unwrap();
    assert!(stale.is_empty());

    let others = Named::names().is_in([vec!["other".to_owned()], Vec::new()]);
    let others = Query::<Lists>::new(good).filter(others).count(&on_server.reads).await.unwrap();
    assert_eq!(others as usize, rows.len(), "a document is found by what it holds");

    // Who asks for such a text finds nothing, as everywhere where there is none.
    let such = || Named::name().is("na\0me".into());
    assert_eq!(Query::<Names>::new(good).filter(such()).count(&on_server.reads).await.unwrap(), 0);
    let in_file = Stage::set(On::Sqlite).await;
    in_file.projector_of(NAMES).await.catch_up().await.unwrap();
    assert_eq!(Query::<Names>::new(good).filter(such()).count(&in_file.reads).await.unwrap(), 0);
    assert_eq!(
        Query::<Names>::new(bad).filter(such()).count(&in_file.reads).await.unwrap() as usize,
        rows.len()
    );
}

/// A tenant that reads its vendors in a tight loop, through prepared statements, until nobody looks at its count.
fn reading(reads: ReadStore, own: Partition, keys: Vec<VendorId>) -> (watch::Receiver<u64>, JoinHandle<()>) {
    let (tell, told) = watch::channel(0);
    let reading = tokio::spawn(async move {
        let mut times = 0;
        while tell.send(times).is_ok() {
            let rows = Query::<Vendors>::new(own).fetch_with_partition(&reads).await.unwrap();
            assert!(rows.iter().all(|(partition, _)| *partition == own), "foreign rows");
            assert_eq!(rows.len(), keys.len(), "empty or mixed");
            let marked = rows.iter().filter(|(_, row)| row.evidence == 1_000_000).count();
            assert!(marked == 0 || marked == keys.len(), "{marked} rows are of another table");
            assert_eq!(by_keys::<Vendors>(&reads, own, keys.clone()).await.unwrap().len(), keys.len());
            times += 1;
        }
    });
    (told, reading)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_tenants_that_read_while_builds_roll_on_and_back_see_whole_tables_of_their_own() {
    let stage = projected().await;
    let model = model("vendors");
    let good = digest(&stage.reads, model).await.unwrap();
    let mut readers = Vec::new();
    for own in tenants() {
        let vendors = Query::<Vendors>::new(own).fetch(&stage.reads).await.unwrap();
        let keys: Vec<VendorId> = vendors.iter().map(|row: &Vendor| row.id).collect();
        assert!(!keys.is_empty());
        readers.push(reading(stage.reads.clone(), own, keys.clone()));
        readers.push(reading(stage.reopened().await, own, keys));
    }
    for _ in 0..5 {
        // The first build is marked, the second is not, and the way leads back to the first.
        stage.tamper(model, "UPDATE TABLE SET evidence = 1000000").await;
        for turn in 0..2 {
            for (told, _) in &mut readers {
                let now = *told.borrow_and_update();
                told.wait_for(|times| *times > now + 2).await.unwrap();
            }
            match turn {
                0 => assert!(stage.rebuild(model).await.compared.unwrap().changed > 0),
                _ => assert!(roll_back(&*stage.store, &stage.reads, model).await.is_ok()),
            }
        }
    }
    for (told, reader) in readers {
        drop(told);
        reader.await.unwrap();
    }
    stage.rebuild(model).await;
    assert_eq!(digest(&stage.reads, model).await.unwrap().hash, good.hash);
}

/// A projector that runs in a process of its own, as far as the database can tell.
async fn running(stage: &Stage, pages_of: u32) -> (Projector, oneshot::Sender<()>, JoinHandle<()>) {
    let projector = Projector::new(stage.store.clone(), stage.reopened().await, REGISTRY).await.unwrap();
    let projector = projector.with_pages_of(pages_of);
    let (stop, stopped) = oneshot::channel();
    let run = projector.clone();
    let run = tokio::spawn(async move {
        run.run(Members::alone(Duty::ALL), async move { stopped.await.unwrap_or(()) }).await
    });
    (projector, stop, run)
}

async fn all_is_as_the_log_has_it(stage: &Stage) {
    for model in REGISTRY {
        let verified = verify(&*stage.store, &stage.reads, *model, |_| {}).await.unwrap();
        assert!(verified.is_sound(), "{}: {verified:?}", model.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn of_three_projectors_that_race_none_applies_an_event_twice_or_skips_one() {
    let stage = Stage::empty(On::Postgres).await;
    let mut projectors = Vec::new();
    for pages_of in [3, 5, 8] {
        projectors.push(running(&stage, pages_of).await);
    }
    let count = stage.history.events().len();
    // Time and again they stand at the same place, and more comes.
    for from in (0..count).step_by(40) {
        stage.history.write(&*stage.store, from, (from + 40).min(count)).await;
    }
    for (projector, stop, run) in projectors {
        assert!(projector.reached(Position(count as u64), Duration::from_secs(120)).await.unwrap());
        stop.send(()).unwrap();
        run.await.unwrap();
    }
    all_is_as_the_log_has_it(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_projector_whose_connections_are_cut_again_and_again_goes_on_by_itself() {
    let stage = Stage::empty(On::Postgres).await;
    let (projector, stop, run) = running(&stage, 4).await;
    let head = Position(stage.history.events().len() as u64);
    stage.history.write(&*stage.store, 0, stage.history.events().len()).await;
    let administrator = server(&stage).connect(None).await.unwrap();
    let mut cut = 0;
    while projector.position() < head {
        let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
        cut += administrator.query_one(others, &[]).await.unwrap().get::<_, i64>(0);
        let now = projector.position();
        // As long as it moves it is cut; where it pauses it is waited for.
        let later = Position(now.0 + 30).min(head);
        drop(projector.reached(later, Duration::from_secs(30)).await);
    }
    assert!(cut > 0);
    stop.send(()).unwrap();
    run.await.unwrap();
    all_is_as_the_log_has_it(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_projector_and_a_question_outlive_a_restart_and_a_crash_of_the_server() {
    let private = PrivateServer::durable();
    let stage = Stage::at(Place::Server(Box::new(private.new_city()))).await;
    let (projector, stop, run) = running(&stage, 4).await;
    let count = stage.history.events().len();
    let thirds = [0, count / 3, 2 * count / 3, count];
    for (nth, part) in thirds.windows(2).enumerate() {
        stage.history.write(&*stage.store, part[0], part[1]).await;
        assert!(projector.reached(Position(part[0] as u64 + 20), Duration::from_secs(60)).await.unwrap());
        if nth == 0 {
            private.stop()
        } else {
            private.crash()
        }
        private.go_on();
        let asked = Query::<Vendors>::everywhere().count(&stage.reads).await;
        assert!(asked.is_ok(), "{asked:?}");
    }
    let end = Position(count as u64);
    while !projector.reached(end, Duration::from_secs(60)).await.unwrap_or(false) {
        assert!(projector.position() <= end);
    }
    stop.send(()).unwrap();
    run.await.unwrap();
    all_is_as_the_log_has_it(&stage).await;
}
