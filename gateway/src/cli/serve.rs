//! `cityos serve`: the API, the read models and the sagas, or some of it, until Ctrl-C.

use super::say;
use crate::app::App;
use crate::context::{Caller, Role};
use crate::graphql::services::Services;
use crate::graphql::session::default_subject;
use crate::sample;
use crate::server::Server;
use crate::settings::Settings;
use anyhow::{Context, bail};
use cityos_eventstore::clock::SystemClock;
use cityos_eventstore::members::Duty;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often it is told that the read models are still behind.
const CATCHING_UP_TOLD_EVERY: Duration = Duration::from_secs(5);

/// What a newcomer may ask of the sample city.
const QUERIES_TO_TRY: [&str; 3] = [
    "{ tenant { slug status } marketplaceTotals { vendors offers orders sums { currency goods { amount } } } }",
    "{ orders { nodes { status placed { payable { amount currency } } parts { status vendor { handle } lines { sku quantity } } } } }",
    "{ vendors { nodes { handle status balances { currency pending { amount } available { amount } paid { amount } } } } }",
];

/// What a process does of all that serving a city is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything.
    All,
    /// Serves the API.
    Api,
    /// Moves the read models and keeps the log's evidence.
    Projector,
    /// Drives the sagas.
    Saga,
}

impl Part {
    fn duties(self) -> Vec<Duty> {
        match self {
            Part::All => Duty::ALL.into(),
            Part::Api => vec![Duty::Api],
            Part::Projector => vec![Duty::Projector],
            Part::Saga => vec![Duty::Saga],
        }
    }
}

/// Serves the API, moves the read models and drives the sagas, until Ctrl-C.
#[derive(Args)]
pub struct Serve {
    /// What this process does. Processes on one database share the work of each role out among those that have it.
    #[arg(long, value_enum, default_value = "all")]
    role: Part,
    /// Makes the sample city if it is not there, and says what to try. Needs the API.
    #[arg(long)]
    sample: bool,
}

impl Serve {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        if settings.development_tokens && !settings.bind.ip().is_loopback() {
            tracing::warn!("development tokens are accepted on {}: see `development_tokens`", settings.bind);
        }
        let duties = self.role.duties();
        let serves = duties.contains(&Duty::Api);
        if self.sample && !serves {
            bail!("--sample needs the API: leave --role away, or have it be `api`");
        }
        let app = Arc::new(App::open(settings, Arc::new(SystemClock)).await?);
        // One for all the time: a signal that is listened for is lost where nobody waits for it.
        let stop = pin!(stop_asked()?);
        let moving = app.start(duties).await.context("joining the processes of the city")?;
        let served = match serves {
            true => self.serve(&app, stop).await,
            false => self.work(stop).await,
        };
        moving.stop().await;
        served.map(|()| ExitCode::SUCCESS)
    }

    /// Lets go on what moves by itself.
    async fn work(&self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        greet("CityOS works, and serves no API\n");
        stop.await;
        Ok(())
    }

    async fn serve(
        &self,
        app: &Arc<App>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> anyhow::Result<()> {
        let services = app.services();
        tokio::select! {
            ready = self.ready(services) => ready?,
            () = &mut stop => return Ok(()),
        }
        let bind = app.settings().bind;
        let server = Server::bind(app.clone()).with_context(|| format!("listening on {bind}"))?;
        greet(&greeting(app, server.address(), self.sample));
        let stopper = server.stopper();
        let mut serving = tokio::spawn(server.run());
        tokio::select! {
            () = &mut stop => {}
            ended = &mut serving => return ended.context("the server's task")?.context("serving"),
        }
        let drain = Duration::from_secs(app.settings().shutdown_drain_s);
        if !drain.is_zero() {
            tracing::info!("stopping: `/health` says so, and requests are still taken for {drain:?}");
            stopper.drain(drain).await;
        }
        tracing::info!("stopping: open requests finish first");
        stopper.stop().await;
        serving.await.context("the server's task")?.context("serving")
    }

    /// Returns when there is what can be asked. May be stopped anywhere: the next start goes on.
    async fn ready(&self, services: &Services) -> anyhow::Result<()> {
        caught_up(services).await?;
        match self.sample {
            true => sample::load(&services.executor, &services.sealer).await,
            false => Ok(()),
        }
    }
}

/// Returns when the read models have come to what the log holds: lists would be short before.
async fn caught_up(services: &Services) -> anyhow::Result<()> {
    let head = services.executor.store().head().await?;
    while !services.projector.reached(head, CATCHING_UP_TOLD_EVERY).await? {
        tracing::info!(head = head.0, "the read models are being brought up to the log");
    }
    Ok(())
}

/// Listens from now on for Ctrl-C, and for a supervisor that asks the program to end; returns with the first.
fn stop_asked() -> anyhow::Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context("listening for the end");
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn greet(text: &str) {
    if let Err(error) = say(text) {
        tracing::warn!(%error, "the greeting could not be printed");
    }
}

fn greeting(app: &App, address: SocketAddr, sample: bool) -> String {
    let mut text = format!("CityOS listens on http://{address}\n  API      http://{address}/graphql\n");
    if app.settings().graphiql {
        text += &format!("  Explore  http://{address}/graphiql\n");
    }
    text += &format!("  Health   http://{address}/health\n");
    let services = app.services();
    let Some(tokens) = &services.tokens else { return text };
    let (roles, tenant) = match sample {
        true => ([Role::PlatformAdmin, Role::TenantAdmin].into(), Some(sample::tenant())),
        false => ([Role::PlatformAdmin].into(), None),
    };
    let caller = Caller { subject: String::new(), roles, tenant, vendor: None, customer: None };
    let caller = Caller { subject: default_subject(&caller), ..caller };
    let (token, expires_at) = tokens.issue(&caller, services.executor.clock().now());
    let until = expires_at.format("%F %R UTC");
    text += &format!("\nA token for development, good until {until}:\n\n{token}\n\n");
    if sample {
        text += "In GraphiQL set the header {\"Authorization\": \"Bearer <token>\"} and try:\n\n";
        for query in QUERIES_TO_TRY {
            text += &format!("  {query}\n");
        }
        text += &format!(
            "\nOr from a shell:\n\n  curl -s http://{address}/graphql -H 'Content-Type: application/json' \\\n       \
             -H \"Authorization: Bearer $TOKEN\" -d '{{\"query\": \"{{ orders {{ totalCount }} }}\"}}'\n\n"
        );
    }
    text
}
