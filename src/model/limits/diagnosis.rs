//! Limits of what is done to say why a backend cannot be reached.

use std::time::Duration;

/// Bytes of a part of a URL's path that may be a key, if it has a digit: words and numbers of
/// accounts are shorter.
pub(crate) const SECRET_SEGMENT_BYTES: usize = 16;
/// Bytes that are read of an answer that is not HTTP/1.1: enough to tell TLS from HTTP/2.
#[cfg(feature = "http")]
pub(crate) const PROBE_BYTES: usize = 16;
/// Time to read them. They come at once, or not at all.
#[cfg(feature = "http")]
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an error page that are searched for its cause.
pub(crate) const ERROR_PAGE_BYTES: usize = 2_048;
/// Time without any answer after which a port of `https` is asked whether it speaks TLS at all:
/// longer than a handshake takes over a slow network.
#[cfg(feature = "http")]
pub(crate) const PROBE_AFTER: Duration = Duration::from_secs(3);
/// Hosts whose requests got no trace headers that a diagnosis names: enough to see one's own.
pub(crate) const MAX_UNLISTED_HOSTS: usize = 8;
/// The longest of them, in bytes: a name in DNS has at most 253 (RFC 1035 §2.3.4).
pub(crate) const MAX_UNLISTED_HOST_BYTES: usize = 253;
/// How far the device's clock may be from the backend's before a diagnosis says so. Events that
/// are minutes away are still found beside those of the server.
pub(crate) const CLOCK_WRONG_AFTER: Duration = Duration::from_secs(5 * 60);
