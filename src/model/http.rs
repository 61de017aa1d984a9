//! A request and a response of HTTP, as plain data: what exporters and transports exchange.

/// A POST request.
///
/// ```
/// use throughline::transport::Request;
///
/// /// What a transport of the host's hands to its HTTP library.
/// fn head(request: &Request) -> String {
///     let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
///     format!("POST {}\r\n{}", request.url, headers.collect::<String>())
/// }
/// # let _ = head;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Absolute URL, `http` or `https`.
    pub url: String,
    /// Headers, names in lower case. `content-length` and `host` are the transport's.
    pub headers: Vec<(String, String)>,
    /// The body as it goes over the wire: it is already compressed, and `content-encoding` says so.
    pub body: Vec<u8>,
}

/// The answer to a [`Request`].
///
/// ```
/// use throughline::transport::Response;
///
/// let headers = vec![("retry-after".to_owned(), "120".to_owned())];
/// let response = Response { status: 503, headers, ..Response::default() };
/// assert_eq!(response.header("retry-after"), Some("120"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body without its compression, at most
    /// [`MAX_RESPONSE_BYTES`](crate::limits::MAX_RESPONSE_BYTES) of it.
    pub body: Vec<u8>,
    /// Whether the body was longer than that.
    pub truncated: bool,
}

impl Response {
    /// The value of the first header with that name, which must be given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
