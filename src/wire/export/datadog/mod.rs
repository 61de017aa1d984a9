//! Datadog: the intakes for RUM, logs and spans of its mobile SDKs.
//!
//! | event | intake | what it becomes |
//! |---|---|---|
//! | session | logs | a line `session.start` or `session.end` |
//! | view | RUM | a version of a view; of several in one request, the last |
//! | action | RUM | an action; a mutation of state and other kinds are `custom` |
//! | resource | RUM | a resource, linked to its span; without an answer an error beside it |
//! | error | RUM | an error; with `is_crash` if the process has died of it |
//! | long task | RUM | a long task |
//! | vital | RUM | a vital `app_launch` or `duration`; in another unit, a `custom` action |
//! | custom | RUM | a `custom` action |
//! | log | logs | a line |
//! | span | spans | a span; if the app wants it, a vital in RUM, and an operation two |
//! | metric | none | there is no intake that takes a client token: it is counted as unsupported |
//!
//! What a schema has no field for is in `context`, under its own name.
//!
//! Sources: the JSON schemas of <https://github.com/DataDog/rum-events-format>, and of logs and
//! spans those of <https://github.com/DataDog/dd-sdk-android>, whose requests these are.

mod errors;
mod facts;
mod json;
mod kinds;
mod logs;
mod outcome;
mod rum;
mod spans;

use std::time::Duration;

use sha1::{Digest, Sha1};
use uuid::Uuid;

use crate::model::config::check_url;
use crate::model::error::Error;
use crate::model::event::EventKind;
use crate::model::export::{Attempt, ExportRow, Exporter, Signal, Verdict};
use crate::model::http::{Request, Response};
use crate::model::limits::DATADOG_MAX_AGE;
use crate::model::names::datadog::{SITES, SOURCES};
use crate::wire::export::outcome::verdict;

/// What every body depends on, beside its rows: it changes whenever the same rows would give
/// another body.
const FORMAT: &str = "2";

const RUM: Signal = Signal(0);
const LOGS: Signal = Signal(1);
const SPANS: Signal = Signal(2);

/// What the app has set.
#[derive(Debug, Clone, Default)]
struct Settings {
    application: String,
    service: Option<String>,
    env: Option<String>,
    version: Option<String>,
    source: Option<String>,
}

/// The exporter of a Datadog destination: RUM, logs and spans, sent with a client token to the
/// intakes of one site.
///
/// ```
/// use std::sync::Arc;
/// use throughline::backends::Datadog;
/// use throughline::{Config, Destination};
///
/// let application = "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b";
/// let datadog = Datadog::new("eu1", "pub0123456789abcdef", application)?.service("shop");
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .destination(Destination::exporter("datadog", Arc::new(datadog)))
///     .build()?;
/// # let _ = config;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Datadog {
    base: String,
    token: String,
    takes_logs: bool,
    takes_spans: bool,
    /// Whether spans go to RUM.
    has_operations: bool,
    settings: Settings,
}

impl std::fmt::Debug for Datadog {
    /// Without the token: what is debugged is logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datadog").field("base", &self.base).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Datadog {
    /// Makes an exporter for a site, which is called `us1`, `us3`, `us5`, `eu1`, `ap1`, `ap2`,
    /// `us1_fed` or `us2_fed`, or by its domain, such as `datadoghq.eu`. The client token and the
    /// id of the RUM application are those of the application's page in Datadog.
    ///
    /// # Errors
    ///
    /// The site is unknown, the token is empty or looks like an API key, or the id is no UUID.
    pub fn new(site: &str, client_token: &str, application_id: &str) -> Result<Self, Error> {
        let name = site.trim().to_ascii_lowercase();
        let is_meant = |(short, domain, _): &&(&str, &str, &str)| *short == name || *domain == name;
        let Some((_, _, host)) = SITES.iter().find(is_meant) else {
            let known = SITES.map(|(short, _, _)| short).join(", ");
            return Err(Error::config("site", format!("is none of Datadog's: {known}")));
        };
        Self::made(format!("https://{host}"), client_token, application_id)
    }

    /// Makes an exporter for another server than Datadog's, such as a proxy. The paths of the
    /// intakes (`/api/v2/rum`, `/api/v2/logs`, `/api/v2/spans`) are appended to the URL.
    ///
    /// # Errors
    ///
    /// The URL is no URL of a server, the token is empty or looks like an API key, or the id of
    /// the application is no UUID.
    pub fn with_base_url(base: &str, client_token: &str, application_id: &str) -> Result<Self, Error> {
        let base = base.trim_end_matches('/');
        check_url("base_url", base)?;
        if SIGNALS.iter().any(|path| base.ends_with(path)) {
            return Err(Error::config("base_url", "ends in the path of an intake, which is appended to it"));
        }
        Self::made(base.to_owned(), client_token, application_id)
    }

