//! Trace headers for the app's requests, and uploads that the host makes itself.

use std::sync::Arc;
use std::time::Duration;

use super::TelemetryCore;
use crate::guard::guard;
use crate::host::HttpResponse;
use crate::pull::PendingUpload;
use crate::records::{HeaderField, HostDuration};

#[uniffi::export]
impl TelemetryCore {
    /// The headers for a request to a URL: those of the request that was started under `slot`, else
    /// those of the context under it, else those of the current context. `existing` are the app's
    /// own headers. None of them is replaced, but baggage is merged.
    pub fn trace_headers(&self, url: String, slot: u64, existing: Vec<HeaderField>) -> Vec<HeaderField> {
        let headers = self.ask(Vec::new(), |telemetry| {
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

    /// The ids of the context under a slot, as `trace-span` in hexadecimal. None when there is no
    /// such context.
    pub fn trace_id(&self, slot: u64) -> Option<String> {
        let context = guard(|| None, || self.client.slots.context(slot))?;
        let (trace, span) = (context.trace.trace_id, context.trace.span_id);
        Some(format!("{:032x}-{:016x}", u128::from_be_bytes(trace), u64::from_be_bytes(span)))
    }

    /// Whether trace headers that were written for `from` may stay on a request that is redirected
    /// to `to`. If not, the host removes every header that `propagation_headers` names.
    pub fn survives_redirect(&self, from: String, to: String) -> bool {
        self.ask(false, |telemetry| telemetry.survives_redirect(&from, &to))
    }

    /// The names, in lower case, of all headers that may have been added to a request.
    pub fn propagation_headers(&self) -> Vec<String> {
        throughline::trace::PROPAGATION_HEADERS.iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    /// The next request to send, when the configuration has `pull`. Asks the core for an upload,
    /// and waits for its request at most `wait`. None: there is nothing to send.
    pub fn next_upload(&self, wait: HostDuration) -> Option<PendingUpload> {
        guard(
            || None,
            || {
                if let Some(upload) = self.pull.next(Duration::ZERO) {
                    return Some(upload);
                }
                self.client.telemetry()?.flush_soon(wait.0);
                self.pull.next(wait.0)
            },
        )
    }

    /// Takes the outcome of a request: the response, or none when there was no answer. False when
    /// the request is not known, or not any more.
    pub fn upload_done(&self, id: u64, response: Option<HttpResponse>) -> bool {
        guard(|| false, || self.pull.done(id, response))
    }
}
