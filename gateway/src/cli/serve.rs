//! `cityos serve`: the API, the read models and the sagas, until Ctrl-C.

use crate::app::App;
use crate::context::{Caller, Role};
use crate::graphql::session::default_subject;
use crate::sample;
use crate::server::Server;
use crate::settings::Settings;
use anyhow::Context;
use cityos_eventstore::clock::SystemClock;
use clap::Args;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

/// Serves the API, moves the read models and drives the sagas, until Ctrl-C.
#[derive(Args)]
pub struct Serve {
    /// Makes the sample city if it is not there, and says what to try.
    #[arg(long)]
    sample: bool,
}

impl Serve {
    pub async fn run(self, settings: Settings) -> anyhow::Result<ExitCode> {
        if settings.development_tokens && !settings.bind.ip().is_loopback() {
            tracing::warn!("development tokens are accepted on {}: see `development_tokens`", settings.bind);
        }
        let app = Arc::new(App::open(settings, Arc::new(SystemClock)).await?);
        let moving = app.start();
        let served = self.serve(&app).await;
        moving.stop().await;
        served.map(|()| ExitCode::SUCCESS)
    }

    async fn serve(&self, app: &Arc<App>) -> anyhow::Result<()> {
        let services = app.services();
        if self.sample {
            sample::load(&services.executor, &services.sealer).await?;
        }
        let bind = app.settings().bind;
        let server = Server::bind(app.clone()).with_context(|| format!("listening on {bind}"))?;
        greet(app, server.address(), self.sample);
        let stopper = server.stopper();
        let mut serving = tokio::spawn(server.run());
        tokio::select! {
            asked = stop_asked() => asked?,
            ended = &mut serving => return ended.context("the server's task")?.context("serving"),
        }
        eprintln!("Stopping: open requests finish first.");
        stopper.stop().await;
        serving.await.context("the server's task")?.context("serving")
    }
}

/// Returns on Ctrl-C, and when a supervisor asks the program to end.
async fn stop_asked() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for the end")?;
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked.context("listening for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

fn greet(app: &App, address: SocketAddr, sample: bool) {
    println!("CityOS listens on http://{address}");
    println!("  API      http://{address}/graphql");
    if app.settings().graphiql {
        println!("  Explore  http://{address}/graphiql");
    }
    println!("  Health   http://{address}/health");
    let services = app.services();
    let Some(tokens) = &services.tokens else { return };
    let (roles, tenant) = match sample {
        true => ([Role::PlatformAdmin, Role::TenantAdmin].into(), Some(sample::tenant())),
        false => ([Role::PlatformAdmin].into(), None),
    };
    let caller = Caller { subject: String::new(), roles, tenant, vendor: None, customer: None };
    let caller = Caller { subject: default_subject(&caller), ..caller };
    let (token, expires_at) = tokens.issue(&caller, services.executor.clock().now());
    println!("\nA token for development, good until {}:\n", expires_at.format("%F %R UTC"));
    println!("{token}\n");
    if sample {
        println!("In GraphiQL set the header {{\"Authorization\": \"Bearer <token>\"}} and try:\n");
        println!(
            "  {{ tenant {{ slug status }} marketplaceTotals {{ vendors offers orders sums {{ currency goods {{ amount }} }} }} }}"
        );
        println!(
            "  {{ orders {{ nodes {{ status placed {{ payable {{ amount currency }} }} parts {{ status vendor {{ handle }} lines {{ sku quantity }} }} }} }} }}"
        );
        println!(
            "  {{ vendors {{ nodes {{ handle status balances {{ currency pending {{ amount }} available {{ amount }} paid {{ amount }} }} }} }} }}\n"
        );
        println!("Or from a shell:\n");
        println!(
            "  curl -s http://{address}/graphql -H 'Content-Type: application/json' -H \"Authorization: Bearer $TOKEN\" \\\n       -d '{{\"query\": \"{{ orders {{ totalCount }} }}\"}}'\n"
        );
    }
}
