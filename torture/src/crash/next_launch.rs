//! The next process of the app: it delivers what the one before it has left.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use throughline::event::{ErrorKind, EventKind};
use throughline::export::{Details, ExportRow, Exporter, Signal, Verdict};
use throughline::transport::{Request, Response, Sending, Transport};
use throughline::{Config, Consent, Destination, Environment, Host, Telemetry};

/// A crash as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) id: String,
    pub(crate) error_type: String,
    pub(crate) stack: String,
    pub(crate) view: String,
    /// The trace that it belongs to, in hexadecimal digits; empty when there is none.
    pub(crate) trace: String,
    pub(crate) attributes: Vec<(String, String)>,
}

/// What was delivered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported {
    pub(crate) crashes: Vec<Crash>,
    /// The ids of actions.
    pub(crate) actions: Vec<String>,
}

/// Takes every event apart in place of encoding it.
#[derive(Debug, Default)]
struct Reader(Mutex<Reported>);

impl Exporter for Reader {
    fn version(&self) -> u32 {
        1
    }

    fn signal(&self, _: EventKind) -> Option<Signal> {
        Some(Signal(0))
    }

    fn encode(&self, _: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            match row.details() {
                Details::Error(error) if error.error_kind == ErrorKind::Crash => reported.crashes.push(Crash {
                    id: row.id().to_string(),
                    error_type: error.error_type.to_owned(),
                    stack: error.stack.to_owned(),
                    view: row.view_name().to_owned(),
                    trace: row
                        .trace()
                        .map(|trace| format!("{:032x}", u128::from_be_bytes(trace.trace_id)))
                        .unwrap_or_default(),
                    attributes: row
                        .attributes()
                        .iter()
                        .map(|(key, value)| (key.to_string(), format!("{value:?}")))
                        .collect(),
                }),
                Details::Action(_) => reported.actions.push(row.id().to_string()),
                _ => {}
            }
        }
        b"[]".to_vec()
    }

    fn url(&self, _: Signal) -> String {
        "http://127.0.0.1/".to_owned()
    }

    fn headers(&self, _: Signal) -> Vec<(String, String)> {
        Vec::new()
    }

    fn classify(&self, _: &Response) -> Verdict {
        Verdict::Delivered { rejected: 0 }
    }
}

/// Accepts everything.
#[derive(Debug)]
struct Accepting;

impl Transport for Accepting {
    fn send(&self, _: Request) -> Sending<'_> {
        Box::pin(std::future::ready(Ok(Response { status: 200, ..Response::default() })))
    }
}

/// Starts the client on a directory, and delivers everything.
pub(crate) fn next_launch(dir: &Path) -> Result<Reported> {
    let reader = Arc::new(Reader::default());
    let config = Config::builder("crashme", dir)
        .environment(Environment::Development)
        .capture_crashes(false)
        .session_events(false)
        .destination(Destination::exporter("reader", Arc::clone(&reader) as Arc<dyn Exporter>))
        .build()?;
    let mut host = Host::default();
    host.transport = Some(Arc::new(Accepting));
    let telemetry = Telemetry::start_with(config, Consent::Granted, host)?;
    let outcome = telemetry.flush(Duration::from_secs(20));
    ensure!(outcome.complete, "not everything was delivered: {outcome:?}");
    telemetry.shutdown(Duration::from_secs(5));
    let reported = reader.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(reported)
}
