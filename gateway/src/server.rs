//! The HTTP server: `/graphql`, `/graphiql` and `/health`. Knows requests and tokens, and nothing of what is
//! asked; stops by taking no more requests and finishing those it has.

use crate::access::Action;
use crate::app::App;
use crate::context::{Caller, RequestContext, Unauthenticated, short_header};
use crate::graphql;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, AsHeaderName, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use async_graphql::parser::types::{DocumentOperations, OperationType, Selection};
use async_graphql::{Request, http::GraphiQLSource};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::Instrument;
use uuid::Uuid;

/// The header that ties a request to what it led to: taken over where it is a UUID, and always answered.
const CORRELATION: HeaderName = HeaderName::from_static("x-request-id");

/// A server that listens.
pub struct Server {
    server: actix_web::dev::Server,
    address: SocketAddr,
    stopping: Stopping,
}

/// Whether it is about to stop.
#[derive(Clone, Default)]
struct Stopping(Arc<AtomicBool>);

impl Server {
    /// Listens on the address the settings name; port 0 takes a free one.
    pub fn bind(app: Arc<App>) -> std::io::Result<Self> {
        let settings = app.settings().clone();
        let workers = settings.workers;
        let grace = settings.shutdown_grace_s;
        let shared = web::Data::from(app);
        let stopping = Stopping::default();
        let about = web::Data::new(stopping.clone());
        let routes = move || {
            let mut served = actix_web::App::new()
                .app_data(shared.clone())
                .app_data(about.clone())
                .wrap_fn(send_elsewhere)
                .route("/graphql", web::post().to(post))
                .route("/graphql", web::get().to(get))
                .route("/health", web::get().to(health));
            if shared.settings().graphiql {
                served = served.route("/graphiql", web::get().to(graphiql));
            }
            served
        };
        let mut server = HttpServer::new(routes).disable_signals().shutdown_timeout(grace);
        if workers > 0 {
            server = server.workers(workers);
        }
        let server = server.bind(settings.bind)?;
        let address = *server.addrs().first().expect("it is bound");
        Ok(Server { server: server.run(), address, stopping })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until [`stop`](Stopper::stop), then finishes what it has.
    pub async fn run(self) -> std::io::Result<()> {
        self.server.await
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper { handle: self.server.handle(), stopping: self.stopping.clone() }
    }
}

/// Stops a server.
#[derive(Clone)]
pub struct Stopper {
    handle: actix_web::dev::ServerHandle,
    stopping: Stopping,
}

impl Stopper {
    /// Has `/health` say that it is about to stop, and asks every caller to connect anew, while requests are still taken for
    /// so long.
    pub async fn drain(&self, time: Duration) {
        self.stopping.0.store(true, Ordering::Relaxed);
        tokio::time::sleep(time).await;
    }

