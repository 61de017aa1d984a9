//! The `TelemetryService` of connect-node, generated from the protobuf file, takes what the client
//! sends. `cargo xtask test` installs it; elsewhere these tests are left out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use throughline::backends::Connect;
use throughline::event::{Custom, ErrorEvent, Log, Severity};
use throughline::export::{Exporter, Signal, Verdict};
use throughline::ledger::DropReason;
use throughline::transport::Response;
use throughline::{Consent, Destination, Telemetry};

use crate::backends::record_all;
use crate::sources::root;
use crate::support::{LONG, builder, until};

/// The server as a process. It ends when its input does.
struct Peer {
    process: Child,
    port: u64,
    lines: Mutex<Receiver<Json>>,
}

impl Peer {
    /// Starts the server; `None` when it is not installed.
    #[allow(clippy::print_stdout, reason = "a test that is left out says so")]
    fn start() -> Option<Self> {
        let folder = root().join("tests/peers/connect");
        if !folder.join("build").exists() || !folder.join("node_modules").exists() {
            assert!(std::env::var_os("THROUGHLINE_PEERS").is_none(), "connect-node is not installed");
            println!("skipped: connect-node is not installed; `cargo xtask test` installs it");
            return None;
        }
        let mut server = Command::new("node");
        server.arg("server.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = server.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str::<Json>(&line).unwrap());
            }
        });
        let port = lines.recv_timeout(LONG).unwrap()["port"].as_u64().unwrap();
        Some(Self { process, port, lines: Mutex::new(lines) })
    }

    /// The base URL of a server in which this goes wrong.
    fn url(&self, kind: &str) -> String {
        format!("http://127.0.0.1:{}/{kind}", self.port)
    }

    /// The requests that were accepted since the last call.
    fn requests(&self) -> Vec<Json> {
        self.lines.lock().unwrap().try_iter().collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(dir: &Path, connect: Connect) -> Telemetry {
    let config = builder(dir).destination(Destination::exporter("connect", Arc::new(connect))).build().unwrap();
    Telemetry::start(config, Consent::Granted).unwrap()
}

#[test]
fn connect_node_takes_every_kind_of_event_in_both_codecs() {
    let Some(peer) = Peer::start() else { return };
    for is_json in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let connect = Connect::new(&peer.url("strict")).unwrap();
        let telemetry = start(dir.path(), if is_json { connect.json() } else { connect });
        let ids = record_all(&telemetry);
        let attributes = [("reject", true.into())];
        let rejected = telemetry.record_custom(&Custom::new("odd").attributes(&attributes)).unwrap();
        assert!(telemetry.flush(LONG).complete);
        let mut requests = Vec::new();
        let mut seen = || {
            requests.extend(peer.requests());
            let text = requests.iter().map(Json::to_string).collect::<String>();
            ids.iter().all(|(id, _)| text.contains(&id.to_string())) && text.contains(&rejected.to_string())
        };
        until("the server has every event", &mut seen);
        for request in &requests {
            let timeout = request["timeout"].as_f64().unwrap();
            assert!(timeout > 0.0 && timeout <= 30_000.0, "{timeout}");
            assert_eq!(request["encoding"], "gzip");
            let request = &request["request"];
            assert_eq!(request["contexts"][0]["app"]["name"], "it");
            assert!(request["batchId"].as_str().unwrap().len() == 36);
        }
        let methods: Vec<_> = requests.iter().filter_map(|request| request["method"].as_str()).collect();
        assert!(methods.contains(&"ReportEvent") && methods.contains(&"ReportError"), "{methods:?}");
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert!(books.balanced() && books.queued == 0, "{books:?}");
        assert_eq!((books.dropped.total(), books.dropped.of(DropReason::PartialReject)), (1, 1), "{books:?}");
    }
}

#[test]
fn connect_node_that_reads_no_gzip_or_no_large_message_gets_what_it_reads() {
    let Some(peer) = Peer::start() else { return };
    for kind in ["plain", "small"] {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = start(dir.path(), Connect::new(&peer.url(kind)).unwrap());
        // At first, because its breadcrumbs would be larger than the small server's limit.
        let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")).unwrap();
        let text = "x".repeat(300);
        let ids: Vec<_> = (0..40).filter_map(|_| telemetry.record_log(&Log::new(Severity::Info, &text))).collect();
        until(kind, || {
            telemetry.flush(LONG);
            telemetry.books(LONG).unwrap().remove(0).queued == 0
        });
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert!(books.balanced() && books.dropped.total() == 0, "{kind}: {books:?}");
        let mut text = String::new();
        until("the server has every event", || {
            text.extend(peer.requests().iter().map(Json::to_string));
            ids.iter().chain([&crash]).all(|id| text.contains(&id.to_string()))
        });
    }
}

/// The answer to an empty request, which may be compressed.
fn answer(peer: &Peer, kind: &str, connect: &Connect, body: &[u8], encoding: Option<&str>) -> Response {
    let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(peer.port).unwrap())).unwrap();
    let url = connect.url(Signal(0));
    let path = &url[url.find(kind).unwrap() - 1..];
    let headers = connect
        .headers(Signal(0))
        .into_iter()
        .chain(encoding.map(|encoding| ("content-encoding".to_owned(), encoding.to_owned())));
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Response { status, headers, body: body.as_bytes().to_vec(), truncated: false }
}

#[test]
fn what_connect_node_answers_is_understood() {
    let Some(peer) = Peer::start() else { return };
    let verdict = |kind: &str, body: &[u8], encoding| {
        let connect = Connect::new(&peer.url(kind)).unwrap();
        let answer = answer(&peer, kind, &connect, body, encoding);
        let shown = format!("{kind}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        (connect.classify(&answer), shown)
    };
    let delivered = Verdict::Delivered { rejected: 0 };
    for (kind, expected) in [
        ("ok", delivered.clone()),
        ("Canceled", Verdict::Retry),
        ("Unknown", Verdict::Retry),
        ("InvalidArgument", Verdict::Refused),
        ("DeadlineExceeded", Verdict::Retry),
        ("AlreadyExists", Verdict::Refused),
        ("ResourceExhausted", Verdict::Retry),
        ("Aborted", Verdict::Retry),
        ("OutOfRange", Verdict::Refused),
        ("Internal", Verdict::Retry),
        ("Unavailable", Verdict::Retry),
        ("DataLoss", Verdict::Retry),
    ] {
        let (found, shown) = verdict(kind, b"", None);
        assert_eq!(found, expected, "{shown}");
    }
    let holds = ["NotFound", "PermissionDenied", "FailedPrecondition", "Unimplemented", "Unauthenticated", "hasty"];
    for kind in holds {
        let (found, shown) = verdict(kind, b"", None);
        assert!(matches!(found, Verdict::Hold(_)), "{shown}");
    }
    for (kind, body, encoding, expected) in [
        ("small", vec![0; 5000], None, Verdict::Split),
        ("plain", vec![0x1f, 0x8b], Some("gzip"), Verdict::Decompress),
        ("ok", vec![0x1f, 0x8b, 1, 2], Some("gzip"), Verdict::Decompress),
        // What it cannot read it calls an error of its own. The client looks for the event.
        ("ok", vec![0xff; 9], None, Verdict::Retry),
    ] {
        let (found, shown) = verdict(kind, &body, encoding);
        assert_eq!(found, expected, "{shown}");
    }
}
