//! What keeps data from arriving, in words for a person:
//! [`Telemetry::diagnose`](crate::Telemetry::diagnose).
//!
//! A [`Finding`] says what is wrong and what can be done about it. Its [`Cause`] has a name that
//! does not change, for tests and scripts.

use std::fmt;

/// What can keep data from arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The client has not been started, or was shut down.
    NotStarted,
    /// The native library is missing, cannot be loaded, or is of another version than the facade.
    NativeLibrary,
    /// The configuration or the app has switched the client off.
    SwitchedOff,
    /// The user has denied consent.
    ConsentDenied,
    /// The user has not decided yet.
    ConsentPending,
    /// No endpoint is configured.
    NoEndpoint,
    /// Nothing can send requests: this build has no HTTP client, and the host gave none.
    NoTransport,
    /// The database is locked, for example before the first unlock of the device.
    StorageLocked,
    /// The disk is full.
    StorageFull,
    /// The client's own thread has died, and nothing is stored or sent.
    StorageFailed,
    /// The app has suspended the client.
    Suspended,
    /// The app has paused the destination.
    PausedByApp,
    /// The device is offline.
    Offline,
    /// The network is metered, the device saves power, or the day's bytes are used up.
    SavesData,
    /// The system forbids requests without TLS.
    CleartextBlocked,
    /// The server's certificate is not trusted.
    CertificateRefused,
    /// The port speaks another protocol: OTLP/gRPC, TLS where none is expected, or none where it
    /// is.
    WrongPort,
    /// There is no answer: a wrong host or port, no route, a firewall, or a server that is down.
    Unreachable,
    /// The backend does not know the client: 401 or 403.
    Unauthorized,
    /// Nothing takes events at this URL: 404 or 405.
    NotFound,
    /// The backend does not take this format or encoding: 415.
    UnsupportedFormat,
    /// Something else than the backend has answered: a redirect, a portal, a page.
    NotABackend,
    /// The backend refuses what is sent: 400 and others.
    Refused,
    /// The backend is overloaded or fails: 429, 5xx.
    BackendFails,
    /// What the host brought has failed: its transport, its authorization, or its exporter.
    HostFails,
    /// No destination takes some kinds of events.
    NotRouted,
    /// The session is not in the sample.
    SampledOut,
    /// Requests to hosts that are not listed carry no trace headers.
    HostNotListed,
    /// The device's clock is wrong.
    ClockWrong,
    /// Nothing has been recorded.
    NothingRecorded,
    /// Events wait for the next upload.
    Waiting,
}

