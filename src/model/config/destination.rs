//! A backend that events are sent to: OTLP over HTTP, or an exporter of the host's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::signal::OtlpSignal;
use super::url::{check_base, check_url};
use crate::model::error::Error;
use crate::model::event::{EventKind, Lane, Temporality};
use crate::model::export::{Exporter, Signal};

/// The form in which OTLP is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `application/x-protobuf`.
    #[default]
    Protobuf,
    /// `application/json`.
    Json,
}

/// A backend that events are sent to, under a name of its own.
///
/// The name stands for a cursor into the queue: each destination gets every event of its signals
/// once, in its own time. Keep the name when the endpoint changes. A new name begins at the oldest
/// event in the queue; what was left for a name that is configured no longer is dropped and
/// counted.
///
/// A backend need not take all three signals of OTLP: [`Destination::signals`] names those that it
/// does. Each signal has an endpoint of its own, and one that the backend refuses is paused alone.
///
/// ```
/// use throughline::event::Temporality;
/// use throughline::{Config, Destination, Encoding};
///
/// let vendor = Destination::new("vendor", "https://otlp.vendor.example")
///     .header("api-key", "secret")
///     .encoding(Encoding::Json)
///     .temporality(Temporality::Delta);
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .endpoint("https://otlp.example.com") // the destination `default`
///     .destination(vendor)
///     .build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Destination {
    pub(crate) name: String,
    /// The base URL. Empty when each signal has an endpoint of its own.
    pub(crate) endpoint: String,
    pub(crate) signals: BTreeSet<OtlpSignal>,
    /// The full URLs of signals that are not below the base URL.
    pub(crate) signal_endpoints: BTreeMap<OtlpSignal, String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) encoding: Encoding,
    pub(crate) temporality: Temporality,
    /// The host's own format, instead of OTLP.
    pub(crate) exporter: Option<Arc<dyn Exporter>>,
    /// Which events are meant for it.
    pub(crate) filter: Filter,
}

