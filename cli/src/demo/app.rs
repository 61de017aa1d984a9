//! The app of the demo, which runs in a process of its own so that it can be killed.

use std::io::BufRead;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use reqwest::blocking::Client;
use throughline::event::{Action, Log, Severity, TraceContext, Vital};
use throughline::health::JournalMode;
use throughline::state::StorePolicy;
use throughline::{Conditions, Config, Consent, Environment, Network, Telemetry, TracedStore};
use uuid::Uuid;

use super::payment;
use super::protocol::{Counts, Cue, ID_PREFIX, Report};
use crate::output;

/// How long the app tries to deliver.
const FLUSH: Duration = Duration::from_secs(20);
/// How long it tries without a network. It is enough to see the request fail.
const FLUSH_OFFLINE: Duration = Duration::from_millis(600);
/// The demo says when to send, so the timer must not.
const NO_TIMED_FLUSH: Duration = Duration::from_secs(3600);
/// How long a request to the shop may take.
const REQUEST: Duration = Duration::from_secs(2);
/// Within this time, mutations of one path and cause become one action.
const COALESCE: Duration = Duration::from_millis(100);
/// Long enough for that window to have closed.
const AFTER_COALESCE: Duration = Duration::from_millis(250);
/// Between two taps of the impatient user, who taps until the app is killed.
const BETWEEN_TAPS: Duration = Duration::from_micros(500);

#[derive(Args)]
pub(crate) struct Options {
    /// Data directory.
    #[arg(long)]
    data_dir: PathBuf,
    /// Address of the collector, through the demo's network.
    #[arg(long)]
    collector: String,
    /// Address of the shop, through the demo's network.
    #[arg(long)]
    shop: String,
    /// The second launch: recover what the first left, and deliver it.
    #[arg(long)]
    relaunch: bool,
    /// The third launch: deliver what the second, which has crashed, left.
    #[arg(long)]
    after_crash: bool,
}

struct App {
    telemetry: Telemetry,
    http: Client,
    shop: String,
    cart: TracedStore,
    recorded: i64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let config = Config::builder("shop-app", &options.data_dir)
        .environment(Environment::Development)
        .service_version("2.4.0")
        .resource("device.model.identifier", "demo-phone")
        .endpoint(&options.collector)
        .trace_host("127.0.0.1")
        .flush_interval(NO_TIMED_FLUSH)
        .start_jitter(false)
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    wait_for_the_journal(&telemetry);
    let policy = StorePolicy::default().transient(["**.isLoading"]).coalesce(COALESCE);
    let cart = telemetry.traced_store("Cart", &policy)?;
    let http = Client::builder().timeout(REQUEST).no_proxy().build()?;
    let mut app = App { telemetry, http, shop: options.shop.clone(), cart, recorded: 0 };
    match options {
        Options { after_crash: true, .. } => app.third_launch(),
        Options { relaunch: true, .. } => app.second_launch(),
        _ => app.first_launch(),
    }
}

