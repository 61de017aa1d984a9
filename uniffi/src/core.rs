//! The exported object: what is rare.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use throughline::event::{Action, ActionType};
use throughline::state::Suppressed;
use throughline::transport::Transport;
use throughline::{Attribute, Host, Telemetry};

use crate::client::Client;
use crate::guard::{PANICS, guard};
use crate::health::{
    BackendHealth, FlushResult, HealthReport, NamedCount, StoreBooks, counts, journal_name, storage_name,
};
use crate::host::{AuthHeaders, Authorized, HostTransport, Hosted, HttpResponse};
use crate::pull::{PendingUpload, Pull, Pulled};
use crate::records::{Consent, DeviceConditions, HeaderField, KeepErrors, TelemetryConfig, TelemetryError};
use crate::switching::Switching;

/// How long a shutdown by the garbage collector may take.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// A started client. The facade holds one per process, and records through its door.
#[derive(Debug, uniffi::Object)]
pub struct TelemetryCore {
    client: Arc<Client>,
    door: u64,
    pull: Arc<Pull>,
    switching: Arc<Switching>,
}

fn closed() -> TelemetryError {
    TelemetryError::Closed { reason: "shut down".to_owned() }
}

fn panicked() -> TelemetryError {
    TelemetryError::Storage { reason: "a bug of ours: it was caught and counted".to_owned() }
}

#[uniffi::export]
impl TelemetryCore {
    /// Starts a client. Does not wait for the database. Without consent nothing is started and what is there is erased.
    #[uniffi::constructor(default(transport = None, auth = None))]
    pub fn start(
        config: TelemetryConfig,
        consent: Consent,
        transport: Option<Arc<dyn HostTransport>>,
        auth: Option<Arc<dyn AuthHeaders>>,
    ) -> Result<Arc<Self>, TelemetryError> {
        guard(
            || Err(panicked()),
            || {
                let pull = Arc::<Pull>::default();
                let mut host = Host::default();
                host.on_thread_start = Some(crate::priority::lower);
                host.transport = own_transport(transport, config.pull.then_some(&pull))
                    .map(|inner| Arc::new(Authorized::new(inner, auth)) as Arc<dyn Transport>);
                let telemetry = Telemetry::start_with(config.build()?, consent.into(), host)?;
                let too_many =
                    || TelemetryError::Closed { reason: "this process has started 4,096 clients".to_owned() };
                let (door, client) = Client::register(telemetry).ok_or_else(too_many)?;
                Ok(Arc::new(Self { client, door, pull, switching: Arc::default() }))
            },
        )
    }

    /// The handle for the door.
    pub fn door(&self) -> u64 {
        self.door
    }

    /// Records a tap the plain way, every argument converted by the generated code: what the door saves is measured
    /// against this.
    pub fn record_tap(&self, name: String, attributes: Vec<HeaderField>) -> bool {
        self.with(false, |telemetry| {
            let attributes: Vec<Attribute<'_>> =
                attributes.iter().map(|field| (field.name.as_str(), (&field.value).into())).collect();
            telemetry.record_action(&Action::new(ActionType::Tap, &name).attributes(&attributes)).is_some()
        })
    }

    /// The session's id, 32 hexadecimal digits with hyphens. None while off.
    pub fn session_id(&self) -> Option<String> {
        self.with(None, |telemetry| Some(telemetry.session_id()?.to_string()))
    }

    /// The installation's id, in the same form. None while off, or when the configuration wants none.
    pub fn installation_id(&self) -> Option<String> {
        self.with(None, |telemetry| Some(telemetry.installation_id()?.to_string()))
    }

    /// The headers for a request to a URL: those of the request that was started under `slot`, else those of the context
    /// under it, else of what is current. `existing` are the app's own; none of them is overwritten, but baggage is merged.
    pub fn trace_headers(&self, url: String, slot: u64, existing: Vec<HeaderField>) -> Vec<HeaderField> {
        let headers = self.with(Vec::new(), |telemetry| {
            let existing: Vec<(&str, &str)> =
                existing.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
            if let Some(headers) = self.client.slots.request_headers(slot, &url, &existing) {
                return headers;
            }
            let context = match self.client.slots.context(slot) {
                Some(context) => context,
                None => match telemetry.current_context() {
                    Some(context) => Arc::new(context),
                    None => return Vec::new(),
                },
            };
            telemetry.inject(&url, &context, &existing).map(|injected| injected.headers).unwrap_or_default()
        });
        headers.into_iter().map(|(name, value)| HeaderField { name: name.to_owned(), value }).collect()
    }

    /// The trace and span id of the context under a slot, as `trace-span` in hexadecimal. None when there is none.
    pub fn trace_id(&self, slot: u64) -> Option<String> {
        let context = guard(|| None, || self.client.slots.context(slot))?;
        let (trace, span) = (context.trace.trace_id, context.trace.span_id);
        Some(format!("{:032x}-{:016x}", u128::from_be_bytes(trace), u64::from_be_bytes(span)))
    }

