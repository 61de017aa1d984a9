//! The host's authorization of requests: headers that it returns when it is asked, for tokens that
//! expire.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Request, Sending, Transport, TransportError};
use crate::model::config::check_headers;
use crate::model::http::Response;
use crate::model::kill_point::kill_point;
use crate::model::limits::{AUTH_TIMEOUT, REQUEST_TIMEOUT};

/// Names and values of headers.
type Headers = Vec<(String, String)>;

/// The future of headers.
pub type Authorizing<'a> = Pin<Box<dyn Future<Output = Result<Headers, TransportError>> + Send + 'a>>;

/// Returns headers that authorize requests, for every format of destination alike. See
/// [`Host::auth`](crate::Host::auth).
///
/// What is returned for a destination is kept, and sent to that destination alone, until it answers
/// 401. Then this is asked once more, and the request is sent again with the new headers. What the
/// second answer means is the format's business, as always; without new headers, the first counts.
/// After an answer of 403, which pauses the destination, this is asked again before the next
/// request.
///
/// The headers replace those of the same name that the destination has. An error, a header that
/// HTTP does not allow, and a host that says nothing within 20 seconds count as a request without
/// an answer, which is tried again later.
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
    /// as [`Transport::send`] is: the future must not block, and must end within 20 seconds.
    fn headers(&self, destination: &str, refresh: bool) -> Authorizing<'_>;
}

type Answer = Result<Response, TransportError>;

/// The host's authorization, and what it has returned so far.
pub(crate) struct Authority {
    auth: Option<Arc<dyn AuthHeaders>>,
    /// By the name of the destination; `None` where it has refused the last ones.
    known: Mutex<BTreeMap<String, Option<Headers>>>,
    /// How long the host may take to say how it authorizes, and the backend to answer.
    patience: (Duration, Duration),
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers are secrets.
        f.debug_struct("Authority").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Authority {
    pub(crate) fn new(auth: Option<Arc<dyn AuthHeaders>>) -> Self {
        Self { auth, known: Mutex::default(), patience: (AUTH_TIMEOUT, REQUEST_TIMEOUT) }
    }

    /// Sends a request of a destination with the host's headers. An answer of 401 is asked for once
    /// more, with new ones; if the host has none, it is an answer all the same. What takes too long
    /// is given up: the host, whose transport may be, may never answer.
    pub(crate) fn send<'a>(
        &'a self,
        transport: &'a dyn Transport,
        request: Request,
        destination: String,
        key: String,
    ) -> Sending<'a> {
        Box::pin(async move {
            kill_point("transport");
            let Some(auth) = &self.auth else { return self.transmit(transport, request, &key).await };
            let headers = match self.known(&destination) {
                Some(Some(known)) => known,
                known => self.ask(&**auth, &destination, known.is_some()).await?,
            };
            let mut answer = self.transmit(transport, with(request.clone(), headers), &key).await?;
            if answer.status == 401 {
                match self.ask(&**auth, &destination, true).await {
                    Ok(headers) if !headers.is_empty() => {
                        answer = self.transmit(transport, with(request, headers), &key).await?;
                    }
                    // The host has nothing to do with this destination, or cannot renew now.
                    Ok(_) | Err(_) => {}
                }
            }
            if answer.status == 403 {
                self.keep(destination, None);
            }
            Ok(answer)
        })
    }

    async fn transmit(&self, transport: &dyn Transport, request: Request, key: &str) -> Answer {
        let patience = transport.patience().unwrap_or(self.patience.1);
        let answer = tokio::time::timeout(patience, transport.send_keyed(request, key)).await;
        answer.unwrap_or_else(|_| Err(TransportError::late()))
    }

    fn known(&self, destination: &str) -> Option<Option<Headers>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(destination).cloned()
    }

    fn keep(&self, destination: String, headers: Option<Headers>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(destination, headers);
    }

    async fn ask(&self, auth: &dyn AuthHeaders, destination: &str, refresh: bool) -> Result<Headers, TransportError> {
        let headers = tokio::time::timeout(self.patience.0, auth.headers(destination, refresh)).await;
        let headers = headers.unwrap_or_else(|_| Err(too_slow()))?;
        check_headers(&headers).map_err(|error| TransportError(format!("the host's authorization: {error}")))?;
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        let headers: Headers = headers.into_iter().map(lower).collect();
        self.keep(destination.to_owned(), Some(headers.clone()));
        Ok(headers)
    }
}

/// Why nothing was sent: the host has not said how it authorizes.
fn too_slow() -> TransportError {
    TransportError(format!("the host returned no authorization within {} s", AUTH_TIMEOUT.as_secs()))
}

