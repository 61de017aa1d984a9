//! Network requests of the app.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{MAX_METHOD_CHARS, MAX_PHASES, MAX_PROTOCOL_CHARS};
use crate::model::time::nanos;
use crate::model::value::Attribute;
use std::time::Duration;

/// What a part of a request's time was spent on. The terms are those of RUM and of the Resource
/// Timing API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the address of the host.
    Dns = 1,
    /// Connecting, including [`Phase::Tls`].
    Connect = 2,
    /// The TLS handshake.
    Tls = 3,
    /// From sending the request to the first byte of the answer.
    FirstByte = 4,
    /// From the first to the last byte of the answer.
    Download = 5,
}

impl Phase {
    /// The phase with a stored code.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Phase::Dns,
            2 => Phase::Connect,
            3 => Phase::Tls,
            4 => Phase::FirstByte,
            5 => Phase::Download,
            _ => return None,
        })
    }
}

/// When a phase of a request began, and how long it took. [`Resource`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTime {
    /// Which phase.
    pub phase: Phase,
    /// The time from the start of the request to the start of the phase.
    pub start: Duration,
    /// How long the phase took.
    pub duration: Duration,
}

/// A network request of the app that has ended.
/// [`Telemetry::start_resource`](crate::Telemetry::start_resource) also measures a request.
///
/// ```
/// use std::time::Duration;
/// use throughline::event::{Phase, PhaseTime, Resource};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let millis = Duration::from_millis;
/// let phases = [
///     PhaseTime { phase: Phase::FirstByte, start: millis(2), duration: millis(61) },
///     PhaseTime { phase: Phase::Download, start: millis(63), duration: millis(22) },
/// ];
/// let loaded = Resource::new("GET", "https://api.example.com/cart", 200, millis(85));
/// telemetry.record_resource(&loaded.size(2_048).phases(&phases));
///
/// let failed = Resource::new("GET", "https://api.example.com/cart", 0, millis(30_000));
/// assert!(telemetry.record_resource(&failed.failed("timeout")).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Resource<'a> {
    /// The URL. Leave out its query and user information unless they are harmless.
    pub url: &'a str,
    /// The HTTP method, in upper case.
    pub method: &'a str,
    /// The status. 0 when there was no answer.
    pub status: u16,
    /// How long it took.
    pub duration: Duration,
    /// Bytes of the response's body.
    pub size: Option<u64>,
    /// The protocol, for example `http/1.1` or `h2`. Empty when it is not known.
    pub protocol: &'a str,
    /// Why there was no answer. Empty when there was one.
    pub error_type: &'a str,
    /// What the time was spent on, as far as the network stack has measured it. At most five phases
    /// are kept. A request over an open connection has no [`Phase::Dns`] and no [`Phase::Connect`].
    pub phases: &'a [PhaseTime],
    /// The span that started it. The event's own `trace` is the request's span.
    pub parent_span: Option<[u8; 8]>,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Resource<'a> {
    /// Makes a request that has ended.
    pub fn new(method: &'a str, url: &'a str, status: u16, duration: Duration) -> Self {
        Self {
            url,
            method,
            status,
            duration,
            size: None,
            protocol: "",
            error_type: "",
            phases: &[],
            parent_span: None,
            common: Common::default(),
        }
    }

    /// Sets the reason why there was no answer.
    #[must_use]
    pub fn failed(mut self, error_type: &'a str) -> Self {
        self.error_type = error_type;
        self
    }

    /// Sets the response's size in bytes.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Sets what the time was spent on.
    #[must_use]
    pub fn phases(mut self, phases: &'a [PhaseTime]) -> Self {
        self.phases = phases;
        self
    }

    /// Sets the span that started the request.
    #[must_use]
    pub fn parent_span(mut self, span: [u8; 8]) -> Self {
        self.parent_span = Some(span);
        self
    }
}

event!(
    Resource,
    EventKind::Resource,
    |_| Lane::Event,
    |e| Some(e.duration),
    |e, out| {
        out.url(field::URL, e.url);
        out.text(field::METHOD, e.method, MAX_METHOD_CHARS);
        out.count(field::STATUS, u64::from(e.status));
        out.uint(field::DURATION, nanos(e.duration));
        out.optional(field::SIZE, e.size);
        out.text(field::PROTOCOL, e.protocol, MAX_PROTOCOL_CHARS);
        out.name(field::ERROR_TYPE, e.error_type);
        for PhaseTime { phase, start, duration } in e.phases.iter().take(MAX_PHASES) {
            out.uints(field::PHASE, &[*phase as u64, nanos(*start), nanos(*duration)]);
        }
        if let Some(parent) = e.parent_span {
            out.bytes(field::PARENT_SPAN, &parent);
        }
    },
    fn label(&self) -> &str {
        self.url
    }
);
