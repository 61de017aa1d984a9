//! The app's request, and the service that answers it: one trace in Throughline, in a tracer of
//! Datadog's and in the service's logs.
//!
//! The service is `examples/backends/sanic`, run by Python as its README says. `cargo xtask test
//! --only backends` makes the Python environment and names it in [`ENVIRONMENT`]; without that
//! variable, these tests say that they are skipped.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use throughline::testing::FaultServer;
use throughline::trace::{Format, SpanContext, TraceHost};
use throughline::{Consent, Network, Telemetry};

use crate::app::{arrived, text};
use crate::sources::root;
use crate::support::{LONG, builder, online};

/// The variable that names the Python environment with the service's packages.
const ENVIRONMENT: &str = "THROUGHLINE_BACKENDS_PYTHON";
/// Starting Python with a tracer takes seconds on a busy machine. Nothing takes that long unless it
/// hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many requests are under way at once.
const REQUESTS: usize = 100;
/// What the requests carry that no log and no span may show.
const SECRETS: [&str; 4] = ["hunter2-body", "hunter2-header", "hunter2-text", "ann@example.com"];

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service, and what stands in for Datadog's Agent.
pub struct Backend {
    dir: tempfile::TempDir,
    pub service: u16,
    agent: u16,
    _processes: [Process; 2],
}

fn wait<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are open before one is closed, so that no two are equal.
    let open = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    open.map(|listener| listener.local_addr().unwrap().port())
}

impl Backend {
    /// Starts both, or says that the tests are skipped.
    pub fn start() -> Option<Self> {
        let Some(environment) = std::env::var_os(ENVIRONMENT) else {
            println!("skipped: {ENVIRONMENT} is not set; `cargo xtask test --only backends` sets it");
            return None;
        };
        // Between the choice of a port and its use, another process may take it.
        let backend = (0..5).find_map(|_| Self::attempt(Path::new(&environment)));
        Some(backend.expect("the service and the test agent do not start"))
    }

    fn attempt(environment: &Path) -> Option<Self> {
        let [agent, otlp_http, otlp_grpc, service] = free_ports();
        let dir = tempfile::tempdir().unwrap();
        let python = |program: &str, output: &str| {
            let mut command = Command::new(environment.join("bin").join(program));
            let output = std::fs::File::create(dir.path().join(output)).unwrap();
            // Nothing of the developer's own settings for Datadog.
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("PYTHONDONTWRITEBYTECODE", "1");
            command.current_dir(dir.path()).stderr(output.try_clone().unwrap()).stdout(output);
            command
        };
        let ports = [("--port", agent), ("--otlp-http-port", otlp_http), ("--otlp-grpc-port", otlp_grpc)];
        let mut command = python("ddapm-test-agent", "agent.log");
        command.args(ports.iter().flat_map(|(option, port)| [(*option).to_owned(), port.to_string()]));
        let mut first = Process(command.args(["--host", "127.0.0.1"]).spawn().unwrap());
        let mut command = python("ddtrace-run", "service.log");
        let port = service.to_string();
        let sanic = environment.join("bin/sanic").display().to_string();
        command.args([&sanic, "app:app", "--host", "127.0.0.1", "--port", &port, "--single-process", "--no-motd"]);
        command.current_dir(root().join("examples/backends/sanic"));
        command.env("DD_TRACE_AGENT_URL", format!("http://127.0.0.1:{agent}"));
        command.env("DD_SERVICE", "profile").env("PROFILE_DATABASE", dir.path().join("profiles.db"));
        // The tracer reports about itself to hosts that a test has no business with.
        command.env("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false");
        command.env("DD_REMOTE_CONFIGURATION_ENABLED", "false");
        let mut second = Process(command.spawn().unwrap());
        let serves = |process: &mut Process, port: u16, path: &str| {
            wait("the process listens", || match process.0.try_wait().unwrap() {
                Some(_) => Some(false),
                None => (send(port, "GET", path, &[], "").ok()?.0 == 200).then_some(true),
            })
        };
        if serves(&mut first, agent, "/info") && serves(&mut second, service, "/health") {
            return Some(Self { dir, service, agent, _processes: [first, second] });
        }
        for output in ["agent.log", "service.log"] {
            println!("{}", std::fs::read_to_string(dir.path().join(output)).unwrap());
        }
        None
    }