/// The request with further headers, which replace those with the same name.
fn with(mut request: Request, headers: Headers) -> Request {
    request.headers.retain(|(name, _)| !headers.iter().any(|(new, _)| new == name));
    request.headers.extend(headers);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// The status of an answer that never comes.
    const SILENT: u16 = 0;

    /// Answers with these statuses, then with 200, and notes the tokens that it was sent.
    #[derive(Debug, Default)]
    struct Backend {
        statuses: Mutex<VecDeque<u16>>,
        tokens: Mutex<Vec<String>>,
    }

    impl Transport for Backend {
        fn send(&self, request: Request) -> Sending<'_> {
            let token = request.headers.into_iter().map(|(_, value)| value).collect();
            self.tokens.lock().unwrap().push(token);
            let status = self.statuses.lock().unwrap().pop_front().unwrap_or(200);
            Box::pin(async move {
                if status == SILENT {
                    std::future::pending::<()>().await;
                }
                Ok(Response { status, ..Response::default() })
            })
        }
    }

    /// A host that cannot renew its token, or can.
    #[derive(Debug)]
    struct Host {
        renews: bool,
    }

    impl AuthHeaders for Host {
        fn headers(&self, _destination: &str, refresh: bool) -> Authorizing<'_> {
            let token = match (refresh, self.renews) {
                (false, _) => Ok("old"),
                (true, true) => Ok("new"),
                (true, false) => Err(TransportError("the token server is down".to_owned())),
            };
            Box::pin(async move { Ok(vec![("Token".to_owned(), token?.to_owned())]) })
        }
    }

    /// The statuses of this many requests in a row, and the tokens that they had.
    fn sent<const N: usize>(
        host: impl AuthHeaders + 'static,
        statuses: &[u16],
    ) -> ([Result<u16, TransportError>; N], Vec<String>) {
        let backend = Backend { statuses: Mutex::new(statuses.iter().copied().collect()), ..Backend::default() };
        let soon = Duration::from_millis(1);
        let authority = Authority { patience: (soon, soon), ..Authority::new(Some(Arc::new(host))) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let seen = std::array::from_fn(|_| {
            let request = Request { url: String::new(), headers: Vec::new(), body: Vec::new() };
            let answer = runtime.block_on(authority.send(&backend, request, "own".to_owned(), "key".to_owned()));
            answer.map(|answer| answer.status)
        });
        (seen, backend.tokens.into_inner().unwrap())
    }

    #[test]
    fn a_refusal_is_an_answer_though_the_host_cannot_renew_its_token() {
        let (statuses, tokens) = sent(Host { renews: false }, &[401]);
        assert_eq!(statuses, [Ok(401)], "it would be sent whole every 15 minutes, and its bytes not be counted");
        assert_eq!(tokens, ["old"]);
    }

    #[test]
    fn a_forbidden_token_is_not_sent_for_ever() {
        let (statuses, tokens) = sent(Host { renews: true }, &[403]);
        assert_eq!((statuses, tokens.join(" ")), ([Ok(403), Ok(200), Ok(200)], "old new new".to_owned()));
        let (_, tokens) = sent::<2>(Host { renews: true }, &[401, 403, 403]);
        assert_eq!(tokens, ["old", "new", "new"]);
    }

    #[test]
    fn a_host_that_hangs_costs_no_bytes_of_the_day() {
        #[derive(Debug)]
        struct Hangs;

        impl AuthHeaders for Hangs {
            fn headers(&self, _destination: &str, _refresh: bool) -> Authorizing<'_> {
                Box::pin(std::future::pending())
            }
        }

        let ([answer], tokens) = sent(Hangs, &[]);
        assert!(!answer.unwrap_err().is_late(), "what is late has been sent");
        assert!(tokens.is_empty());
        let ([answer], tokens) = sent(Host { renews: true }, &[SILENT]);
        assert!(answer.unwrap_err().is_late(), "the backend has the body, as far as anyone knows");
        assert_eq!(tokens, ["old"]);
    }

    #[test]
    fn an_upload_that_the_system_sends_later_is_not_given_up_meanwhile() {
        /// Answers later than the client waits for others, with the key that it was given.
        #[derive(Debug)]
        struct Later(Option<Duration>);

        impl Transport for Later {
            fn send(&self, _request: Request) -> Sending<'_> {
                Box::pin(async { Err(TransportError("it has a key".to_owned())) })
            }

            fn send_keyed<'a>(&'a self, _request: Request, key: &'a str) -> Sending<'a> {
                Box::pin(async move {
                    if self.0.is_none() {
                        std::future::pending::<()>().await;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(Response { status: 200, body: key.as_bytes().to_vec(), ..Response::default() })
                })
            }

            fn patience(&self) -> Option<Duration> {
                self.0
            }
        }

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let soon = Duration::from_millis(1);
        let answer = |patience| {
            let request = Request { url: String::new(), headers: Vec::new(), body: Vec::new() };
            let authority = Authority { patience: (soon, soon), ..Authority::new(None) };
            let transport = Later(patience);
            runtime.block_on(authority.send(&transport, request, "own".to_owned(), "key".to_owned()))
        };
        assert!(answer(None).unwrap_err().is_late());
        assert_eq!(answer(Some(REQUEST_TIMEOUT)).unwrap().body, b"key");
    }
}
