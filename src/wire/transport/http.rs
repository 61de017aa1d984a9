//! The built-in client: reqwest over rustls with ring, bundled root certificates, HTTP/1.1.
//!
//! It follows no redirect, so that a header never reaches another origin, and uses no proxy. It
//! reads at most 64 KiB of a response. The connection is opened at the first request of a burst and
//! closed after the last.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{ClientConfig, RootCertStore};

use tokio::net::TcpStream;

use super::cause::protocol_of;
use super::{Request, Response, Sending, Transport, TransportError};
use crate::model::limits::{CONNECT_TIMEOUT, MAX_RESPONSE_BYTES, PROBE_BYTES, PROBE_TIMEOUT, REQUEST_TIMEOUT};

/// How hyper says that an answer does not begin as one of HTTP/1.1 does.
const NOT_HTTP: &str = "invalid HTTP version";
/// What a client of HTTP/2 sends first (RFC 9113 §3.4), with empty SETTINGS.
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

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
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let mut post = self.client()?.post(&request.url).body(request.body);
            for (name, value) in request.headers {
                post = post.header(name, value);
            }
            let mut answer = match post.send().await.map_err(failed) {
                Ok(answer) => answer,
                Err(TransportError(text)) if text.contains(NOT_HTTP) => {
                    let cause = probe(&request.url).await;
                    return Err(TransportError(cause.map_or(text.clone(), |cause| format!("{text}: {cause}"))));
                }
                Err(error) => return Err(error),
            };
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

/// Asks a port that does not answer in HTTP/1.1 what it speaks, so that the error can say it. The
/// client does not show the bytes that it could not read. Nothing of the app is sent.
async fn probe(url: &str) -> Option<&'static str> {
    let authority = url.strip_prefix("http://")?.split('/').next()?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    tokio::time::timeout(PROBE_TIMEOUT, first_bytes(&address)).await.ok()?.ok().and_then(|first| protocol_of(&first))
}

/// The first bytes that a port answers to a client of HTTP/2.
async fn first_bytes(address: &str) -> std::io::Result<Vec<u8>> {
    let stream = TcpStream::connect(address).await?;
    stream.writable().await?;
    stream.try_write(HTTP_2_PREFACE)?;
    let mut first = Vec::new();
    while first.len() < PROBE_BYTES {
        let mut more = [0; PROBE_BYTES];
        stream.readable().await?;
        match stream.try_read(&mut more) {
            Ok(0) => break,
            Ok(count) => first.extend_from_slice(more.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // What came before the connection was reset says enough.
            Err(_) => break,
        }
    }
    Ok(first)
}
