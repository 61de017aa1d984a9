//! What goes over the wire: bytes an event, and how fast a queue is flushed, in every format.
//!
//! 1,000 actions of one device in ten sessions, one every few seconds, each with the three
//! attributes of the other figures, a view and a user. The engine stores and sends them; a server
//! on the loopback interface says how many bytes came. `peers_wire.rs` writes the same actions in
//! the way of other SDKs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use throughline::backends::{Connect, Datadog, Fluentd, Sentry};
use throughline::event::{EventKind, Log, Severity};
use throughline::export::{Attempt, ExportRow, Exporter, RequestLimits, Signal, Verdict};
use throughline::internals::otlp::Otlp;
use throughline::testing::{Answer, FaultServer};
use throughline::time::{Clock, ManualClock};
use throughline::transport::{Request, Response};
use throughline::{Consent, Destination, Encoding, Host, Telemetry, User};

use crate::client::{LONG, Texts, action, config};
use crate::disk::directory;
use crate::table::{Goal, Table};
use crate::timing::median;

/// The events whose bytes are counted.
pub(crate) const EVENTS: u64 = 1_000;

/// Events in a request.
pub(crate) const BATCHES: [usize; 4] = [1, 20, 100, 500];

/// The events of which the speed of a flush is taken.
const FLUSHED: u64 = 20_000;

/// A format: how its exporter is made for a server, and what the server answers.
struct Format {
    name: &'static str,
    exporter: fn(&str) -> Result<Arc<dyn Exporter>>,
    answer: &'static [u8],
    /// The format has no place for actions. Logs with the same attributes are sent.
    is_of_logs: bool,
}

const FORMATS: [Format; 7] = [
    Format {
        name: "otlp_protobuf",
        exporter: |url| Ok(Arc::new(Otlp::new(&Destination::new("wire", url)))),
        answer: b"",
        is_of_logs: false,
    },
    Format {
        name: "otlp_json",
        exporter: |url| Ok(Arc::new(Otlp::new(&Destination::new("wire", url).encoding(Encoding::Json)))),
        answer: b"{}",
        is_of_logs: false,
    },
    Format {
        name: "datadog",
        exporter: |url| {
            let application = "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b";
            Ok(Arc::new(Datadog::with_base_url(url, "pub0123456789abcdef", application)?))
        },
        answer: b"",
        is_of_logs: false,
    },
    Format {
        name: "sentry_logs",
        exporter: |url| Ok(Arc::new(Sentry::new(&format!("{}/42", url.replace("://", "://public@")))?)),
        answer: b"{\"id\":\"0123456789abcdef0123456789abcdef\"}",
        is_of_logs: true,
    },
    Format {
        name: "connect_protobuf",
        exporter: |url| Ok(Arc::new(Connect::new(url)?)),
        answer: b"",
        is_of_logs: false,
    },
    Format {
        name: "connect_json",
        exporter: |url| Ok(Arc::new(Connect::new(url)?.json())),
        answer: b"{}",
        is_of_logs: false,
    },
    Format {
        name: "fluentd",
        exporter: |url| Ok(Arc::new(Fluentd::new(url, "shop.app")?)),
        answer: b"",
        is_of_logs: false,
    },
];

/// An exporter whose requests carry so many events.
#[derive(Debug)]
struct AtMost(Arc<dyn Exporter>, usize);

impl Exporter for AtMost {
    fn version(&self) -> u32 {
        self.0.version()
    }
    fn signal(&self, kind: EventKind) -> Option<Signal> {
        self.0.signal(kind)
    }
    fn takes(&self, signal: Signal) -> bool {
        self.0.takes(signal)
    }
    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        self.0.encode(signal, rows)
    }
    fn limits(&self, signal: Signal) -> RequestLimits {
        RequestLimits { events: self.1, ..self.0.limits(signal) }
    }
    fn is_stamped(&self) -> bool {
        self.0.is_stamped()
    }
    fn stamp(&self, signal: Signal, request: &mut Request, attempt: &Attempt) {
        self.0.stamp(signal, request, attempt);
    }
    fn url(&self, signal: Signal) -> String {
        self.0.url(signal)
    }
    fn headers(&self, signal: Signal) -> Vec<(String, String)> {
        self.0.headers(signal)
    }
    fn classify(&self, response: &Response) -> Verdict {
        self.0.classify(response)
    }
}

