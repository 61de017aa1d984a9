//! The peers. Each records the same event in the way that its documentation recommends.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, SdkLoggerProvider};

use crate::client::Texts;
use crate::disk::directory;
use crate::timing::{clock_pair, ns, percentile};

/// The figures of Glean.
pub(crate) struct Glean {
    pub(crate) call_ns: f64,
    pub(crate) events_per_s: f64,
    pub(crate) bytes_per_event: f64,
}

/// The median of calls with a pause between their starts, in nanoseconds.
fn median(rounds: u64, pause: Duration, mut call: impl FnMut(Texts)) -> f64 {
    let clock = clock_pair();
    let mut samples = Vec::with_capacity(rounds as usize);
    let begun = Instant::now();
    for n in 0..rounds {
        while begun.elapsed() < pause * u32::try_from(n).unwrap_or(u32::MAX) {
            std::hint::spin_loop();
        }
        let texts = Texts::new(n);
        let started = Instant::now();
        call(texts);
        samples.push(ns(started));
    }
    (percentile(&mut samples, 0.5) - clock).max(0.0)
}

/// Glean 71: an `EventMetric` with three extras. A process can start Glean only once.
pub(crate) fn glean() -> Result<Glean> {
    use glean::private::EventMetric;
    use glean::traits::NoExtraKeys;
    let dir = directory()?;
    let configuration = glean::ConfigurationBuilder::new(true, dir.path(), "throughline-bench").build();
    let info = glean::ClientInfoMetrics {
        app_build: "1".to_owned(),
        app_display_version: "1".to_owned(),
        channel: None,
        locale: None,
        os_version: None,
    };
    let _ping =
        glean::private::PingType::new("bench", true, false, true, true, true, Vec::new(), Vec::new(), true, Vec::new());
    glean::initialize(configuration, info);
    let meta = glean::CommonMetricData {
        name: "item_added".to_owned(),
        category: "shop".to_owned(),
        send_in_pings: vec!["bench".to_owned()],
        lifetime: glean::Lifetime::Ping,
        ..Default::default()
    };
    let keys = ["sku", "source", "count"].map(str::to_owned).to_vec();
    let metric = EventMetric::<NoExtraKeys>::with_runtime_extra_keys(meta, keys);
    let extras = |texts: Texts| {
        let pairs = [("sku", texts.sku), ("source", texts.source.to_owned()), ("count", texts.count)];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>()
    };
    let rounds = 20_000;
    // The pace of our own run. Glean keeps up with it.
    let pause = Duration::from_micros(100);
    let call_ns = median(rounds, pause, |texts| metric.record_with_time(glean::get_timestamp_ms(), extras(texts)));
    let burst = 20_000u64;
    let started = Instant::now();
    for n in 0..burst {
        metric.record_with_time(glean::get_timestamp_ms(), extras(Texts::new(n)));
    }
    // Waits for the dispatcher. After that, what was recorded is in its file.
    glean::shutdown();
    let events_per_s = burst as f64 / started.elapsed().as_secs_f64();
    let bytes = std::fs::read_dir(dir.path().join("events"))?.flatten().filter_map(|entry| entry.metadata().ok());
    let bytes: u64 = bytes.map(|meta| meta.len()).sum();
    Ok(Glean { call_ns, events_per_s, bytes_per_event: bytes as f64 / (rounds + burst) as f64 })
}

struct Nowhere;

impl sentry::Transport for Nowhere {
    fn send_envelope(&self, _envelope: sentry::Envelope) {}
}

/// Sentry 0.49: `add_breadcrumb` on an active client. Nothing reaches a disk.
pub(crate) fn sentry() -> f64 {
    let mut options = sentry::ClientOptions::default();
    options.dsn = "http://public@127.0.0.1:9/1".parse().ok();
    options.transport = Some(Arc::new(|_: &sentry::ClientOptions| Arc::new(Nowhere) as Arc<dyn sentry::Transport>));
    let _guard = sentry::init(options);
    median(50_000, Duration::from_micros(20), |texts| {
        let mut data = BTreeMap::new();
        data.insert("sku".to_owned(), texts.sku.into());
        data.insert("source".to_owned(), texts.source.into());
        data.insert("count".to_owned(), texts.count.into());
        sentry::add_breadcrumb(sentry::Breadcrumb {
            category: Some("shop".to_owned()),
            message: Some("item_added".to_owned()),
            data,
            ..Default::default()
        });
    })
}

#[derive(Debug)]
struct NoExporter;

impl LogExporter for NoExporter {
    async fn export(&self, _batch: LogBatch<'_>) -> OTelSdkResult {
        Ok(())
    }
}

/// OpenTelemetry 0.33: a log record with three attributes through the batch processor. Nothing
/// reaches a disk.
pub(crate) fn opentelemetry() -> f64 {
    let provider = SdkLoggerProvider::builder().with_batch_exporter(NoExporter).build();
    let logger = provider.logger("bench");
    let value = median(50_000, Duration::from_micros(20), |texts| {
        let mut record = logger.create_log_record();
        record.set_event_name("shop.item_added");
        record.set_severity_number(Severity::Info);
        record.add_attribute("sku", AnyValue::from(texts.sku));
        record.add_attribute("source", AnyValue::from(texts.source));
        record.add_attribute("count", AnyValue::from(texts.count));
        logger.emit(record);
    });
    let _ = provider.shutdown();
    value
}
