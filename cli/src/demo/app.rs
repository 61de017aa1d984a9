//! The app of the demo, a process of its own. Speaks with its parent in lines: `id <uuid>` as soon as `record` has
//! returned, JSON for everything else; it waits for a line on standard input between the acts.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use reqwest::blocking::Client;
use serde_json::json;
use throughline::event::{Action, Log, Severity, TraceContext, Vital};
use throughline::health::JournalMode;
use throughline::state::StorePolicy;
use throughline::{Conditions, Config, Consent, Environment, Network, Telemetry, TracedStore};
use uuid::Uuid;

/// How long the app tries to deliver.
const FLUSH: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(crate) struct Options {
    /// Data directory.
    #[arg(long)]
    dir: PathBuf,
    /// The collector, through the network.
    #[arg(long)]
    collector: String,
    /// The shop, through the network.
    #[arg(long)]
    shop: String,
    /// The second launch: recover and deliver.
    #[arg(long)]
    relaunch: bool,
}

struct App {
    telemetry: Telemetry,
    http: Client,
    shop: String,
    cart: TracedStore,
    recorded: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let config = Config::builder("shop-app", &options.dir)
        .environment(Environment::Development)
        .service_version("2.4.0")
        .resource("device.model.identifier", "demo-phone")
        .endpoint(&options.collector)
        .trace_host("127.0.0.1")
        .flush_interval(Duration::from_secs(3600))
        .start_jitter(false)
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    let started = Instant::now();
    while telemetry.health().journal != Some(JournalMode::Mapped) && started.elapsed() < FLUSH {
        std::thread::sleep(Duration::from_millis(1));
    }
    let http = Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
    let policy = StorePolicy::default().transient(["**.isLoading"]).coalesce(Duration::from_millis(100));
    let cart = telemetry.traced_store("Cart", &policy)?;
    let mut app = App { telemetry, http, shop: options.shop.clone(), cart, recorded: 0 };
    if options.relaunch { app.second_launch() } else { app.first_launch() }
}

impl App {
    fn first_launch(&mut self) -> Result<()> {
        self.telemetry.start_view("Home");
        let id = self.telemetry.record_vital(&Vital::new("time_to_initial_display", 0.412, "s"));
        self.acknowledge(id)?;
        self.telemetry.start_view("Cart");
        let trace = self.checkout()?;
        // The coalescing window of the cart closes.
        std::thread::sleep(Duration::from_millis(250));
        let flush = self.telemetry.flush(FLUSH);
        say(&json!({ "step": "online", "trace": hex(&trace.trace_id), "recorded": self.recorded,
            "delivered": flush.delivered, "complete": flush.complete }))?;

        hear("offline")?;
        self.telemetry.start_view("Checkout");
        self.checkout()?;
        let flush = self.telemetry.flush(Duration::from_millis(600));
        // What the system's reachability callback would say.
        self.telemetry.set_conditions(Conditions { network: Network::Offline, ..Conditions::default() });
        say(
            &json!({ "step": "offline", "recorded": self.recorded, "reason": flush.reason, "waiting": flush.waiting }),
        )?;

        // Goes on until it is killed.
        loop {
            let n = i64::try_from(self.recorded)?;
            let id = self.telemetry.record_action(&Action::tap("retry").attributes(&[("attempt", n.into())]));
            self.acknowledge(id)?;
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// One user intent: a tap, an operation, its state mutations, its request, all in one trace.
    fn checkout(&mut self) -> Result<TraceContext> {
        let telemetry = self.telemetry.clone();
        let tap = telemetry.tap("checkout").context("the client is off")?;
        let operation = telemetry.start_operation("Checkout");
        let trace = operation.context().context("the client is off")?.trace;
        let url = format!("{}/api/checkout", self.shop);
        let answer = operation.scope(|| -> Result<_> {
            self.cart.set("isLoading", false, true);
            self.cart.set("items[0].quantity", 1, 2);
            self.cart.set("items[0].quantity", 2, 3);
            let mut resource = telemetry.start_resource("POST", &url);
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
                let id = telemetry.record_log(&Log::new(Severity::Info, "order placed"));
                self.acknowledge(id)?;
            }
            Ok(answer)
        })?;
        match answer {
            Ok(_) => operation.succeed(),
            Err(_) => operation.fail("NetworkError", "checkout failed: no connection"),
        }
        telemetry.stop_action(tap);
        Ok(trace)
    }

    fn second_launch(&mut self) -> Result<()> {
        self.telemetry.start_view("Home");
        let id = self.telemetry.record_action(&Action::tap("open again"));
        self.acknowledge(id)?;
        self.telemetry.drain(FLUSH);
        let books = self.telemetry.books(FLUSH)?.into_iter().next().context("no destination")?;
        say(&json!({ "step": "relaunched", "accepted": books.accepted, "delivered": books.delivered,
            "queued": books.queued, "dropped": books.dropped.total() }))?;
        hear("online")?;
        self.telemetry.stop_view();
        let flush = self.telemetry.flush(FLUSH);
        let books = self.telemetry.books(FLUSH)?.into_iter().next().context("no destination")?;
        say(
            &json!({ "step": "flushed", "complete": flush.complete, "reason": flush.reason, "accepted": books.accepted,
            "delivered": books.delivered, "queued": books.queued, "dropped": books.dropped.total() }),
        )?;
        Ok(())
    }

    fn acknowledge(&mut self, id: Option<Uuid>) -> Result<()> {
        self.recorded += 1;
        if let Some(id) = id {
            writeln!(std::io::stdout(), "id {id}")?;
        }
        Ok(())
    }
}

fn say(line: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn hear(wanted: &str) -> Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    anyhow::ensure!(line.trim() == wanted, "expected `{wanted}`, heard `{}`", line.trim());
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
