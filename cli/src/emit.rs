//! `emit`: a seeded, deterministic scenario with every kind of event, through the real client.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use throughline::event::{
    Action, Custom, ErrorEvent, EventKind, Log, LongTask, Metric, MetricData, Resource, Session, SessionChange,
    Severity, Span, Temporality, View, Vital,
};
use throughline::state::{Capture, StateCounts, StorePolicy};
use throughline::{Attribute, Config, Consent, Encoding, Environment, Telemetry, Value};
use uuid::Uuid;

#[derive(Clone, Copy, ValueEnum)]
enum Backend {
    /// OTLP in protobuf.
    OtlpProto,
    /// OTLP in JSON.
    OtlpJson,
}

#[derive(Args)]
pub(crate) struct Options {
    /// Format.
    #[arg(long, value_enum)]
    backend: Backend,
    /// Base URL of the backend, for example http://127.0.0.1:4318.
    #[arg(long)]
    endpoint: String,
    /// Seed of the scenario: the same seed gives the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of events.
    #[arg(long, default_value_t = 1_000)]
    events: u64,
    /// Further stories: a view, a tap, an operation with traced mutations, a request, logs, metrics.
    #[arg(long, default_value_t = 0)]
    stories: u64,
    /// Where the queue lives; a temporary directory if left out.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Record and stop: nothing is sent.
    #[arg(long, conflicts_with = "flush_only", requires = "data_dir")]
    record_only: bool,
    /// Send what an earlier run recorded; record nothing.
    #[arg(long, requires = "data_dir")]
    flush_only: bool,
    /// Append each event's id to this file as soon as `record` has returned.
    #[arg(long)]
    ids: Option<PathBuf>,
    /// Seconds to try for.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// No progress bar.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = options.data_dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let encoding = match options.backend {
        Backend::OtlpProto => Encoding::Protobuf,
        Backend::OtlpJson => Encoding::Json,
    };
    let config = Config::builder("throughline-emit", &dir)
        .environment(Environment::Test)
        .service_version(env!("CARGO_PKG_VERSION"))
        .endpoint(&options.endpoint)
        .encoding(encoding)
        .flush_interval(Duration::from_secs(3600))
        .flush_events(u64::MAX)
        .start_jitter(false)
        .self_report(false)
        .session_events(false)
        .synthetic_views(false)
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    let mut accepted = BTreeMap::<&str, u64>::new();
    if !options.flush_only {
        record(&telemetry, options, &mut accepted)?;
    }
    let state = (!options.flush_only).then(|| tell(&telemetry, options)).transpose()?.unwrap_or_default();
    let timeout = Duration::from_secs(options.timeout);
    ensure!(telemetry.drain(timeout), "the queue could not be written: see {}", dir.display());
    let outcome = (!options.record_only).then(|| telemetry.flush(timeout));
    let books = telemetry.books(timeout)?.into_iter().next().context("no destination")?;
    let mut dropped = BTreeMap::<&str, u64>::new();
    for (_, reason, count) in books.dropped.iter() {
        *dropped.entry(reason.name()).or_default() += count;
    }
    let summary = json!({
        "seed": options.seed,
        "accepted": accepted,
        "stories": options.stories,
        "mutations": { "seen": state.mutations, "recorded": state.recorded, "suppressed": state.all_suppressed(),
            "dropped": state.dropped, "balanced": state.balanced() },
        "accepted_total": books.accepted,
        "delivered": books.delivered,
        "queued": books.queued,
        "dropped": dropped,
        "balanced": books.balanced(),
        "complete": outcome.as_ref().map(|outcome| outcome.complete),
        "reason": outcome.as_ref().and_then(|outcome| outcome.reason.clone()),
    });
    println!("{summary}");
    telemetry.shutdown(Duration::from_secs(5));
    ensure!(state.balanced(), "mutations = recorded + suppressed + dropped does not hold");
    ensure!(books.balanced(), "accepted = delivered + queued + dropped does not hold");
    if let Some(outcome) = outcome {
        let reason = outcome.reason.unwrap_or_default();
        ensure!(
            outcome.complete,
            "{} events are still queued ({reason}); check the endpoint, then run again with --flush-only --data-dir",
            outcome.waiting
        );
    }
    Ok(())
}