    /// Every span that the tracer has sent, traces one after the other.
    fn spans(&self) -> Vec<Json> {
        let (status, body) = send(self.agent, "GET", "/test/session/traces", &[], "").unwrap();
        assert_eq!(status, 200, "{body}");
        let traces: Vec<Vec<Json>> = serde_json::from_str(&body).unwrap();
        traces.into_iter().flatten().collect()
    }

    /// The spans, as soon as there are so many with a name. The tracer sends once a second.
    pub fn spans_with(&self, name: &str, count: usize) -> Vec<Json> {
        wait(&format!("{count} spans {name} arrive"), || {
            let spans = self.spans();
            (spans.iter().filter(|span| span["name"] == name).count() >= count).then_some(spans)
        })
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("service.log")).unwrap()
    }

    /// The lines of the log about an event. What is written is read before the answer arrives.
    fn logs(&self, event: &str) -> Vec<Json> {
        let output = self.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    fn database(&self) -> PathBuf {
        self.dir.path().join("profiles.db")
    }
}

/// The app's HTTP client: one request on a connection of its own. Returns the status and the body.
fn send(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body =
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { chunks(body) } else { body.to_owned() };
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body))
}

fn chunks(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// A client whose traces continue on 127.0.0.1 with Datadog's headers, and on no other host.
fn client(dir: &Path, collector: &FaultServer) -> Telemetry {
    let host = TraceHost::new("127.0.0.1").formats([Format::Datadog, Format::Baggage]);
    Telemetry::start(builder(dir).endpoint(collector.url()).trace_host(host).build().unwrap(), Consent::Granted)
        .unwrap()
}

/// Sends a profile as an app does that reports its requests. Returns the context of the request's
/// span and the status.
fn update(telemetry: &Telemetry, port: u16, host: &str, profile: &Json) -> (SpanContext, u16) {
    let mut request = telemetry.start_resource("POST", &format!("http://{host}:{port}/api/profile"));
    let mut headers: Vec<(String, String)> =
        request.headers(&[]).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    headers.push(("authorization".to_owned(), "Bearer hunter2-header".to_owned()));
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let context = request.context().unwrap().clone();
    let (status, _) = send(port, "POST", "/api/profile", &headers, &profile.to_string()).unwrap();
    assert!(request.stop(status, |resource| resource).is_some());
    (context, status)
}

/// The trace of a span as the Agent has it: the low half is a number, the high half is a tag, which
/// the first span of a trace has.
fn trace_of(span: &Json) -> u128 {
    let high = span["meta"]["_dd.p.tid"].as_str().map_or(0, |digits| u64::from_str_radix(digits, 16).unwrap());
    u128::from(high) << 64 | u128::from(span["trace_id"].as_u64().unwrap())
}

/// Whether the id in a log, of 32 hex digits or the low half in decimal, is that of a trace.
fn is_trace(logged: &str, trace: u128) -> bool {
    match logged.len() {
        32 => u128::from_str_radix(logged, 16) == Ok(trace),
        _ => logged.parse::<u64>().is_ok_and(|low| u128::from(low) == trace & u128::from(u64::MAX)),
    }
}

/// Every row of the app's queue.
fn rows(dir: &Path) -> Vec<Vec<u8>> {
    let db = rusqlite::Connection::open(dir.join("queue.db")).unwrap();
    let lanes = ["crash", "error", "event", "bulk"];
    let of_lane = |lane| {
        let mut all = db.prepare(&format!("SELECT row FROM lane_{lane}")).unwrap();
        all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect::<Vec<Vec<u8>>>()
    };
    lanes.into_iter().flat_map(of_lane).collect()
}

fn has(row: &[u8], id: &[u8]) -> bool {
    row.windows(id.len()).any(|part| part == id)
}

fn span_id(context: &SpanContext) -> u64 {
    u64::from_be_bytes(context.trace.span_id)
}

fn trace_id(context: &SpanContext) -> u128 {
    u128::from_be_bytes(context.trace.trace_id)
}

fn named<'s>(spans: &'s [Json], name: &str, trace: u128) -> &'s Json {
    let low = u64::try_from(trace & u128::from(u64::MAX)).unwrap();
    let mut found = spans.iter().filter(|span| span["name"] == name && span["trace_id"] == low);
    let span = found.next().unwrap_or_else(|| panic!("no span {name} in {trace:032x}"));
    assert!(found.next().is_none(), "two spans {name} in {trace:032x}");
    span
}