    fn made(base: String, token: &str, application: &str) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::config("client_token", reason));
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refuse("is empty, or has a character that no token has");
        }
        // A client token begins with letters that are no hex digits.
        if token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return refuse("looks like an API key, which must not be in an app: use a client token");
        }
        let Ok(application) = Uuid::try_parse(application) else {
            return Err(Error::config("application_id", "is no UUID"));
        };
        let settings = Settings { application: application.to_string(), ..Settings::default() };
        Ok(Self { base, token: token.to_owned(), takes_logs: true, takes_spans: true, has_operations: false, settings })
    }

    /// Sets the service that Datadog shows. Default: that of the configuration.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.settings.service = Some(service.into());
        self
    }

    /// Sets the environment that Datadog shows. Default: that of the configuration.
    #[must_use]
    pub fn env(mut self, env: impl Into<String>) -> Self {
        self.settings.env = Some(env.into());
        self
    }

    /// Sets the version of events that have none, because the configuration has none. Events keep
    /// the version of the app that has recorded them.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = Some(version.into());
        self
    }

    /// Sets whether logs and the starts and ends of sessions are sent. Default: they are.
    #[must_use]
    pub fn logs(mut self, are_sent: bool) -> Self {
        self.takes_logs = are_sent;
        self
    }

    /// Sets whether spans are sent. Default: they are.
    #[must_use]
    pub fn spans(mut self, are_sent: bool) -> Self {
        self.takes_spans = are_sent;
        self
    }

    /// Sets whether operations and spans go to RUM as vitals, in place of the intake for spans: an
    /// operation as the two steps that RUM shows as an operation, another span as the time that it
    /// took. Then there are no traces of the app itself. Default: they go to the intake for spans.
    #[must_use]
    pub fn operations(mut self, are_in_rum: bool) -> Self {
        self.has_operations = are_in_rum;
        self
    }

    /// Sets the platform that events are shown under: `ios`, `android`, `react-native`, `flutter`
    /// and others. Default: that of the device. An app of React Native sets it, because native
    /// code cannot tell.
    ///
    /// # Errors
    ///
    /// Datadog does not know the platform.
    pub fn source(mut self, source: &str) -> Result<Self, Error> {
        if !SOURCES.contains(&source) {
            return Err(Error::config("source", format!("is none that Datadog knows: {}", SOURCES.join(", "))));
        }
        self.settings.source = Some(source.to_owned());
        Ok(self)
    }

    /// The platform of requests, which may hold events of several.
    fn origin(&self) -> &str {
        self.settings.source.as_deref().unwrap_or_else(|| facts::own_platform())
    }
}

/// The paths of the intakes, each at its signal's number.
const SIGNALS: [&str; 3] = ["/api/v2/rum", "/api/v2/logs", "/api/v2/spans"];

impl Exporter for Datadog {
    /// The version of the encoding, and the settings that change a body.
    fn version(&self) -> u32 {
        let Settings { application, service, env, version, source } = &self.settings;
        let mut hash = Sha1::new();
        for part in [
            Some(FORMAT.to_owned()),
            Some(application.clone()),
            service.clone(),
            env.clone(),
            version.clone(),
            source.clone(),
            self.has_operations.then(String::new),
        ] {
            let is_set = part.is_some();
            hash.update(part.unwrap_or_default());
            hash.update([0, u8::from(is_set)]);
        }
        u32::from_be_bytes(hash.finalize().first_chunk().copied().unwrap_or_default())
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        match kind {
            EventKind::Session | EventKind::Log => Some(LOGS),
            EventKind::Span if self.has_operations => Some(RUM),
            EventKind::Span => Some(SPANS),
            EventKind::Metric => None,
            _ => Some(RUM),
        }
    }

    fn takes(&self, signal: Signal) -> bool {
        match signal {
            LOGS => self.takes_logs,
            SPANS => self.takes_spans,
            _ => true,
        }
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        match signal {
            LOGS => logs::encode(&self.settings, rows),
            SPANS => spans::encode(&self.settings, rows),
            _ => rum::encode(&self.settings, rows),
        }
    }

    fn url(&self, signal: Signal) -> String {
        let path = SIGNALS.get(usize::from(signal.0)).copied().unwrap_or_default();
        format!("{}{path}", self.base)
    }

    fn headers(&self, signal: Signal) -> Vec<(String, String)> {
        let content_type = if signal == LOGS { "application/json" } else { "text/plain;charset=UTF-8" };
        let headers = [
            ("content-type", content_type),
            ("dd-api-key", &self.token),
            ("dd-evp-origin", self.origin()),
            ("dd-evp-origin-version", env!("CARGO_PKG_VERSION")),
        ];
        headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn max_age(&self) -> Option<Duration> {
        Some(DATADOG_MAX_AGE)
    }

    fn is_stamped(&self) -> bool {
        true
    }

    /// As Datadog's SDKs for Android: only RUM has tags of the retry and a key by which the intake
    /// knows a request that it has already taken, and spans have no query.
    fn stamp(&self, signal: Signal, request: &mut Request, attempt: &Attempt) {
        if signal != SPANS {
            request.url.push_str("?ddsource=");
            request.url.push_str(self.origin());
        }
        request.headers.push(("dd-request-id".to_owned(), attempt.id.to_string()));
        if signal == RUM {
            if attempt.retries > 0 {
                request.url.push_str(&format!("&ddtags=retry_count:{}", attempt.retries));
                if let Some(status) = attempt.last_status {
                    request.url.push_str(&format!(",last_failure_status:{status}"));
                }
            }
            let key = json::hex(&Sha1::digest(&request.body));
            request.headers.push(("dd-idempotency-key".to_owned(), key));
        }
    }

    fn classify(&self, response: &Response) -> Verdict {
        verdict(&outcome::RULES, response)
    }
}

#[cfg(test)]
mod tests;
