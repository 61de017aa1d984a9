//! What the RUM semantics cost: traced state, redaction, patterns, trace headers.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use throughline::config::{RedactRules, ValuePatterns};
use throughline::internals::redact::Redactor;
use throughline::internals::scrub::Scrub;
use throughline::internals::state::path::{Pattern, parse};
use throughline::state::StorePolicy;
use throughline::trace::{Baggage, Format, SpanContext, TraceHost, TraceHosts};
use throughline::{Consent, Telemetry};

use crate::client::config;
use crate::disk::directory;
use crate::timing::median;

fn ns_per(rounds: u32, mut work: impl FnMut()) -> f64 {
    let mut runs: Vec<f64> = (0..7)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..rounds {
                work();
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
        })
        .collect();
    median(&mut runs)
}

/// The cost of a traced store, in nanoseconds.
pub(crate) struct State {
    /// A mutation on an ignored path, by its handle.
    pub(crate) ignored: f64,
    /// A mutation on the same path, given as text.
    pub(crate) ignored_text: f64,
    /// A mutation that joins an open window.
    pub(crate) coalesced: f64,
}

pub(crate) fn state() -> Result<State> {
    let dir = directory()?;
    let telemetry = Telemetry::start(config(dir.path()).build()?, Consent::Granted)?;
    let policy = StorePolicy::default().transient(["**.isLoading"]).coalesce(Duration::from_secs(60));
    let store = telemetry.traced_store("Cart", &policy)?;
    let handle = store.path("items[3].isLoading");
    let mut flag = false;
    let ignored = ns_per(2_000_000, || {
        flag = !flag;
        handle.set(black_box(!flag), black_box(flag));
    });
    let ignored_text = ns_per(500_000, || store.set(black_box("items[3].isLoading"), true, false));
    let mut n = 0i64;
    let coalesced = ns_per(200_000, || {
        n += 1;
        store.set(black_box("items[3].quantity"), n, n + 1);
    });
    Ok(State { ignored, ignored_text, coalesced })
}

/// The time per step of a path under a pattern that is made to be slow, for paths of 8 and of 56
/// steps, in nanoseconds. When matching is linear, the two are alike.
pub(crate) fn patterns() -> Result<(f64, f64)> {
    let pattern = Pattern::new(&format!("{}.b", vec!["**.a"; 25].join(".")))?;
    let time = |steps: usize| -> Result<f64> {
        let text = vec!["a"; steps].join(".");
        let path = parse(&text)?;
        Ok(ns_per(20_000, || {
            black_box(pattern.matches(black_box(&path)));
        }) / steps as f64)
    };
    Ok((time(8)?, time(56)?))
}

/// The search for personal data in 64 harmless characters, and in 8 KiB with an address at the end,
/// in nanoseconds.
pub(crate) fn scan() -> (f64, f64) {
    let redactor = Redactor::new(RedactRules { patterns: ValuePatterns::default(), ..RedactRules::default() });
    let short = "the cart could not be synchronized because the network was gone.";
    let long = format!("{} ada@mail.test", "a line of a log, 42 items. ".repeat(300));
    let time = |text: &str, rounds| {
        ns_per(rounds, || {
            black_box(redactor.free_text(black_box(text)));
        })
    };
    (time(short, 500_000), time(&long, 5_000))
}

/// The headers in every format for a listed host, and the refusal of a host that is not listed, in
/// nanoseconds.
pub(crate) fn headers() -> (f64, f64) {
    let hosts = TraceHosts::new([TraceHost::new("api.example.com").formats(Format::ALL)]);
    let context =
        SpanContext::new(throughline::event::TraceContext { trace_id: [7; 16], span_id: [9; 8], sampled: true });
    let mut own = Baggage::default();
    own.set("session.id", "abcdef01-2345-6789-abcd-ef0123456789");
    let time = |url: &str| {
        ns_per(50_000, || {
            black_box(hosts.inject(black_box(url), &context, &[], &own));
        })
    };
    (time("https://api.example.com/v1/items?page=2"), time("https://api.example.com.evil.test/v1/items"))
}