    /// Whether trace headers written for `from` may stay on a request that is redirected to `to`. If not, remove every
    /// header that `propagation_headers` names.
    pub fn survives_redirect(&self, from: String, to: String) -> bool {
        self.with(false, |telemetry| telemetry.survives_redirect(&from, &to))
    }

    /// Names, in lower case, of every header that may have been added to a request.
    pub fn propagation_headers(&self) -> Vec<String> {
        throughline::trace::PROPAGATION_HEADERS.iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    /// Tells what the host knows about app and device.
    pub fn set_conditions(&self, conditions: DeviceConditions) {
        self.with((), |telemetry| telemetry.set_conditions(conditions.into()));
    }

    /// Tells what the user has said. Denied: from now on nothing is recorded, and everything that was is erased by a thread
    /// of its own.
    pub fn set_consent(&self, consent: Consent) -> bool {
        if consent == Consent::Denied {
            self.with((), Telemetry::pause);
            return self.change_behind(move |telemetry| telemetry.set_consent(consent.into()));
        }
        self.change_in_turn(move |telemetry| telemetry.set_consent(consent.into()))
    }

    /// Switches recording on or off, and remembers it for the next start. Off holds at once; a thread of its own closes
    /// what is open, and an on that follows meanwhile holds when that is done.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        if !enabled {
            self.with((), Telemetry::pause);
            return self.change_behind(|telemetry| telemetry.set_enabled(false));
        }
        self.change_in_turn(move |telemetry| telemetry.set_enabled(enabled))
    }

    /// Changes the share of sessions that is recorded, and remembers it. False when it is not between 0 and 1.
    pub fn set_session_sample_rate(&self, rate: f64) -> bool {
        self.change(|telemetry| telemetry.set_session_sample_rate(rate))
    }

    /// Changes the share of traces that is recorded, and remembers it. False when it is not between 0 and 1.
    pub fn set_trace_sample_rate(&self, rate: f64) -> bool {
        self.change(|telemetry| telemetry.set_trace_sample_rate(rate))
    }

    /// Changes what is kept of sessions that are not sampled. False when the rule cannot work.
    pub fn set_keep_errors(&self, rule: Option<KeepErrors>) -> bool {
        self.change(|telemetry| telemetry.set_tail_sampling(rule.map(|rule| rule.rule())))
    }

    /// Erases everything that was recorded and not sent. False when it took longer.
    pub fn erase(&self, timeout_ms: u64) -> bool {
        self.waiting(|telemetry| telemetry.erase(Duration::from_millis(timeout_ms)))
    }

    /// Closes the database and releases every lock, before the app is suspended. False when it took longer.
    pub fn suspend(&self, timeout_ms: u64) -> bool {
        self.waiting(|telemetry| telemetry.suspend(Duration::from_millis(timeout_ms)))
    }

    /// Opens the database again.
    pub fn resume(&self, timeout_ms: u64) -> bool {
        self.waiting(|telemetry| telemetry.resume(Duration::from_millis(timeout_ms)))
    }

    /// Waits until everything that was recorded is in the database. False when it took longer.
    pub fn drain(&self, timeout_ms: u64) -> bool {
        self.waiting(|telemetry| telemetry.drain(Duration::from_millis(timeout_ms)))
    }

    /// Sends everything that was recorded, as far as conditions and backends allow.
    pub fn flush(&self, timeout_ms: u64) -> Result<FlushResult, TelemetryError> {
        guard(
            || Err(panicked()),
            || {
                let telemetry = self.client.telemetry().ok_or_else(closed)?;
                let outcome = telemetry.flush(Duration::from_millis(timeout_ms));
                Ok(FlushResult {
                    complete: outcome.complete,
                    delivered: outcome.delivered,
                    waiting: outcome.waiting,
                    reason: outcome.reason,
                })
            },
        )
    }

    /// Ends the client: writes what it has and closes. What was not sent waits for the next start. A second call fails.
    pub fn shutdown(&self, timeout_ms: u64) -> Result<bool, TelemetryError> {
        guard(
            || Err(panicked()),
            || {
                let telemetry = self.client.close().ok_or_else(closed)?;
                let (timeout, begun) = (Duration::from_millis(timeout_ms), Instant::now());
                // What is to be erased is erased first.
                self.switching.wait(timeout);
                Ok(telemetry.shutdown(timeout.saturating_sub(begun.elapsed())))
            },
        )
    }

    /// The next request to send, when the configuration says `pull`; asks for an upload and waits for a request at most
    /// `wait_ms`. None: nothing is to be sent.
    pub fn next_upload(&self, wait_ms: u64) -> Option<PendingUpload> {
        guard(
            || None,
            || {
                let wait = Duration::from_millis(wait_ms);
                if let Some(upload) = self.pull.next(Duration::ZERO) {
                    return Some(upload);
                }
                self.client.telemetry()?.flush_soon(wait);
                self.pull.next(wait)
            },
        )
    }

    /// Tells what became of a request: the answer, or none when there was no connection. False when it is not known.
    pub fn upload_done(&self, id: u64, response: Option<HttpResponse>) -> bool {
        guard(|| false, || self.pull.done(id, response))
    }

    /// What Throughline says about itself.
    pub fn health(&self) -> HealthReport {
        guard(|| self.report(None), || self.report(self.client.telemetry().as_ref()))
    }
}

