//! The core, started natively as an app would start it, and a backend that keeps what it gets: for
//! the tests of the TypeScript packages, in Node and in Hermes. Everything goes through one C
//! function that takes and returns JSON.
#![allow(unsafe_code, reason = "texts come from C and go there")]

mod app;
mod network;
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
    /// Starts a client as the platform's facade does in an app, with a backend that keeps what it
    /// gets unless `endpoint` names another one. Answers its handle.
    Start {
        trace_hosts: Vec<String>,
        endpoint: Option<String>,
        data_dir: Option<String>,
    },
    /// Starts a client as the native module of an app does: with what JavaScript asks for. Without
    /// an endpoint it gets a backend. Answers as the module does.
    StartApp {
        configuration: Value,
    },
    /// Sends everything, and answers what the backend has received until now.
    Received,
    /// Sends everything, for at most so many milliseconds.
    Flush {
        timeout_ms: u64,
    },
    Http(network::Request),
    OpenSocket {
        url: String,
    },
    Send {
        socket: usize,
        text: String,
    },
    Receive {
        socket: usize,
    },
    CloseSocket {
        socket: usize,
    },
    /// Starts a server that sends back what it is told to.
    EchoServer,
    SessionId,
    /// Waits until everything is in the database.
    Drain,
    /// The resident memory of the process, in KiB.
    Memory,
    /// A variable of the environment.
    Environment {
        name: String,
    },
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
    server: Option<Arc<FaultServer>>,
    /// The directory of its data, unless the test has named one.
    _own_dir: tempfile::TempDir,
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
    match serde_json::from_slice(request)? {
        Ask::Start { trace_hosts, endpoint, data_dir } => start(trace_hosts, endpoint, data_dir),
        Ask::StartApp { configuration } => Ok(start_app(configuration)),
        Ask::Received => {
            let (core, server) = (running()?, server()?);
            let flush = core.flush(LONG)?;
            if !flush.complete {
                return Err(format!("the flush is not complete: {flush:?}").into());
            }
            received::received(&server)
        }
        Ask::Flush { timeout_ms } => {
            let flush = running()?.flush(HostDuration(Duration::from_millis(timeout_ms)))?;
            Ok(json!({
                "isComplete": flush.complete, "delivered": flush.delivered, "waiting": flush.waiting,
                "reason": flush.reason,
            }))
        }
        Ask::Health => Ok(health(&*running()?)),
        Ask::TraceHeaders { url, slot, existing } => {
            let field = |(name, value): (String, Value)| HeaderField {
                name,
                value: value.as_str().unwrap_or_default().to_owned(),
            };
            let headers = running()?.trace_headers(url, slot, existing.into_iter().map(field).collect());
            let headers = headers.into_iter().map(|field| (field.name, Value::from(field.value)));
            Ok(headers.collect::<serde_json::Map<_, _>>().into())
        }
        Ask::TraceId { slot } => Ok(running()?.trace_id(slot).into()),
        Ask::Drain => Ok(running()?.drain(LONG).into()),
        Ask::SessionId => Ok(running()?.session_id().into()),
        Ask::Shutdown => {
            let ended = running()?.shutdown(LONG)?;
            *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = None;
            Ok(ended.into())
        }
        Ask::Http(request) => network::http(request),
        Ask::OpenSocket { url } => network::open(&url),
        Ask::Send { socket, text } => network::send(socket, text),
        Ask::Receive { socket } => network::receive(socket),
        Ask::CloseSocket { socket } => network::close(socket),
        Ask::EchoServer => network::echo(),
        Ask::Memory => {
            let pages = std::fs::read_to_string("/proc/self/statm")?;
            let resident: u64 = pages.split(' ').nth(1).ok_or("no resident size")?.parse()?;
            Ok(json!(resident * 4))
        }
        Ask::Environment { name } => Ok(std::env::var(name).ok().into()),
    }
}

/// Starts a client, and a backend if it needs one.
fn start(
    trace_hosts: Vec<String>,
    endpoint: Option<String>,
    data_dir: Option<String>,
) -> Result<Value, Box<dyn std::error::Error>> {
    let server = if endpoint.is_none() { Some(Arc::new(FaultServer::start()?)) } else { None };
    let endpoint = endpoint.or_else(|| Some(server.as_ref()?.url())).unwrap_or_default();
    let own_dir = tempfile::tempdir()?;
    let data_dir = data_dir.unwrap_or_else(|| path(&own_dir));
    let core = TelemetryCore::start(config(&data_dir, &endpoint, trace_hosts), Consent::Granted, None, None, None)?;
    Ok(json!(keep(core, server, own_dir)))
}

/// Starts a client with a configuration of JavaScript's.
fn start_app(mut configuration: Value) -> Value {
    if running().is_ok() {
        return json!({ "attached": true });
    }
    let started = || -> Result<u64, Box<dyn std::error::Error>> {
        let server = match configuration.as_object_mut() {
            Some(fields) if !fields.contains_key("endpoint") && !fields.contains_key("destinations") => {
                let server = Arc::new(FaultServer::start()?);
                fields.insert("endpoint".to_owned(), server.url().into());
                Some(server)
            }
            _ => None,
        };
        let configuration: app::Configuration = serde_json::from_value(configuration)?;
        let own_dir = tempfile::tempdir()?;
        let (config, consent) = configuration.to_core(&path(&own_dir))?;
        let core = TelemetryCore::start(config, consent, None, None, None)?;
        Ok(keep(core, server, own_dir))
    };
    match started() {
        Ok(_) => json!({}),
        Err(error) => json!({ "error": "invalidConfig", "reason": error.to_string() }),
    }
}

/// Keeps what runs. Returns the handle of the client.
fn keep(core: Arc<TelemetryCore>, server: Option<Arc<FaultServer>>, own_dir: tempfile::TempDir) -> u64 {
    let handle = core.door();
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { core, server, _own_dir: own_dir });
    handle
}

fn path(dir: &tempfile::TempDir) -> String {
    dir.path().to_string_lossy().into_owned()
}

/// The client that runs. It is not locked while it is used.
fn running() -> Result<Arc<TelemetryCore>, &'static str> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.as_ref().map(|running| Arc::clone(&running.core)).ok_or("no client was started")
}

fn server() -> Result<Arc<FaultServer>, &'static str> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.as_ref().and_then(|running| running.server.clone()).ok_or("the client has another backend")
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
            format: None,
            lanes: None,
            kinds: None,
            max_age: None,
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
        capture_crashes: true,
        redact: None,
        tail_sampling: None,
        pull: false,
        debug: false,
    }
}
