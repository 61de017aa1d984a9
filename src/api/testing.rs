//! For tests: a backend on a raw socket that misbehaves on demand, and the ids of what it received.
//!
//! Only with the feature `testing`. The server is `std::net` and speaks just enough HTTP/1.1 to
//! break it at every byte.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::model::names::EVENT_ID;
use crate::model::names::semconv::LOG_RECORD_UID;

/// How the server answers one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// 200 and an empty `partial_success`, as the Collector does.
    Accept,
    /// A status with headers (`name: value`) and a body; nothing is stored unless the status is
    /// 2xx.
    Status(u16, Vec<String>, Vec<u8>),
    /// 200, but the last `n` records were rejected.
    Partial(u8),
    /// Stores the request, then closes before the answer: a lost acknowledgement.
    LoseAck,
    /// Stores the request and closes after `n` bytes of the answer.
    CutAnswer(usize),
    /// Closes after `n` bytes of the request; stores nothing.
    CutRequest(usize),
    /// Stores the request and sends the answer a byte at a time.
    Slow(Duration),
    /// Announces more bytes than it sends.
    WrongLength,
    /// 200 and a body of this many bytes, none of them an answer.
    Huge(usize),
    /// 200 and a login page.
    CaptivePortal,
    /// Refuses (400) requests that contain one of these ids, stores others.
    Poison(Vec<Uuid>),
    /// Refuses (413) requests with more than this many records, stores others.
    AtMost(usize),
}

/// A request that arrived whole.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body without its compression.
    pub body: Vec<u8>,
    /// Ids of the records in it.
    pub ids: Vec<Uuid>,
    /// Whether the server keeps it.
    pub stored: bool,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    received: Vec<Received>,
}

/// A backend on the loopback interface that misbehaves as it is told. It ends when it is dropped.
///
/// ```
/// use std::time::Duration;
/// use throughline::event::Action;
/// use throughline::testing::{Answer, FaultServer};
/// use throughline::{Config, Consent, Telemetry};
///
/// let server = FaultServer::start()?;
/// let dir = tempfile::tempdir()?;
/// let config = Config::builder("shop", dir.path())
///     .endpoint(server.url())
///     .start_jitter(false)
///     .build()?;
/// let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let id = telemetry.record_action(&Action::tap("buy")).ok_or("the client is off")?;
///
/// server.script([Answer::LoseAck]); // keeps the request, but does not answer it
/// telemetry.flush(Duration::from_secs(5));
/// assert!(server.stored_ids().contains(&id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FaultServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl FaultServer {
    /// Listens on a free port of the loopback.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let server = Self {
            address: listener.local_addr()?,
            state: Arc::default(),
            stop: Arc::default(),
            connections: Arc::default(),
        };
        let (state, stop, connections) = (server.state.clone(), server.stop.clone(), server.connections.clone());
        std::thread::Builder::new().name("fault-server".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                connections.fetch_add(1, Ordering::AcqRel);
                let state = state.clone();
                let _ = std::thread::Builder::new().spawn(move || serve(&stream, &state));
            }
        })?;
        Ok(server)
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests in this order; afterwards accepts, or does what
    /// [`FaultServer::always`] said.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().script.extend(answers);
    }

    /// Forgets what is left of the script.
    pub fn end_script(&self) {
        self.state().script.clear();
    }

    /// Answers every request that no script is for; `None` accepts.
    pub fn always(&self, answer: Option<Answer>) {
        self.state().always = answer;
    }

    /// Every request that arrived whole, in order.
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Ids of the records that the server keeps, duplicates included.
    pub fn stored_ids(&self) -> Vec<Uuid> {
        let state = self.state();
        state.received.iter().filter(|request| request.stored).flat_map(|request| request.ids.clone()).collect()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = stream.set_nodelay(true);
    while let Ok(true) = one_request(stream, state) {}
    let _ = stream.shutdown(Shutdown::Both);
}