impl TelemetryCore {
    fn with<R>(&self, closed: R, work: impl FnOnce(&Telemetry) -> R) -> R {
        guard(|| None, || self.client.with(work)).unwrap_or(closed)
    }

    /// For calls that may wait: the client is not held meanwhile.
    fn waiting(&self, work: impl FnOnce(&Telemetry) -> bool) -> bool {
        guard(|| false, || self.client.telemetry().is_some_and(|telemetry| work(&telemetry)))
    }

    /// For calls whose error is only worth a hint.
    fn change(&self, work: impl FnOnce(&Telemetry) -> Result<(), throughline::Error>) -> bool {
        self.waiting(|telemetry| changed(&self.client, telemetry, work))
    }

    /// Makes a change now, or after one that is under way.
    fn change_in_turn(&self, work: impl FnOnce(&Telemetry) -> Result<(), throughline::Error> + Send + 'static) -> bool {
        if self.switching.is_busy() { self.change_behind(work) } else { self.change(work) }
    }

    /// Makes a change that takes long without waiting for it.
    fn change_behind(&self, work: impl FnOnce(&Telemetry) -> Result<(), throughline::Error> + Send + 'static) -> bool {
        self.waiting(|telemetry| {
            // Kept alive over a shutdown: what is to be erased is erased.
            let (client, telemetry) = (Arc::clone(&self.client), telemetry.clone());
            self.switching.change(move || {
                changed(&client, &telemetry, work);
            });
            true
        })
    }

    fn report(&self, telemetry: Option<&Telemetry>) -> HealthReport {
        let health = telemetry.map(Telemetry::health).unwrap_or_default();
        let backends = health.destinations.iter().map(|destination| BackendHealth {
            name: destination.name.clone(),
            delivered: destination.delivered,
            dropped: counts(&destination.dropped),
            paused: destination.paused.clone(),
        });
        let stores = self.client.books().into_iter().map(|(name, books)| StoreBooks {
            name,
            mutations: books.mutations,
            recorded: books.recorded,
            actions: books.actions,
            suppressed: Suppressed::ALL
                .into_iter()
                .map(|reason| NamedCount { name: reason.name().to_owned(), count: books.suppressed(reason) })
                .filter(|count| count.count > 0)
                .collect(),
            dropped: books.dropped,
            ambiguous: books.ambiguous,
        });
        let mut problems = self.client.problems();
        problems.extend(health.hints.iter().cloned());
        let (storage, panics) = match telemetry {
            Some(_) => (storage_name(&health.storage), health.panics),
            None => ("closed", 0),
        };
        let seen = &self.client.counts;
        HealthReport {
            enabled: health.enabled,
            journal: journal_name(health.journal),
            storage: storage.to_owned(),
            accepted: health.accepted,
            queued: health.queued(),
            dropped: counts(&health.dropped),
            backends: backends.collect(),
            last_error: health.last_upload.as_ref().and_then(|last| last.as_ref().err()).cloned(),
            stores: stores.collect(),
            panics: panics + PANICS.load(Ordering::Relaxed),
            closed_calls: seen.closed.load(Ordering::Relaxed),
            malformed_calls: seen.malformed.load(Ordering::Relaxed),
            unknown_calls: seen.unknown.load(Ordering::Relaxed),
            evicted_spans: self.client.slots.evicted(),
            problems,
        }
    }
}

impl Drop for TelemetryCore {
    fn drop(&mut self) {
        guard(
            || (),
            || {
                if let Some(telemetry) = self.client.close() {
                    telemetry.shutdown(DROP_TIMEOUT);
                }
            },
        );
    }
}

/// Makes a change; false when it could not be made, and health says why.
fn changed(
    client: &Client,
    telemetry: &Telemetry,
    work: impl FnOnce(&Telemetry) -> Result<(), throughline::Error>,
) -> bool {
    let changed = work(telemetry);
    client.redeclare(telemetry);
    match changed {
        Ok(()) => true,
        Err(error) => client.problem::<()>(error.to_string()).is_some(),
    }
}

fn own_transport(host: Option<Arc<dyn HostTransport>>, pull: Option<&Arc<Pull>>) -> Option<Arc<dyn Transport>> {
    if let Some(pull) = pull {
        return Some(Arc::new(Pulled(Arc::clone(pull))));
    }
    if let Some(host) = host {
        return Some(Arc::new(Hosted(host)));
    }
    #[cfg(feature = "http")]
    return Some(Arc::new(throughline::transport::http::HttpTransport::new()));
    #[cfg(not(feature = "http"))]
    None
}
