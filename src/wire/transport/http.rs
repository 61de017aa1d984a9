//! The built-in client: reqwest over rustls with ring, bundled root certificates, HTTP/1.1.
//!
//! It follows no redirect, so that a header never reaches another origin, and uses no proxy. It
//! reads at most 64 KiB of a response. The connection is opened at the first request of a burst and
//! closed after the last.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::{ClientConfig, RootCertStore};

use super::cause::IS_PLAIN;
use super::probe::{is_plain, what_it_speaks};
use super::{Request, Response, Sending, Transport, TransportError};
use crate::model::limits::{CONNECT_TIMEOUT, MAX_RESPONSE_BYTES, PROBE_AFTER, REQUEST_TIMEOUT};

/// How hyper says that an answer does not begin as one of HTTP/1.1 does.
const NOT_HTTP: &str = "invalid HTTP version";

/// The built-in HTTP client. It is used when the host brings no [`Transport`].
///
/// ```
/// use std::sync::Arc;
/// use throughline::{Host, transport::http::HttpTransport};
///
/// let mut host = Host::default();
/// host.transport = Some(Arc::new(HttpTransport::new())); // what the default is, too
/// ```
#[derive(Debug, Default)]
pub struct HttpTransport {
    client: Mutex<Option<reqwest::Client>>,
    /// The URLs of which something is known: there was an answer, or it is known that the port is
    /// not one without TLS.
    known: Mutex<HashSet<String>>,
}

impl HttpTransport {
    /// A client, which connects at its first request.
    pub fn new() -> Self {
        Self::default()
    }

    fn client(&self) -> Result<reqwest::Client, TransportError> {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TransportError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(1)
            .http1_only()
            .referer(false)
            .user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TransportError(error.to_string()))?;
        *slot = Some(client.clone());
        Ok(client)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a port that has not answered for a while, and never before, is one without TLS. Some
    /// of these wait for the end of a request that they cannot read, and say nothing. Asked once
    /// for a URL, unless it is so.
    async fn is_plain_port(&self, url: &str) -> bool {
        if !url.starts_with("https://") || self.known().contains(url) {
            return false;
        }
        tokio::time::sleep(PROBE_AFTER).await;
        let is_plain = is_plain(url).await;
        if !is_plain {
            self.known().insert(url.to_owned());
        }
        is_plain
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let Request { url, headers, body } = request;
            let mut post = self.client()?.post(&url).body(body);
            for (name, value) in headers {
                post = post.header(name, value);
            }
            let answer = tokio::select! {
                biased;
                answer = post.send() => answer.map_err(failed),
                true = self.is_plain_port(&url) => Err(TransportError(IS_PLAIN.to_owned())),
            };
            let mut answer = match answer {
                Ok(answer) => answer,
                Err(TransportError(text)) if text.contains(NOT_HTTP) => {
                    let cause = what_it_speaks(&url).await;
                    return Err(TransportError(cause.map_or(text.clone(), |cause| format!("{text}: {cause}"))));
                }
                Err(error) => return Err(error),
            };
            self.known().insert(url);
            let mut response = Response { status: answer.status().as_u16(), ..Response::default() };
            for (name, value) in answer.headers() {
                response
                    .headers
                    .push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
            }
            while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                let room = MAX_RESPONSE_BYTES - response.body.len();
                if chunk.len() > room {
                    response.truncated = true;
                    response.body.extend_from_slice(chunk.get(..room).unwrap_or_default());
                    break;
                }
                response.body.extend_from_slice(&chunk);
            }
            Ok(response)
        })
    }

    fn idle(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The error with its causes, without the URL, whose path may be secret.
fn failed(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    TransportError(text)
}