impl Destination {
    /// A backend that takes OTLP over HTTP. `endpoint` is its base URL, to which `/v1/logs`,
    /// `/v1/traces` and `/v1/metrics` are appended. It gets protobuf, cumulative sums and no
    /// headers of its own unless the setters say otherwise.
    pub fn new(name: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            endpoint: endpoint.into(),
            signals: BTreeSet::from(OtlpSignal::ALL),
            signal_endpoints: BTreeMap::new(),
            headers: Vec::new(),
            encoding: Encoding::Protobuf,
            temporality: Temporality::Cumulative,
            exporter: None,
            filter: Filter::default(),
        }
    }

    /// A backend in a format of the host's own: see [`Exporter`], whose URLs, headers and encoding
    /// count. [`lanes`](Self::lanes), [`kinds`](Self::kinds) and [`max_age`](Self::max_age) are for
    /// every format. The other setters are for OTLP; using one of them as well is an error of the
    /// configuration.
    pub fn exporter(name: impl Into<String>, exporter: Arc<dyn Exporter>) -> Self {
        Self { exporter: Some(exporter), ..Self::new(name, "") }
    }

    /// Names the lanes whose events are meant for this destination. Default: all four.
    ///
    /// The destination passes over everything else: that is not among its events, and is no loss.
    /// Events that no destination wants are counted as
    /// [`NoDestination`](crate::ledger::DropReason::NoDestination), and `health()` has a hint.
    ///
    /// Crashes are in a lane of their own, [`Lane::Crash`]. They are not lost by a filter that
    /// forgets them: when no destination takes that lane, those that take handled errors get the
    /// crashes too, and `health()` has a hint.
    ///
    /// ```
    /// use throughline::event::Lane;
    /// use throughline::{Config, Destination};
    ///
    /// let errors = Destination::new("errors", "https://errors.example.com")
    ///     .lanes([Lane::Crash, Lane::Error]);
    /// let config = Config::builder("shop", "/var/lib/shop/telemetry")
    ///     .endpoint("https://otlp.example.com") // takes everything
    ///     .destination(errors)
    ///     .build()?;
    /// # let _ = config;
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn lanes(mut self, lanes: impl IntoIterator<Item = Lane>) -> Self {
        self.filter.lanes = lanes.into_iter().collect();
        self
    }

    /// Names the kinds of events that are meant for this destination. Default: all. With
    /// [`lanes`](Self::lanes), an event has to be of both; for the others the same holds as there.
    /// [`EventKind::Error`] is crashes as well as handled errors.
    ///
    /// ```
    /// use throughline::Destination;
    /// use throughline::event::EventKind;
    ///
    /// let product = Destination::new("product", "https://events.example.com")
    ///     .kinds([EventKind::Session, EventKind::View, EventKind::Action, EventKind::Custom]);
    /// # let _ = product;
    /// ```
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        self.filter.kinds = kinds.into_iter().collect();
        self
    }

    /// Sets how old an event may be that is still sent to this destination, 1 minute to 1 year. The
    /// shortest of this, the age of the [configuration](crate::ConfigBuilder::max_age) and that of
    /// the format counts. Older events are dropped for this destination alone, when it would send
    /// them, and counted as [`QuotaAge`](crate::ledger::DropReason::QuotaAge); crashes are sent all
    /// the same. An age is exact to ten minutes: an event may be sent that much later.
    ///
    /// ```
    /// use std::time::Duration;
    /// use throughline::Destination;
    ///
    /// let live = Destination::new("live", "https://live.example.com")
    ///     .max_age(Duration::from_secs(3_600));
    /// # let _ = live;
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.filter.max_age = Some(age);
        self
    }

    /// Names the signals that the backend takes. Default: all three.
    ///
    /// Events of another signal are not this destination's: it passes them over without a request.
    /// When no destination takes them, they are counted as
    /// [`NoDestination`](crate::ledger::DropReason::NoDestination), and `health()` has a hint.
    ///
    /// ```
    /// use throughline::{Config, Destination, OtlpSignal};
    ///
    /// let traces = Destination::new("jaeger", "https://jaeger.example.com")
    ///     .signals([OtlpSignal::Traces]);
    /// let metrics = Destination::new("prometheus", "https://prometheus.example.com/api/v1/otlp")
    ///     .signals([OtlpSignal::Metrics]);
    /// let logs = Destination::new("logs", "https://logs.example.com").signals([OtlpSignal::Logs]);
    /// let config = Config::builder("shop", "/var/lib/shop/telemetry")
    ///     .destination(traces)
    ///     .destination(metrics)
    ///     .destination(logs)
    ///     .build()?;
    /// # let _ = config;
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn signals(mut self, signals: impl IntoIterator<Item = OtlpSignal>) -> Self {
        self.signals = signals.into_iter().collect();
        self
    }

    /// Sets the full URL to which one signal is sent, in place of the base URL with `/v1/…`. The
    /// base URL may be empty when every signal that the destination takes has a URL of its own.
    ///
    /// ```
    /// use throughline::{Config, Destination, OtlpSignal};
    ///
    /// let metrics = Destination::new("metrics", "")
    ///     .signals([OtlpSignal::Metrics])
    ///     .signal_endpoint(OtlpSignal::Metrics, "https://metrics.example.com/push");
    /// let config = Config::builder("shop", "/var/lib/shop/telemetry")
    ///     .destination(metrics)
    ///     .build()?;
    /// # let _ = config;
    /// # Ok::<(), throughline::Error>(())
    /// ```
    pub fn signal_endpoint(mut self, signal: OtlpSignal, url: impl Into<String>) -> Self {
        self.signal_endpoints.insert(signal, url.into());
        self
    }

    /// Adds a header to every request, for example `authorization`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the form in which OTLP is sent. Default: protobuf.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets how sums and histograms are sent. Default: cumulative, because Prometheus-like backends
    /// drop deltas silently.
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which events are meant for it.
    #[doc(hidden)]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The URL to which a signal is sent.
    pub(crate) fn url(&self, signal: OtlpSignal) -> String {
        let below = || format!("{}/v1/{}", self.endpoint.trim_end_matches('/'), signal.name());
        self.signal_endpoints.get(&signal).cloned().unwrap_or_else(below)
    }

    /// A number that changes when the destination's URLs, signals, headers or encoding do. The
    /// queue stores it and lifts every pause when it finds another one.
    pub(crate) fn fingerprint(&self) -> u64 {
        if let Some(exporter) = &self.exporter {
            return fingerprint_of(&**exporter);
        }
        let mut crc = self.headers.iter().fold(crc32c::crc32c(self.endpoint.as_bytes()), add_header);
        // As it was before there were signals, unless some are set.
        if self.signals.len() < OtlpSignal::ALL.len() {
            crc = self.signals.iter().fold(crc, |crc, signal| crc32c::crc32c_append(crc, signal.name().as_bytes()));
        }
        for (signal, url) in &self.signal_endpoints {
            crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, signal.name().as_bytes()), url.as_bytes());
        }
        let is_json = self.encoding == Encoding::Json;
        let is_delta = self.temporality == Temporality::Delta;
        u64::from(crc) << 2 | u64::from(is_delta) << 1 | u64::from(is_json)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.filter.check()?;
        let Some(exporter) = &self.exporter else {
            self.check_endpoints()?;
            let is_sent = |kind: &EventKind| self.signals.contains(&OtlpSignal::of(*kind));
            self.check_kinds(is_sent, "are of none of the destination's signals: it would get no event")?;
            return check_headers(&self.headers);
        };
        let of_every_format =
            Self { exporter: self.exporter.clone(), filter: self.filter.clone(), ..Self::new(&self.name, "") };
        if *self != of_every_format {
            let reason = "have a destination with an exporter that also has a setting of OTLP's: signals, \
                          an endpoint, headers, encoding or temporality";
            return Err(Error::config("destinations", reason));
        }
        let signals = signals_of(&**exporter);
        if signals.is_empty() {
            return Err(Error::config("destinations", "have an exporter that takes no kind of event"));
        }
        let is_sent = |kind: &EventKind| exporter.signal(*kind).is_some_and(|signal| exporter.takes(signal));
        self.check_kinds(is_sent, "have no place in the destination's format: it would get no event")?;
        for signal in signals {
            check_url("destinations", &exporter.url(signal))?;
            check_headers(&exporter.headers(signal))?;
        }
        Ok(())
    }
}

