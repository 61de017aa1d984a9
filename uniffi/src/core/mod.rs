//! The exported object: everything that is not called often.

mod ends;
mod network;
mod switches;

pub use ends::{DiagnosticsOutcome, HostMainThread, ProcessExit};
use std::sync::Arc;
use std::time::{Duration, Instant};

use throughline::event::{Action, ActionType};
use throughline::transport::{self, Transport};
use throughline::{Attribute, DebugOutput, Host, Telemetry};
use throughline_attach::Attachable;

use crate::client::Client;
use crate::diagnosis::Diagnosis;
use crate::guard::guard;
use crate::health::{FlushOutcome, HealthReport};
use crate::host::{Asked, AuthHeaders, HostLog, HostTransport, Hosted, Logged};
use crate::pull::{Pull, Pulled};
use crate::records::{Consent, HeaderField, HostDuration, TelemetryConfig, TelemetryError};
use crate::switching::Switching;

/// How long a shutdown may take that the host's garbage collector causes.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// A started client. The facade holds one in a process, and records through its door.
#[derive(Debug, uniffi::Object)]
pub struct TelemetryCore {
    client: Arc<Client>,
    door: u64,
    pull: Arc<Pull>,
    switching: Arc<Switching>,
}

fn closed() -> TelemetryError {
    TelemetryError::Closed { reason: "the client is shut down".to_owned() }
}

fn panicked() -> TelemetryError {
    TelemetryError::Storage { reason: "a bug in Throughline caused a panic, which was caught and counted".to_owned() }
}

#[uniffi::export]
impl TelemetryCore {
    /// Starts a client. Does not wait for the database. With consent denied no thread is started,
    /// and what earlier runs have left is erased.
    #[uniffi::constructor(default(transport = None, auth = None, log = None))]
    pub fn start(
        config: TelemetryConfig,
        consent: Consent,
        transport: Option<Arc<dyn HostTransport>>,
        auth: Option<Arc<dyn AuthHeaders>>,
        log: Option<Arc<dyn HostLog>>,
    ) -> Result<Arc<Self>, TelemetryError> {
        guard(
            || Err(panicked()),
            || {
                let pull = Arc::<Pull>::default();
                let mut host = Host::default();
                host.debug_output = log.map(|log| Arc::new(Logged(log)) as Arc<dyn DebugOutput>);
                host.on_thread_start = Some(crate::priority::lower);
                host.transport = own_transport(transport, config.pull.then_some(&pull));
                host.auth = auth.map(|auth| Arc::new(Asked(auth)) as Arc<dyn transport::AuthHeaders>);
                let telemetry = Telemetry::start_with(config.to_core()?, consent.into(), host)?;
                let too_many =
                    || TelemetryError::Closed { reason: "this process has started 4,096 clients already".to_owned() };
                let (door, client) = Client::register(telemetry).ok_or_else(too_many)?;
                let core = Arc::new(Self { client, door, pull, switching: Arc::default() });
                let attachable: Arc<dyn Attachable> = Arc::<Self>::clone(&core);
                throughline_attach::offer(&attachable);
                Ok(core)
            },
        )
    }

    /// The handle that the door takes.
    pub fn door(&self) -> u64 {
        self.door
    }

    /// Records a tap without the door: the generated code converts every argument. The benchmark
    /// measures against this what the door saves.
    pub fn record_tap(&self, name: String, attributes: Vec<HeaderField>) -> bool {
        self.ask(false, |telemetry| {
            let attributes: Vec<Attribute<'_>> =
                attributes.iter().map(|field| (field.name.as_str(), (&field.value).into())).collect();
            telemetry.record_action(&Action::new(ActionType::Tap, &name).attributes(&attributes)).is_some()
        })
    }

    /// The session's id, 32 hexadecimal digits with hyphens. None while the client is off.
    pub fn session_id(&self) -> Option<String> {
        self.ask(None, |telemetry| Some(telemetry.session_id()?.to_string()))
    }

    /// The installation's id, in the same form. None while the client is off, or when the
    /// configuration wants none.
    pub fn installation_id(&self) -> Option<String> {
        self.ask(None, |telemetry| Some(telemetry.installation_id()?.to_string()))
    }