#[test]
fn a_service_continues_the_trace_of_the_request_that_it_answers() {
    let Some(backend) = Backend::start() else { return };
    let (dir, collector) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let telemetry = client(dir.path(), &collector);
    let profile = json!({ "userId": "ann", "name": "Ann" });
    let (context, status) = update(&telemetry, backend.service, "127.0.0.1", &profile);
    assert_eq!(status, 200);
    let trace = trace_id(&context);
    let spans = backend.spans_with("sanic.request", 2); // the other one is that of /health
    let request = named(&spans, "sanic.request", trace);
    assert_eq!(trace_of(request), trace, "all 128 bits");
    assert_eq!(request["parent_id"].as_u64(), Some(span_id(&context)));
    assert_eq!(request["meta"]["_dd.origin"], "rum");
    assert_eq!(request["metrics"]["_sampling_priority_v1"], 1.0);
    let session = telemetry.session_id().unwrap().to_string();
    assert_eq!(request["meta"]["baggage.session.id"], session.as_str());
    for (inner, outer) in [
        ("user.profile.update", "sanic.request"),
        ("db.update_user", "user.profile.update"),
        ("analytics.notify", "user.profile.update"),
    ] {
        let (inner, outer) = (named(&spans, inner, trace), named(&spans, outer, trace));
        assert_eq!(inner["parent_id"], outer["span_id"], "{inner}");
        assert_eq!(inner["error"], 0, "{inner}");
    }
    let log = backend.logs("profile updated").remove(0);
    assert_eq!(log["session.id"], session.as_str());
    assert!(log["request_id"].is_string() && log["http.path"] == "/api/profile" && log["usr.id"] == "ann", "{log}");
    let inner = named(&spans, "user.profile.update", trace)["span_id"].to_string();
    assert_eq!(log["dd.span_id"], inner.as_str());
}