impl Destination {
    /// Refuses a filter that leaves none of the kinds that are sent at all.
    fn check_kinds(&self, is_sent: impl Fn(&EventKind) -> bool, reason: &str) -> Result<(), Error> {
        let mut sent = EventKind::ALL.into_iter().filter(is_sent);
        let is_filtered = self.filter.code() != 0;
        if is_filtered && !sent.any(|kind| self.filter.takes_kind(kind)) {
            return Err(Error::config("kinds", reason));
        }
        Ok(())
    }

    fn check_endpoints(&self) -> Result<(), Error> {
        if self.signals.is_empty() {
            return Err(Error::config("signals", "are none: name at least one of logs, traces, metrics"));
        }
        for (signal, url) in &self.signal_endpoints {
            if !self.signals.contains(signal) {
                let reason = format!("is set for {}, which the destination does not take", signal.name());
                return Err(Error::config("signal_endpoint", reason));
            }
            check_url("signal_endpoint", url)?;
        }
        if !self.endpoint.is_empty() {
            check_url("endpoint", &self.endpoint)?;
            return check_base("endpoint", &self.endpoint);
        }
        match self.signals.iter().find(|signal| !self.signal_endpoints.contains_key(signal)) {
            Some(signal) => {
                let reason = format!(
                    "is empty, and {} have no endpoint of their own: give a base URL such as \
                     https://otlp.example.com, or name the signals that have one",
                    signal.name()
                );
                Err(Error::config("endpoint", reason))
            }
            None => Ok(()),
        }
    }
}

/// Two destinations are equal when they send the same events to the same place in the same form.
impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        let has_same_exporter = match (&self.exporter, &other.exporter) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other) || fingerprint_of(&**own) == fingerprint_of(&**other),
            _ => false,
        };
        has_same_exporter
            && (&self.name, &self.endpoint, &self.headers) == (&other.name, &other.endpoint, &other.headers)
            && (&self.signals, &self.signal_endpoints) == (&other.signals, &other.signal_endpoints)
            && (self.encoding, self.temporality) == (other.encoding, other.temporality)
            && self.filter == other.filter
    }
}

impl Eq for Destination {}

/// The kinds of request that an exporter makes.
fn signals_of(exporter: &dyn Exporter) -> BTreeSet<Signal> {
    EventKind::ALL.into_iter().filter_map(|kind| exporter.signal(kind)).collect()
}

/// What an exporter's destination is known by: its version, and the URL and headers of each signal.
/// A bit that no OTLP fingerprint has tells the two apart.
fn fingerprint_of(exporter: &dyn Exporter) -> u64 {
    let mut crc = crc32c::crc32c(&exporter.version().to_le_bytes());
    for signal in signals_of(exporter) {
        crc = crc32c::crc32c_append(crc, &[signal.0]);
        crc = crc32c::crc32c_append(crc, exporter.url(signal).as_bytes());
        crc = exporter.headers(signal).iter().fold(crc, add_header);
    }
    1 << 62 | u64::from(crc)
}

