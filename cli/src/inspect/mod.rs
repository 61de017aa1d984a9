//! `inspect`: a local collector of OTLP/HTTP with a page, for development. Listens on the loopback alone.

mod collect;
mod page;
pub(crate) mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::{get, post};
use clap::Args;
use tokio::net::TcpListener;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;

use collect::Signal;
use store::Store;

use crate::demo::shop::Shop;

/// How often the sample backend sends what it has.
const EXPORT_EVERY: Duration = Duration::from_millis(200);
/// Bytes of a request's body, as in the OpenTelemetry Collector.
const MAX_BODY: usize = 20 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct Options {
    /// Port on the loopback; 0 takes a free one.
    #[arg(long, default_value_t = 4318)]
    port: u16,
    /// Keep what arrives in this SQLite file; in memory if left out.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Print the address as JSON.
    #[arg(long)]
    json: bool,
    /// Also serve the sample apps' backend, which continues traces and reports to this inspector.
    #[arg(long)]
    sample_backend: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let store = Arc::new(Store::open(options.store.as_deref())?);
        let (address, server) = serve(options.port, store).await?;
        let server = tokio::spawn(server);
        let backend = if options.sample_backend { Some(Shop::start(address).await?) } else { None };
        let backend_url = backend.as_ref().map(|backend| format!("http://{}", backend.address));
        if options.json {
            println!(
                "{}",
                serde_json::json!({ "url": format!("http://{address}"), "backend": backend_url.unwrap_or_default() })
            );
        } else {
            println!("Collecting OTLP/HTTP at http://{address} (protobuf and JSON, gzip).");
            if let Some(url) = backend_url {
                println!("The sample backend serves at {url}: PUT /api/me, POST /api/checkout.");
            }
            println!("Open http://{address}/ in a browser; Ctrl-C ends.");
        }
        let export = async {
            loop {
                tokio::time::sleep(EXPORT_EVERY).await;
                if let Some(backend) = &backend {
                    // What fails is tried again by the next one.
                    let _ = backend.flush().await;
                }
            }
        };
        tokio::select! {
            result = server => result??,
            result = tokio::signal::ctrl_c() => result.context("waiting for Ctrl-C")?,
            () = export => {}
        }
        Ok(())
    })
}

/// Binds the port; the returned future serves.
pub(crate) async fn serve(
    port: u16,
    store: Arc<Store>,
) -> Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + Send + 'static)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("port {port} cannot be bound: is another inspector running? Try --port 0"))?;
    let address = listener.local_addr()?;
    let app = router(store);
    Ok((address, async move { axum::serve(listener, app).await }))
}

fn router(store: Arc<Store>) -> Router {
    let collector = Router::new()
        .route("/v1/logs", post(|state, headers, body| collect(Signal::Logs, state, headers, body)))
        .route("/v1/traces", post(|state, headers, body| collect(Signal::Traces, state, headers, body)))
        .route("/v1/metrics", post(|state, headers, body| collect(Signal::Metrics, state, headers, body)))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        // Counted after decompression too: a small body may claim gigabytes.
        .layer(RequestDecompressionLayer::new())
        .layer(RequestBodyLimitLayer::new(MAX_BODY));
    Router::new()
        .route("/", get(sessions))
        .route("/session/{id}", get(session))
        .route("/trace/{id}", get(trace))
        .route("/api/stats", get(|State(store): State<Arc<Store>>| async move { Json(store.stats()) }))
        .route("/api/sessions", get(api_sessions))
        .route("/api/session/{id}", get(api_session))
        .route("/api/trace/{id}", get(api_trace))
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .merge(collector)
        .with_state(store)
}

async fn collect(signal: Signal, State(store): State<Arc<Store>>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => true,
        "application/x-protobuf" => false,
        other => {
            store.count_refused();
            let text = format!("content type `{other}` is not OTLP: use application/x-protobuf or application/json\n");
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
        }
    };
    let inserted = collect::decode(signal, json, &body).and_then(|items| store.insert(&items));
    match inserted {
        Ok(()) if json => ([(header::CONTENT_TYPE, "application/json")], "{}").into_response(),
        Ok(()) => [(header::CONTENT_TYPE, "application/x-protobuf")].into_response(),
        Err(error) => {
            store.count_refused();
            (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response()
        }
    }
}

/// An error of a page or of the API.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}\n", self.0)).into_response()
    }
}

async fn sessions(State(store): State<Arc<Store>>) -> Result<Html<String>, Failure> {
    Ok(Html(page::Sessions::new(store.stats(), store.sessions()?).render()?))
}

async fn session(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Result<Html<String>, Failure> {
    let items = store.session(&id)?;
    Ok(Html(page::Session::new(store.stats(), id, &items).render()?))
}

async fn trace(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Result<Html<String>, Failure> {
    let items = store.trace(&id)?;
    Ok(Html(page::Trace::new(store.stats(), id, &items).render()?))
}

async fn api_sessions(State(store): State<Arc<Store>>) -> Result<Response, Failure> {
    Ok(Json(store.sessions()?).into_response())
}

async fn api_session(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Result<Response, Failure> {
    Ok(Json(store.session(&id)?).into_response())
}

async fn api_trace(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Result<Response, Failure> {
    Ok(Json(store.trace(&id)?).into_response())
}

/// Prometheus text format 0.0.4.
async fn metrics(State(store): State<Arc<Store>>) -> Response {
    let stats = store.stats();
    let mut text = String::new();
    for (name, help, value) in [
        ("requests_total", "Export requests.", stats.requests),
        ("refused_requests_total", "Export requests that could not be read.", stats.refused),
        ("duplicate_records_total", "Records whose event.id was known.", stats.duplicates),
    ] {
        text.push_str(&format!(
            "# HELP throughline_inspect_{name} {help}\n# TYPE throughline_inspect_{name} counter\n"
        ));
        text.push_str(&format!("throughline_inspect_{name} {value}\n"));
    }
    text.push_str("# HELP throughline_inspect_records Records kept.\n# TYPE throughline_inspect_records gauge\n");
    for (signal, value) in [("logs", stats.logs), ("traces", stats.spans), ("metrics", stats.metrics)] {
        text.push_str(&format!("throughline_inspect_records{{signal=\"{signal}\"}} {value}\n"));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn ready(State(store): State<Arc<Store>>) -> Response {
    if store.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
    }
}