#[test]
fn of_a_hundred_requests_at_once_each_has_its_own_trace_in_the_app_the_service_and_its_logs() {
    let Some(backend) = Backend::start() else { return };
    let (dir, collector) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let telemetry = client(dir.path(), &collector);
    // Nothing leaves the database before it has been looked at.
    online(&telemetry, Network::Offline);
    let ready = Barrier::new(REQUESTS);
    let contexts: HashMap<String, SpanContext> = std::thread::scope(|scope| {
        let one = |n: usize| {
            let user = format!("user-{n}");
            ready.wait();
            let (context, status) = update(&telemetry, backend.service, "127.0.0.1", &json!({ "userId": user }));
            assert_eq!(status, 200, "{user}");
            (user, context)
        };
        let threads: Vec<_> = (0..REQUESTS).map(|n| scope.spawn(move || one(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(telemetry.shutdown(LONG));
    let rows = rows(dir.path());
    let telemetry = client(dir.path(), &collector);
    assert!(telemetry.flush(LONG).complete);
    let exported = arrived(&collector).spans;
    let spans = backend.spans_with("user.profile.update", REQUESTS);
    let logs = backend.logs("profile updated");
    assert_eq!((contexts.len(), exported.len(), logs.len()), (REQUESTS, REQUESTS, REQUESTS));
    for log in &logs {
        let context = &contexts[log["usr.id"].as_str().unwrap()];
        let trace = trace_id(context);
        assert!(is_trace(log["dd.trace_id"].as_str().unwrap(), trace), "{log} is not in {trace:032x}");
        let work = named(&spans, "user.profile.update", trace);
        assert_eq!(log["dd.span_id"].as_str().unwrap(), work["span_id"].to_string());
        assert_eq!(work["meta"]["usr.id"], log["usr.id"], "the span is that of another request");
        let request = named(&spans, "sanic.request", trace);
        assert_eq!((trace_of(request), request["parent_id"].as_u64()), (trace, Some(span_id(context))));
        let is_of = |row: &&Vec<u8>| has(row, &context.trace.trace_id) && has(row, &context.trace.span_id);
        assert_eq!(rows.iter().filter(is_of).count(), 1, "one row of the database is the request");
        let mut sent = exported.iter().filter(|span| span.trace_id == context.trace.trace_id);
        let span = sent.next().expect("the app has exported the request");
        assert_eq!((&span.span_id[..], sent.next()), (&context.trace.span_id[..], None));
        assert_eq!(text(&span.attributes, "http.response.status_code"), "200");
    }
}

#[test]
fn a_host_that_is_not_listed_gets_no_header_and_begins_a_trace_of_its_own() {
    let Some(backend) = Backend::start() else { return };
    let (dir, collector) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let telemetry = client(dir.path(), &collector);
    let url = format!("http://localhost:{}/api/profile", backend.service);
    assert_eq!(telemetry.start_resource("POST", &url).headers(&[]), []);
    let (context, status) = update(&telemetry, backend.service, "localhost", &json!({ "userId": "bob" }));
    assert_eq!(status, 200);
    let spans = backend.spans_with("user.profile.update", 1);
    let log = backend.logs("profile updated").remove(0);
    let theirs = u128::from_str_radix(log["dd.trace_id"].as_str().unwrap(), 16).unwrap();
    assert_ne!(theirs, trace_id(&context));
    let request = named(&spans, "sanic.request", theirs);
    assert_eq!(request["parent_id"].as_u64().unwrap_or(0), 0);
    assert!(request["meta"].get("_dd.origin").is_none() && log.get("session.id").is_none());
}

#[test]
fn a_failure_is_on_the_span_and_in_the_log_and_a_secret_is_in_neither() {
    let Some(backend) = Backend::start() else { return };
    let (dir, collector) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let telemetry = client(dir.path(), &collector);
    let send = |profile: &Json| update(&telemetry, backend.service, "127.0.0.1", profile);
    let deep = (0..100).fold(json!("hunter2-text"), |inner, _| json!([inner]));
    let secrets = json!({
        "deep": deep,
        "userId": "ann", "email": "ann@example.com", "newPassword": "hunter2-body",
        "note": "token=hunter2-text", "nested": [{ "api_key": "hunter2-body" }],
    });
    assert_eq!(send(&secrets).1, 200);
    for refused in [json!({ "name": "Ann" }), json!({ "userId": "" }), json!({ "userId": 7 }), json!([])] {
        assert_eq!(send(&refused).1, 400, "{refused}");
    }
    let refused = backend.logs("request refused");
    assert_eq!((refused.len(), &refused[0]["reason"]), (4, &json!("userId is missing")));

    rusqlite::Connection::open(backend.database()).unwrap().execute_batch("DROP TABLE profiles").unwrap();
    let (context, status) = send(&secrets);
    assert_eq!(status, 500);
    let spans = backend.spans_with("user.profile.update", 2);
    for name in ["sanic.request", "user.profile.update", "db.update_user"] {
        let span = named(&spans, name, trace_id(&context));
        assert_eq!((&span["error"], &span["meta"]["error.message"]), (&json!(1), &json!("no such table: profiles")));
    }
    let failed = backend.logs("request failed").remove(0);
    assert!(is_trace(failed["dd.trace_id"].as_str().unwrap(), trace_id(&context)), "{failed}");
    assert!(failed["exception"].as_str().unwrap().contains("no such table: profiles"), "{failed}");
    let is_error = |span: &&Json| span["name"] == "sanic.request" && span["error"] == 1;
    assert_eq!(spans.iter().filter(is_error).count(), 1, "what the client did wrong is no error of the service");

    let all = backend.output() + &serde_json::to_string(&spans).unwrap();
    assert!(all.contains("[redacted]"));
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} is in the logs or the spans");
    }
}

#[test]
fn an_id_in_a_log_is_compared_in_hexadecimal_and_in_decimal() {
    let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
    for of_the_trace in ["0af7651916cd43dd8448eb211c80319c", "9532127138774266268"] {
        assert!(is_trace(of_the_trace, trace), "{of_the_trace}");
    }
    let whole_in_decimal = trace.to_string();
    for other in ["0af7651916cd43dd8448eb211c80319d", "9532127138774266269", &whole_in_decimal, ""] {
        assert!(!is_trace(other, trace), "{other}");
    }
}
