//! The inspector's HTTP server: OTLP in; metrics, health, and what [`views`] shows out.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use flate2::read::MultiGzDecoder;
use tokio::net::TcpListener;
use tokio::task::block_in_place;
use tower_http::limit::RequestBodyLimitLayer;

use super::decode::{self, Encoding, Export};
use super::received::{Received, Stats};
use super::{refusals, views};
use crate::guard::{self, Names};
use crate::output;
use crate::symbolicate::Symbols;

/// Largest body of a request, in bytes: the default of the OpenTelemetry Collector.
const MAX_BODY: usize = 20 * 1024 * 1024;

type Shared = State<Arc<Received>>;

/// Binds the port, for IPv6 as well if that is possible. Returns the address, and a future that
/// serves.
pub(crate) async fn bind(
    port: u16,
    names: Names,
    received: Arc<Received>,
    symbols: Arc<Symbols>,
) -> Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + Send + 'static)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("cannot listen on port {port}; is another inspector running? Try --port 0"))?;
    let address = listener.local_addr()?;
    // A client may take `localhost` for `::1` alone.
    let second = match TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).await {
        Ok(second) => Some(second),
        Err(error) => {
            if error.kind() == ErrorKind::AddrInUse {
                output::note(format_args!(
                    "another program listens on [::1]:{}; clients that take `localhost` for it reach that one. Give \
                     them 127.0.0.1, or choose another --port",
                    address.port()
                ));
            }
            None
        }
    };
    let app = router(names, received, symbols);
    let serve = async move {
        match second {
            Some(second) => tokio::try_join!(serve(listener, app.clone()), serve(second, app)).map(|_| ()),
            None => serve(listener, app).await,
        }
    };
    Ok((address, serve))
}

async fn serve(listener: TcpListener, app: Router) -> std::io::Result<()> {
    axum::serve(listener, app).await
}

/// Binds the same port of another interface, for devices in the network. It takes OTLP below a
/// path that nobody can guess, and shows nothing: whoever is in the network could read it.
pub(crate) async fn bind_for_devices(
    host: IpAddr,
    port: u16,
    token: &str,
    received: Arc<Received>,
) -> Result<(String, impl Future<Output = std::io::Result<()>> + Send + 'static)> {
    let is_served = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&host);
    ensure!(!is_served, "{host} is served without --host");
    ensure!(!host.is_unspecified(), "give --host the address of one interface, as `ip addr` or `ifconfig` shows it");
    let listener = TcpListener::bind((host, port)).await.with_context(|| {
        format!("cannot listen on {}: is it an address of this machine?", SocketAddr::new(host, port))
    })?;
    let url = format!("http://{}/{token}", listener.local_addr()?);
    let refuse = || async {
        let text = "this address takes OTLP from devices, below the path that `inspect` has printed at its start\n";
        (StatusCode::FORBIDDEN, text)
    };
    let app = Router::new()
        .nest(&format!("/{token}"), collector())
        .layer(middleware::from_fn_with_state(Arc::clone(&received), refusals::count))
        // What has no token is not counted: anybody in the network could fill the list.
        .fallback(refuse)
        .with_state(received);
    Ok((url, serve(listener, app)))
}

/// Takes OTLP.
fn collector() -> Router<Arc<Received>> {
    Router::new()
        .route("/v1/logs", post(|state, headers, body| collect(Export::Logs, state, headers, body)))
        .route("/v1/traces", post(|state, headers, body| collect(Export::Traces, state, headers, body)))
        .route("/v1/metrics", post(|state, headers, body| collect(Export::Metrics, state, headers, body)))
        // The same limit applies after decompression, in `unpacked`.
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(middleware::from_fn(known_coding))
}

