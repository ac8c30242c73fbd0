//! A page of 20 orders with parts, lines and vendors over HTTP and GraphQL at 32 connections, beside the same rows as one
//! prepared statement under pgbench, as the role and the tenant that the API has there.

use super::asking::{Asked, ask};
use super::{Bench, Times};
use crate::Measured;
use crate::events::partition;
use crate::orders::{asked_at, write, write_vendors};
use anyhow::Context;
use cityos_domain::log::Position;
use cityos_eventstore::clock::SystemClock;
use cityos_gateway::app::App;
use cityos_gateway::context::{Caller, RequestContext, Role};
use cityos_gateway::graphql::{self, services::Services};
use cityos_gateway::server::Server;
use cityos_gateway::settings::Settings;
use cityos_projections::models::REGISTRY;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How many connections ask at once.
const CONNECTIONS: usize = 32;
const ORDERS: u64 = 20_000;
/// At how many moments a page may begin. There are always orders before it.
const PAGES_BEGIN: u64 = ORDERS - 1_000;
const ROWS: usize = 20;
/// How many of the pages are held in memory.
const IN_MEMORY: u64 = 64;
const ROUND: Duration = Duration::from_secs(8);
const ROUNDS: usize = 3;

const PAGE: &str = "query Page($before: DateTime!) {
    orders(first: 20, orderBy: NEWEST, filter: { requestedBefore: $before }) {
        nodes { id status requestedAt currency
            parts { id
                vendor { id handle name { locale text } }
                lines { number sku quantity unitPrice { amount currency } net { amount currency } } } } } }";

/// The same page over and over, at moments of their own.
pub async fn measure(bench: &Bench, folder: &Path) -> anyhow::Result<[Measured; 2]> {
    let url = bench.new_url();
    let settings = Settings {
        database: url.clone().into(),
        data_dir: folder.join("page"),
        bind: ([127, 0, 0, 1], 0).into(),
        ..Settings::default()
    };
    let app = Arc::new(App::open(settings, Arc::new(SystemClock)).await?);
    fill(&app).await?;
    let city = Bench::server(&url);
    city.connect(None).await?.batch_execute("VACUUM ANALYZE").await?;

    let without_database = answer(&app).await?;
    let (token, server) = (token(&app)?, Server::bind(app)?);
    let (address, stopper) = (server.address(), server.stopper());
    let serving = tokio::spawn(server.run());
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let token = token.clone();
        let asking = move || ask(address, CONNECTIONS, ROUND, &token, body, is_page);
        ours.push(tokio::task::spawn_blocking(asking).await??);
        raw.push(limit(bench, folder, &url)?);
    }
    stopper.stop().await;
    serving.await??;
    let (mut ours, mut raw) = (median(ours), median(raw));
    let mut memory = median(without_database);
    let told = |asked: &mut Asked| format!("{:.0}/s, p99 {:.1} ms", asked.per_second, asked.times.p99_ms());
    let engine = Measured {
        what: "the same page over rows in memory: GraphQL alone, without HTTP and database",
        ours: told(&mut memory),
        limit: told(&mut raw),
        ratio: memory.per_second / raw.per_second,
        target: 0.5,
        note: format!("the same schema and rows, two threads, the same limit; median of {ROUNDS} rounds"),
    };
    let page = Measured {
        what: "PostgreSQL: GraphQL page of 20 orders with lines and vendors, 32 connections",
        ours: told(&mut ours),
        limit: told(&mut raw),
        ratio: ours.per_second / raw.per_second,
        target: 0.5,
        note: format!(
            "one prepared join under pgbench; whoever asks us takes {:.2} of a core; median of {ROUNDS} rounds",
            ours.cores
        ),
    };
    Ok([page, engine])
}

fn median(mut rounds: Vec<Asked>) -> Asked {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.swap_remove(rounds.len() / 2)
}

/// Orders and vendors in log and read models. Nothing of it starts a saga.
async fn fill(app: &App) -> anyhow::Result<()> {
    let services = app.services();
    let log = &**services.executor.store();
    write_vendors(log).await?;
    write(log, ORDERS).await?;
    let (head, reached) = (log.head().await?, services.projector.catch_up().await?);
    anyhow::ensure!(head > Position::START && reached >= head, "the read models have come to {reached:?}");
    Ok(())
}

fn body(random: u64) -> String {
    let before = asked_at(ORDERS - random % PAGES_BEGIN).to_rfc3339();
    serde_json::json!({ "query": PAGE, "variables": { "before": before } }).to_string()
}

fn caller() -> Caller {
    Caller {
        subject: "bench".into(),
        roles: [Role::TenantAdmin].into(),
        tenant: partition().tenant(),
        vendor: None,
        customer: None,
    }
}

fn token(app: &App) -> anyhow::Result<String> {
    let tokens = app.services().tokens.as_ref().context("there is a development issuer")?;
    Ok(tokens.issue(&caller(), app.services().executor.clock().now()).0)
}