    /// Erases everything that was recorded and not sent. False when that took longer.
    pub fn erase(&self, timeout: HostDuration) -> bool {
        self.wait(|telemetry| telemetry.erase(timeout.0))
    }

    /// Closes the database and releases every lock, before the app is suspended. False when that
    /// took longer.
    pub fn suspend(&self, timeout: HostDuration) -> bool {
        self.wait(|telemetry| telemetry.suspend(timeout.0))
    }

    /// Opens the database again. False when that took longer.
    pub fn resume(&self, timeout: HostDuration) -> bool {
        self.wait(|telemetry| telemetry.resume(timeout.0))
    }

    /// Waits until everything that was recorded is in the database. False when that took longer.
    pub fn drain(&self, timeout: HostDuration) -> bool {
        self.wait(|telemetry| telemetry.drain(timeout.0))
    }

    /// Sends everything that was recorded, as far as the conditions and the destinations allow it.
    pub fn flush(&self, timeout: HostDuration) -> Result<FlushOutcome, TelemetryError> {
        guard(
            || Err(panicked()),
            || {
                let telemetry = self.client.telemetry().ok_or_else(closed)?;
                Ok(telemetry.flush(timeout.0).into())
            },
        )
    }

    /// Ends the client: writes what was recorded to the database and closes it. What was not sent
    /// waits for the next start. False when that took longer. A second call fails.
    pub fn shutdown(&self, timeout: HostDuration) -> Result<bool, TelemetryError> {
        guard(
            || Err(panicked()),
            || {
                let telemetry = self.client.close().ok_or_else(closed)?;
                let begun = Instant::now();
                // An erasure that is under way ends first.
                self.switching.wait(timeout.0);
                Ok(telemetry.shutdown(timeout.0.saturating_sub(begun.elapsed())))
            },
        )
    }

    /// The client's own condition.
    pub fn health(&self) -> HealthReport {
        guard(
            || HealthReport::new(&self.client, None),
            || HealthReport::new(&self.client, self.client.telemetry().as_ref()),
        )
    }

    /// What keeps data from arriving, after sending what waits for at most `timeout`.
    pub fn diagnose(&self, timeout: HostDuration) -> Diagnosis {
        guard(
            || Diagnosis::of(None),
            || Diagnosis::of(self.client.telemetry().map(|telemetry| telemetry.diagnose(timeout.0))),
        )
    }
}

impl TelemetryCore {
    /// What keeps data from arriving, for a caller who has made a flush.
    pub(crate) fn diagnose_after(&self, reason: Option<&str>) -> Diagnosis {
        guard(
            || Diagnosis::of(None),
            || Diagnosis::of(self.client.telemetry().map(|telemetry| telemetry.diagnose_after(reason))),
        )
    }

    /// Whether the client was not shut down yet. Unlike other calls, this one is never counted.
    pub(crate) fn runs(&self) -> bool {
        self.client.is_open()
    }

    /// Asks the client. `otherwise` is the answer when it is shut down, and after a panic.
    fn ask<R>(&self, otherwise: R, ask: impl FnOnce(&Telemetry) -> R) -> R {
        guard(|| None, || self.client.with(ask)).unwrap_or(otherwise)
    }

    /// Makes a call that may wait. The client is not locked meanwhile.
    fn wait(&self, call: impl FnOnce(&Telemetry) -> bool) -> bool {
        self.answer(call).unwrap_or(false)
    }

    /// The same for a call with another answer. `None` when the client is shut down, and after a
    /// panic.
    fn answer<R>(&self, call: impl FnOnce(&Telemetry) -> R) -> Option<R> {
        guard(|| None, || self.client.telemetry().map(|telemetry| call(&telemetry)))
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

/// What sends the requests: the pull pair, the host's transport, or the built-in client.
fn own_transport(host: Option<Arc<dyn HostTransport>>, pull: Option<&Arc<Pull>>) -> Option<Arc<dyn Transport>> {
    match (pull, host) {
        (Some(pull), _) => Some(Arc::new(Pulled(Arc::clone(pull)))),
        (None, Some(host)) => Some(Arc::new(Hosted(host))),
        // The core's own, if this build has one.
        (None, None) => None,
    }
}
