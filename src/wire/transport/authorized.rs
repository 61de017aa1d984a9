//! The host's authorization of requests: headers that it returns when it is asked, for tokens that
//! expire.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Request, Sending, Transport, TransportError};
use crate::model::config::check_headers;
use crate::model::kill_point::kill_point;

/// Names and values of headers.
type Headers = Vec<(String, String)>;

/// The future of headers.
pub type Authorizing<'a> = Pin<Box<dyn Future<Output = Result<Headers, TransportError>> + Send + 'a>>;

/// Returns headers that authorize requests, for every format of destination alike. See
/// [`Host::auth`](crate::Host::auth).
///
/// What is returned for a destination is kept, and sent to that destination alone, until it answers
/// 401. Then this is asked once more, and the request is sent again with the new headers. What the
/// second answer means is the format's business, as always.
///
/// The headers replace those of the same name that the destination has. An error, and a header that
/// HTTP does not allow, count as a request without an answer, which is tried again later.
///
/// ```
/// use std::sync::Arc;
/// use throughline::Host;
/// use throughline::transport::{AuthHeaders, Authorizing};
///
/// #[derive(Debug)]
/// struct Tokens;
///
/// impl AuthHeaders for Tokens {
///     fn headers(&self, destination: &str, refresh: bool) -> Authorizing<'_> {
///         // Nobody but the own backend may see the token.
///         if destination != "own" {
///             return Box::pin(async { Ok(Vec::new()) });
///         }
///         let token = if refresh { "Bearer new" } else { "Bearer known" };
///         let header = ("authorization".to_owned(), token.to_owned());
///         Box::pin(async move { Ok(vec![header]) })
///     }
/// }
///
/// let mut host = Host::default();
/// host.auth = Some(Arc::new(Tokens));
/// ```
pub trait AuthHeaders: Send + Sync + fmt::Debug {
    /// The headers for the destination with this name; none, if the host has none for it. With
    /// `refresh`, the destination has refused the last ones. Called on the client's worker thread,
    /// as [`Transport::send`] is: the future must not block.
    fn headers(&self, destination: &str, refresh: bool) -> Authorizing<'_>;
}

/// The host's authorization, and what it has returned so far.
pub(crate) struct Authority {
    auth: Option<Arc<dyn AuthHeaders>>,
    /// By the name of the destination.
    known: Mutex<BTreeMap<String, Headers>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers are secrets.
        f.debug_struct("Authority").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Authority {
    pub(crate) fn new(auth: Option<Arc<dyn AuthHeaders>>) -> Self {
        Self { auth, known: Mutex::default() }
    }

    /// Sends a request of a destination with the host's headers. An answer of 401 is asked for once
    /// more, with new ones.
    pub(crate) fn send<'a>(
        &'a self,
        transport: &'a dyn Transport,
        request: Request,
        destination: String,
    ) -> Sending<'a> {
        Box::pin(async move {
            kill_point("transport");
            let Some(auth) = &self.auth else { return transport.send(request).await };
            let headers = match self.known(&destination) {
                Some(known) => known,
                None => self.ask(&**auth, &destination, false).await?,
            };
            let first = transport.send(with(request.clone(), headers)).await?;
            if first.status != 401 {
                return Ok(first);
            }
            let headers = self.ask(&**auth, &destination, true).await?;
            if headers.is_empty() {
                // The host has nothing to do with this destination.
                return Ok(first);
            }
            transport.send(with(request, headers)).await
        })
    }

    fn known(&self, destination: &str) -> Option<Headers> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(destination).cloned()
    }

    async fn ask(&self, auth: &dyn AuthHeaders, destination: &str, refresh: bool) -> Result<Headers, TransportError> {
        let headers = auth.headers(destination, refresh).await?;
        check_headers(&headers).map_err(|error| TransportError(format!("the host's authorization: {error}")))?;
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        let headers: Headers = headers.into_iter().map(lower).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(destination.to_owned(), headers.clone());
        Ok(headers)
    }
}

/// The request with further headers, which replace those with the same name.
fn with(mut request: Request, headers: Headers) -> Request {
    request.headers.retain(|(name, _)| !headers.iter().any(|(new, _)| new == name));
    request.headers.extend(headers);
    request
}
