//! Calls of an exporter, which may be the host's own: a bug in it must cost neither the worker nor
//! events of another destination.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::config::{Filter, shown};
use crate::model::event::{EventKind, Lane};
use crate::model::export::{Attempt, ExportRow, Exporter, Loss, RequestLimits, Signal, Verdict};
use crate::model::http::{Request, Response};
use crate::model::limits::{MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use crate::storage::queue::{LostOf, QueueError, Untold};

/// What an exporter did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the exporter panicked")]
    Panicked,
    /// It was given rows, so the body cannot be empty.
    #[error("the exporter made an empty body")]
    Empty,
}

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Failure {
    Queue(QueueError),
    Exporter(Fault),
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Exporter(fault)
    }
}

/// The exporter of a destination with its filter. The exporter's panics are caught and counted.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    exporter: Arc<dyn Exporter>,
    /// Which events are meant for the destination, whatever the exporter says.
    filter: Filter,
    panics: Arc<AtomicU64>,
    /// Whether the backend has said that it cannot read compressed bodies.
    is_plain: bool,
    /// What the next request tells of losses, or the one that is under way.
    losses: Vec<(Untold, Loss)>,
}

impl Guarded {
    pub(super) fn new(exporter: Arc<dyn Exporter>, filter: Filter, panics: Arc<AtomicU64>) -> Self {
        Self { exporter, filter, panics, is_plain: false, losses: Vec::new() }
    }

    fn call<R>(&self, call: impl FnOnce(&dyn Exporter) -> R) -> Result<R, Fault> {
        catch_unwind(AssertUnwindSafe(|| call(&*self.exporter))).map_err(|_| {
            self.panics.fetch_add(1, Ordering::Relaxed);
            Fault::Panicked
        })
    }

    /// The version of the encoding and the filter.
    pub(super) fn version(&self) -> Result<u32, Fault> {
        Ok(self.call(|exporter| exporter.version())? ^ self.filter.code())
    }

    /// Whether the filter lets an event through.
    pub(super) fn admits(&self, lane: Lane, kind: EventKind) -> bool {
        self.filter.takes(lane, kind)
    }

    /// Gives the destination crashes too, which its filter had left out.
    pub(super) fn add_crashes(&mut self) {
        self.filter.add_crashes();
    }

    pub(super) fn signal(&self, kind: EventKind) -> Result<Option<Signal>, Fault> {
        self.call(|exporter| exporter.signal(kind))
    }

    pub(super) fn takes(&self, signal: Signal) -> Result<bool, Fault> {
        self.call(|exporter| exporter.takes(signal))
    }

    /// Whether events of a kind in a lane are meant for the destination, and have a place in its
    /// format. They may have if the exporter fails.
    pub(super) fn wants(&self, lane: Lane, kind: EventKind) -> bool {
        let wants = |exporter: &dyn Exporter| exporter.signal(kind).is_some_and(|signal| exporter.takes(signal));
        self.admits(lane, kind) && self.call(wants).unwrap_or(true)
    }

    /// Whether events of a kind in a lane are meant for the destination. Those that have no place
    /// in its format are, and are counted.
    pub(super) fn concerns(&self, lane: Lane, kind: EventKind) -> bool {
        let takes = |exporter: &dyn Exporter| exporter.signal(kind).is_none_or(|signal| exporter.takes(signal));
        self.admits(lane, kind) && self.call(takes).unwrap_or(true)
    }

    /// Whether nothing of a lane is meant for the destination: all of it is passed over.
    pub(super) fn passes_over(&self, lane: Lane) -> bool {
        let mut kinds = EventKind::ALL.into_iter().filter(|kind| kind.lanes().contains(&lane));
        !kinds.any(|kind| self.concerns(lane, kind))
    }

