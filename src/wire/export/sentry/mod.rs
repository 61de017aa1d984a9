//! Sentry: errors, release health and logs, as envelopes over HTTP.
//!
//! | event | what it becomes |
//! |---|---|
//! | error | an `event`, and an update of its session in the same envelope |
//! | crash, hang, ANR, OOM kill | an `event` of level `fatal`, and the end of its session |
//! | session | a `session` update: `init` for its start, `exited` for an end without a crash |
//! | log, custom | an item of a `log` container |
//! | view, action, resource, long task, vital, metric, span | nothing of its own |
//!
//! The last row is lost except for what crashes tell: the last hundred events before them are their
//! breadcrumbs. Sentry has places for traces and metrics; they are not filled yet, and OTLP carries
//! them to Sentry as well as to any other backend.
//!
//! An envelope holds at most one event, so every error is a request of its own. What was dropped
//! for good goes along with any envelope, as a client report.
//!
//! Source: <https://develop.sentry.dev/sdk/>, and Relay, Sentry's receiver, by measurement.
//!
//! - `dsn.rs`: who sends to which project;
//! - `envelope.rs`: the body, and the time of sending;
//! - `event.rs`, `stack.rs`, `frame.rs`, `breadcrumbs.rs`: errors;
//! - `session.rs`, `logs.rs`, `report.rs`: the other items;
//! - `identity.rs`, `words.rs`, `time.rs`, `json.rs`: texts that Relay takes;
//! - `outcomes.rs`: what an answer means.

mod breadcrumbs;
mod dsn;
mod envelope;
mod event;
mod frame;
mod identity;
mod json;
mod logs;
mod outcomes;
mod report;
mod session;
mod stack;
mod time;
mod words;

use std::time::Duration;

use crate::model::error::Error;
use crate::model::event::EventKind;
use crate::model::export::{Attempt, ExportRow, Exporter, Loss, RequestLimits, Signal, Verdict};
use crate::model::http::{Request, Response};
use crate::model::limits::{MAX_BATCH_BYTES, SENTRY_AGE, SENTRY_LOGS, SENTRY_SESSIONS};
use crate::model::names;
use dsn::Dsn;
use envelope::Envelope;
use identity::{Identity, Settings};
use time::Clock;

/// The version of the encoding: it changes whenever the same rows would give another body.
const VERSION: u32 = 2;

const EVENTS: Signal = Signal(0);
const SESSIONS: Signal = Signal(1);
const LOGS: Signal = Signal(2);

/// Sends errors, sessions and logs to Sentry or to a server that speaks its protocol.
///
/// The release is the service's name and version (`shop@1.2.3`), the environment is that of the
/// configuration. What Relay, Sentry's receiver, would not take is made legal, and a tag keeps the
/// original. See `docs/backends/sentry.md` for what becomes of which event, and what is lost.
///
/// ```
/// use std::sync::Arc;
/// use throughline::backends::Sentry;
/// use throughline::{Config, Destination};
///
/// let sentry = Sentry::new("https://0123456789abcdef@o1.ingest.sentry.io/42")?.logs(false);
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .service_version("1.2.3")
///     .destination(Destination::exporter("sentry", Arc::new(sentry)))
///     .build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Sentry {
    dsn: Dsn,
    settings: Settings,
    has_sessions: bool,
    has_logs: bool,
}

impl Sentry {
    /// The project that a DSN names: `https://KEY@HOST/PROJECT`, with a path in front of the
    /// project if the server needs one.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if it is no DSN. The text shows nothing of it.
    pub fn new(dsn: &str) -> Result<Self, Error> {
        let settings = Settings::default();
        Ok(Self { dsn: Dsn::parse(dsn)?, settings, has_sessions: true, has_logs: true })
    }

