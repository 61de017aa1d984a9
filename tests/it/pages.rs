//! The examples in Rust of the pages, as they stand there. `snippets.rs` compares them: an example
//! that a page shows and that nobody compiles here fails its test.

use std::sync::Arc;
use std::time::Duration;

use throughline::Config;

type Example = Result<Config, Box<dyn std::error::Error>>;

#[rustfmt::skip]
fn connect() -> Example {
use std::sync::Arc;
use throughline::backends::Connect;
use throughline::{Config, Destination};

let connect = Connect::new("https://telemetry.example.com")?.header("authorization", "Bearer abc")?;
let config = Config::builder("shop", "/var/lib/shop/telemetry")
    .destination(Destination::exporter("connect", Arc::new(connect)))
    .build()?;
Ok(config)
}

#[rustfmt::skip]
fn datadog() -> Example {
use throughline::Destination;
use throughline::backends::Datadog;
let data_dir = "/var/lib/shop/telemetry";

let datadog = Datadog::new("eu1", "pub0123456789abcdef", "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b")?.service("shop");
let config = Config::builder("shop", data_dir)
    .destination(Destination::exporter("datadog", Arc::new(datadog)))
    .build()?;
Ok(config)
}

#[rustfmt::skip]
fn fluentd() -> Example {
use std::sync::Arc;
use throughline::backends::Fluentd;
use throughline::{Config, Destination};

let fluentd = Fluentd::new("https://logs.example.com", "shop.app")?
    .header("authorization", "Bearer abc")?;
let config = Config::builder("shop", "/var/lib/shop/telemetry")
    .destination(Destination::exporter("fluentd", Arc::new(fluentd)))
    .build()?;
Ok(config)
}

#[rustfmt::skip]
fn sentry() -> Example {
use std::sync::Arc;
use throughline::backends::Sentry;
use throughline::{Config, Destination};

let sentry = Sentry::new("https://KEY@o1.ingest.sentry.io/42")?;
let config = Config::builder("shop", "/var/lib/shop/telemetry")
    .service_version("1.2.3")
    .destination(Destination::exporter("sentry", Arc::new(sentry)))
    .build()?;
Ok(config)
}

#[rustfmt::skip]
fn destinations() -> Example {
use throughline::backends::{Connect, Sentry};
use throughline::Destination;
use throughline::event::{EventKind, Lane};
let sentry = Sentry::new("https://KEY@o1.ingest.sentry.io/42")?;
let own = Connect::new("https://events.example.com")?;

let all = Destination::new("all", "https://otlp.example.com");
let alarms = Destination::exporter("alarms", Arc::new(sentry)).lanes([Lane::Crash, Lane::Error]);
let product = Destination::exporter("product", Arc::new(own))
    .kinds([EventKind::Session, EventKind::View, EventKind::Action, EventKind::Custom]);

let live =
Destination::new("live", "https://live.example.com").max_age(Duration::from_secs(3_600))
;
let config = Config::builder("shop", "/var/lib/shop/telemetry");
Ok(config.destination(all).destination(alarms).destination(product).destination(live).build()?)
}

#[rustfmt::skip]
fn signals() -> Example {
use throughline::{Destination, OtlpSignal};

let traces = Destination::new("jaeger", "https://jaeger.example.com").signals([OtlpSignal::Traces]);
let metrics = Destination::new("prometheus", "https://prometheus.example.com/api/v1/otlp").signals([OtlpSignal::Metrics]);
let more_metrics = Destination::new("victoria", "https://victoria.example.com/opentelemetry").signals([OtlpSignal::Metrics]);

let collector = Destination::new("collector", "https://telemetry.example.com").signals([OtlpSignal::Logs, OtlpSignal::Traces]);

let config = Config::builder("shop", "/var/lib/shop/telemetry");
Ok(config.destination(traces).destination(metrics).destination(more_metrics).destination(collector).build()?)
}

#[rustfmt::skip]
fn sanic() -> Example {
use throughline::trace::{Format, TraceHost};
let data_dir = "/var/lib/shop/telemetry";

let service = TraceHost::new("api.example.com").formats([Format::Datadog, Format::Baggage]);
let config = Config::builder("shop", data_dir).trace_host(service);
Ok(config.build()?)
}

/// These start clients and install handlers of signals, so they are compiled alone.
#[rustfmt::skip]
#[allow(dead_code, unused_variables, reason = "what the page shows")]
fn crashes() -> Result<(), Box<dyn std::error::Error>> {
{
use throughline::{Config, Consent, Telemetry};

let dir = tempfile::tempdir()?;
let config = Config::builder("shop", dir.path()).capture_crashes(true).build()?;
let telemetry = Telemetry::start(config, Consent::Granted)?;
}
{
use std::sync::Arc;
use std::time::Duration;

use throughline::{Config, Consent, MainThread, Telemetry};

#[derive(Debug)]
struct Main;

impl MainThread for Main {
    fn ask(&self) {
        // Post a task to the main thread that calls `telemetry.beat()`.
    }
}

let dir = tempfile::tempdir()?;
let config = Config::builder("shop", dir.path()).build()?;
let telemetry = Telemetry::start(config, Consent::Granted)?;
telemetry.watch_main(Arc::new(Main), Duration::from_secs(2));
}
{
use std::time::Duration;

use throughline::{Config, Consent, Telemetry};

let dir = tempfile::tempdir()?;
let config = Config::builder("shop", dir.path()).build()?;
let telemetry = Telemetry::start(config, Consent::Granted)?;
// At each start, with `{}` when there is no payload. The number is the local time's distance from
// UTC, in seconds.
let outcome = telemetry.report_diagnostics(b"{}", 7_200, Duration::from_secs(5));
assert!(outcome.complete);
}
{
use throughline::{Consent, Telemetry};
let dir = tempfile::tempdir()?;
let telemetry = Telemetry::start(Config::builder("shop", dir.path()).build()?, Consent::Granted)?;
let is_known = telemetry.pause_destination("product"); // false when no destination has that name
let is_known = telemetry.resume_destination("product");
}
Ok(())
}

#[test]
fn no_configuration_that_a_page_shows_is_refused() {
    for example in [connect, datadog, fluentd, sentry, destinations, signals, sanic] {
        example().unwrap();
    }
}