/// Adds the rows of every format.
pub(crate) fn add(table: &mut Table) -> Result<()> {
    for format in &FORMATS {
        for most in BATCHES {
            let bytes = bytes_an_event(format, most)?;
            let goal = if most >= 100 && format.name == "connect_protobuf" { Goal::AtMost(60.0) } else { Goal::None };
            table.add(format!("wire_{}_{most}_bytes", format.name), bytes, "bytes", goal);
        }
        let mut speeds = Vec::new();
        for _ in 0..5 {
            speeds.push(events_a_second(format)?);
        }
        table.add(format!("wire_{}_events_per_s", format.name), median(&mut speeds), "1/s", Goal::None);
    }
    Ok(())
}

/// How many bytes of a request's body an event takes when `most` of them share a request.
fn bytes_an_event(format: &Format, most: usize) -> Result<f64> {
    let server = server(format)?;
    let clock = Arc::new(ManualClock::new());
    let mut host = Host::default();
    host.clock = Clock::Manual(Arc::clone(&clock));
    let (_dir, telemetry) = start(format, &server, most, host)?;
    for n in 0..EVENTS {
        // A tap every one to five seconds, and ten sessions.
        clock.advance(pause(n));
        if n % (EVENTS / 10) == 0 {
            telemetry.renew_session();
            telemetry.stop_view();
            telemetry.start_view("Cart").context("no view")?;
        }
        ensure!(record(&telemetry, format, n), "an event was refused");
        ensure!(n % 100 != 0 || telemetry.drain(LONG), "the worker does not answer");
    }
    telemetry.stop_view();
    ensure!(telemetry.flush(LONG).complete, "{}: not flushed", format.name);
    let length =
        |(name, value): &(String, String)| (name == "content-length").then(|| value.parse::<u64>().unwrap_or_default());
    let bytes: u64 = server.received().iter().flat_map(|request| request.headers.iter().filter_map(length)).sum();
    // The ends of the ten views are events as well.
    let views = if format.is_of_logs { 0 } else { 10 };
    Ok(bytes as f64 / (EVENTS + views) as f64)
}

/// The time before the n-th event.
pub(crate) fn pause(n: u64) -> Duration {
    Duration::from_micros(1_000_000 + n.wrapping_mul(2_654_435_761) % 4_000_000)
}

/// How many queued events a flush delivers in a second.
fn events_a_second(format: &Format) -> Result<f64> {
    let server = server(format)?;
    let (_dir, telemetry) = start(format, &server, usize::MAX, Host::default())?;
    for n in 0..FLUSHED {
        ensure!(record(&telemetry, format, n), "an event was refused");
        ensure!(n % 512 != 0 || telemetry.drain(LONG), "the worker does not answer");
    }
    ensure!(telemetry.drain(LONG), "the worker does not answer");
    let started = Instant::now();
    let outcome = telemetry.flush(LONG);
    ensure!(outcome.complete, "{}: not flushed", format.name);
    Ok(outcome.delivered as f64 / started.elapsed().as_secs_f64())
}

fn server(format: &Format) -> Result<FaultServer> {
    let server = FaultServer::start()?;
    server.always(Some(Answer::Status(200, Vec::new(), format.answer.to_vec())));
    Ok(server)
}

fn start(format: &Format, server: &FaultServer, most: usize, host: Host) -> Result<(tempfile::TempDir, Telemetry)> {
    let dir = directory()?;
    let exporter = AtMost((format.exporter)(&server.url())?, most);
    let mut config = config(dir.path()).destination(Destination::exporter("wire", Arc::new(exporter)));
    config = config.service_version("4.12.0");
    for (key, value) in RESOURCE {
        config = config.resource(key, value);
    }
    let telemetry = Telemetry::start_with(config.build()?, Consent::Granted, host)?;
    telemetry.set_user(Some(User { id: USER, ..User::default() }));
    Ok((dir, telemetry))
}

/// What an app on a phone says of itself.
pub(crate) const RESOURCE: [(&str, &str); 7] = [
    ("device.manufacturer", "Google"),
    ("device.model.identifier", "oriole"),
    ("device.model.name", "Pixel 6"),
    ("os.name", "Android"),
    ("os.version", "15"),
    ("os.build_id", "AP3A.241005.015"),
    ("app.build_id", "4120"),
];

/// The user.
pub(crate) const USER: &str = "u-184467";

fn record(telemetry: &Telemetry, format: &Format, n: u64) -> bool {
    let texts = Texts::new(n);
    if format.is_of_logs {
        return telemetry
            .record_log(&Log::new(Severity::Info, "shop.item_added").attributes(&texts.attributes()))
            .is_some();
    }
    telemetry.record_action(&action(&texts.attributes())).is_some()
}