/// The page where all it shows is in memory.
async fn answer(app: &Arc<App>) -> anyhow::Result<Vec<Asked>> {
    let served = app.services();
    let services = Arc::new(Services {
        executor: served.executor.clone(),
        reads: served.reads.remembering(),
        projector: served.projector.clone(),
        engine: served.engine.clone(),
        sealer: served.sealer.clone(),
        positions: served.positions.clone(),
        input_key: served.input_key.clone(),
        tokens: None,
        settings: served.settings.clone(),
    });
    let bodies: Arc<Vec<_>> = Arc::new((0..IN_MEMORY).map(|number| body(number * 97)).collect());
    let answer = move |app: Arc<App>, number: usize| {
        let (services, bodies) = (services.clone(), bodies.clone());
        async move {
            let request = serde_json::from_str(&bodies[number % bodies.len()])?;
            let context = RequestContext {
                caller: Ok(caller()),
                locale: None,
                correlation: Uuid::nil(),
                traceparent: None,
            };
            let answer = graphql::execute(app.schema(), &services, request, context).await;
            anyhow::Ok(serde_json::to_vec(&answer)?)
        }
    };
    for number in 0..IN_MEMORY as usize {
        is_page(&answer(app.clone(), number).await?)?;
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let callers: Vec<_> = (0..CONNECTIONS)
            .map(|caller| {
                let (app, answer) = (app.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while begun.elapsed() < ROUND {
                        let begun = Instant::now();
                        std::hint::black_box(answer(app.clone(), caller * 31 + times.len()).await?);
                        times.push(begun.elapsed());
                    }
                    anyhow::Ok(times)
                })
            })
            .collect();
        let mut times = Times::default();
        for caller in callers {
            times.0.extend(caller.await??);
        }
        let per_second = times.0.len() as f64 / begun.elapsed().as_secs_f64();
        rounds.push(Asked { per_second, times, cores: 0.0 });
    }
    Ok(rounds)
}

fn is_page(body: &[u8]) -> anyhow::Result<()> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    let orders = answer["data"]["orders"]["nodes"].as_array().context("it is a page")?;
    let whole = |part: &serde_json::Value| {
        part["vendor"]["handle"].is_string()
            && part["lines"].as_array().is_some_and(|lines| !lines.is_empty())
    };
    let parts = |order: &serde_json::Value| {
        order["parts"].as_array().is_some_and(|all| all.len() == 2 && all.iter().all(whole))
    };
    anyhow::ensure!(orders.len() == ROWS && orders.iter().all(parts), "{answer}");
    Ok(())
}

/// The join under pgbench.
fn limit(bench: &Bench, folder: &Path, url: &str) -> anyhow::Result<Asked> {
    let view = |name: &str| {
        let model = REGISTRY.iter().find(|model| model.name() == name).context("the model is there")?;
        anyhow::Ok(format!("\"{name}_{}\"", model.fingerprint()))
    };
    let tenant = partition().id();
    let script = format!(
        "\\set random random(0, {PAGES_BEGIN})\n\
         SELECT o.id, o.status, o.requested_at, o.currency, p.id, v.id, v.handle, v.name, l.number, l.sku, l.quantity, \
             l.unit_minor, l.net_minor, l.currency \
         FROM (SELECT * FROM {orders} WHERE partition = '{tenant}' \
                 AND requested_at < timestamptz '{last}' - :random * interval '1 microsecond' \
             ORDER BY requested_at DESC, id DESC LIMIT {ROWS}) AS o \
         JOIN {parts} AS p ON p.partition = '{tenant}' AND p.\"order\" = o.id \
         JOIN {lines} AS l ON l.partition = '{tenant}' AND l.part = p.id \
         JOIN {vendors} AS v ON v.partition = '{tenant}' AND v.id = p.vendor \
         ORDER BY o.requested_at DESC, o.id DESC, p.id, l.number;\n",
        last = asked_at(ORDERS).to_rfc3339(),
        orders = view("orders")?,
        parts = view("order_parts")?,
        lines = view("order_lines")?,
        vendors = view("vendors")?,
    );
    let (file, log) = (folder.join("page.sql"), folder.join("page-log"));
    std::fs::write(&file, script)?;
    let options = format!("-c role=cityos_api -c cityos.tenant={tenant} -c search_path=reads");
    let database = format!("{url}?options={}", options.replace(' ', "%20").replace('=', "%3D"));
    let (clients, seconds, prefix) =
        (CONNECTIONS.to_string(), ROUND.as_secs().to_string(), log.display().to_string());
    let arguments = [
        "-n",
        "-M",
        "prepared",
        "-c",
        &clients,
        "-j",
        "1",
        "-T",
        &seconds,
        "-l",
        "--log-prefix",
        &prefix,
        "-f",
        &file.display().to_string(),
        &database,
    ];
    bench.server.program("pgbench", &arguments);
    let mut times = Times::default();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().starts_with(&prefix) {
            for line in std::fs::read_to_string(&path)?.lines() {
                let micros = line.split(' ').nth(2).context("the third is the time")?.parse()?;
                times.0.push(Duration::from_micros(micros));
            }
            std::fs::remove_file(path)?;
        }
    }
    Ok(Asked { per_second: times.0.len() as f64 / ROUND.as_secs_f64(), times, cores: 0.0 })
}
