//! Headers, patterns, URLs and texts from anywhere: no panic, no wrong trace, no header for a host
//! that is not listed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use throughline::internals::redact::Redactor;
use throughline::internals::scrub::Scrub;
use throughline::internals::state::path::{Pattern, parse, push_segment};
use throughline::trace::{Baggage, Format, TraceHost, TraceHosts, extract, inject};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let headers: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(':')).collect();
    let found = extract(&Format::ALL, headers.iter().copied());
    if let Some(context) = found.context {
        let written = inject(&Format::ALL, &context);
        let read = extract(&Format::ALL, written.iter().map(|header| (header.0, header.1.as_str())));
        let again = read.context.expect("what was written is read");
        assert_eq!(again.trace, context.trace);
        let hosts = TraceHosts::new([TraceHost::new("example.com").formats(Format::ALL)]);
        let url = text.lines().next().unwrap_or_default();
        let injected = hosts.inject(url, &context, &[], &Baggage::default());
        assert!(injected.headers.is_empty() || url.to_ascii_lowercase().contains("example.com"));
    }
    let redactor = Redactor::default();
    let once = redactor.free_text(&text).into_owned();
    assert_eq!(redactor.free_text(&once), once.as_str());
    let _ = (redactor.url(&text), redactor.key(&text), Pattern::new(&text));
    if let Ok(path) = parse(&text) {
        let mut written = String::new();
        path.iter().for_each(|segment| push_segment(&mut written, segment));
        assert_eq!(parse(&written).expect("what was written is read"), path);
    }
});