fn router(names: Names, received: Arc<Received>, symbols: Arc<Symbols>) -> Router {
    Router::new()
        .route("/api/stats", get(stats))
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .merge(collector())
        .merge(views::router(symbols))
        .method_not_allowed_fallback(|| async {
            (
                StatusCode::METHOD_NOT_ALLOWED,
                "OTLP is sent to /v1/logs, /v1/traces and /v1/metrics by POST; everything else is read by GET\n",
            )
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&received), refusals::count))
        .layer(middleware::from_fn_with_state(Arc::clone(&received), refusals::for_browsers))
        .layer(middleware::from_fn_with_state(names, guard::visitors))
        .with_state(received)
}

/// Refuses codings of bodies that are not known. Their names are compared whatever their case
/// (RFC 9110 §8.4.1).
async fn known_coding(mut request: Request, next: Next) -> Response {
    let coding = request.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    match coding.as_deref() {
        None => {}
        Some(b"gzip" | b"x-gzip") => {
            request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Some(b"" | b"identity") => {
            request.headers_mut().remove(header::CONTENT_ENCODING);
        }
        Some(other) => {
            let text =
                format!("content encoding `{}` is not known: use gzip or none\n", String::from_utf8_lossy(other));
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
        }
    }
    next.run(request).await
}

async fn collect(export: Export, State(received): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(encoding) = Encoding::of(content_type) else {
        let text = format!(
            "content type `{content_type}` is not OTLP: use {} or {}\n",
            Encoding::Protobuf.content_type(),
            Encoding::Json.content_type()
        );
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    };
    // It takes the thread for a while; others are served meanwhile.
    block_in_place(|| {
        if !headers.contains_key(header::CONTENT_ENCODING) {
            return take(export, encoding, &received, &body);
        }
        match unpacked(&body) {
            Ok(body) => take(export, encoding, &received, &body),
            Err(refusal) => refusal.into_response(),
        }
    })
}

/// The content of a body of gzip, which may have several members (RFC 1952 §2.2). A small body may
/// expand to gigabytes.
fn unpacked(body: &[u8]) -> Result<Vec<u8>, (StatusCode, String)> {
    let mut content = Vec::new();
    let read = MultiGzDecoder::new(body).take(MAX_BODY as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| (StatusCode::BAD_REQUEST, format!("the body is no gzip: {error}\n")))?;
    if content.len() > MAX_BODY {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the body expands to more than {MAX_BODY} bytes\n")));
    }
    Ok(content)
}

fn take(export: Export, encoding: Encoding, received: &Received, body: &[u8]) -> Response {
    let decoded = match decode::decode(export, encoding, body) {
        Ok(decoded) => decoded,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response(),
    };
    if let Err(error) = received.insert(&decoded.items, decoded.rejected) {
        // The body is right; its sender may try again.
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")).into_response();
    }
    let content_type = HeaderValue::from_static(encoding.content_type());
    ([(header::CONTENT_TYPE, content_type)], decode::answer(export, encoding, decoded)).into_response()
}

async fn stats(State(received): Shared) -> Json<Stats> {
    Json(block_in_place(|| received.stats()))
}

/// The counts in the Prometheus text format, version 0.0.4.
async fn metrics(State(received): Shared) -> Response {
    let stats = block_in_place(|| received.stats());
    let mut text = String::new();
    for (name, help, value) in [
        ("requests_total", "Export requests.", stats.requests),
        ("refused_requests_total", "Export requests that could not be read.", stats.refused),
        ("rejected_records_total", "Records of export requests that could not be kept.", stats.rejected),
        ("duplicate_records_total", "Records whose id had been received before.", stats.duplicates),
    ] {
        text.push_str(&format!(
            "# HELP throughline_inspect_{name} {help}\n# TYPE throughline_inspect_{name} counter\n"
        ));
        text.push_str(&format!("throughline_inspect_{name} {value}\n"));
    }
    text.push_str("# HELP throughline_inspect_records Records kept.\n# TYPE throughline_inspect_records gauge\n");
    for (signal, value) in [("logs", stats.logs), ("spans", stats.spans), ("metrics", stats.metrics)] {
        text.push_str(&format!("throughline_inspect_records{{signal=\"{signal}\"}} {value}\n"));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn ready(State(received): Shared) -> Response {
    if block_in_place(|| received.is_ready()) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
    }
}
