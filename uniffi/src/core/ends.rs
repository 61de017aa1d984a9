//! How earlier runs ended, and whether this one responds.

use std::fmt;
use std::sync::Arc;

use throughline::exits::{AndroidExit, AndroidReason, SystemExit, run_of_summary};
use throughline::{MainThread, Telemetry};

use super::TelemetryCore;
use crate::health::FlushOutcome;
use crate::host::HostError;
use crate::records::HostDuration;

/// The app's main thread, as the facade shows it to the watchdog, on whose thread both calls are
/// made. What they throw is ignored.
#[uniffi::export(with_foreign)]
pub trait HostMainThread: Send + Sync {
    /// Gives the main thread a task that calls `beat`. Does not wait for it.
    fn ask(&self) -> Result<(), HostError>;
    /// The stack of the main thread, one frame a line. Empty when the host cannot tell.
    fn stack(&self) -> Result<String, HostError>;
}

/// What Android says about the end of a process of the app: `ApplicationExitInfo`.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ProcessExit {
    /// `getReason`.
    pub reason: i32,
    /// `getStatus`.
    pub status: i32,
    /// `getImportance`.
    pub importance: i32,
    /// `getTimestamp`: milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// `getPid`.
    pub pid: u32,
    /// `getProcessName`.
    pub process: Option<String>,
    /// `getPss`, KiB.
    pub pss_kb: u64,
    /// `getRss`, KiB.
    pub rss_kb: u64,
    /// `getProcessStateSummary`. Empty: none.
    pub summary: Vec<u8>,
    /// `getDescription`. Empty: none.
    pub description: String,
    /// `getTraceInputStream` of an ANR, as text. Empty: none.
    pub trace: String,
}

impl From<ProcessExit> for SystemExit {
    fn from(of: ProcessExit) -> Self {
        let exit = AndroidExit {
            reason: AndroidReason::from_code(of.reason),
            status: of.status,
            importance: of.importance,
            at_ms: of.at_ms,
            pid: of.pid,
            process: of.process,
            pss_kb: of.pss_kb,
            rss_kb: of.rss_kb,
            run: run_of_summary(&of.summary),
        };
        Self { exit, description: of.description, trace: of.trace }
    }
}

/// What was made of a payload of MetricKit's.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct DiagnosticsOutcome {
    /// Whether the payload is done with. False: give it to the next start as well.
    pub complete: bool,
    /// How many errors were reported.
    pub reported: u32,
    /// How many diagnostics were reported before, or by the run itself.
    pub known: u32,
    /// How many were left out.
    pub left: u32,
    /// Why the payload was not read, or not yet.
    pub reason: Option<String>,
}

impl From<throughline::DiagnosticsOutcome> for DiagnosticsOutcome {
    fn from(outcome: throughline::DiagnosticsOutcome) -> Self {
        let throughline::DiagnosticsOutcome { complete, reported, known, left, reason, .. } = outcome;
        Self { complete, reported, known, left, reason }
    }
}

/// Shows the host's main thread to the core.
struct Shown(Arc<dyn HostMainThread>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl MainThread for Shown {
    fn ask(&self) {
        let _ = self.0.ask();
    }

    fn stack(&self) -> String {
        self.0.stack().unwrap_or_default()
    }
}

#[uniffi::export]
impl TelemetryCore {
    /// Watches the app's main thread while the app is in the foreground. Silence of `threshold` is
    /// a hang.
    pub fn watch_main(&self, main: Arc<dyn HostMainThread>, threshold: HostDuration) {
        self.ask((), |telemetry| telemetry.watch_main(Arc::new(Shown(main)), threshold.0));
    }

    /// The main thread lives.
    pub fn beat(&self) {
        self.ask((), Telemetry::beat);
    }

    /// Sends the crashes of earlier runs, and waits for that, if the last run died at launch.
    pub fn flush_crashes(&self, timeout: HostDuration) -> FlushOutcome {
        let outcome = self.answer(|telemetry| telemetry.flush_crashes(timeout.0));
        outcome.map(FlushOutcome::from).unwrap_or_else(FlushOutcome::closed)
    }

    /// Reports what the system says about the ends of earlier runs, as far as it is new. `process`
    /// is the name of this process. False when it took longer than `timeout`, or when the client is
    /// off: the next start gets the same records.
    pub fn report_exits(&self, exits: Vec<ProcessExit>, process: String, timeout: HostDuration) -> bool {
        let exits = exits.into_iter().map(SystemExit::from).collect();
        self.wait(|telemetry| telemetry.report_exits(exits, &process, timeout.0))
    }

    /// Reports what MetricKit says in one payload of `jsonRepresentation()`, as far as it is new.
    /// `utc_offset` is how many seconds the device's local time is ahead of UTC. Call it at each
    /// start, with `{}` when there is no payload.
    pub fn report_diagnostics(&self, payload: Vec<u8>, utc_offset: i32, timeout: HostDuration) -> DiagnosticsOutcome {
        let outcome = self.answer(|telemetry| telemetry.report_diagnostics(&payload, utc_offset, timeout.0));
        outcome.map(Into::into).unwrap_or_else(|| DiagnosticsOutcome {
            complete: false,
            reported: 0,
            known: 0,
            left: 0,
            reason: Some("the client is shut down".to_owned()),
        })
    }

    /// What this run gives to `ActivityManager.setProcessStateSummary`.
    pub fn run_summary(&self) -> Vec<u8> {
        self.ask(Vec::new(), Telemetry::run_summary)
    }
}