fn add_header(crc: u32, (name, value): &(String, String)) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc, name.as_bytes()), value.as_bytes())
}

pub(crate) fn check_headers(headers: &[(String, String)]) -> Result<(), Error> {
    let is_token_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(Error::config("headers", "have a name that HTTP does not allow"));
        }
        if !value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b)) {
            return Err(Error::config("headers", "have a value that is not printable ASCII"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::export::{ExportRow, Verdict};
    use crate::model::http::Response;

    #[derive(Debug, Clone)]
    struct Custom {
        version: u32,
        url: &'static str,
        key: &'static str,
        takes: Option<EventKind>,
    }

    const CUSTOM: Custom = Custom { version: 1, url: "http://h/a", key: "k", takes: Some(EventKind::Log) };

    impl Exporter for Custom {
        fn version(&self) -> u32 {
            self.version
        }

        fn signal(&self, kind: EventKind) -> Option<Signal> {
            (self.takes == Some(kind)).then_some(Signal(7))
        }

        fn encode(&self, _signal: Signal, _rows: &[ExportRow<'_>]) -> Vec<u8> {
            Vec::new()
        }

        fn url(&self, _signal: Signal) -> String {
            self.url.to_owned()
        }

        fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
            vec![("api-key".to_owned(), self.key.to_owned())]
        }

        fn classify(&self, _response: &Response) -> Verdict {
            Verdict::Retry
        }
    }

    fn custom(exporter: Custom) -> Destination {
        Destination::exporter("own", Arc::new(exporter))
    }

    #[test]
    fn a_fingerprint_changes_with_what_a_backend_sees_and_with_nothing_else() {
        let known = custom(CUSTOM);
        assert_eq!(known, custom(CUSTOM));
        assert_eq!(known.fingerprint(), custom(CUSTOM).fingerprint());
        for changed in [
            Custom { version: 2, ..CUSTOM },
            Custom { url: "http://h/b", ..CUSTOM },
            Custom { key: "another", ..CUSTOM },
            Custom { takes: None, ..CUSTOM },
        ] {
            assert_ne!(known, custom(changed.clone()), "{changed:?}");
        }
        let otlp = Destination::new("own", "http://h/a");
        assert_eq!(otlp, Destination::new("own", "http://h/a"));
        assert_ne!(otlp, known);
        assert_ne!(otlp, otlp.clone().header("a", "b"));
        assert_ne!(otlp.fingerprint(), otlp.clone().encoding(Encoding::Json).fingerprint());
        assert_ne!(otlp.fingerprint(), otlp.clone().temporality(Temporality::Delta).fingerprint());
    }

    #[test]
    fn an_exporter_that_cannot_work_is_refused_at_the_start() {
        assert!(custom(CUSTOM).check().is_ok());
        assert!(custom(Custom { url: "nowhere", ..CUSTOM }).check().is_err());
        assert!(custom(Custom { key: "line\nbreak", ..CUSTOM }).check().is_err());
        assert!(custom(Custom { takes: None, ..CUSTOM }).check().is_err());
        assert!(custom(CUSTOM).header("a", "b").check().is_err());
    }

    #[test]
    fn a_filter_is_for_every_format_and_leaves_a_backend_what_it_was() {
        let day = Duration::from_secs(86_400);
        let filtered = |destination: Destination| {
            destination.lanes([Lane::Bulk, Lane::Error]).kinds([EventKind::Log]).max_age(day)
        };
        for known in [custom(CUSTOM), Destination::new("own", "http://h/a")] {
            let other = filtered(known.clone());
            assert!(other.check().is_ok());
            assert_ne!(known, other);
            // A pause is of the backend, and not of what is sent to it.
            assert_eq!(known.fingerprint(), other.fingerprint());
            assert!(known.clone().lanes([]).check().is_err() && known.clone().kinds([]).check().is_err());
            assert!(known.max_age(Duration::ZERO).check().is_err());
        }
    }

    #[test]
    fn a_filter_of_kinds_for_which_the_backend_has_no_place_is_refused() {
        let refusal = |destination: Destination| destination.check().unwrap_err().to_string();
        assert!(refusal(custom(CUSTOM).kinds([EventKind::Action])).contains("no place in the destination's format"));
        let traces = Destination::new("own", "http://h/a").signals([OtlpSignal::Traces]);
        assert!(refusal(traces.clone().kinds([EventKind::Log])).contains("none of the destination's signals"));
        assert!(traces.kinds([EventKind::Span]).check().is_ok());
    }
}
