//! An answer of any status, headers and body: a verdict, no panic, and no success for what does not
//! decode.
#![no_main]

use libfuzzer_sys::fuzz_target;
use throughline::Destination;
use throughline::export::Exporter;
use throughline::internals::backoff;
use throughline::internals::otlp::Otlp;
use throughline::transport::Response;

fuzz_target!(|input: (u16, &str, &str, &[u8])| {
    let (status, kind, retry_after, body) = input;
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    let otlp = Otlp::new(&Destination::new("d", "http://localhost"));
    let _ = otlp.classify(&Response { status, headers, body: body.to_vec(), truncated: false });
    if let Some(wait) = backoff::retry_after(retry_after, Some(kind), 0, u64::from(status) << 48) {
        assert!((1..=86_400).contains(&wait.as_secs()));
    }
    let _ = backoff::server_offset_ms(retry_after, 0);
});
