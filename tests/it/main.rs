//! One integration binary, a module per area. Real files, real sockets, real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

mod actions;
mod app;
mod backends;
mod bad_input;
mod bounds;
mod carrier;
mod client_reports;
mod clock;
mod connect;
mod consent;
mod contexts;
mod crashes;
mod damage;
mod dashboards;
mod datadog;
mod delivery;
mod diagnosis;
mod diagnostics;
mod died_sessions;
mod documents;
mod ends;
mod erasing;
mod exits;
mod exporter;
mod floors;
mod fragile;
mod globals;
mod golden;
mod hangs;
mod hook;
mod house;
mod imports;
mod law;
mod lifecycle;
mod meetings;
mod moments;
mod off;
mod older_store;
mod pages;
mod panics;
mod patience;
mod privacy;
mod processes;
mod remote;
mod roots;
mod routing;
mod rum;
mod sanic;
mod semconv;
mod sentry;
mod session_file;
mod shared_sessions;
mod signals;
mod snippets;
mod sources;
mod stores;
mod stories;
mod strays;
mod support;
mod tail_sampling;
#[cfg(feature = "tracing")]
mod tracing_layer;
mod unified;
mod vectors;
mod waiting;
mod watchdog;
