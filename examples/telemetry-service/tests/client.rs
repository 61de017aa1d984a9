//! A real client sends to the service, whichever handler it has.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use telemetry_service::handler::{Fate, Handler, Lines, Received};
use telemetry_service::service::router;
use throughline::backends::Connect;
use throughline::event::{Action, Custom, ErrorEvent};
use throughline::{Config, Consent, Destination, DestinationBooks, Environment, Telemetry};

const LONG: Duration = Duration::from_secs(20);

/// Serves a handler. Returns the base URL.
fn serve(handler: impl Handler) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router(handler).unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    url
}

fn client(dir: &Path, connect: Connect) -> Telemetry {
    let config = Config::builder("shop", dir)
        .environment(Environment::Test)
        .start_jitter(false)
        .self_report(false)
        .synthetic_views(false) // an open view waits for its end
        .destination(Destination::exporter("connect", Arc::new(connect)))
        .build()
        .unwrap();
    Telemetry::start(config, Consent::Granted).unwrap()
}

/// Sends everything and returns the books.
fn settled(telemetry: &Telemetry) -> DestinationBooks {
    for _ in 0..200 {
        telemetry.flush(LONG);
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert!(books.balanced(), "{books:?}");
        if books.queued == 0 {
            return books;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it never came about: {:?}", telemetry.health());
}

fn lines(file: &Path) -> Vec<Value> {
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_are_stored_once_in_both_codecs() {
    for is_json in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.ndjson");
        let url = serve(Lines::open(&file).unwrap());
        let connect = Connect::new(&url).unwrap();
        let telemetry = client(&dir.path().join("client"), if is_json { connect.json() } else { connect });
        let action = telemetry.record_action(&Action::tap("buy").attributes(&[("price", 9.5.into())])).unwrap();
        let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")).unwrap();
        assert_eq!(settled(&telemetry).dropped.total(), 0);
        let stored = lines(&file);
        let of = |id: String| stored.iter().find(|line| line["event"]["header"]["eventId"] == *id).unwrap();
        let (action, crash) = (of(action.to_string()), of(crash.to_string()));
        assert_eq!(action["event"]["action"]["name"], "buy");
        assert_eq!(action["event"]["header"]["attributes"]["price"]["doubleValue"], 9.5);
        assert_eq!(action["context"]["app"]["name"], "shop");
        assert_eq!(crash["event"]["kind"], "ERROR_KIND_CRASH");
    }
}

#[test]
fn an_event_that_is_sent_again_is_stored_once_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.ndjson");
    let header = serde_json::json!({ "eventId": "a", "deduplicationId": "a" });
    let (event, context) = (serde_json::json!({ "header": header }), Value::Null);
    let received = Received { event: &event, context: &context };
    assert_eq!(Lines::open(&file).unwrap().handle(&[received, received]).unwrap(), [Fate::Stored, Fate::Stored]);
    // A line that a crash has cut off.
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{whole}{{\"event\":{{\"hea")).unwrap();
    let again = Lines::open(&file).unwrap();
    let other = serde_json::json!({ "header": { "eventId": "b", "deduplicationId": "b" } });
    again.handle(&[received, Received { event: &other, context: &context }]).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2, "{text}");
}

fn event(id: &str, name: &str) -> Value {
    json!({ "header": { "eventId": id, "deduplicationId": id }, "custom": { "name": name } })
}

#[test]
fn an_event_behind_a_line_that_lost_only_its_end_is_readable_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.ndjson");
    let (first, second, context) = (event("a", "first"), event("b", "second"), Value::Null);
    let handle = |event| {
        let lines = Lines::open(&file).unwrap();
        assert_eq!(lines.handle(&[Received { event, context: &context }]).unwrap(), [Fate::Stored]);
    };
    handle(&first);
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, whole.trim_end()).unwrap();
    for event in [&second, &first, &second] {
        handle(event);
    }
    let names: Vec<_> = lines(&file).iter().map(|line| line["event"]["custom"]["name"].clone()).collect();
    assert_eq!(names, ["first", "second"]);
}

/// The service as a process. It ends with the test.
struct Service(Child, String);

impl Service {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self(process, url.trim().to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends events. Returns the status and the rest of the answer.
fn post(url: &str, events: &[Value]) -> (u16, String) {
    let body = json!({ "events": events }).to_string();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let path = "/throughline.telemetry.v1.TelemetryService/ReportEvent";
    let head = "host: a\r\nconnection: close\r\ncontent-type: application/json";
    write!(stream, "POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_batch_stores_nothing_twice_and_spoils_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.ndjson");
    let program = env!("CARGO_BIN_EXE_telemetry-service");
    // A limit on the length of files, of at most 1 KiB: one more byte is an error and no signal.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" 127.0.0.1:0 \"$1\"", program]).arg(&file);
    let service = Service::start(&mut limited);
    assert_eq!(post(&service.1, &[event("a", "first")]).0, 200);
    let before = std::fs::read(&file).unwrap();
    // The first of these fits.
    let batch = [event("b", "second"), event("c", &"x".repeat(5_000))];
    for _ in 0..2 {
        let (status, answer) = post(&service.1, &batch);
        assert_eq!(status, 503, "{answer}");
        assert!(!answer.contains("written"), "a stranger is told of the server's files: {answer}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "half of a batch is left");
    }
    drop(service);
    let service = Service::start(Command::new(program).arg("127.0.0.1:0").arg(&file));
    assert_eq!(post(&service.1, &batch).0, 200);
    let ids: Vec<_> = lines(&file).iter().map(|line| line["event"]["header"]["eventId"].clone()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

/// A handler that a reader might write: it keeps names in memory, rejects some, and is out of order
/// at first.
#[derive(Clone, Default)]
struct Own(Arc<Mutex<(u32, Vec<String>)>>);

impl Handler for Own {
    fn handle(&self, batch: &[Received<'_>]) -> Result<Vec<Fate>> {
        let mut state = self.0.lock().unwrap();
        state.0 += 1;
        if state.0 == 1 {
            bail!("the database is away");
        }
        let fate = |received: &Received<'_>| {
            let name = received.event["custom"]["name"].as_str().unwrap_or_default();
            if name == "odd" {
                let message = "nobody knows it".to_owned();
                return Fate::Rejected { reason: "REJECT_REASON_UNSUPPORTED", message };
            }
            state.1.push(name.to_owned());
            Fate::Stored
        };
        Ok(batch.iter().map(fate).collect())
    }
}

#[test]
fn another_handler_serves_the_same_client() {
    let (dir, own) = (tempfile::tempdir().unwrap(), Own::default());
    let url = serve(own.clone());
    let (status, answer) = post(&url, &[]);
    assert!(status == 503 && !answer.contains("database"), "a stranger is told of the server's inside: {answer}");
    own.0.lock().unwrap().0 = 0;
    let telemetry = client(dir.path(), Connect::new(&url).unwrap());
    for name in ["order.placed", "odd"] {
        telemetry.record_custom(&Custom::new(name)).unwrap();
    }
    let books = settled(&telemetry);
    assert_eq!(books.dropped.total(), 1, "what the handler rejects is counted: {books:?}");
    assert!(own.0.lock().unwrap().1.contains(&"order.placed".to_owned()));
}
