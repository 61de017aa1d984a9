//! A backend of one's own: events as lines of JSON, to a server on the loopback interface.
//! `cargo run --example own_backend`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use serde_json::{Value as Json, json};
use throughline::event::{Action, ErrorEvent, EventKind};
use throughline::export::{Details, ExportRow, Exporter, Signal, Verdict};
use throughline::transport::Response;
use throughline::{AnyValue, Config, Consent, Destination, Environment, Telemetry};

/// Newline-delimited JSON: one object for each event.
#[derive(Debug)]
struct Ndjson {
    url: String,
}

/// The one kind of request that this format has.
const EVENTS: Signal = Signal(0);

impl Exporter for Ndjson {
    fn version(&self) -> u32 {
        1
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        // This format has no place for metrics: they are counted as `unsupported`.
        (kind != EventKind::Metric).then_some(EVENTS)
    }

    fn encode(&self, _signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        let mut body = Vec::new();
        for row in rows {
            body.extend(line(row).to_string().into_bytes());
            body.push(b'\n');
        }
        body
    }

    fn url(&self, _signal: Signal) -> String {
        self.url.clone()
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        vec![("content-type".to_owned(), "application/x-ndjson".to_owned())]
    }

    fn classify(&self, response: &Response) -> Verdict {
        match response.status {
            // This server answers with an empty body. Anything else is not its answer.
            200..=299 if response.body.is_empty() => Verdict::Delivered { rejected: 0 },
            413 => Verdict::Split,
            400 | 422 => Verdict::Refused,
            401 | 403 | 404 => Verdict::Hold(format!("the backend answered {}", response.status)),
            _ => Verdict::Retry,
        }
    }
}

fn line(row: &ExportRow<'_>) -> Json {
    let mut line = json!({
        "id": row.id().to_string(),
        "kind": row.kind().name(),
        "time_unix_nano": row.time_unix_nano(),
        "session": row.session_id().map(|id| id.to_string()),
        "view": row.view_name(),
        "label": row.label(),
    });
    if let Some(members) = line.as_object_mut() {
        if let Details::Error(error) = row.details() {
            members.insert("message".to_owned(), error.message.into());
        }
        members.extend(row.attributes().iter().map(|(key, value)| ((*key).to_string(), json_of(value))));
    }
    line
}

fn json_of(value: &AnyValue) -> Json {
    match value {
        AnyValue::Bool(flag) => (*flag).into(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::Double(number) => (*number).into(),
        AnyValue::Text(text) => text.as_str().into(),
        AnyValue::List(items) => items.iter().map(json_of).collect(),
        AnyValue::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json_of(value))).collect(),
        other => format!("{other:?}").into(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/events", listener.local_addr()?);
    let (lines, received) = channel();
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| serve(stream, &lines)));

    let data_dir = std::env::temp_dir().join("throughline-own-backend");
    let config = Config::builder("shop", &data_dir)
        .environment(Environment::Development)
        .start_jitter(false) // sends at once, instead of some time within the first 10 s
        .destination(Destination::exporter("events", Arc::new(Ndjson { url })))
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    telemetry.start_view("Cart");
    telemetry.record_action(&Action::tap("checkout").attributes(&[("items", 3.into())]));
    telemetry.record_error(&ErrorEvent::new("PaymentError", "card declined"));
    let outcome = telemetry.flush(Duration::from_secs(10));

    let lines: Vec<String> = received.try_iter().collect();
    lines.iter().for_each(|line| println!("{line}"));
    println!("{} delivered, {} wait", outcome.delivered, outcome.waiting);
    let books = telemetry.books(Duration::from_secs(5))?;
    if lines.len() < 3 || !books.iter().all(throughline::DestinationBooks::balanced) {
        return Err(format!("events are missing: {books:?}").into());
    }
    Ok(())
}

/// Reads one request, hands its lines on and answers 200 with an empty body.
fn serve(stream: TcpStream, lines: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    // The client has compressed it and says so in `content-encoding`.
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(body.as_slice()))?;
    text.lines().for_each(|line| lines.send(line.to_owned()).unwrap_or_default());
    (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
