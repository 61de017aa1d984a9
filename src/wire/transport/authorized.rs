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
/// second answer means is the format's business, as always; without new headers, the first counts.
/// After an answer of 403, which pauses the destination, this is asked again before the next
/// request.
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
    /// By the name of the destination; `None` where it has refused the last ones.
    known: Mutex<BTreeMap<String, Option<Headers>>>,
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
    /// more, with new ones; if the host has none, it is an answer all the same.
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
                Some(Some(known)) => known,
                known => self.ask(&**auth, &destination, known.is_some()).await?,
            };
            let mut answer = transport.send(with(request.clone(), headers)).await?;
            if answer.status == 401 {
                match self.ask(&**auth, &destination, true).await {
                    Ok(headers) if !headers.is_empty() => answer = transport.send(with(request, headers)).await?,
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

    fn known(&self, destination: &str) -> Option<Option<Headers>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(destination).cloned()
    }

    fn keep(&self, destination: String, headers: Option<Headers>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(destination, headers);
    }

    async fn ask(&self, auth: &dyn AuthHeaders, destination: &str, refresh: bool) -> Result<Headers, TransportError> {
        let headers = auth.headers(destination, refresh).await?;
        check_headers(&headers).map_err(|error| TransportError(format!("the host's authorization: {error}")))?;
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        let headers: Headers = headers.into_iter().map(lower).collect();
        self.keep(destination.to_owned(), Some(headers.clone()));
        Ok(headers)
    }
}

/// The request with further headers, which replace those with the same name.
fn with(mut request: Request, headers: Headers) -> Request {
    request.headers.retain(|(name, _)| !headers.iter().any(|(new, _)| new == name));
    request.headers.extend(headers);
    request
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::model::http::Response;

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
            Box::pin(async move { Ok(Response { status, ..Response::default() }) })
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
    fn sent<const N: usize>(host: Host, statuses: &[u16]) -> ([Option<u16>; N], Vec<String>) {
        let backend = Backend { statuses: Mutex::new(statuses.iter().copied().collect()), ..Backend::default() };
        let authority = Authority::new(Some(Arc::new(host)));
        let seen = std::array::from_fn(|_| {
            let request = Request { url: String::new(), headers: Vec::new(), body: Vec::new() };
            let mut sending = authority.send(&backend, request, "own".to_owned());
            match sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => answer.ok().map(|answer| answer.status),
                Poll::Pending => panic!("nothing has to be waited for"),
            }
        });
        (seen, backend.tokens.into_inner().unwrap())
    }

    #[test]
    fn a_refusal_is_an_answer_though_the_host_cannot_renew_its_token() {
        let (statuses, tokens) = sent(Host { renews: false }, &[401]);
        assert_eq!(statuses, [Some(401)], "it would be sent whole every 15 minutes, and its bytes not be counted");
        assert_eq!(tokens, ["old"]);
    }

    #[test]
    fn a_forbidden_token_is_not_sent_for_ever() {
        let (statuses, tokens) = sent(Host { renews: true }, &[403]);
        assert_eq!((statuses, tokens.join(" ")), ([Some(403), Some(200), Some(200)], "old new new".to_owned()));
        let (_, tokens) = sent::<2>(Host { renews: true }, &[401, 403, 403]);
        assert_eq!(tokens, ["old", "new", "new"]);
    }
}
