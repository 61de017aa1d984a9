//! The example in the README, word for word. Run it with `cargo run --example quickstart`.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use throughline::event::{Action, ErrorEvent};
use throughline::{Config, Consent, Environment, Telemetry};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data_dir = std::env::temp_dir().join("throughline-quickstart");
    let config = Config::builder("shop", &data_dir)
        .environment(Environment::Development)
        .endpoint("http://127.0.0.1:4318") // `throughline inspect`, or any OTLP/HTTP backend
        .build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    telemetry.start_view("Cart");
    telemetry.record_action(&Action::tap("checkout").attributes(&[("items", 3.into())]));
    telemetry.record_error(&ErrorEvent::new("PaymentError", "card declined"));
    let outcome = telemetry.flush(Duration::from_secs(2)); // offline, the events wait in SQLite
    println!("{} delivered, {} wait", outcome.delivered, outcome.waiting);
    Ok(())
}
