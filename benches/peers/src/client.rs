//! The client that is measured, and the event that it and its peers record.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use throughline::event::Action;
use throughline::health::JournalMode;
use throughline::internals::encode::{Stamp, encode};
use throughline::{Attribute, Config, ConfigBuilder, Consent, Environment, Telemetry};

/// Longer than any step takes. It only ends a run that hangs.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A configuration that sends nothing by itself and has room for every event.
pub(crate) fn config(dir: &Path) -> ConfigBuilder {
    Config::builder("bench", dir)
        .environment(Environment::Test)
        .queue_bytes(2 << 30)
        .flush_interval(Duration::from_secs(86_400))
        .flush_events(u64::MAX)
        .start_jitter(false)
        .self_report(false)
        .session_events(false)
}

/// A client whose journal is mapped and whose worker is idle.
pub(crate) fn start_mapped(dir: &Path) -> Result<Telemetry> {
    let telemetry = Telemetry::start(config(dir).build()?, Consent::Granted)?;
    while telemetry.health().journal != Some(JournalMode::Mapped) {
        std::thread::yield_now();
    }
    ensure!(telemetry.drain(LONG), "the worker does not answer");
    Ok(telemetry)
}

/// The texts of the n-th event. They vary from call to call.
pub(crate) struct Texts {
    pub(crate) sku: String,
    pub(crate) source: &'static str,
    pub(crate) count: String,
}

impl Texts {
    pub(crate) fn new(n: u64) -> Self {
        let sources = ["catalog", "search", "wishlist", "banner"];
        let source = sources.get(n as usize % 4).copied().unwrap_or("catalog");
        Self { sku: format!("A-{n:06}"), source, count: (n % 97).to_string() }
    }

    pub(crate) fn attributes(&self) -> [Attribute<'_>; 3] {
        [("sku", (&self.sku).into()), ("source", self.source.into()), ("count", (&self.count).into())]
    }

    /// The event's canonical form, appended to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let stamp = Stamp { time_delta: 1 << 35, context: 1, scope: 2, ..Stamp::default() };
        encode(&action(&self.attributes()), stamp, out);
    }
}

/// An action with three attributes.
pub(crate) fn action<'a>(attributes: &'a [Attribute<'a>]) -> Action<'a> {
    Action::custom("shop.item_added").attributes(attributes)
}

/// Records the n-th event. Returns whether it was accepted.
pub(crate) fn record(telemetry: &Telemetry, n: u64) -> bool {
    telemetry.record_action(&action(&Texts::new(n).attributes())).is_some()
}