    /// Takes no more requests and returns when those there are have finished, or their time is up.
    pub async fn stop(&self) {
        self.stopping.0.store(true, Ordering::Relaxed);
        self.handle.stop(true).await;
    }
}

async fn post(app: web::Data<App>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let context = context(&app, request.headers());
    let json = header_text(request.headers(), header::CONTENT_TYPE)
        .is_some_and(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
    if !json {
        let message = "send a GraphQL request as application/json";
        return failure(&context, StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message);
    }
    let most = app.settings().body_bytes_max;
    let body = match body.to_bytes_limited(most).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            return failure(&context, StatusCode::BAD_REQUEST, "BAD_REQUEST", &error.to_string());
        }
        Err(_) => {
            let message = format!("a request has at most {most} bytes");
            return failure(&context, StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", &message);
        }
    };
    match serde_json::from_slice::<Request>(&body) {
        Ok(request) => answer(&app, context, request).await,
        Err(error) => {
            let message = format!("this is no GraphQL request: {error}");
            failure(&context, StatusCode::BAD_REQUEST, "BAD_REQUEST", &message)
        }
    }
}

/// Queries only: whatever follows links must change nothing.
async fn get(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let context = context(&app, request.headers());
    let asked = match async_graphql::http::parse_query_string(request.query_string()) {
        Ok(asked) => asked,
        Err(error) => {
            return failure(&context, StatusCode::BAD_REQUEST, "BAD_REQUEST", &error.to_string());
        }
    };
    if graphql::limits::document(&asked.query).is_ok_and(|document| has_mutation(&document.operations)) {
        let message = "mutations are sent by POST";
        return failure(&context, StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
    }
    answer(&app, context, asked).await
}

fn has_mutation(operations: &DocumentOperations) -> bool {
    operations.iter().any(|(_, operation)| operation.node.ty == OperationType::Mutation)
}

/// What is asked for, as a log line may tell it: fields of the roots there are, and nothing a caller made up.
fn root_fields(operations: &DocumentOperations) -> Vec<&'static str> {
    let asked: Vec<&str> = operations
        .iter()
        .flat_map(|(_, operation)| &operation.node.selection_set.node.items)
        .filter_map(|item| match &item.node {
            Selection::Field(field) => Some(field.node.name.node.as_str()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        })
        .collect();
    Action::ALL.iter().map(|action| action.field()).filter(|field| asked.contains(field)).collect()
}

async fn answer(app: &App, context: RequestContext, request: Request) -> HttpResponse {
    let began = Instant::now();
    let correlation = context.correlation;
    let fields = graphql::limits::document(&request.query)
        .map(|asked| root_fields(&asked.operations))
        .unwrap_or_default();
    let span = tracing::info_span!("request", %correlation);
    async {
        let response = graphql::execute(app.schema(), app.services(), request, context).await;
        let took_ms = began.elapsed().as_millis() as u64;
        tracing::info!(?fields, took_ms, errors = response.errors.len(), "answered");
        HttpResponse::Ok().insert_header((CORRELATION, correlation.to_string())).json(response)
    }
    .instrument(span)
    .await
}

fn context(app: &App, headers: &HeaderMap) -> RequestContext {
    let correlation = header_text(headers, CORRELATION).and_then(|id| Uuid::parse_str(id).ok());
    let languages = header_text(headers, header::ACCEPT_LANGUAGE);
    RequestContext {
        caller: caller(app, header_text(headers, header::AUTHORIZATION)),
        locale: short_header(languages.and_then(|list| list.split([',', ';']).next())),
        correlation: correlation.unwrap_or_else(Uuid::new_v4),
        traceparent: short_header(header_text(headers, "traceparent")),
    }
}

fn caller(app: &App, authorization: Option<&str>) -> Result<Caller, Unauthenticated> {
    let services = app.services();
    let authorization = authorization.ok_or(Unauthenticated::NoToken)?;
    let (scheme, token) = authorization.split_once(' ').ok_or(Unauthenticated::BadToken)?;
    let tokens = services.tokens.as_ref().filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    let tokens = tokens.ok_or(Unauthenticated::BadToken)?;
    tokens.verify(token.trim(), services.executor.clock().now())
}

fn header_text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())
}

fn failure(context: &RequestContext, status: StatusCode, code: &str, message: &str) -> HttpResponse {
    let correlation = context.correlation.to_string();
    let extensions = json!({ "code": code, "correlation": correlation });
    HttpResponse::build(status)
        .insert_header((CORRELATION, correlation))
        .json(json!({ "data": null, "errors": [{ "message": message, "extensions": extensions }] }))
}

/// Has whoever asks a server that is about to stop close the connection: the next request goes to another.
fn send_elsewhere<S: Service<ServiceRequest, Response = ServiceResponse, Error = actix_web::Error>>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse, actix_web::Error>> + use<S> {
    let stopping = request.app_data::<web::Data<Stopping>>().cloned();
    let answer = service.call(request);
    async move {
        let mut answer = answer.await?;
        if stopping.is_some_and(|stopping| stopping.0.load(Ordering::Relaxed)) {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(answer)
    }
}

async fn health(app: web::Data<App>, stopping: web::Data<Stopping>) -> HttpResponse {
    if stopping.0.load(Ordering::Relaxed) {
        return HttpResponse::ServiceUnavailable().json(json!({ "status": "stopping" }));
    }
    match app.services().executor.store().head().await {
        Ok(_) => HttpResponse::Ok().json(json!({ "status": "ok" })),
        Err(error) => {
            tracing::warn!(%error, "the log does not answer");
            HttpResponse::ServiceUnavailable().json(json!({ "status": "unavailable" }))
        }
    }
}

async fn graphiql() -> HttpResponse {
    let page = GraphiQLSource::build().endpoint("/graphql").title("CityOS").finish();
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}
