//! The core, started natively as an app would start it, and a backend that keeps what it gets: for
//! the tests of the TypeScript packages, in Node and in Hermes. Everything goes through one C
//! function that takes and returns JSON.
#![allow(unsafe_code, reason = "texts come from C and go there")]

mod received;

use std::ffi::{CStr, CString, c_char};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use throughline::testing::FaultServer;
use throughline_ffi::{
    AppEnvironment, Consent, Destination, HeaderField, HostDuration, TelemetryConfig, TelemetryCore, TraceHost,
};

/// How long a flush or a shutdown may take.
const LONG: HostDuration = HostDuration(Duration::from_secs(20));

/// What a test asks for.
#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Ask {
    /// Starts a backend and a client. Answers its handle.
    Start {
        trace_hosts: Vec<String>,
    },
    /// Sends everything, and answers what the backend has received until now.
    Received,
    Health,
    TraceHeaders {
        url: String,
        slot: u64,
        existing: serde_json::Map<String, Value>,
    },
    TraceId {
        slot: u64,
    },
    Shutdown,
}

/// A client that runs.
struct Running {
    core: Arc<TelemetryCore>,
    server: FaultServer,
    _dir: tempfile::TempDir,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// Answers a request in JSON: `{"ok": …}`, or `{"error": "…"}`. Free the answer with
/// [`throughline_harness_free`].
///
/// # Safety
/// `request` must be a text that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn throughline_harness(request: *const c_char) -> *mut c_char {
    // SAFETY: the caller vouches for the text.
    let request = unsafe { CStr::from_ptr(request) };
    let answer = match answer(request.to_bytes()) {
        Ok(answer) => json!({ "ok": answer }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    CString::new(answer.to_string()).unwrap_or_default().into_raw()
}

/// Frees an answer.
///
/// # Safety
/// `answer` must come from [`throughline_harness`], and is gone afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn throughline_harness_free(answer: *mut c_char) {
    // SAFETY: the caller vouches for where it comes from.
    drop(unsafe { CString::from_raw(answer) });
}

fn answer(request: &[u8]) -> Result<Value, Box<dyn std::error::Error>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let ask: Ask = serde_json::from_slice(request)?;
    if let Ask::Start { trace_hosts } = ask {
        let (dir, server) = (tempfile::tempdir()?, FaultServer::start()?);
        let data_dir = dir.path().to_str().ok_or("the directory's path is not UTF-8")?;
        let core =
            TelemetryCore::start(config(data_dir, &server.url(), trace_hosts), Consent::Granted, None, None, None)?;
        let handle = core.door();
        *running = Some(Running { core, server, _dir: dir });
        return Ok(json!(handle));
    }
    let Running { core, server, .. } = running.as_ref().ok_or("no client was started")?;
    Ok(match ask {
        Ask::Start { .. } => Value::Null,
        Ask::Received => {
            let flush = core.flush(LONG)?;
            if !flush.complete {
                return Err(format!("the flush is not complete: {flush:?}").into());
            }
            received::received(server)?
        }
        Ask::Health => health(core),
        Ask::TraceHeaders { url, slot, existing } => {
            let field = |(name, value): (String, Value)| HeaderField {
                name,
                value: value.as_str().unwrap_or_default().to_owned(),
            };
            let headers = core.trace_headers(url, slot, existing.into_iter().map(field).collect());
            headers
                .into_iter()
                .map(|field| (field.name, Value::from(field.value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Ask::TraceId { slot } => core.trace_id(slot).into(),
        Ask::Shutdown => {
            let ended = core.shutdown(LONG)?;
            *running = None;
            ended.into()
        }
    })
}

fn health(core: &TelemetryCore) -> Value {
    let health = core.health();
    let count = |counts: &[throughline_ffi::NamedCount]| -> u64 { counts.iter().map(|count| count.count).sum() };
    let store = |store: &throughline_ffi::StateCounts| {
        let counts = json!({
            "mutations": store.mutations, "recorded": store.recorded, "suppressed": count(&store.suppressed),
            "dropped": store.dropped, "ambiguous": store.ambiguous,
        });
        (store.name.clone(), counts)
    };
    json!({
        "accepted": health.accepted,
        "dropped": count(&health.dropped),
        "malformed": health.malformed_calls,
        "unknown": health.unknown_calls,
        "panics": health.panics,
        "problems": health.problems,
        "stores": health.stores.iter().map(store).collect::<serde_json::Map<_, _>>(),
    })
}

fn config(dir: &str, endpoint: &str, trace_hosts: Vec<String>) -> TelemetryConfig {
    let trace_host = |host| TraceHost { host, formats: vec![], injection: None, baggage_keys: vec![] };
    TelemetryConfig {
        installation_id: true,
        device_tag: None,
        service_name: "shop".to_owned(),
        data_dir: dir.to_owned(),
        sdk_language: "javascript".to_owned(),
        service_version: String::new(),
        environment: Some(AppEnvironment::Test),
        destinations: vec![Destination {
            name: "default".to_owned(),
            endpoint: endpoint.to_owned(),
            headers: vec![],
            encoding: None,
            temporality: None,
            signals: None,
            signal_endpoints: vec![],
        }],
        resource: vec![],
        trace_hosts: trace_hosts.into_iter().map(trace_host).collect(),
        enabled: true,
        session_sample_rate: 1.0,
        trace_sample_rate: None,
        flush_interval: Some(HostDuration(Duration::from_secs(3_600))),
        flush_events: Some(1_000_000),
        metered_uploads: None,
        daily_bytes: None,
        queue_bytes: None,
        max_age: None,
        start_jitter: false,
        self_report: false,
        redact: None,
        tail_sampling: None,
        pull: false,
        debug: false,
    }
}
