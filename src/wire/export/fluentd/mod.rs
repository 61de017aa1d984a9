//! Fluentd's `in_http` and Fluent Bit's `http` input: a JSON array of flat records.
//!
//! Every kind of event becomes a record with the time, the id, the kind, the ids of its trace, and
//! its attributes under the names that they have in OTLP: see [`otlp`](super::otlp). What belongs
//! to the process (service, app, device) is in every record, because a record stands alone.
//!
//! Phones speak HTTP only: Fluentd's forward protocol is for servers.
//!
//! Sources: <https://docs.fluentd.org/input/http>, and what Fluentd 1.15 and 1.19 answered.

mod outcome;
mod record;

use crate::model::config::{check_headers, check_url};
use crate::model::error::Error;
use crate::model::event::EventKind;
use crate::model::export::{ExportRow, Exporter, Signal, Verdict};
use crate::model::http::Response;
use crate::wire::export::outcome::verdict;

/// The version of the encoding: it changes whenever the same rows would give another body.
const VERSION: u32 = 2;

const RECORDS: Signal = Signal(0);

/// The exporter of a destination that is a Fluentd or a Fluent Bit with an HTTP input.
///
/// ```
/// use std::sync::Arc;
/// use throughline::backends::Fluentd;
/// use throughline::{Config, Destination};
///
/// let fluentd = Fluentd::new("https://logs.example.com", "shop.app")?
///     .header("authorization", "Bearer abc")?;
/// let config = Config::builder("shop", "/var/lib/shop/telemetry")
///     .destination(Destination::exporter("fluentd", Arc::new(fluentd)))
///     .build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Clone)]
pub struct Fluentd {
    url: String,
    headers: Vec<(String, String)>,
}

impl std::fmt::Debug for Fluentd {
    /// Without the headers: what is debugged is logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fluentd").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Fluentd {
    /// Makes an exporter for the server with this base URL. The tag, by which Fluentd routes the
    /// records, is appended to it as a path.
    ///
    /// # Errors
    ///
    /// The URL is no URL of a server, or the tag has a character beside `a`–`z`, `0`–`9`, `_` and
    /// `.`: Fluentd does not decode any other.
    pub fn new(base: &str, tag: &str) -> Result<Self, Error> {
        let base = base.trim_end_matches('/');
        check_url("base_url", base)?;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
        if tag.is_empty() || tag.starts_with('.') || tag.ends_with('.') || !tag.bytes().all(is_plain) {
            let reason = "must be like `shop.app`: small letters, digits, `_`, and `.` in between";
            return Err(Error::config("tag", reason));
        }
        Ok(Self { url: format!("{base}/{tag}"), headers: Vec::new() })
    }

    /// Adds a header to every request, for the proxy that authorizes it: Fluentd has no
    /// authorization of its own.
    ///
    /// # Errors
    ///
    /// HTTP does not allow the name or the value.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        check_headers(&self.headers)?;
        Ok(self)
    }
}

impl Exporter for Fluentd {
    fn version(&self) -> u32 {
        VERSION
    }

    fn signal(&self, _kind: EventKind) -> Option<Signal> {
        Some(RECORDS)
    }

    fn encode(&self, _signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        let records: Vec<_> = rows.iter().map(record::record).collect();
        serde_json::to_vec(&records).unwrap_or_default()
    }

    fn url(&self, _signal: Signal) -> String {
        self.url.clone()
    }

    fn headers(&self, _signal: Signal) -> Vec<(String, String)> {
        // Fluentd takes this one exactly: in capital letters it stores nothing and answers 200.
        let content_type = ("content-type".to_owned(), "application/json".to_owned());
        std::iter::once(content_type).chain(self.headers.iter().cloned()).collect()
    }

    fn classify(&self, response: &Response) -> Verdict {
        verdict(&outcome::RULES, response)
    }
}

#[cfg(test)]
mod tests;
