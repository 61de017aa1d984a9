//! Trace context on the wire: W3C `traceparent`, and the hosts that may see it.

use crate::config::host_of;
use crate::event::TraceContext;

impl TraceContext {
    /// The `traceparent` header (W3C Trace Context §3.2): version 00, flags `01` or `00`.
    pub fn traceparent(&self) -> String {
        let trace = u128::from_be_bytes(self.trace_id);
        let span = u64::from_be_bytes(self.span_id);
        format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// The hosts that may be sent trace headers: none by default.
///
/// A host matches by equality or as a sub-domain, case-insensitively, never by substring; a trailing dot and a port
/// are ignored.
#[derive(Debug, Clone, Default)]
pub struct TraceHosts(Vec<String>);

impl TraceHosts {
    /// Hosts by name, without scheme or port.
    pub fn new<S: AsRef<str>>(hosts: impl IntoIterator<Item = S>) -> Self {
        let clean = |host: S| host.as_ref().trim_end_matches('.').to_ascii_lowercase();
        Self(hosts.into_iter().map(clean).filter(|host| !host.is_empty()).collect())
    }

    /// Whether requests to `url` may carry trace headers.
    pub fn allow(&self, url: &str) -> bool {
        let Some(host) = host_of(url) else { return false };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.0
            .iter()
            .any(|listed| host.strip_suffix(listed.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_has_the_w3c_form() {
        let context = TraceContext {
            trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes(),
            span_id: 0xb7ad_6b71_6920_3331_u64.to_be_bytes(),
            sampled: true,
        };
        assert_eq!(context.traceparent(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }

    #[test]
    fn a_look_alike_host_gets_no_header() {
        let hosts = TraceHosts::new(["Example.com", "127.0.0.1"]);
        for good in
            ["https://example.com/a", "https://API.example.COM:8443", "http://example.com./", "http://127.0.0.1:80/x"]
        {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "https://evil-example.com/",
            "https://example.com.evil.com/",
            "https://example.com@evil.com/",
            "https://evil.com/?example.com",
            "https://evil.com\\@example.com/",
            "ftp://example.com/",
            "example.com",
            "https:///example.com",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
        assert!(!TraceHosts::default().allow("https://example.com/"));
    }
}
