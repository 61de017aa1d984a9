//! The backend of the demo and of the sample apps: a small shop with user profiles.
//!
//! It is instrumented as any Rust service would be, with `tracing` and OpenTelemetry and nothing of
//! ours. It continues the `traceparent` of its callers and sends its spans and logs to the
//! inspector.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

use crate::guard::{self, Names};

/// How long the pretended work of a request takes.
const STORE_PROFILE: Duration = Duration::from_millis(2);
const RESERVE_STOCK: Duration = Duration::from_millis(4);
const CHARGE_CARD: Duration = Duration::from_millis(2);
/// The display name that is refused, so that a sample can show a failure.
const TAKEN_NAME: &str = "taken";

/// The running shop.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    spans: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

impl Shop {
    /// Starts the shop on a free port of the loopback interface. Its telemetry goes to `collector`.
    /// `names` are those under which it may be reached.
    pub(crate) async fn start(collector: SocketAddr, names: Names) -> Result<Self> {
        // The exporters use a blocking HTTP client, which panics when it is built inside a runtime.
        let (spans, logs) = tokio::task::spawn_blocking(move || telemetry(collector)).await??;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let app = Router::new()
            .route("/api/items/{id}", get(item))
            .route("/api/checkout", post(checkout))
            .route("/api/me", put(rename))
            .layer(middleware::from_fn_with_state(names, guard::visitors));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, spans, logs })
    }

    /// Exports the spans and logs that the shop has not exported yet.
    pub(crate) async fn flush(&self) -> Result<()> {
        let (spans, logs) = (self.spans.clone(), self.logs.clone());
        tokio::task::spawn_blocking(move || {
            spans.force_flush().context("flushing the shop's spans")?;
            logs.force_flush().context("flushing the shop's logs")
        })
        .await?
    }
}

fn telemetry(collector: SocketAddr) -> Result<(SdkTracerProvider, SdkLoggerProvider)> {
    let resource = Resource::builder().with_service_name("shop-backend").build();
    let spans = SpanExporter::builder().with_http().with_endpoint(format!("http://{collector}/v1/traces")).build()?;
    let logs = LogExporter::builder().with_http().with_endpoint(format!("http://{collector}/v1/logs")).build()?;
    let spans = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
    let logs = SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(logs).build();
    // Only this program's spans and events are exported. Otherwise the exporters would trace the
    // requests of their own HTTP client, and those requests would cause further ones.
    let own = || filter_fn(|metadata| metadata.target().starts_with("throughline"));
    let subscriber = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(spans.tracer("shop-backend")).with_filter(own()))
        .with(OpenTelemetryTracingBridge::new(&logs).with_filter(own()));
    tracing::subscriber::set_global_default(subscriber)?;
    Ok((spans, logs))
}

/// The span of a request. It continues the trace of the caller, if the headers name one.
fn server_span(name: &'static str, headers: &HeaderMap) -> tracing::Span {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let carrier: HashMap<String, String> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let parent = TraceContextPropagator::new().extract(&carrier);
    let span = tracing::info_span!("request", otel.name = name, otel.kind = "server");
    let _ = span.set_parent(parent);
    span
}

async fn item(Path(id): Path<String>, headers: HeaderMap) -> Json<Value> {
    async {
        tracing::info!(item = %id, "item read");
        Json(json!({ "id": id, "price": 1290 }))
    }
    .instrument(server_span("GET /api/items/{id}", &headers))
    .await
}

/// Changes the display name.
async fn rename(headers: HeaderMap, Json(profile): Json<Value>) -> (StatusCode, Json<Value>) {
    async {
        let name = profile.get("displayName").and_then(Value::as_str).unwrap_or_default();
        if name == TAKEN_NAME {
            tracing::warn!("the name is taken");
            return (StatusCode::CONFLICT, Json(json!({ "error": TAKEN_NAME })));
        }
        tokio::time::sleep(STORE_PROFILE).instrument(tracing::info_span!("store profile")).await;
        (StatusCode::OK, Json(json!({ "displayName": name })))
    }
    .instrument(server_span("PUT /api/me", &headers))
    .await
}

async fn checkout(headers: HeaderMap, Json(cart): Json<Value>) -> (StatusCode, Json<Value>) {
    async {
        let items = cart.get("items").and_then(Value::as_u64).unwrap_or(0);
        tracing::info!(items, "checkout started");
        async {
            tokio::time::sleep(RESERVE_STOCK).await;
            tracing::info!("stock reserved");
        }
        .instrument(tracing::info_span!("reserve stock"))
        .await;
        tokio::time::sleep(CHARGE_CARD).instrument(tracing::info_span!("charge card")).await;
        (StatusCode::CREATED, Json(json!({ "order": "A-1001", "items": items })))
    }
    .instrument(server_span("POST /api/checkout", &headers))
    .await
}