    /// Whether every signal goes to one server. Yes if the exporter fails.
    pub(super) fn has_one_server(&self) -> bool {
        let servers = |exporter: &dyn Exporter| {
            let kinds = EventKind::ALL.into_iter().filter(|kind| self.filter.takes_kind(*kind));
            let signals = kinds.filter_map(|kind| exporter.signal(kind));
            let urls = signals.filter(|signal| exporter.takes(*signal)).map(|signal| exporter.url(signal));
            urls.map(|url| url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")).collect::<BTreeSet<_>>().len()
        };
        self.call(servers).map_or(true, |servers| servers <= 1)
    }

    /// The body of at least one row.
    pub(super) fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Result<Vec<u8>, Fault> {
        let body = self.call(|exporter| exporter.encode(signal, rows))?;
        if body.is_empty() { Err(Fault::Empty) } else { Ok(body) }
    }

    /// The URL and the headers of a signal's requests.
    pub(super) fn address(&self, signal: Signal) -> Result<(String, Vec<(String, String)>), Fault> {
        self.call(|exporter| (exporter.url(signal), exporter.headers(signal)))
    }

    /// How much one request of a signal may carry: at least one event.
    pub(super) fn limits(&self, signal: Signal) -> Result<RequestLimits, Fault> {
        let limits = self.call(|exporter| exporter.limits(signal))?;
        let RequestLimits { events, bytes } = limits;
        Ok(RequestLimits { events: events.clamp(1, MAX_BATCH_EVENTS), bytes: bytes.min(MAX_BATCH_BYTES) })
    }

    /// How old an event may be: as the format says and as the destination does. If the exporter
    /// fails, the format says nothing.
    pub(super) fn max_age(&self) -> Option<Duration> {
        let of_format = self.call(|exporter| exporter.max_age()).unwrap_or(None);
        of_format.into_iter().chain(self.filter.max_age()).min()
    }

    pub(super) fn is_stamped(&self) -> Result<bool, Fault> {
        self.call(|exporter| exporter.is_stamped())
    }

    /// A request with what is only known when it is sent.
    pub(super) fn stamped(&self, signal: Signal, mut request: Request, attempt: &Attempt) -> Result<Request, Fault> {
        self.call(|exporter| {
            exporter.stamp(signal, &mut request, attempt);
            if !self.losses.is_empty() {
                let losses: Vec<Loss> = self.losses.iter().map(|(_, loss)| *loss).collect();
                exporter.add_losses(&mut request, &losses);
            }
            request
        })
    }

    /// Whether the backend wants to be told of losses. It does not if the exporter fails.
    pub(super) fn takes_losses(&self) -> bool {
        self.call(|exporter| exporter.takes_losses() && exporter.is_stamped()).unwrap_or(false)
    }

    /// Has the next request tell these losses, as far as the events were meant for the destination.
    pub(super) fn tell(&mut self, untold: Vec<Untold>) {
        let loss = |untold: Untold| {
            let signal = match untold.of {
                LostOf::Signal(signal) => Signal(signal),
                LostOf::Kind(kind) if self.wants(untold.lane, kind) => self.signal(kind).ok()??,
                LostOf::Kind(_) => return None,
            };
            Some((untold, Loss { signal, reason: untold.reason, count: untold.count }))
        };
        self.losses = untold.into_iter().filter_map(loss).collect();
    }

    /// Takes what the request that was under way has told.
    pub(super) fn take_told(&mut self) -> Vec<Untold> {
        std::mem::take(&mut self.losses).into_iter().map(|(untold, _)| untold).collect()
    }

    /// For how long the backend wants no requests of which signals. None if the exporter fails.
    pub(super) fn waits(&self, response: &Response) -> Vec<(Signal, Duration)> {
        self.call(|exporter| exporter.waits(response)).unwrap_or_default()
    }

    /// Whether bodies are compressed.
    pub(super) fn compresses(&self) -> bool {
        !self.is_plain
    }

    /// Compresses nothing any more, or compresses again.
    pub(super) fn compress(&mut self, is_on: bool) {
        self.is_plain = !is_on;
    }

    /// The URL of a signal as an error may show it. Empty when the exporter does not say.
    pub(super) fn shown_url(&self, signal: Signal) -> String {
        self.call(|exporter| exporter.url(signal)).map_or_else(|_| String::new(), |url| shown(&url))
    }

    /// What a response means. A backend whose answers cannot be read is paused.
    pub(super) fn classify(&self, response: &Response) -> Verdict {
        self.call(|exporter| exporter.classify(response)).unwrap_or_else(|fault| Verdict::Hold(fault.to_string()))
    }
}