/// Serves one request; false when the connection is to be closed.
fn one_request(mut stream: &TcpStream, state: &Mutex<State>) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut byte = [0u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 || head.len() > 64 * 1024 {
            return Ok(false);
        }
        head.extend_from_slice(&byte);
    }
    let answer = {
        let mut state = lock(state);
        state.script.pop_front().or_else(|| state.always.clone()).unwrap_or(Answer::Accept)
    };
    if let Answer::CutRequest(bytes) = answer {
        let mut part = vec![0u8; bytes];
        let _ = stream.read(&mut part);
        return Ok(false);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let length = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut wire = vec![0u8; length];
    stream.read_exact(&mut wire)?;
    let body = if header("content-encoding").as_deref() == Some("gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(wire.as_slice()).read_to_end(&mut plain)?;
        plain
    } else {
        wire
    };
    let json = header("content-type").is_some_and(|value| value.contains("json"));
    // Connect wants its answer in the form of its request, by name.
    let kind = match header("content-type").as_deref() {
        Some("application/proto") => "application/proto",
        _ if json => "application/json",
        _ => "application/x-protobuf",
    };
    let ids = event_ids(&body);
    let stored = match &answer {
        Answer::Status(status, ..) => (200..300).contains(status),
        Answer::WrongLength | Answer::Huge(_) | Answer::CaptivePortal => false,
        Answer::Poison(poison) => !ids.iter().any(|id| poison.contains(id)),
        Answer::AtMost(most) => ids.len() <= *most,
        _ => true,
    };
    let records = ids.len();
    lock(state).received.push(Received { path, headers, body, ids, stored });
    let empty: &[u8] = if json { b"{\"partialSuccess\":{}}" } else { &[0x0a, 0x00] };
    let whole = match answer {
        Answer::Accept | Answer::LoseAck | Answer::CutAnswer(_) | Answer::Slow(_) | Answer::CutRequest(_) => {
            response(200, kind, &[], empty)
        }
        Answer::Poison(_) => response(if stored { 200 } else { 400 }, kind, &[], if stored { empty } else { b"bad" }),
        Answer::AtMost(_) => response(if stored { 200 } else { 413 }, kind, &[], if stored { empty } else { b"big" }),
        Answer::Status(status, ref extra, ref body) => response(status, kind, extra, body),
        Answer::Partial(count) => {
            let count = count.min(u8::try_from(records).unwrap_or(u8::MAX));
            let text = format!("{{\"partialSuccess\":{{\"rejectedLogRecords\":\"{count}\"}}}}");
            let binary = [0x0a, 2, 0x08, count.min(127)];
            response(200, kind, &[], if json { text.as_bytes() } else { &binary })
        }
        Answer::WrongLength => b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nshort".to_vec(),
        Answer::Huge(bytes) => response(200, "text/plain", &[], &vec![b'x'; bytes]),
        Answer::CaptivePortal => response(200, "text/html", &[], b"<html><body>Welcome to the hotel</body></html>"),
    };
    match answer {
        Answer::LoseAck => Ok(false),
        Answer::CutAnswer(bytes) => {
            stream.write_all(whole.get(..bytes).unwrap_or(&whole))?;
            Ok(false)
        }
        Answer::WrongLength => {
            stream.write_all(&whole)?;
            Ok(false)
        }
        Answer::Slow(pause) => {
            for byte in &whole {
                stream.write_all(std::slice::from_ref(byte))?;
                std::thread::sleep(pause);
            }
            Ok(true)
        }
        _ => {
            stream.write_all(&whole)?;
            Ok(true)
        }
    }
}

fn response(status: u16, kind: &str, extra: &[String], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n");
    for header in extra {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut whole = head.into_bytes();
    whole.extend_from_slice(body);
    whole
}

/// The ids of the events in an OTLP body, protobuf or JSON, without those that are still open.
/// Looks for the encoded key and value as bytes: the encoders are checked against OpenTelemetry's
/// own types elsewhere.
pub fn event_ids(body: &[u8]) -> Vec<Uuid> {
    let protobuf = |key: &str| [&[10, key.len() as u8], key.as_bytes(), &[18, 38, 10, 36]].concat();
    let json = |key: &str| format!("\"key\":\"{key}\",\"value\":{{\"stringValue\":\"").into_bytes();
    let patterns = [LOG_RECORD_UID, EVENT_ID].map(|key| [(protobuf(key), false), (json(key), true)]);
    // One pass that compares words: a search for each pattern took as long as encoding and
    // compressing the body, and the benchmark of a flush waits for this backend.
    let word = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    let patterns = patterns.as_flattened();
    let words: Vec<u64> = patterns.iter().map(|(pattern, _)| word(pattern)).collect();
    let mut ids = Vec::new();
    for (at, window) in body.windows(8).enumerate() {
        let found = word(window);
        for ((pattern, is_json), _) in patterns.iter().zip(&words).filter(|(_, word)| **word == found) {
            let Some(rest) = body.get(at..).and_then(|rest| rest.strip_prefix(pattern.as_slice())) else { continue };
            // The id of one that is open is longer.
            let is_whole = !is_json || rest.get(36) == Some(&b'"');
            ids.extend(rest.get(..36).filter(|_| is_whole).and_then(|id| Uuid::try_parse_ascii(id).ok()));
        }
    }
    ids
}