impl Cause {
    /// Its name, which does not change: `consent_pending`, for example.
    pub fn name(self) -> &'static str {
        self.told().0
    }

    /// Whether nothing arrives, for one destination at least, until it is mended. The other causes
    /// explain why something is missing, or what arrives otherwise than one might expect.
    pub fn blocks(self) -> bool {
        !matches!(
            self,
            Cause::NotRouted
                | Cause::SampledOut
                | Cause::HostNotListed
                | Cause::ClockWrong
                | Cause::NothingRecorded
                | Cause::Waiting
        )
    }

    /// What can be done about it.
    pub fn advice(self) -> &'static str {
        self.told().1
    }

    fn told(self) -> (&'static str, &'static str) {
        match self {
            Cause::NotStarted => ("not_started", "Call `start` once, when the app starts."),
            Cause::NativeLibrary => (
                "native_library",
                "Build the app with the native library of the same version as the package, for the processor of this \
                 device.",
            ),
            Cause::SwitchedOff => {
                ("switched_off", "Switch the client on: `setEnabled(true)`, or `enabled` at the start.")
            }
            Cause::ConsentDenied => ("consent_denied", "Nothing: this is what the user wants."),
            Cause::ConsentPending => ("consent_pending", "Ask the user, and call `setConsent` with the answer."),
            Cause::NoEndpoint => ("no_endpoint", "Configure an endpoint or a destination."),
            Cause::NoTransport => {
                ("no_transport", "Give `start` a transport, or build the core with its feature `http`.")
            }
            Cause::StorageLocked => (
                "storage_locked",
                "Wait until the device is unlocked; if it goes on, look at the rights of the data directory, and \
                 whether another process uses it.",
            ),
            Cause::StorageFull => ("storage_full", "Free space on the device. What is recorded meanwhile is counted."),
            Cause::StorageFailed => {
                ("storage_failed", "Report this as a bug, with the text above. Start the app again.")
            }
            Cause::Suspended => ("suspended", "Call `resume` when the app comes back to the foreground."),
            Cause::PausedByApp => ("paused_by_app", "Call `resumeDestination`."),
            Cause::Offline => ("offline", "Connect the device. What was recorded is sent then."),
            Cause::SavesData => (
                "saves_data",
                "Wait for Wi-Fi, power or the next day, or change `meteredUploads` or `dailyBytes`. Crashes are sent \
                 regardless.",
            ),
            Cause::CleartextBlocked => (
                "cleartext_blocked",
                "Use https. For a collector on your own machine, allow cleartext for its address in the debug build: \
                 Android's network security configuration, iOS's NSAppTransportSecurity.",
            ),
            Cause::CertificateRefused => (
                "certificate_refused",
                "Check the server's certificate and the device's clock. A private authority has to be trusted by the \
                 app's network stack; the built-in HTTP client knows only public ones.",
            ),
            Cause::WrongPort => (
                "wrong_port",
                "Check the port and the scheme of the endpoint. OTLP/HTTP usually listens on 4318, OTLP/gRPC on 4317.",
            ),
            Cause::Unreachable => (
                "unreachable",
                "Check host and port. An Android emulator reaches its computer at 10.0.2.2, an iOS simulator at \
                 127.0.0.1; a phone needs the computer's address in the network, or `adb reverse`.",
            ),
            Cause::Unauthorized => ("unauthorized", "Check the token, key or client name of the destination."),
            Cause::NotFound => {
                ("not_found", "Check the path of the endpoint: for OTLP it is the part before `/v1/logs`.")
            }
            Cause::UnsupportedFormat => {
                ("unsupported_format", "Use the other encoding (JSON or protobuf), or the format of this backend.")
            }
            Cause::NotABackend => (
                "not_a_backend",
                "Check the URL: a redirect, a captive portal or a web server has answered in the backend's place.",
            ),
            Cause::Refused => ("refused", "Look at the backend's log, and whether it takes this signal at all."),
            Cause::BackendFails => {
                ("backend_fails", "Nothing in the app: events wait on the device and are sent again.")
            }
            Cause::HostFails => {
                ("host_fails", "Look at the app's own transport, authorization or exporter, which the text names.")
            }
            Cause::NotRouted => ("not_routed", "Look at `lanes`, `kinds` and `signals` of the destinations."),
            Cause::SampledOut => (
                "sampled_out",
                "Set `sessionSampleRate` to 1 while you look at a single device. Crashes are sent regardless.",
            ),
            Cause::HostNotListed => {
                ("host_not_listed", "Name your own backends in `traceHosts`. Hosts of others get no header on purpose.")
            }
            Cause::ClockWrong => {
                ("clock_wrong", "Look for the events at the device's time, and set its clock. Spans carry the offset.")
            }
            Cause::NothingRecorded => ("nothing_recorded", "Record something: `action(\"hello\")`."),
            Cause::Waiting => ("waiting", "Wait for the next upload, or call `flush`."),
        }
    }
}

/// One thing that keeps data from arriving, or explains what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub cause: Cause,
    /// The destination that it concerns; `None` when it concerns all of them.
    pub destination: Option<String>,
    /// What was seen: a status, the text of an error, a name.
    pub seen: String,
}

impl Finding {
    /// A finding that concerns every destination.
    pub fn new(cause: Cause, seen: impl Into<String>) -> Self {
        Self { cause, destination: None, seen: seen.into() }
    }

    /// The same, of one destination.
    pub fn of(self, destination: impl Into<String>) -> Self {
        Self { destination: Some(destination.into()), ..self }
    }
}

/// `[consent_pending] what was seen. What can be done.`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] ", self.cause.name())?;
        if let Some(destination) = &self.destination {
            write!(f, "`{destination}`: ")?;
        }
        write!(f, "{}. {}", self.seen.trim_end_matches('.'), self.cause.advice())
    }
}

/// What keeps data from arriving. It is printed as a few lines of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Diagnosis {
    /// What was found, what blocks first.
    pub findings: Vec<Finding>,
    /// Events that were delivered, for the destination that has the most of them, since it was
    /// first configured.
    pub delivered: u64,
    /// Events that wait on the device.
    pub waiting: u64,
}

impl Diagnosis {
    /// Sorts what blocks to the front, and leaves out what was found twice.
    pub fn of(mut findings: Vec<Finding>, delivered: u64, waiting: u64) -> Self {
        let mut known = Vec::new();
        findings.retain(|finding| {
            !known.contains(finding) && {
                known.push(finding.clone());
                true
            }
        });
        findings.sort_by_key(|finding| !finding.cause.blocks());
        Self { findings, delivered, waiting }
    }

    /// Whether nothing keeps data from arriving.
    pub fn is_clear(&self) -> bool {
        !self.findings.iter().any(|finding| finding.cause.blocks())
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { findings, delivered, waiting } = self;
        let verdict = if self.is_clear() { "Nothing keeps data from arriving" } else { "Data does not arrive" };
        write!(f, "{verdict}: {delivered} events were delivered, {waiting} wait.")?;
        findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}
