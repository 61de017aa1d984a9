//! The unary Connect protocol: <https://connectrpc.com/docs/protocol/>.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use flate2::read::GzDecoder;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Value, json};

use crate::handler::{Fate, Handler, Received};

const PACKAGE: &str = "throughline.telemetry.v1";
/// The longest message. A client's own limit is 512 KiB, except for a single event that is larger.
const MAX_BYTES: usize = 4 << 20;

/// One of the two methods.
struct Method {
    request: MessageDescriptor,
    response: MessageDescriptor,
    /// The field of the request that has the events.
    events: &'static str,
    handler: Arc<dyn Handler>,
}

/// What goes wrong, with a code of the protocol. See `failure` for their statuses.
type Failure = (&'static str, String);

/// The service with a handler.
pub fn router(handler: impl Handler) -> Result<Router> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let file = "throughline/telemetry/v1/telemetry.proto";
    let pool = DescriptorPool::from_file_descriptor_set(protox::compile([file], [folder])?)?;
    let handler: Arc<dyn Handler> = Arc::new(handler);
    let mut router = Router::new();
    for (name, events) in [("ReportEvent", "events"), ("ReportError", "errors")] {
        let message = |kind| pool.get_message_by_name(&format!("{PACKAGE}.{name}{kind}")).context("no such message");
        let method =
            Method { request: message("Request")?, response: message("Response")?, events, handler: handler.clone() };
        let path = format!("/{PACKAGE}.TelemetryService/{name}");
        router = router.route(&path, post(call).with_state(Arc::new(method)));
    }
    // What is compressed is checked again when it is not.
    Ok(router.layer(DefaultBodyLimit::max(MAX_BYTES)))
}

async fn call(State(method): State<Arc<Method>>, headers: HeaderMap, body: Bytes) -> Response {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = value(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = match content_type.as_str() {
        "application/proto" => false,
        "application/json" => true,
        _ => return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
    };
    let encoding = value(header::CONTENT_ENCODING).to_owned();
    // A handler may wait for a disk.
    let answer = tokio::task::spawn_blocking(move || answer(&method, is_json, &encoding, &body)).await;
    match answer {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Ok(Err(failed)) => failure(failed),
        Err(_) => failure(("internal", "the handler failed".to_owned())),
    }
}

fn failure((code, message): Failure) -> Response {
    let status = match code {
        "invalid_argument" => StatusCode::BAD_REQUEST,
        "resource_exhausted" => StatusCode::TOO_MANY_REQUESTS,
        "unimplemented" => StatusCode::NOT_IMPLEMENTED,
        "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({ "code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// The answer to a request, in its codec.
fn answer(method: &Method, is_json: bool, encoding: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let invalid = |error: &dyn std::fmt::Display| ("invalid_argument", error.to_string());
    let body = plain(encoding, body)?;
    let request = if is_json {
        let mut json = serde_json::Deserializer::from_slice(&body);
        let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
        DynamicMessage::deserialize_with_options(method.request.clone(), &mut json, &options)
            .map_err(|error| invalid(&error))?
    } else {
        DynamicMessage::decode(method.request.clone(), body.as_slice()).map_err(|error| invalid(&error))?
    };
    let request = request
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|error| invalid(&error))?;
    let response = handled(method, &request)?;
    let response = DynamicMessage::deserialize(method.response.clone(), response)
        .map_err(|error| ("internal", error.to_string()))?;
    if is_json {
        serde_json::to_vec(&response).map_err(|error| ("internal", error.to_string()))
    } else {
        Ok(response.encode_to_vec())
    }
}

/// A message without its compression.
fn plain(encoding: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    match encoding {
        "" | "identity" => plain.extend_from_slice(body),
        "gzip" => {
            let limit = MAX_BYTES as u64 + 1;
            let read = GzDecoder::new(body).take(limit).read_to_end(&mut plain);
            read.map_err(|_| ("invalid_argument", "decompression failed".to_owned()))?;
        }
        other => return Err(("unimplemented", format!("unknown compression \"{other}\": gzip is known"))),
    }
    if plain.len() > MAX_BYTES {
        // The client sends it in halves.
        return Err(("resource_exhausted", format!("message is larger than {MAX_BYTES} bytes")));
    }
    Ok(plain)
}

/// Hands the events of a request to the handler. Returns the JSON of the response.
fn handled(method: &Method, request: &Value) -> Result<Value, Failure> {
    let list = |name: &str| request.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (contexts, events) = (list("contexts"), list(method.events));
    let received = |event| {
        let place = serde_json::Value::pointer(event, "/header/contextIndex").and_then(Value::as_u64).unwrap_or(0);
        let context = usize::try_from(place).ok().and_then(|place| contexts.get(place)).unwrap_or(&Value::Null);
        Received { event, context }
    };
    let batch: Vec<_> = events.iter().map(received).collect();
    // Nothing is lost: the client sends the batch again. It need not know why, and whoever asks
    // would be told of paths and databases.
    let fates = method.handler.handle(&batch).map_err(|error| {
        // Unlike `eprintln!` this does not panic when standard error is a file on a full disk.
        let _ = writeln!(std::io::stderr(), "the handler failed: {error:#}");
        ("unavailable", "try again later".to_owned())
    })?;
    if fates.len() != batch.len() {
        return Err(("internal", "the handler did not say what became of each event".to_owned()));
    }
    let rejected: Vec<_> = batch
        .iter()
        .zip(&fates)
        .filter_map(|(received, fate)| match fate {
            Fate::Stored => None,
            Fate::Rejected { reason, message } => {
                Some(json!({ "eventId": received.id(), "reason": reason, "message": message }))
            }
        })
        .collect();
    Ok(json!({ "accepted": batch.len() - rejected.len(), "rejected": rejected }))
}