/// Until the worker has mapped the journal, an acknowledged event does not survive a kill. The demo
/// counts on that, an app need not wait.
fn wait_for_the_journal(telemetry: &Telemetry) {
    let started = Instant::now();
    while telemetry.health().journal != Some(JournalMode::Mapped) && started.elapsed() < FLUSH {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl App {
    fn first_launch(&mut self) -> Result<()> {
        self.telemetry.start_view("Home");
        let id = self.telemetry.record_vital(&Vital::new("time_to_initial_display", 0.412, "s"));
        self.acknowledge(id)?;
        self.telemetry.start_view("Cart");
        let trace = self.checkout()?;
        std::thread::sleep(AFTER_COALESCE);
        let flush = self.telemetry.flush(FLUSH);
        report(&Report::Online { trace: hex(&trace.trace_id), delivered: flush.delivered, complete: flush.complete })?;

        wait_for(Cue::NetworkIsDown)?;
        self.telemetry.start_view("Checkout");
        self.checkout()?;
        let flush = self.telemetry.flush(FLUSH_OFFLINE);
        // On a phone the system's reachability callback would report this.
        self.telemetry.set_conditions(Conditions { network: Network::Offline, ..Conditions::default() });
        report(&Report::Offline { reason: flush.reason, waiting: flush.waiting })?;

        // The app goes on recording until the demo kills it.
        loop {
            let attempt = &[("attempt", self.recorded.into())];
            let id = self.telemetry.record_action(&Action::tap("retry").attributes(attempt));
            self.acknowledge(id)?;
            std::thread::sleep(BETWEEN_TAPS);
        }
    }

    fn second_launch(&mut self) -> Result<()> {
        self.telemetry.start_view("Home");
        let id = self.telemetry.record_action(&Action::tap("open again"));
        self.acknowledge(id)?;
        self.telemetry.drain(FLUSH);
        report(&Report::Relaunched(self.counts()?))?;
        wait_for(Cue::NetworkIsUp)?;
        self.telemetry.stop_view();
        self.report_flush()?;
        // Without the cue, the app ends as it should.
        if wait_for(Cue::Pay).is_ok() { self.crash() } else { Ok(()) }
    }

    fn third_launch(&mut self) -> Result<()> {
        self.report_flush()
    }

    fn report_flush(&self) -> Result<()> {
        let flush = self.telemetry.flush(FLUSH);
        report(&Report::Flushed { complete: flush.complete, counts: self.counts()? })
    }

    /// The user pays, and the process dies of it.
    fn crash(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.telemetry.health().captures_crashes && started.elapsed() < FLUSH {
            std::thread::sleep(Duration::from_millis(1));
        }
        // A demo leaves no file of a hundred megabytes behind.
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
        self.telemetry.start_view("Payment");
        let telemetry = self.telemetry.clone();
        telemetry.tap("pay").context("the client is off")?;
        let operation = telemetry.start_operation("Pay");
        operation.scope(|| {
            self.cart.set("isPaid", false, true);
            let id = telemetry.record_log(&Log::new(Severity::Info, "charging the card"));
            self.acknowledge(id)?;
            payment::pay(42);
            Ok(())
        })
    }

    /// One user intent: a tap, an operation, its state mutations and its request, all in one trace.
    fn checkout(&mut self) -> Result<TraceContext> {
        let telemetry = self.telemetry.clone();
        let tap = telemetry.tap("checkout").context("the client is off")?;
        let operation = telemetry.start_operation("Checkout");
        let trace = operation.context().context("the client is off")?.trace;
        let is_placed = operation.scope(|| self.place_order())?;
        if is_placed {
            operation.succeed();
        } else {
            operation.fail("NetworkError", "checkout failed: no connection");
        }
        telemetry.stop_action(tap);
        Ok(trace)
    }

    /// Sends the order. Returns whether the shop has answered.
    fn place_order(&mut self) -> Result<bool> {
        self.cart.set("isLoading", false, true);
        self.cart.set("items[0].quantity", 1, 2);
        self.cart.set("items[0].quantity", 2, 3);
        let url = format!("{}/api/checkout", self.shop);
        let mut resource = self.telemetry.start_resource("POST", &url);
        let mut post = self.http.post(&url).body("{\"items\":3}").header("content-type", "application/json");
        for (name, value) in resource.headers(&[]) {
            post = post.header(name, value);
        }
        let answer = post.send();
        let id = match &answer {
            Ok(answer) => resource.stop(answer.status().as_u16(), |resource| resource),
            Err(_) => resource.fail("connection_refused"),
        };
        self.acknowledge(id)?;
        self.cart.set("isLoading", true, false);
        if answer.is_ok() {
            self.cart.set("isPlaced", false, true);
            let id = self.telemetry.record_log(&Log::new(Severity::Info, "order placed"));
            self.acknowledge(id)?;
        }
        Ok(answer.is_ok())
    }

    /// Tells the demo that `record` has returned this id: from now on the event must not be lost.
    fn acknowledge(&mut self, id: Option<Uuid>) -> Result<()> {
        self.recorded += 1;
        if let Some(id) = id {
            output::line(format_args!("{ID_PREFIX}{id}"))?;
        }
        Ok(())
    }

    fn counts(&self) -> Result<Counts> {
        let books = self.telemetry.books(FLUSH)?.into_iter().next().context("the app has no destination")?;
        Ok(Counts {
            accepted: books.accepted,
            delivered: books.delivered,
            queued: books.queued,
            dropped: books.dropped.total(),
        })
    }
}

fn report(report: &Report) -> Result<()> {
    output::line(serde_json::to_string(report)?)
}

fn wait_for(cue: Cue) -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    ensure!(line.trim() == cue.line(), "expected the line `{}`, got `{}`", cue.line(), line.trim());
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
