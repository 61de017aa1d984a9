//! Network requests of the app.

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{MAX_METHOD_CHARS, MAX_NAME_CHARS, MAX_PHASES, MAX_PROTOCOL_CHARS};
use crate::model::time::nanos;
use crate::model::value::Attribute;
use std::time::Duration;

/// What a part of a request's time went into. The terms are those of RUM and of the Resource Timing
/// API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the host's address.
    Dns = 1,
    /// Connecting, with [`Phase::Tls`].
    Connect = 2,
    /// The TLS handshake.
    Tls = 3,
    /// From sending the request to the first byte of the answer.
    FirstByte = 4,
    /// From the first to the last byte of the answer.
    Download = 5,
}

impl Phase {
    /// By its code.
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

/// When a phase of a request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// Its start after the request's, ns.
    pub start: Duration,
    /// How long it took, ns.
    pub duration: Duration,
}

/// A network request of the app.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Resource<'a> {
    /// The URL. Give it without query and user information unless they are harmless.
    pub url: &'a str,
    /// The HTTP method, upper case.
    pub method: &'a str,
    /// The status; 0 when there was no answer.
    pub status: u16,
    /// How long it took, ns.
    pub duration: Duration,
    /// Bytes of the response's body.
    pub size: Option<u64>,
    /// `http/1.1`, `h2`, …; empty when unknown.
    pub protocol: &'a str,
    /// Why there was no answer; empty otherwise.
    pub error_type: &'a str,
    /// What the time went into, as far as the network stack has measured it: at most five are kept.
    /// A request over a connection that stood has neither [`Phase::Dns`] nor [`Phase::Connect`].
    pub phases: &'a [PhaseTime],
    /// The span that started it. The event's own `trace` is the request's span.
    pub parent_span: Option<[u8; 8]>,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> Resource<'a> {
    /// A finished request.
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

    /// Says why there was no answer.
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

    /// Says what the time went into.
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
        out.text(field::ERROR_TYPE, e.error_type, MAX_NAME_CHARS);
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