    /// Sets the release of events that have no version, because the configuration has none. Others
    /// keep the release of the app that has recorded them, `name@version`.
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.settings.release = Some(release.into());
        self
    }

    /// Sets the environment, in place of that of the configuration.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.settings.environment = Some(environment.into());
        self
    }

    /// Sets whether sessions are sent, from which Sentry computes how many of them had no crash.
    /// Default: they are. Switch them off if only a share of the sessions is kept
    /// ([`session_sample_rate`](crate::ConfigBuilder::session_sample_rate)): crashes are sent of
    /// all of them, so the share of crashes would be too high.
    pub fn sessions(mut self, are_sent: bool) -> Self {
        self.has_sessions = are_sent;
        self
    }

    /// Sets whether logs and the app's own events are sent. Default: they are.
    pub fn logs(mut self, are_sent: bool) -> Self {
        self.has_logs = are_sent;
        self
    }

    /// The envelope of one error, with what it says of its session.
    fn error(&self, row: &ExportRow<'_>) -> Vec<u8> {
        let identity = Identity::of(&self.settings, row);
        let clock = Clock::of(std::slice::from_ref(row));
        let mut envelope = Envelope::new(Some(row.id()), clock);
        let json = |object: &mut json::Object<'_>| object.text("content_type", "application/json");
        envelope.item("event", json, |value| event::event(value, &identity, row, clock));
        if self.has_sessions && session::is_told_by(row) {
            envelope.item("session", |_| {}, |value| session::session_of_error(value, &identity, row, clock));
        }
        envelope.finish()
    }

    fn sessions_of(&self, rows: &[ExportRow<'_>]) -> Vec<u8> {
        let clock = Clock::of(rows);
        let mut envelope = Envelope::new(None, clock);
        for row in rows {
            let identity = Identity::of(&self.settings, row);
            envelope.item("session", |_| {}, |value| session::session(value, &identity, row, clock));
        }
        envelope.finish()
    }

    fn logs_of(&self, rows: &[ExportRow<'_>]) -> Vec<u8> {
        let clock = Clock::of(rows);
        let mut envelope = Envelope::new(None, clock);
        let rows: Vec<_> = rows.iter().map(|row| (Identity::of(&self.settings, row), row)).collect();
        // An envelope has one container.
        let header = |object: &mut json::Object<'_>| {
            object.value("item_count").plain(rows.len());
            object.text("content_type", "application/vnd.sentry.items.log+json");
        };
        envelope.item("log", header, |value| logs::logs(value, &rows, clock));
        envelope.finish()
    }
}

impl Exporter for Sentry {
    /// The version of the encoding and, below it, a hash of the settings that change a body.
    fn version(&self) -> u32 {
        // FNV-1a, whose values stay the same: they are stored with batches.
        let settings = format!("{:?} {}", self.settings, self.has_sessions);
        let hash =
            settings.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        VERSION << 24 | (hash & 0x00ff_ffff)
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        match kind {
            EventKind::Error => Some(EVENTS),
            EventKind::Session => Some(SESSIONS),
            EventKind::Log | EventKind::Custom => Some(LOGS),
            _ => None,
        }
    }

    fn takes(&self, signal: Signal) -> bool {
        match signal {
            SESSIONS => self.has_sessions,
            LOGS => self.has_logs,
            _ => true,
        }
    }

    /// An envelope. Of several errors, or of more logs than fit, there is none: the client then
    /// encodes them in halves. Relay would answer 200 and refuse several events when it processes
    /// them.
    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        match (signal, rows) {
            (EVENTS, [row]) => self.error(row),
            (SESSIONS, rows) if rows.len() <= SENTRY_SESSIONS => self.sessions_of(rows),
            (LOGS, rows) if rows.len() <= SENTRY_LOGS => self.logs_of(rows),
            _ => Vec::new(),
        }
    }

    fn limits(&self, signal: Signal) -> RequestLimits {
        let events = match signal {
            SESSIONS => SENTRY_SESSIONS,
            LOGS => SENTRY_LOGS,
            _ => 1,
        };
        RequestLimits { events, bytes: MAX_BATCH_BYTES }
    }

    fn max_age(&self) -> Option<Duration> {
        Some(SENTRY_AGE)
    }

    fn is_stamped(&self) -> bool {
        true
    }

    fn stamp(&self, _signal: Signal, request: &mut Request, attempt: &Attempt) {
        envelope::stamp(&mut request.body, attempt.time_unix_nano);
    }

    fn takes_losses(&self) -> bool {
        true
    }

    fn add_losses(&self, request: &mut Request, losses: &[Loss]) {
        report::add(&mut request.body, losses);
    }

    fn waits(&self, response: &Response) -> Vec<(Signal, Duration)> {
        outcomes::waits(response)
    }

    fn url(&self, _signal: Signal) -> String {
        self.dsn.endpoint.clone()
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        let client = concat!("throughline/", env!("CARGO_PKG_VERSION"));
        let auth = format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={}", self.dsn.key);
        vec![
            ("content-type".to_owned(), "application/x-sentry-envelope".to_owned()),
            (names::sentry::AUTH.to_owned(), auth),
        ]
    }

    fn classify(&self, response: &Response) -> Verdict {
        outcomes::classify(response, self.dsn.is_encrypted())
    }
}

#[cfg(test)]
mod tests;