fn record(telemetry: &Telemetry, options: &Options, accepted: &mut BTreeMap<&'static str, u64>) -> Result<()> {
    let target = if options.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(options.events), target);
    let mut ids = match &options.ids {
        Some(path) => Some(
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("opening {}", path.display()))?,
        ),
        None => None,
    };
    let mut scenario = Scenario(options.seed);
    for n in 0..options.events {
        let (kind, id) = scenario.event(telemetry, n);
        *accepted.entry(kind.name()).or_default() += 1;
        if let (Some(file), Some(id)) = (&mut ids, id) {
            file.write_all(format!("{id}\n").as_bytes())?;
        }
        // A phone does not record millions at once: let the worker keep up with the ring.
        if n % 500 == 499 {
            telemetry.drain(Duration::from_secs(10));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Records stories: what one user did, and what it caused.
fn tell(telemetry: &Telemetry, options: &Options) -> Result<StateCounts> {
    let policy = StorePolicy::default()
        .deny(["**.secret"])
        .transient(["**.isLoading"])
        .capture("items[*].name", Capture::Full)
        .coalesce(Duration::ZERO)
        .max_actions_per_second(u32::MAX);
    let cart = telemetry.traced_store("Cart", &policy)?;
    let taps = telemetry.counter("cart.taps", "{tap}")?;
    let size = telemetry.histogram("cart.size", "{item}", Some(&[1.0, 5.0, 20.0]))?;
    let mut scenario = Scenario(options.seed ^ 0x7374_6f72_6965_7300);
    for n in 0..options.stories {
        telemetry.start_view(if n % 2 == 0 { "Cart" } else { "Checkout" });
        let tap = telemetry.tap("checkout");
        let mut operation = telemetry.start_operation("Checkout");
        operation.set_attribute("items", scenario.below(9) as i64);
        let fails = scenario.below(4) == 0;
        operation.scope(|| {
            cart.set("isLoading", false, true);
            for _ in 0..=scenario.below(4) {
                let item = scenario.below(9);
                let old = scenario.below(9) as i64;
                cart.set(&format!("items[{item}].quantity"), old, old + 1);
                cart.set(&format!("items[{item}].name"), "old", "new");
                cart.set(&format!("items[{item}].secret"), 1, 2);
            }
            let url = "https://api.example.com/checkout?token=secret";
            let request = telemetry.start_resource("POST", url);
            let _ = if fails { request.fail("timeout") } else { request.stop(200, |resource| resource.size(512)) };
            telemetry.record_log(&Log::new(Severity::Info, "order of ada@mail.example placed"));
            cart.set("isLoading", true, false);
        });
        if fails {
            operation.fail("Timeout", "no answer")
        } else {
            operation.succeed()
        }
        taps.record(1.0, &[("screen", "Cart".into())]);
        size.record(scenario.below(30) as f64, &[]);
        if let Some(tap) = tap {
            telemetry.stop_action(tap);
        }
        if n % 50 == 49 {
            telemetry.drain(Duration::from_secs(10));
        }
    }
    telemetry.stop_view();
    Ok(cart.counts())
}

/// A splitmix generator that decides what happens.
struct Scenario(u64);

impl Scenario {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// The n-th event: every kind in turn, its contents from the seed.
    fn event(&mut self, telemetry: &Telemetry, n: u64) -> (EventKind, Option<Uuid>) {
        let kind = EventKind::ALL.get(n as usize % EventKind::ALL.len()).copied().unwrap_or(EventKind::Custom);
        let screens = ["Home", "Catalog", "Cart", "Checkout", "Profile"];
        let screen = screens.get(self.below(5) as usize).copied().unwrap_or("Home");
        let list = [Value::Int(self.below(9) as i64), Value::Text("ü € 😀")];
        let attributes: [Attribute<'_>; 5] = [
            ("n", (n as i64).into()),
            ("screen", screen.into()),
            ("price", (self.below(10_000) as f64 / 100.0).into()),
            ("gift", (self.below(2) == 1).into()),
            ("list", Value::List(&list)),
        ];
        let attributes = attributes.get(..2 + self.below(4) as usize).unwrap_or(&attributes);
        let duration = Duration::from_millis(1 + self.below(900));
        let id = Uuid::from_u64_pair(self.next(), self.next());
        let trace = telemetry.new_trace();
        let id = match kind {
            EventKind::Session => {
                let change = if self.below(2) == 0 { SessionChange::Start } else { SessionChange::End };
                telemetry.record_session(&Session::new(change, id, "user_app_launch").attributes(attributes))
            }
            EventKind::View => telemetry.record_view(&View::new(id, screen).attributes(attributes)),
            EventKind::Action => telemetry.record_action(&Action::tap("buy").attributes(attributes)),
            EventKind::Resource => {
                let status = [200, 204, 404, 503].get(self.below(4) as usize).copied().unwrap_or(200);
                let resource = Resource::new("GET", "https://api.example.com/items", status, duration);
                telemetry.record_resource(&resource.size(self.below(9_000)).attributes(attributes))
            }
            EventKind::Error if self.below(4) == 0 => {
                telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "null", "main\nloop").attributes(attributes))
            }
            EventKind::Error => telemetry.record_error(&ErrorEvent::new("Timeout", "no answer").attributes(attributes)),
            EventKind::LongTask => telemetry.record_long_task(&LongTask::new(duration).attributes(attributes)),
            EventKind::Vital => {
                let seconds = self.below(3_000) as f64 / 1_000.0;
                telemetry.record_vital(&Vital::new("time_to_initial_display", seconds, "s").attributes(attributes))
            }
            EventKind::Log => {
                let severity = [Severity::Debug, Severity::Info, Severity::Warn, Severity::Error];
                let severity = severity.get(self.below(4) as usize).copied().unwrap_or(Severity::Info);
                telemetry.record_log(&Log::new(severity, "cart synchronized").attributes(attributes))
            }
            EventKind::Metric => {
                let data = match self.below(3) {
                    0 => MetricData::Gauge(self.below(100) as f64),
                    1 => {
                        let value = self.below(100) as f64;
                        MetricData::Sum { value, monotonic: true, temporality: Temporality::Cumulative }
                    }
                    _ => MetricData::Histogram {
                        bounds: &[1.0, 5.0],
                        buckets: &[3, 2, 1],
                        sum: 17.0,
                        temporality: Temporality::Cumulative,
                    },
                };
                telemetry.record_metric(&Metric::new("cart.size", "{item}", data).attributes(attributes))
            }
            EventKind::Span => trace.and_then(|trace| {
                telemetry.record_span(&Span::new("UpdateCart", trace, duration).attributes(attributes))
            }),
            _ => telemetry.record_custom(&Custom::new("promo.shown").attributes(attributes)),
        };
        (kind, id)
    }
}
