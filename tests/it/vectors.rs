//! The vectors that the tests of every language read: trace headers in both directions, hosts,
//! baggage and sampling.

use serde_json::Value as Json;
use throughline::event::TraceContext;
use throughline::internals::sampling::{keep, keep_session};
use throughline::trace::{
    Baggage, Format, Injection, SamplingDecision, SpanContext, TraceHost, TraceHosts, TraceState, extract, inject,
};

fn vectors(name: &str) -> Json {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(json: &'a Json, key: &str) -> &'a Vec<Json> {
    json[key].as_array().unwrap()
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

fn formats(vector: &Json) -> Vec<Format> {
    list(vector, "formats").iter().map(|name| Format::from_name(name.as_str().unwrap()).unwrap()).collect()
}

fn pairs(list: &Json) -> Vec<(&str, &str)> {
    list.as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

const DECISIONS: [(&str, SamplingDecision); 6] = [
    ("manual_drop", SamplingDecision::ManualDrop),
    ("drop", SamplingDecision::Drop),
    ("keep", SamplingDecision::Keep),
    ("manual_keep", SamplingDecision::ManualKeep),
    ("debug", SamplingDecision::Debug),
    ("deferred", SamplingDecision::Deferred),
];

fn decision(name: &str) -> Option<SamplingDecision> {
    DECISIONS.into_iter().find(|known| known.0 == name).map(|known| known.1)
}

fn trace_id(text: &str) -> [u8; 16] {
    u128::from_str_radix(text, 16).unwrap().to_be_bytes()
}

fn span_id(text: &str) -> [u8; 8] {
    u64::from_str_radix(text, 16).unwrap().to_be_bytes()
}

#[test]
fn headers_are_read_as_written_and_malformed_ones_rejected() {
    let vectors = vectors("trace_headers");
    assert!(list(&vectors, "extract").len() > 90);
    for vector in list(&vectors, "extract") {
        let name = text(vector, "name");
        let found = extract(&formats(vector), pairs(&vector["headers"]));
        let want = &vector["expect"];
        let Some(trace) = want["trace"].as_str() else {
            assert_eq!(found.context, None, "{name}");
            assert_eq!(found.decision, decision(text(want, "decision")), "{name}");
            continue;
        };
        let context = found.context.unwrap_or_else(|| panic!("{name}: nothing was read"));
        assert_eq!(context.trace.trace_id, trace_id(trace), "{name}");
        assert_eq!(context.trace.span_id, span_id(text(want, "span")), "{name}");
        assert_eq!(Some(context.decision), decision(text(want, "decision")), "{name}");
        assert_eq!(context.trace.sampled, context.decision.is_kept(), "{name}");
        assert_eq!(context.random, want["random"].as_bool().unwrap_or(false), "{name}");
        assert_eq!(context.parent_span, want["parent"].as_str().map(span_id), "{name}");
        assert_eq!(context.decision_maker, text(want, "maker"), "{name}");
        assert_eq!(context.origin, text(want, "origin"), "{name}");
        if let Some(state) = want["state"].as_str() {
            let written = inject(&[Format::TraceContext], &context);
            let written = written.iter().find(|header| header.0 == "tracestate").map_or("", |header| &header.1);
            assert_eq!(written, state, "{name}");
        }
    }
}

#[test]
fn headers_are_written_as_the_vectors_say() {
    let vectors = vectors("trace_headers");
    assert!(list(&vectors, "inject").len() > 25);
    for vector in list(&vectors, "inject") {
        let (name, given) = (text(vector, "name"), &vector["context"]);
        let decision = decision(text(given, "decision")).unwrap();
        let (trace_id, span_id_) = (trace_id(text(given, "trace")), span_id(text(given, "span")));
        let trace = TraceContext { trace_id, span_id: span_id_, sampled: decision.is_kept() };
        let mut context = SpanContext::new(trace);
        context.parent_span = given["parent"].as_str().map(span_id);
        context.decision = decision;
        context.random = given["random"].as_bool().unwrap_or(false);
        context.decision_maker = text(given, "maker").to_owned();
        context.origin = text(given, "origin").to_owned();
        context.state = TraceState::parse([text(given, "state")]);
        context.correlation_id = text(given, "correlation_id").to_owned();
        let mut own = Baggage::default();
        for (key, value) in given["baggage"].as_object().into_iter().flatten() {
            own.set(key, value.as_str().unwrap());
        }
        let injection = if text(vector, "injection") == "all" { Injection::All } else { Injection::Sampled };
        let hosts = TraceHosts::new([TraceHost::new("example.com").formats(formats(vector)).injection(injection)]);
        let injected = hosts.inject("https://example.com/", &context, &[], &own);
        let headers: Vec<(&str, &str)> = injected.headers.iter().map(|header| (header.0, header.1.as_str())).collect();
        assert_eq!(headers, pairs(&vector["expect"]), "{name}");
        // What was written must be read back as the same span of the same trace.
        let read = extract(&formats(vector), headers.iter().copied());
        let correlation = formats(vector) == [Format::Correlation];
        assert_eq!(
            read.context.map(|read| read.trace),
            (!headers.is_empty() && !correlation).then_some(trace),
            "{name}"
        );
        let elsewhere = hosts.inject("https://example.com.evil.com/", &context, &[], &own);
        assert!(elsewhere.headers.is_empty(), "{name}");
    }
}

#[test]
fn baggage_is_merged_encoded_and_sorted() {
    for vector in list(&vectors("trace_headers"), "baggage") {
        let headers: Vec<&str> = list(vector, "headers").iter().map(|header| header.as_str().unwrap()).collect();
        let mut baggage = Baggage::parse(headers);
        let mut own = Baggage::default();
        for (key, value) in vector["own"].as_object().unwrap() {
            assert!(own.set(key, value.as_str().unwrap()));
        }
        baggage.merge(&own);
        assert_eq!(baggage.header(), text(vector, "expect"), "{}", text(vector, "name"));
    }
}

#[test]
fn only_listed_hosts_get_headers_and_no_look_alike() {
    let vectors = vectors("trace_headers");
    let rules = list(&vectors["hosts"], "rules").iter().map(|host| TraceHost::new(host.as_str().unwrap()));
    let hosts = TraceHosts::new(rules.map(|rule| rule.formats(Format::ALL).injection(Injection::All)));
    let context = SpanContext::new(TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true });
    let mut own = Baggage::default();
    own.set("session.id", "s");
    for url in list(&vectors["hosts"], "listed") {
        let injected = hosts.inject(url.as_str().unwrap(), &context, &[], &own);
        assert!(!injected.headers.is_empty(), "{url}");
    }
    for url in list(&vectors["hosts"], "unlisted") {
        let injected = hosts.inject(url.as_str().unwrap(), &context, &[], &own);
        assert!(injected.headers.is_empty(), "{url} got {:?}", injected.headers);
    }
    for redirect in list(&vectors, "redirects") {
        let stays = hosts.survive_redirect(text(redirect, "from"), text(redirect, "to"));
        assert_eq!(stays, redirect["stays"].as_bool().unwrap(), "{redirect}");
    }
    assert!(TraceHosts::default().inject("https://example.com/", &context, &[], &own).headers.is_empty());
}

#[test]
fn the_samplers_fixtures_hold() {
    let vectors = vectors("sampling");
    for (key, kept) in [("keep", true), ("drop", false)] {
        for pair in list(&vectors, key) {
            let (seed, percent) = (pair[0].as_u64().unwrap(), pair[1].as_f64().unwrap());
            assert_eq!(keep(seed, percent / 100.0), kept, "{pair}");
        }
    }
    for session in list(&vectors, "sessions") {
        let id = text(session, "id").parse().unwrap();
        let kept = keep_session(id, session["percent"].as_f64().unwrap() / 100.0);
        assert_eq!(kept, session["kept"].as_bool().unwrap(), "{session}");
    }
}

#[test]
fn the_kept_share_of_sessions_is_the_rate() {
    let key = throughline::internals::ids::RunKey([3; 16]);
    for rate in [0.01, 0.1, 0.5] {
        let mut kept = 0u32;
        for n in 0..100_000u64 {
            let session = key.object_id(n);
            // The algorithm of the fixtures, but with wider arithmetic than the product uses.
            let seed = session.as_u128() & 0xffff_ffff_ffff;
            let hash = seed * 1_111_111_111_111_111_111 % (1 << 64);
            let expected = (hash as f64) < rate * 2f64.powi(64);
            assert_eq!(keep_session(session, rate), expected, "{session} at {rate}");
            kept += u32::from(expected);
        }
        let (mean, sigma) = (100_000.0 * rate, (100_000.0 * rate * (1.0 - rate)).sqrt());
        assert!((f64::from(kept) - mean).abs() < 3.0 * sigma, "{kept} of 100,000 at {rate}");
    }
}
